//! Overlays of the user's own, each declared in a file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{Overlay, OverlayError, OverlayFile, tree};
use flugs_base::RelativePath;

const NAME: &str = "custom";

/// What a declaration says. An unknown field is an error: it is most likely a misspelt one.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Declaration {
    #[serde(default)]
    files: Vec<Shipment>,
    #[serde(default)]
    properties: BTreeMap<String, String>,
    #[serde(default)]
    environment: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Shipment {
    /// A file, or a directory that is shipped whole. Relative to the declaration's directory.
    source: PathBuf,
    /// Where it goes, below the sandbox.
    dest: RelativePath,
    /// Kept out of shared caches, and readable by its owner alone.
    #[serde(default)]
    secret: bool,
}

/// Reads: the declaration at `path` (JSON), and what it names. Ships and sets: what it says.
pub(super) fn overlay(path: &Path) -> Result<Overlay, OverlayError> {
    let unreadable = |source| OverlayError::Read {
        overlay: NAME,
        path: path.to_owned(),
        source,
    };
    let json = std::fs::read(path).map_err(unreadable)?;
    let declaration: Declaration =
        serde_json::from_slice(&json).map_err(|error| OverlayError::Declaration {
            path: path.to_owned(),
            reason: error.to_string(),
        })?;
    let base = path.parent().unwrap_or(Path::new("."));
    let mut files = Vec::new();
    for shipment in &declaration.files {
        files.extend(ship(path, &base.join(&shipment.source), shipment)?);
    }
    files.sort_by(|a, b| a.dest.cmp(&b.dest));
    Ok(Overlay {
        name: NAME,
        files,
        properties: declaration.properties,
        environment: declaration.environment,
    })
}

fn ship(
    declaration: &Path,
    from: &Path,
    shipment: &Shipment,
) -> Result<Vec<OverlayFile>, OverlayError> {
    let mut files = if from.is_dir() {
        tree::files_below(NAME, from, shipment.dest.as_str())?
    } else if from.is_file() {
        vec![tree::file(from, shipment.dest.clone())]
    } else {
        return Err(OverlayError::Absent {
            overlay: NAME,
            key: declaration.display().to_string(),
            path: from.to_owned(),
        });
    };
    if shipment.secret {
        for file in &mut files {
            file.secret = true;
            file.mode = 0o600;
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::super::sources_for_tests::{Sources, shipped};
    use super::*;
    use flugs_base::{ExitCode, Failure as _};

    fn declared(sources: &Sources, json: &str) -> Result<Overlay, OverlayError> {
        let path = PathBuf::from(sources.path("overlay.json"));
        std::fs::write(&path, json).unwrap();
        overlay(&path)
    }

    #[test]
    fn files_and_whole_directories_travel_and_secrets_are_marked() {
        let sources = Sources::new();
        for file in [
            "gazetteer.bin",
            "rules/a.yaml",
            "rules/deep/b.yaml",
            "key.pem",
        ] {
            sources.write(file);
        }
        let overlay = declared(
            &sources,
            r#"{"files":[{"source":"gazetteer.bin","dest":"data/gazetteer.bin"},
                         {"source":"rules","dest":"data/rules"},
                         {"source":"key.pem","dest":"tls/key.pem","secret":true}],
                "properties":{"pipeline.name":"x"},"environment":{"RULES":"data/rules"}}"#,
        )
        .unwrap();
        assert_eq!(
            shipped(&overlay),
            [
                "data/gazetteer.bin",
                "data/rules/a.yaml",
                "data/rules/deep/b.yaml",
                "tls/key.pem"
            ]
        );
        let secret: Vec<bool> = overlay.files.iter().map(|file| file.secret).collect();
        assert_eq!(secret, [false, false, false, true]);
        assert_eq!(overlay.environment["RULES"], "data/rules");
    }

    #[test]
    fn misspelt_fields_escaping_places_and_absent_files_are_refused() {
        let sources = Sources::new();
        for (json, says) in [
            (r#"{"file":[]}"#, "unknown field `file`"),
            (
                r#"{"files":[{"source":"x","dest":"../x"}]}"#,
                "'..' component",
            ),
            (r#"{"files":[{"source":"none","dest":"x"}]}"#, "none"),
        ] {
            let error = declared(&sources, json).unwrap_err();
            assert!(error.to_string().contains(says), "{error}");
            assert_eq!(error.exit_code(), ExitCode::Configuration);
        }
    }
}
