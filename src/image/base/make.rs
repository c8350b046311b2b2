//! A base from Debian packages, by mmdebstrap: the same packages give the same bytes.

use std::io::{BufReader, BufWriter, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use super::keystore;
use super::traces::{Treatment, treatment};
use crate::image::layer::Hashed;
use crate::image::{Architecture, Epoch, ImageError};
use flugs_base::Sha256Digest;
use flugs_base::destination::Destination;

/// What a base is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseRecipe {
    /// Debian's suite.
    pub suite: String,
    /// What is installed beside the essential packages.
    pub packages: Vec<String>,
    /// Where packages come from: mirrors' URLs or files of apt sources; this machine's own unless
    /// given.
    pub sources: Vec<String>,
    /// For what machine.
    pub architecture: Architecture,
    /// The time that files carry at most.
    pub epoch: Epoch,
}

/// A base that was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MadeBase {
    /// The digest of the tar.
    pub digest: Sha256Digest,
    /// Its length.
    pub size: u64,
}

/// What nothing in a container reads.
const LEFT_OUT: [&str; 4] = [
    "path-exclude=/usr/share/man/*",
    "path-exclude=/usr/share/locale/*",
    "path-exclude=/usr/share/doc/*",
    // Licences have to come along.
    "path-include=/usr/share/doc/*/copyright",
];

/// Java's store of authorities.
const KEYSTORE: &str = "etc/ssl/certs/java/cacerts";

/// What mmdebstrap is told of this machine: where programs are, where it may work, and how the
/// network is reached. Scripts of packages see the rest of nobody's environment.
const PASSED_ON: [&str; 11] = [
    "PATH",
    "HOME",
    "TMPDIR",
    "http_proxy",
    "https_proxy",
    "ftp_proxy",
    "no_proxy",
    "all_proxy",
    "HTTPS_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
];

impl BaseRecipe {
    /// Makes the base and writes its tar to `target`, whole or not at all; `-` is standard output.
    pub fn make(&self, target: &Path) -> Result<MadeBase, ImageError> {
        let unwritable = |error| ImageError::write(target, error);
        let made = Destination::create(target).map_err(unwritable)?;
        let raw = tempfile::Builder::new()
            .prefix("flugs-base-")
            .suffix(".tar")
            .tempfile()
            .map_err(|error| ImageError::write(&std::env::temp_dir(), error))?;
        self.bootstrap(raw.path())?;
        let base = normalised(raw.as_file(), made.file(), self.epoch).map_err(unwritable)?;
        made.commit(0o644).map_err(unwritable)?;
        Ok(base)
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the one child of a process that has started nothing yet: there is no reaper to race"
    )]
    fn bootstrap(&self, target: &Path) -> Result<(), ImageError> {
        let failed = |reason: String| ImageError::Base { reason };
        let output = Command::new("mmdebstrap")
            .args(self.arguments(target))
            .args(self.sources()?)
            .env_clear()
            .envs(PASSED_ON.iter().filter_map(|name| Some((name, std::env::var_os(name)?))))
            .env("SOURCE_DATE_EPOCH", self.epoch.seconds().to_string())
            .env("LC_ALL", "C.UTF-8")
            .env("TZ", "UTC")
            .stdin(Stdio::null())
            .output()
            .map_err(|error| failed(format!("mmdebstrap could not be run: {error}; is it installed? apt-get install mmdebstrap")))?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let last: Vec<&str> = said.lines().rev().take(8).collect();
        let last: Vec<&str> = last.into_iter().rev().collect();
        Err(failed(format!(
            "mmdebstrap ended with {}:\n{}",
            output.status,
            last.join("\n")
        )))
    }

    fn arguments(&self, target: &Path) -> Vec<String> {
        let mut arguments = vec![
            "--quiet".to_owned(),
            "--variant=essential".to_owned(),
            "--format=tar".to_owned(),
            // Engines mount their own, and not everybody who unpacks an image may make devices.
            "--skip=output/dev".to_owned(),
            format!("--architectures={}", self.architecture),
            format!("--include={}", self.packages.join(",")),
            // A snapshot of an archive is out of date by design; signatures are checked still.
            "--aptopt=Acquire::Check-Valid-Until \"false\"".to_owned(),
            // Scripts of Java's packages want to link manual pages here.
            "--setup-hook=mkdir -p \"$1/usr/share/man/man1\"".to_owned(),
        ];
        arguments.extend(LEFT_OUT.map(|rule| format!("--dpkgopt={rule}")));
        arguments.push(self.suite.clone());
        arguments.push(target.display().to_string());
        arguments
    }

    fn sources(&self) -> Result<Vec<String>, ImageError> {
        if !self.sources.is_empty() {
            return Ok(self.sources.clone());
        }
        let own = [
            "/etc/apt/sources.list.d/debian.sources",
            "/etc/apt/sources.list",
        ];
        let has_content = |path: &&str| std::fs::metadata(path).is_ok_and(|file| file.len() > 0);
        own.into_iter()
            .find(has_content)
            .map(|path| vec![path.to_owned()])
            .ok_or_else(|| ImageError::Base {
                reason: format!(
                    "no apt sources in {}; name a mirror with --mirror",
                    own.join(" or ")
                ),
            })
    }

    /// The name of the cache's file for this recipe, as parts of a key.
    pub(in crate::image) fn parts(&self) -> Vec<String> {
        let mut parts = vec![
            self.suite.clone(),
            self.architecture.to_string(),
            self.epoch.seconds().to_string(),
        ];
        parts.extend(self.packages.iter().cloned());
        parts.push("from".to_owned());
        parts.extend(self.sources.iter().cloned());
        parts
    }
}

