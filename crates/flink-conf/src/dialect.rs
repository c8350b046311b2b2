//! The two configuration files that Flink has had, and which release line reads which.

use std::path::{Path, PathBuf};

use super::error::ConfError;
use super::parsed::{Parsed, Warning, WarningKind};
use super::{flat, nested};

/// How a configuration file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// `flink-conf.yaml`: one `key: value` a line, and in spite of its name not YAML.
    Flat,
    /// `config.yaml`: YAML 1.2, keys nested or dotted.
    Nested,
}

impl Dialect {
    /// The name that Flink looks for.
    pub const fn file_name(self) -> &'static str {
        match self {
            Self::Flat => "flink-conf.yaml",
            Self::Nested => "config.yaml",
        }
    }
}

/// Which files a Flink release line reads, in its order of preference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ConfigurationFiles {
    /// Up to 1.18: only `flink-conf.yaml`.
    Flat,
    /// 1.19 and 1.20: `flink-conf.yaml` if there is one, else `config.yaml`.
    FlatThenNested,
    /// From 2.0: only `config.yaml`.
    Nested,
}

impl ConfigurationFiles {
    /// The dialect that flugs writes for this line: the newest one it reads.
    pub const fn rendered(self) -> Dialect {
        match self {
            Self::Flat => Dialect::Flat,
            Self::FlatThenNested | Self::Nested => Dialect::Nested,
        }
    }

    const fn preference(self) -> &'static [Dialect] {
        match self {
            Self::Flat => &[Dialect::Flat],
            Self::FlatThenNested => &[Dialect::Flat, Dialect::Nested],
            Self::Nested => &[Dialect::Nested],
        }
    }

    const fn expected(self) -> &'static str {
        match self {
            Self::Flat => "flink-conf.yaml",
            Self::FlatThenNested => "flink-conf.yaml or config.yaml",
            Self::Nested => "config.yaml",
        }
    }
}

/// Reads the file of `directory` that Flink itself would read, and says which one it was. A file
/// of the other dialect beside it is warned about: Flink ignores it without a word.
///
/// # Errors
/// [`ConfError::Missing`] if there is no such file (Flink does not start then), else what reading
/// and parsing it can fail with.
pub fn load_directory(
    directory: &Path,
    files: ConfigurationFiles,
) -> Result<(Parsed, Dialect, PathBuf), ConfError> {
    let (dialect, path) = configuration_file(directory, files)?;
    let mut parsed = load_file(&path, dialect)?;
    let other = match dialect {
        Dialect::Flat => Dialect::Nested,
        Dialect::Nested => Dialect::Flat,
    };
    if directory.join(other.file_name()).is_file() {
        parsed.warnings.push(Warning {
            source: directory.display().to_string(),
            line: None,
            kind: WarningKind::OtherFileIgnored {
                used: dialect.file_name(),
                ignored: other.file_name(),
            },
        });
    }
    Ok((parsed, dialect, path))
}

/// The file of `directory` that Flink itself would read, and its dialect.
///
/// # Errors
/// [`ConfError::Missing`] if there is no such file.
pub fn configuration_file(
    directory: &Path,
    files: ConfigurationFiles,
) -> Result<(Dialect, PathBuf), ConfError> {
    let mut dialects = files.preference().iter().copied();
    let found = dialects.find(|dialect| directory.join(dialect.file_name()).is_file());
    match found {
        Some(dialect) => Ok((dialect, directory.join(dialect.file_name()))),
        None => Err(ConfError::Missing {
            directory: directory.to_owned(),
            expected: files.expected(),
        }),
    }
}

/// Reads one file in the dialect it is known to have.
///
/// # Errors
/// If it cannot be read, or breaks the dialect's rules.
pub fn load_file(path: &Path, dialect: Dialect) -> Result<Parsed, ConfError> {
    let name = path.display().to_string();
    let bytes = std::fs::read(path).map_err(|source| ConfError::Read {
        path: path.to_owned(),
        source,
    })?;
    match (String::from_utf8(bytes), dialect) {
        (Ok(text), Dialect::Flat) => Ok(flat::parse_flat(&text, &name)),
        (Ok(text), Dialect::Nested) => nested::parse_nested(&text, &name),
        (Err(error), Dialect::Flat) => {
            // Java's reader puts U+FFFD in place of what it cannot decode, and goes on.
            let line = line_of(error.as_bytes(), error.utf8_error().valid_up_to());
            let text = String::from_utf8_lossy(error.as_bytes());
            let mut parsed = flat::parse_flat(&text, &name);
            parsed.warnings.push(Warning {
                source: name,
                line: Some(line),
                kind: WarningKind::NotUtf8,
            });
            Ok(parsed)
        }
        (Err(error), Dialect::Nested) => Err(ConfError::NotUtf8 {
            line: line_of(error.as_bytes(), error.utf8_error().valid_up_to()),
            source_name: name,
        }),
    }
}

fn line_of(bytes: &[u8], offset: usize) -> usize {
    1 + bytes
        .iter()
        .take(offset)
        .filter(|&&byte| byte == b'\n')
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory(files: &[(&str, &str)]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(directory.path().join(name), text).unwrap();
        }
        directory
    }

    fn used(files: &[(&str, &str)], line: ConfigurationFiles) -> (String, usize) {
        let directory = directory(files);
        let (parsed, dialect, path) = load_directory(directory.path(), line).unwrap();
        assert_eq!(path.file_name().unwrap(), dialect.file_name());
        (parsed.settings[0].value.clone(), parsed.warnings.len())
    }

    const BOTH: [(&str, &str); 2] = [
        ("flink-conf.yaml", "a: flat\n"),
        ("config.yaml", "a: yaml\n"),
    ];

    #[test]
    fn each_line_reads_the_file_that_flink_reads_and_warns_of_the_other() {
        assert_eq!(used(&BOTH, ConfigurationFiles::Flat), ("flat".into(), 1));
        assert_eq!(
            used(&BOTH, ConfigurationFiles::FlatThenNested),
            ("flat".into(), 1)
        );
        assert_eq!(used(&BOTH, ConfigurationFiles::Nested), ("yaml".into(), 1));
        assert_eq!(
            used(&BOTH[1..], ConfigurationFiles::FlatThenNested),
            ("yaml".into(), 0)
        );
    }

    #[test]
    fn a_directory_without_the_file_is_refused_as_flink_refuses_it() {
        let directory = directory(&BOTH[..1]);
        let error = load_directory(directory.path(), ConfigurationFiles::Nested).unwrap_err();
        assert!(matches!(error, ConfError::Missing { .. }));
        assert!(error.to_string().contains("expected config.yaml"));
    }

    #[test]
    fn bytes_that_are_not_utf8_are_replaced_in_a_flat_file_and_refused_in_yaml() {
        let directory = directory(&[]);
        let path = directory.path().join("file");
        std::fs::write(&path, b"a: 1\nb: \xff\n").unwrap();
        let parsed = load_file(&path, Dialect::Flat).unwrap();
        assert_eq!(parsed.settings[1].value, "\u{fffd}");
        assert_eq!(parsed.warnings[0].line, Some(2));
        let error = load_file(&path, Dialect::Nested).unwrap_err();
        assert!(matches!(error, ConfError::NotUtf8 { line: 2, .. }));
    }
}
