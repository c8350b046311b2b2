//! Makes a directory the part of an image's root that flugs adds to its base: what the
//! Dockerfiles do, without a shell.
//!
//! Owns where things are in the images, and whose they are. Never builds an image: an engine
//! copies the directory into one.

mod accounts;
mod clients;
mod error;
mod source;
mod tree;

pub use accounts::{ID, USER};
pub use clients::{SCRIPT, with_clients};
pub use error::InstallError;
pub use source::{FetchedFlink, FlinkSource, obtain};

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::Path;

use flugs_flink::FlinkHome;
use flugs_flink_conf::{ConfError, Dialect, fit_container, write_file};

use tree::Owner;

/// Where Flink is in the images, as in the official one.
pub const FLINK_HOME: &str = "opt/flink";
/// Where the binary is.
pub const BINARY: &str = "usr/local/bin/flugs";
/// The directory that a container's launch writes to.
const RUN_DIRECTORY: &str = "run/flugs";

/// The scripts, and where they go. Mesos's go where Flink had them.
const SCRIPTS: [(&str, &str); 4] = [
    (
        "docker-entrypoint.sh",
        include_str!("../../entrypoints/docker-entrypoint.sh"),
    ),
    (
        "opt/flink/bin/mesos-appmaster.sh",
        include_str!("../../entrypoints/mesos-appmaster.sh"),
    ),
    (
        "opt/flink/bin/mesos-appmaster-job.sh",
        include_str!("../../entrypoints/mesos-appmaster-job.sh"),
    ),
    (
        "opt/flink/bin/mesos-taskmanager.sh",
        include_str!("../../entrypoints/mesos-taskmanager.sh"),
    ),
];

/// What is installed.
#[derive(Debug, Clone, Copy)]
pub struct Installation<'a> {
    /// A complete Flink home.
    pub flink: &'a Path,
    /// The binary: flugs itself.
    pub binary: &'a Path,
    /// The root of the base, whose accounts are added to.
    pub base: &'a Path,
}

impl Installation<'_> {
    /// Fills `root`, an empty or missing directory.
    ///
    /// Files belong to the user flink and group 0, and the group may do what the user may: so the
    /// image works as that user, as any user of group 0 (OpenShift), and, since nothing of it is
    /// written to by a launch, as any other. Without root's rights, owners stay as they are.
    pub fn fill(&self, root: &Path) -> Result<(), InstallError> {
        let home = FlinkHome::open(self.flink)?;
        let owner = nix::unistd::geteuid()
            .is_root()
            .then_some(Owner { uid: ID, gid: 0 });
        let flink = root.join(FLINK_HOME);
        self.make_parents(root, FLINK_HOME)?;
        tree::copy(self.flink, &flink, owner)?;
        for directory in ["log", "usrlib", "plugins", "class-data"] {
            tree::make_directory(&flink.join(directory), owner)?;
        }
        fit(
            &flink.join("conf"),
            home.version().configuration_files().rendered(),
        )?;
        lead_clients(&flink.join(SCRIPT))?;
        self.make_parents(root, "etc/passwd")?;
        accounts::add(self.base, root)?;
        self.make_parents(root, BINARY)?;
        copy_binary(self.binary, &root.join(BINARY))?;
        for (path, text) in SCRIPTS {
            self.make_parents(root, path)?;
            write_script(&root.join(path), text)?;
        }
        self.make_parents(root, RUN_DIRECTORY)?;
        make_open_directory(&root.join(RUN_DIRECTORY))
    }

    /// Makes the directories above a path with the owners and modes that they have in the base:
    /// an engine that copies them over the base's gives those away otherwise.
    fn make_parents(&self, root: &Path, path: &str) -> Result<(), InstallError> {
        fs::create_dir_all(root).map_err(failed(root))?;
        for above in path.match_indices('/').filter_map(|(at, _)| path.get(..at)) {
            let directory = root.join(above);
            if directory.exists() {
                continue;
            }
            fs::create_dir(&directory).map_err(failed(&directory))?;
            let there = fs::metadata(self.base.join(above)).ok();
            let mode = there
                .as_ref()
                .map_or(0o755, |there| there.permissions().mode() & 0o7777);
            if let Some(there) = there.filter(|_| nix::unistd::geteuid().is_root()) {
                tree::set_owner(&directory, Some(owner_of(&there)))?;
            }
            // After the owner, whose change takes set-group-id away.
            fs::set_permissions(&directory, fs::Permissions::from_mode(mode))
                .map_err(failed(&directory))?;
        }
        Ok(())
    }
}

/// Opens the addresses of the shipped configuration.
fn fit(conf: &Path, dialect: Dialect) -> Result<(), InstallError> {
    let path = conf.join(dialect.file_name());
    change(&path, |text| {
        Ok(fit_container(text, dialect, &path.display().to_string())?)
    })
}

/// Lets Flink's own scripts find the configuration of a container whose `conf` is read-only.
fn lead_clients(script: &Path) -> Result<(), InstallError> {
    if !script.is_file() {
        return Ok(());
    }
    change(script, |text| Ok(with_clients(text)))
}

