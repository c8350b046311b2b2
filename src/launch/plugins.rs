//! Plugins that a launch asks for by `ENABLE_BUILT_IN_PLUGINS`: jars of `opt`, each in a plugin
//! directory of its own, as the official image links them.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::flink::FlinkHome;

use super::LaunchError;

/// A plugins directory to be put together in the sandbox: the Flink home may be read-only, and is
/// left as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginDirectory {
    /// Where it goes.
    pub path: PathBuf,
    /// Each entry: its name, and what it links to.
    links: Vec<(PathBuf, PathBuf)>,
}

/// Plans the plugins directory, or `None` if no plugin is asked for. A jar that is not there is
/// an error before anything is written.
pub(super) fn plan(
    home: &FlinkHome,
    sandbox: &Path,
    jars: &[String],
) -> Result<Option<PluginDirectory>, LaunchError> {
    if jars.is_empty() {
        return Ok(None);
    }
    let mut links = Vec::new();
    let present = fs::read_dir(home.plugins()).into_iter().flatten().flatten();
    links.extend(present.map(|entry| (PathBuf::from(entry.file_name()), entry.path())));
    for jar in jars {
        let source = home.opt().join(jar);
        let name = jar.strip_suffix(".jar").filter(|name| !name.contains('/'));
        let (Some(name), true) = (name, source.is_file()) else {
            return Err(LaunchError::Plugin {
                jar: jar.clone(),
                opt: home.opt(),
            });
        };
        links.push((Path::new(name).join(jar), source));
    }
    Ok(Some(PluginDirectory {
        path: sandbox.join("plugins"),
        links,
    }))
}

impl PluginDirectory {
    /// Makes the directory anew.
    pub(super) fn make(&self) -> Result<(), LaunchError> {
        let failed = |source| LaunchError::Sandbox {
            path: self.path.clone(),
            source,
        };
        if self.path.exists() {
            fs::remove_dir_all(&self.path).map_err(failed)?;
        }
        for (name, target) in &self.links {
            let link = self.path.join(name);
            let directory = link.parent().unwrap_or(&self.path);
            fs::create_dir_all(directory).map_err(failed)?;
            symlink(target, &link).map_err(failed)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{ExitCode, Failure as _};

    fn home() -> (tempfile::TempDir, FlinkHome) {
        let directory = tempfile::tempdir().unwrap();
        for file in [
            "lib/flink-dist-2.3.0.jar",
            "conf/config.yaml",
            "conf/log4j-console.properties",
            "opt/flink-s3-fs-hadoop-2.3.0.jar",
            "plugins/metrics-jmx/jmx.jar",
        ] {
            let path = directory.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let home = FlinkHome::open(directory.path()).unwrap();
        (directory, home)
    }

    #[test]
    fn asked_for_jars_stand_beside_the_plugins_that_are_there_and_the_home_is_left_alone() {
        let (_directory, home) = home();
        let sandbox = tempfile::tempdir().unwrap();
        let jar = "flink-s3-fs-hadoop-2.3.0.jar".to_owned();
        let plugins = plan(&home, sandbox.path(), &[jar]).unwrap().unwrap();
        for _ in 0..2 {
            plugins.make().unwrap();
        }
        for file in [
            "metrics-jmx/jmx.jar",
            "flink-s3-fs-hadoop-2.3.0/flink-s3-fs-hadoop-2.3.0.jar",
        ] {
            assert!(
                sandbox.path().join("plugins").join(file).is_file(),
                "{file}"
            );
        }
        assert_eq!(fs::read_dir(home.plugins()).unwrap().count(), 1);
    }

    #[test]
    fn a_plugin_that_is_not_in_opt_is_refused_and_nothing_is_written() {
        let (_directory, home) = home();
        let sandbox = tempfile::tempdir().unwrap();
        for jar in ["none.jar", "../opt/x.jar", "flink-s3-fs-hadoop-2.3.0"] {
            let error = plan(&home, sandbox.path(), &[jar.to_owned()]).unwrap_err();
            assert_eq!(error.exit_code(), ExitCode::Configuration, "{error}");
        }
        assert_eq!(fs::read_dir(sandbox.path()).unwrap().count(), 0);
    }
}
