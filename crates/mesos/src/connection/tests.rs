//! The connection against masters that do not behave, and against what a real one answered.

mod recorded;
mod rogue;
mod secured;

use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::wire::{CallBody, FrameworkId, Kill, TaskId};
use rogue::{Rogue, Step, chunked, event, head, open, subscribed};

/// Resolves nothing: tests name numeric addresses.
struct Nobody;

impl reqwest::dns::Resolve for Nobody {
    fn resolve(&self, _: reqwest::dns::Name) -> reqwest::dns::Resolving {
        Box::pin(async { Err("there is no DNS in tests".into()) })
    }
}

fn settings(masters: &[&Rogue]) -> ConnectionSettings {
    let masters = masters.iter().map(|one| one.at()).collect();
    let resolver = HostResolver::new(Nobody);
    ConnectionSettings {
        connect_timeout: Duration::from_millis(500),
        answer_timeout: Duration::from_millis(300),
        not_ready_patience: Duration::from_millis(600),
        ..ConnectionSettings::new(MasterAddress::Masters(masters), resolver)
    }
}

fn subscribe() -> Call {
    Call {
        framework_id: None,
        body: CallBody::Subscribe(Box::default()),
    }
}

fn call(body: CallBody) -> Call {
    Call {
        framework_id: Some(FrameworkId::new("f")),
        body,
    }
}

fn kill(task: &str) -> Call {
    call(CallBody::Kill(Kill {
        task_id: TaskId::new(task),
        ..Kill::default()
    }))
}

/// A connection whose first generation has begun.
fn connected(settings: ConnectionSettings) -> Connection {
    let mut connection = Connection::new(settings).unwrap();
    connection.connect(1, subscribe());
    connection
}

async fn next(connection: &mut Connection) -> Told {
    timeout(Duration::from_secs(10), connection.next())
        .await
        .expect("nothing was told")
}

/// What is told, in short, until the generation is over or `SUBSCRIBED` was the last of `events`.
async fn log(connection: &mut Connection, events: usize) -> Vec<String> {
    let mut log = Vec::new();
    let mut left = events;
    while left > 0 {
        match next(connection).await {
            Told::Event { event, .. } => {
                left -= 1;
                let written = serde_json::to_value(&event).unwrap();
                log.push(written["type"].as_str().unwrap_or("untyped").to_owned());
            }
            Told::Disconnected { reason, .. } => {
                log.push(reason.to_string());
                return log;
            }
            Told::TornDown { .. } => log.push("torn down".into()),
            Told::Leader { version, .. } => {
                log.push(format!(
                    "leader {}",
                    version.map(|one| one.to_string()).unwrap_or_default()
                ));
            }
            Told::Notice(notice) => log.push(notice.to_string()),
        }
    }
    log
}

/// Everything until the end.
async fn whole(settings: ConnectionSettings) -> Vec<String> {
    log(&mut connected(settings), usize::MAX).await
}

#[tokio::test]
async fn events_arrive_however_chunks_and_segments_cut_the_stream() {
    let events = [subscribed(15.0), event(&json!({"type": "HEARTBEAT"}))].concat();
    let bytewise: Vec<u8> = events.iter().flat_map(|byte| chunked(&[*byte])).collect();
    let together = chunked(&events);
    for (name, body) in [("chunks of a byte", bytewise), ("one chunk", together)] {
        let answer = [open("s"), body].concat();
        for cut in [1, 7, answer.len()] {
            let steps: Vec<Step> = answer
                .chunks(cut)
                .map(|part| Step::Bytes(part.to_vec()))
                .collect();
            let rogue = Rogue::start(move |_| [steps.clone(), vec![Step::Hang]].concat()).await;
            let told = log(&mut connected(settings(&[&rogue])), 2).await;
            assert_eq!(
                told,
                ["leader 1.12.0", "SUBSCRIBED", "HEARTBEAT"],
                "{name} {cut}"
            );
        }
    }
}

