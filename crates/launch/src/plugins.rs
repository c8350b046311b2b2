//! Plugins that a launch asks for by `ENABLE_BUILT_IN_PLUGINS`: jars of `opt`, each in a plugin
//! directory of its own, as the official image links them.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access};

use flugs_flink::FlinkHome;

use super::LaunchError;

/// A plugins directory to be put together in the sandbox: the Flink home may be read-only, and is
/// left as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginDirectory {
    /// Where it goes.
    pub path: PathBuf,
    links: Links,
}

/// Each entry: its name, and what it links to.
type Links = BTreeMap<PathBuf, PathBuf>;

/// Plans the plugins directory, or `None` if no plugin is asked for that the home's own does not
/// have. A jar that is not there is an error before anything is written.
pub(super) fn plan(
    home: &FlinkHome,
    sandbox: &Path,
    jars: &[String],
) -> Result<Option<PluginDirectory>, LaunchError> {
    let mut links = missing(home, jars)?;
    if links.is_empty() {
        return Ok(None);
    }
    let asked: BTreeSet<PathBuf> = links
        .keys()
        .filter_map(|link| link.parent().map(Path::to_owned))
        .collect();
    for (name, path) in entries(&home.plugins()) {
        if asked.contains(&name) {
            // The plugin's directory is there without its jar: what is in it stays.
            let inner = entries(&path).map(|(inner, path)| (name.join(inner), path));
            links.extend(inner);
        } else {
            links.insert(name, path);
        }
    }
    Ok(Some(PluginDirectory {
        path: sandbox.join("plugins"),
        links,
    }))
}

/// Links what is asked for into the home's own plugins directory, as the official image does.
///
/// # Errors
/// [`LaunchError::Plugin`] before anything is written; [`LaunchError::Sandbox`] if the directory
/// cannot be written to.
pub(super) fn link_in_home(home: &FlinkHome, jars: &[String]) -> Result<(), LaunchError> {
    let directory = PluginDirectory {
        path: home.plugins(),
        links: missing(home, jars)?,
    };
    directory.link()
}

/// Each plugin that is asked for, once, and is in no directory of the home's plugins yet: its
/// link, and what that leads to.
fn missing(home: &FlinkHome, jars: &[String]) -> Result<Links, LaunchError> {
    let present: BTreeSet<OsString> = entries(&home.plugins())
        .flat_map(|(_, path)| entries(&path).collect::<Vec<_>>())
        .filter(|(_, path)| path.is_file())
        .map(|(name, _)| name.into_os_string())
        .collect();
    let mut links = Links::new();
    for jar in jars {
        if present.contains(OsStr::new(jar)) {
            continue;
        }
        let source = home.opt().join(jar);
        let name = jar.strip_suffix(".jar").filter(|name| !name.contains('/'));
        let (Some(name), true) = (name, source.is_file()) else {
            return Err(LaunchError::Plugin {
                jar: jar.clone(),
                opt: home.opt(),
            });
        };
        links.insert(Path::new(name).join(jar), source);
    }
    Ok(links)
}

/// The names and paths in a directory; none if it cannot be listed.
fn entries(directory: &Path) -> impl Iterator<Item = (PathBuf, PathBuf)> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| (PathBuf::from(entry.file_name()), entry.path()))
}

impl PluginDirectory {
    /// The jars that are asked for, where they lie now.
    pub(super) fn jars(&self) -> impl Iterator<Item = &Path> {
        let targets = self.links.values().map(PathBuf::as_path);
        targets.filter(|target| target.extension().is_some_and(|end| end == "jar"))
    }

    /// Makes the directory anew.
    pub(super) fn make(&self) -> Result<(), LaunchError> {
        let removed = match fs::symlink_metadata(&self.path) {
            Ok(there) if there.is_dir() => fs::remove_dir_all(&self.path),
            Ok(_) => fs::remove_file(&self.path),
            Err(_) => Ok(()),
        };
        removed.map_err(|source| self.failed(source))?;
        self.link()
    }

    /// Whether it could be made.
    pub(super) fn check(&self) -> Result<(), LaunchError> {
        let parent = self.path.parent().unwrap_or(&self.path);
        let may = access(parent, AccessFlags::W_OK | AccessFlags::X_OK);
        may.map_err(|errno| self.failed(errno.into()))
    }

    fn failed(&self, source: std::io::Error) -> LaunchError {
        LaunchError::Sandbox {
            path: self.path.clone(),
            source,
        }
    }

    fn link(&self) -> Result<(), LaunchError> {
        let failed = |source| self.failed(source);
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
    use flugs_base::{ExitCode, Failure as _};

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
        // Whatever lies there from an earlier use goes.
        fs::write(&plugins.path, "a file").unwrap();
        for _ in 0..2 {
            plugins.check().unwrap();
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
    fn plugins_named_twice_or_there_already_are_fine() {
        let (directory, home) = home();
        let sandbox = tempfile::tempdir().unwrap();
        let jar = "flink-s3-fs-hadoop-2.3.0.jar".to_owned();
        let twice = [jar.clone(), jar.clone()];
        // What an earlier start of the official image's script leaves behind.
        let own = directory.path().join("plugins/flink-s3-fs-hadoop-2.3.0");
        fs::create_dir(&own).unwrap();
        fs::write(own.join("dependency.jar"), "").unwrap();
        let plugins = plan(&home, sandbox.path(), &twice).unwrap().unwrap();
        plugins.make().unwrap();
        for file in [&jar, "dependency.jar"] {
            let path = plugins.path.join("flink-s3-fs-hadoop-2.3.0").join(file);
            assert!(path.is_file(), "{file}");
        }
        for _ in 0..2 {
            link_in_home(&home, &twice).unwrap();
            assert!(own.join(&jar).is_file());
        }
        assert_eq!(plan(&home, sandbox.path(), &twice).unwrap(), None);
        // Moved, as many Dockerfiles do, it is there under a name of its own.
        fs::remove_dir_all(&own).unwrap();
        let (opt, s3) = (home.opt().join(&jar), directory.path().join("plugins/s3"));
        fs::create_dir(&s3).unwrap();
        fs::rename(opt, s3.join(&jar)).unwrap();
        assert_eq!(plan(&home, sandbox.path(), &twice).unwrap(), None);
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
