//! How two images differ: file by file, and in how they are run.

use std::collections::BTreeSet;

use serde::Serialize;

use super::flat::{self, File, Files};
use crate::image::build::open;
use crate::image::content::{Image, Layer};
use crate::image::oci::RunConfig;
use crate::image::source::for_platform;
use crate::image::{Architecture, ImageError, SourceName};

/// What differs between two images.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// Layers at the bottom that are the same.
    pub common_layers: usize,
    /// Files that differ, by path.
    pub files: Vec<Change>,
    /// Bytes of all files, before.
    pub size_before: u64,
    /// Bytes of all files, after.
    pub size_after: u64,
    /// Fields of how they are run that differ: name, before, after.
    pub config: Vec<(String, String, String)>,
}

/// One file that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Where it is.
    pub path: String,
    /// How it differs.
    pub kind: ChangeKind,
    /// Its length before; 0 if it was not there.
    pub before: u64,
    /// Its length after; 0 if it is not there.
    pub after: u64,
    /// What of it differs, if it is in both.
    pub what: Vec<&'static str>,
}

/// How a file differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ChangeKind {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// It is another.
    Changed,
}

/// Compares two images of one platform.
pub async fn difference(
    before: &SourceName,
    after: &SourceName,
    architecture: Option<Architecture>,
) -> Result<Difference, ImageError> {
    let (old_source, old) = open(before).await?;
    let (new_source, new) = open(after).await?;
    let old = for_platform(&old, architecture, &before.to_string())?;
    let new = for_platform(&new, architecture, &after.to_string())?;
    let (old_layers, new_layers) = (layers(&old), layers(&new));
    let common = old_layers
        .iter()
        .zip(&new_layers)
        .take_while(|(one, other)| one.diff_id == other.diff_id)
        .count();
    // What both stand on is read once.
    let mut shared = Files::new();
    for layer in old_layers.iter().take(common) {
        flat::add(&mut shared, &old_source.blobs, layer)?;
    }
    let (mut old_files, mut new_files) = (shared.clone(), shared);
    for layer in old_layers.iter().skip(common) {
        flat::add(&mut old_files, &old_source.blobs, layer)?;
    }
    for layer in new_layers.iter().skip(common) {
        flat::add(&mut new_files, &new_source.blobs, layer)?;
    }
    Ok(Difference {
        common_layers: common,
        files: changes(&old_files, &new_files),
        size_before: old_files.values().map(|file| file.size).sum(),
        size_after: new_files.values().map(|file| file.size).sum(),
        config: config(&old.config.config, &new.config.config),
    })
}

fn layers(image: &Image) -> Vec<Layer> {
    image.layers().collect()
}

fn changes(old: &Files, new: &Files) -> Vec<Change> {
    let paths: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    paths
        .into_iter()
        .filter_map(|path| {
            let (before, after) = (old.get(path), new.get(path));
            let (kind, what) = match (before, after) {
                (Some(before), Some(after)) => (ChangeKind::Changed, differing(before, after)),
                (None, _) => (ChangeKind::Added, Vec::new()),
                (_, None) => (ChangeKind::Removed, Vec::new()),
            };
            let is_change = kind != ChangeKind::Changed || !what.is_empty();
            is_change.then(|| Change {
                path: format!("/{path}"),
                kind,
                before: before.map_or(0, |file| file.size),
                after: after.map_or(0, |file| file.size),
                what,
            })
        })
        .collect()
}

fn differing(before: &File, after: &File) -> Vec<&'static str> {
    [
        ("kind", before.kind != after.kind),
        ("content", before.content != after.content),
        ("target", before.target != after.target),
        ("mode", before.mode != after.mode),
        ("owner", before.owner != after.owner),
    ]
    .into_iter()
    .filter_map(|(what, differs)| differs.then_some(what))
    .collect()
}

/// Compares the documents field by field, so that no field is forgotten when one is added.
fn config(before: &RunConfig, after: &RunConfig) -> Vec<(String, String, String)> {
    let fields = |config: &RunConfig| match serde_json::to_value(config) {
        Ok(serde_json::Value::Object(fields)) => fields,
        _ => serde_json::Map::new(),
    };
    let (before, after) = (fields(before), fields(after));
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let text = |value: Option<&serde_json::Value>| {
        value.map_or_else(|| "none".to_owned(), ToString::to_string)
    };
    names
        .into_iter()
        .filter(|name| before.get(*name) != after.get(*name))
        .map(|name| (name.clone(), text(before.get(name)), text(after.get(name))))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(size: u64, mode: u32) -> File {
        File {
            kind: b'0',
            mode,
            owner: (0, 0),
            size,
            content: Some(flugs_base::Sha256Digest::of(&size.to_le_bytes())),
            target: None,
        }
    }

    #[test]
    fn files_differ_by_name_content_and_mode() {
        let old = Files::from([
            ("a".into(), file(1, 0o644)),
            ("b".into(), file(2, 0o644)),
            ("c".into(), file(3, 0o644)),
            ("d".into(), file(4, 0o644)),
        ]);
        let new = Files::from([
            ("a".into(), file(1, 0o644)),
            ("b".into(), file(9, 0o755)),
            ("c".into(), file(3, 0o600)),
            ("e".into(), file(5, 0o644)),
        ]);
        let found: Vec<_> = changes(&old, &new)
            .into_iter()
            .map(|change| (change.path, change.kind, change.what))
            .collect();
        assert_eq!(
            found,
            [
                (
                    "/b".to_owned(),
                    ChangeKind::Changed,
                    vec!["content", "mode"]
                ),
                ("/c".to_owned(), ChangeKind::Changed, vec!["mode"]),
                ("/d".to_owned(), ChangeKind::Removed, vec![]),
                ("/e".to_owned(), ChangeKind::Added, vec![]),
            ]
        );
    }

    #[test]
    fn how_they_are_run_is_compared_field_by_field() {
        let old = RunConfig {
            user: Some("1".into()),
            ..RunConfig::default()
        };
        let new = RunConfig {
            cmd: vec!["x".into()],
            ..RunConfig::default()
        };
        assert_eq!(
            config(&old, &new),
            [
                ("Cmd".to_owned(), "none".to_owned(), "[\"x\"]".to_owned()),
                ("User".to_owned(), "\"1\"".to_owned(), "none".to_owned()),
            ]
        );
    }
}