#[tokio::test]
async fn an_unknown_event_and_one_that_makes_no_sense_do_not_end_the_stream() {
    let events = [
        subscribed(15.0),
        event(&json!({"type": "UPDATED_WEATHER", "sun": true})),
        event(&json!({"type": "UPDATE", "update": {}})),
        event(&json!({"type": "HEARTBEAT"})),
    ];
    let answer = [open("s"), chunked(&events.concat())].concat();
    let rogue = Rogue::answering(&answer).await;
    let told = log(&mut connected(settings(&[&rogue])), 3).await;
    let unreadable = told
        .iter()
        .filter(|one| one.contains("is not understood"))
        .count();
    assert_eq!((told.len(), unreadable), (5, 1), "{told:?}");
    assert_eq!(told.last().map(String::as_str), Some("HEARTBEAT"));
}

#[tokio::test]
async fn missed_heartbeats_end_the_generation_and_any_event_is_a_sign_of_life() {
    let beat = chunked(&event(&json!({"type": "HEARTBEAT"})));
    let mut steps = vec![Step::Bytes([open("s"), chunked(&subscribed(0.1))].concat())];
    for _ in 0..4 {
        steps.push(Step::Wait(Duration::from_millis(150)));
        steps.push(Step::Bytes(beat.clone()));
    }
    steps.push(Step::Hang);
    let rogue = Rogue::start(move |_| steps.clone()).await;
    let told = whole(settings(&[&rogue])).await;
    assert_eq!(
        told.iter().filter(|one| *one == "HEARTBEAT").count(),
        4,
        "{told:?}"
    );
    let last = told.last().unwrap();
    assert!(last.contains("has been silent for 300ms"), "{last}");
}

#[tokio::test]
async fn the_watch_covers_connecting_the_answers_head_and_what_comes_before_subscribed() {
    // A socket that is accepted by the kernel and by nobody else.
    let mute = Rogue::start_all(|_| vec![Step::Hang]).await;
    let told = whole(settings(&[&mute])).await;
    let last = told.last().unwrap();
    assert!(last.contains("no answer within 300ms"), "{told:?}");

    let no_head = Rogue::start(|_| vec![Step::Hang]).await;
    let last = whole(settings(&[&no_head])).await.pop().unwrap();
    assert!(
        last.contains("did not answer SUBSCRIBE within 300ms"),
        "{last}"
    );

    let trickle = [open("s"), chunked(b"5000\n{")].concat();
    let no_event = Rogue::answering(&trickle).await;
    let last = whole(settings(&[&no_event])).await.pop().unwrap();
    assert!(
        last.contains("did not say SUBSCRIBED within 300ms"),
        "{last}"
    );
}

#[tokio::test]
async fn a_stream_that_ends_is_over_and_a_cut_event_is_told_as_such() {
    for (body, expected) in [
        (
            [chunked(&subscribed(15.0)), b"0\r\n\r\n".to_vec()].concat(),
            "ended the stream",
        ),
        (
            [
                chunked(&subscribed(15.0)),
                chunked(b"99\n{\"ty"),
                b"0\r\n\r\n".to_vec(),
            ]
            .concat(),
            "within an event",
        ),
        (chunked(&subscribed(15.0)), "broke within the stream"),
        (
            chunked(b"HTTP/1.1 200 OK"),
            "cannot be read: a record's length",
        ),
        (chunked(b"99999999999\n"), "a record of 99999999999 bytes"),
    ] {
        let answer = [open("s"), body].concat();
        let rogue = Rogue::start(move |_| vec![Step::Bytes(answer.clone()), Step::Close]).await;
        let last = whole(settings(&[&rogue])).await.pop().unwrap();
        assert!(last.contains(expected), "{last}");
    }
}

