//! The one directory that a container's launch writes to, whoever it runs as and however much of
//! its root is read-only.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::EntrypointError;

/// Where images keep it; made so that every user may write there.
const OF_IMAGE: &str = "/run/flugs";

/// The directory that was chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunDirectory {
    /// It exists, and can be written to.
    pub path: PathBuf,
}

/// What is tried, in this order.
fn candidates(variables: &BTreeMap<String, String>) -> Vec<PathBuf> {
    let set = |name: &str| {
        let value = variables.get(name).filter(|value| !value.is_empty());
        value.map(PathBuf::from)
    };
    if let Some(named) = set("FLUGS_RUN_DIR") {
        return vec![named];
    }
    let temporary = set("TMPDIR").unwrap_or_else(|| PathBuf::from("/tmp"));
    vec![PathBuf::from(OF_IMAGE), temporary.join("flugs")]
}

impl RunDirectory {
    /// The first directory that can be written to, made if need be.
    pub fn choose(variables: &BTreeMap<String, String>) -> Result<Self, EntrypointError> {
        let tried = candidates(variables);
        match tried.iter().find(|one| is_usable(one)) {
            Some(path) => Ok(Self { path: path.clone() }),
            None => Err(EntrypointError::NoRunDirectory { tried }),
        }
    }
}

/// Whether files can be made there. Asks by making one: a mode says nothing about a read-only
/// mount.
pub fn is_usable(directory: &Path) -> bool {
    fs::create_dir_all(directory).is_ok() && tempfile::tempfile_in(directory).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(pairs: &[(&str, &Path)]) -> BTreeMap<String, String> {
        let pair = |(name, path): &(&str, &Path)| ((*name).to_owned(), path.display().to_string());
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn a_named_directory_is_made_and_nothing_else_is_tried() {
        let home = tempfile::tempdir().unwrap();
        let named = home.path().join("a/b");
        let chosen = RunDirectory::choose(&variables(&[("FLUGS_RUN_DIR", &named)])).unwrap();
        assert_eq!(chosen.path, named);
        assert_eq!(fs::read_dir(&named).unwrap().count(), 0);
        let refused = variables(&[("FLUGS_RUN_DIR", Path::new("/proc/flugs"))]);
        let error = RunDirectory::choose(&refused).unwrap_err();
        insta::assert_snapshot!(error, @"no directory can be written to (/proc/flugs): mount a tmpfs on one of them, or name another with FLUGS_RUN_DIR");
    }
}
