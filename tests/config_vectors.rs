//! Every recorded reading of a configuration file by Flink's own loader, reproduced: the same map,
//! or a refusal where Flink refuses.

#![expect(clippy::panic, reason = "a test fails by panicking")]

mod flink_homes;

use std::collections::BTreeMap;

use flugs_flink_conf::{parse_flat, parse_nested};
use serde::Deserialize;

use flink_homes::flink_home;

#[derive(Deserialize)]
struct Vector {
    id: String,
    version: String,
    file: String,
    text: String,
    status: String,
    #[serde(default)]
    map: BTreeMap<String, String>,
}

/// The file that the vector is about; `shipped` stands for the release's own.
fn text_of(vector: &Vector) -> String {
    if vector.id != "shipped" {
        return vector.text.clone();
    }
    let path = flink_home(&vector.version).join("conf").join(&vector.file);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What flugs reads, in the form of a vector's result; `None` for a refusal.
fn read(vector: &Vector) -> Option<BTreeMap<String, String>> {
    let text = text_of(vector);
    let parsed = if vector.file == "config.yaml" {
        parse_nested(&text, &vector.file).ok()?
    } else {
        parse_flat(&text, &vector.file)
    };
    let settings = parsed.settings.into_iter();
    Some(
        settings
            .map(|setting| (setting.key, setting.value))
            .collect(),
    )
}

#[test]
fn every_config_vector_is_reproduced() {
    let vectors: Vec<Vector> =
        serde_json::from_str(include_str!("data/config-vectors.json")).unwrap();
    assert_eq!(vectors.len(), 200);
    let differing: Vec<String> = vectors
        .iter()
        .filter_map(|vector| {
            let expected = (vector.status == "ok").then(|| vector.map.clone());
            let found = read(vector);
            (found != expected).then(|| {
                format!(
                    "{} {} {}: expected {expected:?}, found {found:?}",
                    vector.version, vector.file, vector.id
                )
            })
        })
        .collect();
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}