#[tokio::test]
async fn redirects_are_followed_and_the_leader_gets_all_further_calls() {
    let leader = Rogue::subscribing().await;
    let to = format!("//{}/master/api/v1/scheduler", leader.at());
    let follower = Rogue::answering(&head(307, &[("Location", &to)], "")).await;
    let mut connection = connected(settings(&[&follower]));
    let told = log(&mut connection, 1).await;
    let expected = format!(
        "the master http://{} redirects to http://{}",
        follower.at(),
        leader.at()
    );
    assert_eq!(told, [expected.as_str(), "leader 1.12.0", "SUBSCRIBED"]);
    connection.send(1, kill("t"));
    let asked = leader.posts(2).await;
    assert!(
        asked
            .iter()
            .all(|one| one.path() == "/master/api/v1/scheduler"),
        "{asked:?}"
    );
}

#[tokio::test]
async fn redirects_in_a_circle_and_to_nobody_end_the_generation_in_bounded_time() {
    let first = Rogue::late().await;
    let to = |at: &Rogue| {
        head(
            307,
            &[("Location", &format!("//{}/api/v1/scheduler", at.at()))],
            "",
        )
    };
    let second = Rogue::answering(&to(&first)).await;
    first.now(&to(&second));
    let told = whole(settings(&[&first])).await;
    assert!(
        told.last().unwrap().contains("redirects in a circle"),
        "{told:?}"
    );

    let nowhere = Rogue::answering(&head(307, &[], "")).await;
    let told = whole(settings(&[&nowhere])).await;
    assert!(
        told.last().unwrap().contains("without saying where to"),
        "{told:?}"
    );

    let gone = head(307, &[("Location", "//127.0.0.1:1/api/v1/scheduler")], "");
    let gone = Rogue::answering(&gone).await;
    let told = whole(settings(&[&gone])).await;
    assert!(
        told.last()
            .unwrap()
            .contains("http://127.0.0.1:1 cannot be reached"),
        "{told:?}"
    );
}

#[tokio::test]
async fn a_master_that_is_not_ready_is_asked_again_within_the_generation() {
    let recovering = Rogue::subscribing().await;
    recovering.first(&head(503, &[], "Master has not finished recovery"));
    recovering.first(&head(404, &[], ""));
    let told = log(&mut connected(settings(&[&recovering])), 1).await;
    let at = recovering.at();
    assert_eq!(
        told,
        [
            format!("the master http://{at} is not ready (404): Not Found"),
            format!("the master http://{at} is not ready (503): Master has not finished recovery"),
            "leader 1.12.0".to_owned(),
            "SUBSCRIBED".to_owned(),
        ]
    );
    let never = Rogue::answering(&head(503, &[], "No leader elected")).await;
    let told = whole(settings(&[&never])).await;
    assert!(
        told.len() > 2 && told.last().unwrap().contains("No leader elected"),
        "{told:?}"
    );
}

#[tokio::test]
async fn of_a_list_the_first_master_that_leads_is_used() {
    let down = Rogue::start_all(|_| vec![Step::Close]).await;
    let standby = Rogue::answering(&head(503, &[], "No leader elected")).await;
    let leader = Rogue::subscribing().await;
    let told = log(&mut connected(settings(&[&down, &standby, &leader])), 1).await;
    assert_eq!(
        told.last().map(String::as_str),
        Some("SUBSCRIBED"),
        "{told:?}"
    );
    assert_eq!(leader.posts(1).await.len(), 1);
}

#[tokio::test]
async fn the_next_generation_begins_with_another_master_of_the_list() {
    let broken = Rogue::answering(b"").await;
    let leader = Rogue::subscribing().await;
    let mut connection = connected(settings(&[&broken, &leader]));
    let told = log(&mut connection, 1).await;
    assert!(told[0].contains("broke at SUBSCRIBE"), "{told:?}");
    connection.connect(2, subscribe());
    assert_eq!(
        log(&mut connection, 1).await,
        ["leader 1.12.0", "SUBSCRIBED"]
    );
}

