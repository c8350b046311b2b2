//! Ships Hadoop's client configuration (`HadoopConfOverlay`).

use std::path::{Path, PathBuf};

use super::{Overlay, OverlayError, OverlaySources, tree};

const NAME: &str = "hadoop-configuration";

/// Where it goes in the sandbox, which is the JVM's working directory.
const DEST: &str = "hadoop/conf";

/// The option that Flink's own overlay reads first, and sets for the workers.
const OPTION: &str = "fs.hdfs.hadoopconf";

/// Reads: the first of `fs.hdfs.hadoopconf`, `HADOOP_CONF_DIR`, `HADOOP_HOME/conf`,
/// `HADOOP_HOME/etc/hadoop` that holds `core-site.xml` or `hdfs-site.xml` (Flink asks for both;
/// either alone is a configuration). Ships: every file in it, to `hadoop/conf/…`, where Flink
/// ships those two alone. Sets: `HADOOP_CONF_DIR`, and `fs.hdfs.hadoopconf`.
///
/// A place that is named outright and holds neither file is an error; a `HADOOP_HOME` may be
/// there for other reasons.
pub(super) fn overlay(sources: &OverlaySources<'_>) -> Result<Overlay, OverlayError> {
    let Some(directory) = find(sources)? else {
        return Ok(Overlay::default());
    };
    Ok(Overlay {
        name: NAME,
        files: tree::files_below(NAME, &directory, DEST)?,
        properties: [(OPTION.to_owned(), DEST.to_owned())].into(),
        environment: [("HADOOP_CONF_DIR".to_owned(), DEST.to_owned())].into(),
    })
}

fn find(sources: &OverlaySources<'_>) -> Result<Option<PathBuf>, OverlayError> {
    let named = [
        (OPTION, (sources.configuration)(OPTION)),
        ("HADOOP_CONF_DIR", (sources.environment)("HADOOP_CONF_DIR")),
    ];
    for (key, value) in named {
        let Some(path) = value.map(PathBuf::from) else {
            continue;
        };
        if holds_configuration(&path) {
            return Ok(Some(path));
        }
        return Err(OverlayError::Absent {
            overlay: NAME,
            key: key.to_owned(),
            path: path.join("core-site.xml"),
        });
    }
    let Some(home) = (sources.environment)("HADOOP_HOME").map(PathBuf::from) else {
        return Ok(None);
    };
    let likely = [home.join("conf"), home.join("etc/hadoop")];
    Ok(likely.into_iter().find(|path| holds_configuration(path)))
}

fn holds_configuration(directory: &Path) -> bool {
    ["core-site.xml", "hdfs-site.xml"]
        .iter()
        .any(|file| directory.join(file).is_file())
}

#[cfg(test)]
mod tests {
    use super::super::sources_for_tests::{Sources, shipped};
    use super::*;

    #[test]
    fn the_first_place_that_holds_a_configuration_is_shipped_whole() {
        let sources = Sources::new();
        for file in [
            "option/core-site.xml",
            "option/yarn-site.xml",
            "home/etc/hadoop/hdfs-site.xml",
        ] {
            sources.write(file);
        }
        let option = |path: &str| Some((OPTION, sources.path(path)));
        let home = Some(("HADOOP_HOME", sources.path("home")));
        for (option, home, expected) in [
            (None, None, vec![]),
            (None, home.clone(), vec!["hadoop/conf/hdfs-site.xml"]),
            (
                option("option"),
                home,
                vec!["hadoop/conf/core-site.xml", "hadoop/conf/yarn-site.xml"],
            ),
        ] {
            let overlay = sources.with(option, home, overlay).unwrap();
            assert_eq!(shipped(&overlay), expected);
            assert_eq!(overlay.environment.is_empty(), expected.is_empty());
        }
    }

    #[test]
    fn a_named_directory_without_a_configuration_is_an_error_that_names_the_variable() {
        let sources = Sources::new();
        let named = Some(("HADOOP_CONF_DIR", sources.path("none")));
        let error = sources.with(None, named, overlay).unwrap_err();
        assert!(
            error.to_string().starts_with("HADOOP_CONF_DIR names "),
            "{error}"
        );
    }
}