/// Copies the tar with what varies set right.
fn normalised(raw: impl Read, to: impl Write, epoch: Epoch) -> std::io::Result<MadeBase> {
    let mut archive = tar::Archive::new(BufReader::with_capacity(1 << 18, raw));
    let hashed = Hashed::new(BufWriter::with_capacity(1 << 20, to));
    let mut builder = tar::Builder::new(hashed);
    for entry in archive.entries()? {
        let mut entry = entry?;
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let name = path.trim_start_matches("./").to_owned();
        let is_directory = entry.header().entry_type().is_dir();
        let treatment = match treatment(&name) {
            Treatment::LeaveOut if !is_directory => continue,
            Treatment::Empty if entry.header().entry_type().is_file() => Treatment::Empty,
            _ => Treatment::Keep,
        };
        let mut header = entry.header().clone();
        forget_names(&mut header);
        if let Some(target) = entry.link_name()? {
            let target = target.into_owned();
            builder.append_link(&mut header, &path, target)?;
        } else if treatment == Treatment::Empty {
            header.set_size(0);
            builder.append_data(&mut header, &path, std::io::empty())?;
        } else if name == KEYSTORE {
            let mut keystore = Vec::new();
            entry.read_to_end(&mut keystore)?;
            let keystore = keystore::normal(&keystore, epoch).unwrap_or(keystore);
            header.set_size(keystore.len() as u64);
            builder.append_data(&mut header, &path, keystore.as_slice())?;
        } else {
            builder.append_data(&mut header, &path, &mut entry)?;
        }
    }
    let (mut file, (digest, size)) = builder.into_inner()?.finish();
    file.flush()?;
    Ok(MadeBase { digest, size })
}

/// Names of users are the building machine's. The whole field goes: a shorter name put over
/// another leaves the other's end behind.
fn forget_names(header: &mut tar::Header) {
    if let Some(ustar) = header.as_ustar_mut() {
        ustar.uname.fill(0);
        ustar.gname.fill(0);
    } else if let Some(gnu) = header.as_gnu_mut() {
        gnu.uname.fill(0);
        gnu.gname.fill(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A base as one machine makes it: its name, its user, its log.
    fn raw(machine: &str) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        let mut put = |path: &str, kind: tar::EntryType, content: &str| {
            let mut header = tar::Header::new_ustar();
            header.set_entry_type(kind);
            header.set_mode(0o640);
            header.set_username(machine).unwrap();
            header.set_size(content.len() as u64);
            builder
                .append_data(&mut header, path, content.as_bytes())
                .unwrap();
        };
        put("./etc/", tar::EntryType::Directory, "");
        put("./etc/hostname", tar::EntryType::Regular, machine);
        put("./etc/passwd", tar::EntryType::Regular, "root");
        put("./tmp/", tar::EntryType::Directory, "");
        put("./var/log/boot.log", tar::EntryType::Regular, machine);
        builder.into_inner().unwrap()
    }

    #[test]
    fn nothing_of_the_machine_that_makes_a_base_is_in_it() {
        let epoch = Epoch::resolve(Some("1")).unwrap();
        let made = |machine: &str| {
            let mut tar = Vec::new();
            normalised(raw(machine).as_slice(), &mut tar, epoch).unwrap();
            tar
        };
        assert!(made("one") == made("other.example"), "the tars differ");
        let tar = made("one");
        let mut archive = tar::Archive::new(tar.as_slice());
        let entries: Vec<(String, u64)> = archive
            .entries()
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                (entry.path().unwrap().display().to_string(), entry.size())
            })
            .collect();
        let expected = [
            ("etc/", 0),
            ("etc/passwd", 4),
            ("tmp/", 0),
            ("var/log/boot.log", 0),
        ];
        assert_eq!(
            entries,
            expected.map(|(path, size)| (path.to_owned(), size))
        );
    }
}