#[tokio::test]
async fn calls_go_in_order_over_one_other_connection_with_the_streams_id() {
    let rogue = Rogue::subscribing().await;
    let mut connection = connected(settings(&[&rogue]));
    log(&mut connection, 1).await;
    for number in 0..20 {
        connection.send(1, kill(&number.to_string()));
        // Of another generation: void.
        connection.send(2, kill("never"));
    }
    let posts = rogue.posts(21).await;
    let (subscribe, calls) = posts.split_first().unwrap();
    assert_eq!(subscribe.header("mesos-stream-id"), None);
    assert_eq!(subscribe.header("content-type"), Some("application/json"));
    assert_eq!(subscribe.header("accept"), Some("application/json"));
    assert_eq!(
        subscribe.header("host"),
        Some(rogue.at().to_string().as_str())
    );
    for (number, call) in calls.iter().enumerate() {
        let body: Value = serde_json::from_str(&call.body).unwrap();
        assert_eq!(body["kill"]["task_id"]["value"], number.to_string());
        assert_eq!(call.header("mesos-stream-id"), Some("s"));
        assert_ne!(call.connection, subscribe.connection);
        assert_eq!(call.connection, calls[0].connection);
    }
}

#[tokio::test]
async fn an_idle_connection_for_calls_that_the_master_closed_is_made_anew() {
    let rogue = Rogue::subscribing().await;
    let mut connection = connected(settings(&[&rogue]));
    log(&mut connection, 1).await;
    for number in 0..3 {
        rogue.close_idle().await;
        connection.send(1, kill(&number.to_string()));
        rogue.posts(number + 2).await;
    }
    let connections: Vec<usize> = rogue
        .posts(4)
        .await
        .iter()
        .map(|one| one.connection)
        .collect();
    let mut distinct = connections.clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), 4, "{connections:?}");
}

#[tokio::test]
async fn a_call_that_is_refused_or_never_answered_ends_the_generation() {
    let wrong = "The stream ID 'x' included in this request didn't match the stream ID currently associated with framework ID 'f'";
    for (answer, expected) in [
        (head(400, &[], wrong), "refuses KILL (400): The stream ID"),
        (
            head(403, &[], "Framework is not subscribed"),
            "refuses KILL (403)",
        ),
        (
            head(401, &[], "401 Unauthorized."),
            "refuses a framework without credentials",
        ),
        (head(503, &[], ""), "is not ready (503)"),
        (
            head(307, &[("Location", "//127.0.0.1:1")], ""),
            "is not ready (307)",
        ),
        (Vec::new(), "broke at a call: KILL"),
        (b"nonsense".to_vec(), "broke at a call: KILL"),
    ] {
        let rogue = Rogue::subscribing().await;
        let mut connection = connected(settings(&[&rogue]));
        log(&mut connection, 1).await;
        rogue.first(&answer);
        connection.send(1, kill("t"));
        let told = log(&mut connection, usize::MAX).await;
        assert!(
            told.len() == 1 && told[0].contains(expected),
            "{expected}: {told:?}"
        );
    }
    let mute = Rogue::subscribing().await;
    let mut connection = connected(settings(&[&mute]));
    log(&mut connection, 1).await;
    mute.hang_next();
    connection.send(1, kill("t"));
    let told = log(&mut connection, usize::MAX).await;
    assert!(
        told[0].contains("did not answer a call within 300ms"),
        "{told:?}"
    );
}

#[tokio::test]
async fn a_teardown_that_was_taken_is_told_before_the_stream_ends() {
    let rogue = Rogue::subscribing().await;
    let mut connection = connected(settings(&[&rogue]));
    log(&mut connection, 1).await;
    connection.send(1, kill("t"));
    connection.send(1, call(CallBody::Teardown));
    assert_eq!(
        next(&mut connection).await,
        Told::TornDown { generation: 1 }
    );
    assert!(rogue.posts(3).await[2].body.contains("TEARDOWN"));
}