/// Changes a text file, whose owner, mode and time stay.
fn change(
    path: &Path,
    new: impl Fn(&str) -> Result<String, InstallError>,
) -> Result<(), InstallError> {
    let text = fs::read_to_string(path).map_err(|source| ConfError::Read {
        path: path.to_owned(),
        source,
    })?;
    let text = new(&text)?;
    let metadata = fs::metadata(path).map_err(failed(path))?;
    let mode = metadata.permissions().mode() & 0o777;
    write_file(path, text.as_bytes(), mode)?;
    tree::set_owner(path, Some(owner_of(&metadata)))?;
    tree::set_time(path, &metadata)
}

fn owner_of(metadata: &fs::Metadata) -> Owner {
    Owner {
        uid: metadata.uid(),
        gid: metadata.gid(),
    }
}

fn copy_binary(from: &Path, to: &Path) -> Result<(), InstallError> {
    fs::copy(from, to).map_err(failed(to))?;
    fs::set_permissions(to, fs::Permissions::from_mode(0o755)).map_err(failed(to))
}

fn write_script(path: &Path, text: &str) -> Result<(), InstallError> {
    let mut file = File::create(path).map_err(failed(path))?;
    file.write_all(text.as_bytes()).map_err(failed(path))?;
    file.set_permissions(fs::Permissions::from_mode(0o755))
        .map_err(failed(path))
}

/// A directory that every user may write to, and none may remove another's files from.
fn make_open_directory(path: &Path) -> Result<(), InstallError> {
    fs::create_dir_all(path).map_err(failed(path))?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o1777)).map_err(failed(path))
}

fn failed(path: &Path) -> impl Fn(std::io::Error) -> InstallError {
    move |source| InstallError::Write {
        path: path.to_owned(),
        source,
    }
}

fn give(path: &Path, owner: Option<Owner>) -> std::io::Result<()> {
    match owner {
        Some(owner) => chown(path, Some(owner.uid), Some(owner.gid)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn flink_home(directory: &Path) -> std::path::PathBuf {
        let home = directory.join("flink");
        for (file, text) in [
            ("lib/flink-dist-2.3.0.jar", "jar"),
            ("conf/config.yaml", "rest:\n  address: localhost\n"),
            ("conf/log4j-console.properties", ""),
            ("bin/flink", "#!/bin/sh\n"),
            ("bin/config.sh", "#!/bin/bash\n"),
            ("log/old.log", "old"),
        ] {
            let path = home.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let bin = home.join("bin/flink");
        fs::set_permissions(bin, fs::Permissions::from_mode(0o755)).unwrap();
        home
    }

    #[test]
    fn an_installation_is_whole_open_to_the_group_and_has_no_old_logs() {
        let directory = tempfile::tempdir().unwrap();
        let flink = flink_home(directory.path());
        let jar = fs::metadata(flink.join("lib/flink-dist-2.3.0.jar")).unwrap();
        let root = directory.path().join("root");
        let binary = directory.path().join("binary");
        fs::write(&binary, "binary").unwrap();
        let base = directory.path().join("base");
        for (path, mode) in [("usr", 0o755), ("usr/local", 0o2775), ("run", 0o1777)] {
            fs::create_dir_all(base.join(path)).unwrap();
            fs::set_permissions(base.join(path), fs::Permissions::from_mode(mode)).unwrap();
        }
        let installation = Installation {
            flink: &flink,
            binary: &binary,
            base: &base,
        };
        installation.fill(&root).unwrap();
        let mode = |path: &str| {
            let metadata = fs::metadata(root.join(path)).unwrap();
            metadata.permissions().mode() & 0o7777
        };
        for (path, expected) in [
            ("opt/flink/lib/flink-dist-2.3.0.jar", 0o664),
            ("opt/flink/bin/flink", 0o775),
            ("opt/flink/log", 0o775),
            ("opt/flink/bin/mesos-taskmanager.sh", 0o755),
            ("docker-entrypoint.sh", 0o755),
            (BINARY, 0o755),
            (RUN_DIRECTORY, 0o1777),
            ("opt", 0o755),
            ("opt/flink", 0o775),
            ("opt/flink/bin", 0o775),
            ("opt/flink/class-data", 0o775),
            ("usr/local", 0o2775),
            ("run", 0o1777),
        ] {
            assert_eq!(mode(path), expected, "{path}");
        }
        assert!(!root.join("opt/flink/log/old.log").exists());
        let text = fs::read_to_string(root.join("opt/flink/conf/config.yaml")).unwrap();
        assert_eq!(text, "rest:\n  address: 0.0.0.0\n");
        let script = fs::read_to_string(root.join("opt/flink/bin/config.sh")).unwrap();
        assert_eq!(script, with_clients("#!/bin/bash\n"));
        let copied = fs::metadata(root.join("opt/flink/lib/flink-dist-2.3.0.jar")).unwrap();
        assert_eq!(copied.modified().unwrap(), jar.modified().unwrap());
        let passwd = fs::read_to_string(root.join("etc/passwd")).unwrap();
        assert!(passwd.contains("flink:x:9999:9999:"), "{passwd}");
    }
}
