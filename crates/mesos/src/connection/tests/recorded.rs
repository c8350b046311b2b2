//! The refusals of a real master.

use super::*;

/// What a real master answered, played back: which of it may pass and is asked again, and what
/// it means to people.
#[tokio::test]
async fn every_recorded_refusal_is_understood() {
    let recordings = [
        include_str!("../../../../../tests/data/mesos/01-status-codes.jsonl"),
        include_str!("../../../../../tests/data/mesos/12-authentication.jsonl"),
        include_str!("../../../../../tests/data/mesos/13-redirect.jsonl"),
    ];
    let mut seen = Vec::new();
    for line in recordings.iter().flat_map(|text| text.lines()) {
        // The leader that the follower named is a port at which certainly nobody listens.
        let line = line.replace("127.0.0.1:5051", "127.0.0.1:1");
        let entry: Value = serde_json::from_str(&line).unwrap();
        let reply = entry
            .get("reply")
            .filter(|_| entry["call"]["method"] == "POST");
        let Some(status) = reply.and_then(|reply| reply["status"].as_u64()) else {
            continue;
        };
        if status == 202 {
            continue;
        }
        let reply = &entry["reply"];
        let pairs: Vec<(String, String)> =
            serde_json::from_value(reply["headers"].clone()).unwrap();
        let headers: Vec<(&str, &str)> = pairs
            .iter()
            .filter(|(name, _)| name != "Content-Length")
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let text = reply["body"].as_str().unwrap_or_default();
        let rogue = Rogue::answering(&head(u16::try_from(status).unwrap(), &headers, text)).await;
        let patience = Duration::ZERO;
        let once = ConnectionSettings {
            not_ready_patience: patience,
            ..settings(&[&rogue])
        };
        let told = whole(once).await.pop().unwrap();
        let told = told.replace(&format!("http://{}", rogue.at()), "MASTER");
        let label = entry["label"].as_str().unwrap_or("call");
        seen.push(format!("{label}: {told}"));
    }
    insta::assert_snapshot!(seen.join("\n"));
}