#[tokio::test]
async fn a_teardown_is_told_even_if_the_stream_ends_before_its_answer() {
    let rogue = Rogue::subscribing().await;
    let mut connection = connected(settings(&[&rogue]));
    log(&mut connection, 1).await;
    let late = vec![
        Step::Wait(Duration::from_millis(100)),
        Step::Bytes(head(202, &[], "")),
    ];
    rogue.first_steps(late);
    connection.send(1, call(CallBody::Teardown));
    rogue.posts(2).await;
    rogue.hang_up();
    let told = log(&mut connection, usize::MAX).await;
    assert_eq!(told.first().map(String::as_str), Some("torn down"));
    assert!(
        told.len() == 2 && told[1].contains("broke within the stream"),
        "{told:?}"
    );
}

#[tokio::test]
async fn closing_lets_calls_out_that_were_made_before_and_tells_nothing_more() {
    let rogue = Rogue::subscribing().await;
    let mut connection = connected(settings(&[&rogue]));
    log(&mut connection, 1).await;
    for number in 0..5 {
        connection.send(1, kill(&number.to_string()));
    }
    connection.finish().await;
    assert_eq!(rogue.posts(6).await.len(), 6);
    let more = timeout(Duration::from_millis(50), connection.next()).await;
    assert!(more.is_err(), "{more:?}");
}

#[tokio::test]
async fn a_newer_generation_silences_the_older_one() {
    let rogue = Rogue::subscribing().await;
    let mut connection = connected(settings(&[&rogue]));
    rogue.posts(1).await;
    connection.connect(2, subscribe());
    let mut generations = Vec::new();
    while generations.len() < 2 {
        if let Told::Event { generation, .. } = next(&mut connection).await {
            generations.push(generation);
            connection.connect(3, subscribe());
        }
    }
    assert_eq!(generations, [2, 3]);
    connection.close();
    connection.connect(4, subscribe());
    assert_eq!(
        log(&mut connection, 1).await,
        ["leader 1.12.0", "SUBSCRIBED"]
    );
}

#[tokio::test]
async fn credentials_go_with_every_request_and_a_refusal_names_the_principal_alone() {
    let rogue = Rogue::subscribing().await;
    let credentials = BasicCredentials::new("flink", "s3cret").unwrap();
    let with = ConnectionSettings {
        credentials: Some(credentials),
        ..settings(&[&rogue])
    };
    let mut connection = connected(with);
    log(&mut connection, 1).await;
    connection.send(1, kill("t"));
    for asked in rogue.posts(2).await {
        assert_eq!(
            asked.header("authorization"),
            Some("Basic Zmxpbms6czNjcmV0")
        );
    }
    rogue.first(&head(
        401,
        &[("WWW-Authenticate", "Basic realm=\"mesos-master-scheduler\"")],
        "no",
    ));
    connection.send(1, kill("t"));
    let told = log(&mut connection, usize::MAX).await;
    let expected = format!(
        "the master http://{} refuses the principal \"flink\": check its credentials",
        rogue.at()
    );
    assert_eq!(told, [expected]);
}

#[tokio::test]
async fn an_older_master_gets_a_subscription_that_it_understands() {
    let mut call = subscribe();
    if let CallBody::Subscribe(subscribe) = &mut call.body {
        subscribe.framework_info.roles = vec!["a".into()];
    }
    for (version, expected) in [
        ("1.12.0", json!(null)),
        ("1.2.0", json!("a")),
        ("<html>", json!(null)),
    ] {
        let rogue = Rogue::subscribing().await;
        rogue.version(version);
        let mut connection = Connection::new(settings(&[&rogue])).unwrap();
        connection.connect(1, call.clone());
        log(&mut connection, 1).await;
        let body: Value = serde_json::from_str(&rogue.posts(1).await[0].body).unwrap();
        assert_eq!(
            body["subscribe"]["framework_info"]["role"], expected,
            "{version}"
        );
    }
}
