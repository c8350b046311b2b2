//! What the images and distributions of a bundle are made of, found by looking through their tars.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};

use super::crates::Program;
use crate::image::layer::Hashed;
use flugs_base::Sha256Digest;
use flugs_base::files::{read_bounded, read_bounded_text};

/// A package database longer than this is none.
const LONGEST_DATABASE: u64 = 64 << 20;

/// A flugs is shorter, even one for looking into.
const LONGEST_PROGRAM: u64 = 512 << 20;

/// What a tree of files is made of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Materials {
    /// Debian packages: name, version, architecture.
    pub(super) debian: BTreeSet<(String, String, String)>,
    /// Jars by path.
    pub(super) jars: BTreeMap<String, Sha256Digest>,
    /// The flugs binaries, by their digest.
    pub(super) programs: BTreeMap<Sha256Digest, Program>,
}

impl Materials {
    /// Looks through a tar: of an image's layer, or of a Flink distribution. A later one wins.
    pub(super) fn add_tar(&mut self, tar: impl Read) -> io::Result<()> {
        let mut archive = tar::Archive::new(tar);
        for entry in archive.entries()? {
            let entry = entry?;
            if !entry.header().entry_type().is_file() {
                continue;
            }
            let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            let path = path.trim_start_matches("./").to_owned();
            if path == "var/lib/dpkg/status" {
                self.debian = installed(&read_bounded_text(entry, LONGEST_DATABASE)?);
            } else if path.rsplit('/').next() == Some("flugs") {
                let program = read_bounded(entry, LONGEST_PROGRAM)?;
                self.programs
                    .extend(Program::of(&program).map(|found| (Sha256Digest::of(&program), found)));
            } else if std::path::Path::new(&path)
                .extension()
                .is_some_and(|end| end == "jar")
            {
                let mut content = Hashed::new(entry);
                io::copy(&mut content, &mut io::sink())?;
                self.jars.insert(path, content.finish().1.0);
            }
        }
        Ok(())
    }
}

/// The installed packages of dpkg's database (deb822(5)).
fn installed(status: &str) -> BTreeSet<(String, String, String)> {
    let package = |paragraph: &str| {
        let field = |name: &str| {
            let line = paragraph
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            line.map(|value| value.trim().to_owned())
        };
        let is_installed = field("Status")?.ends_with(" installed");
        is_installed.then_some((field("Package")?, field("Version")?, field("Architecture")?))
    };
    status.split("\n\n").filter_map(package).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_installed_debian_packages_count() {
        let status = "Package: a\nStatus: install ok installed\nVersion: 1:2+b\nArchitecture: amd64\n\n\
                      Package: gone\nStatus: deinstall ok config-files\nVersion: 1\nArchitecture: all\n";
        let found: Vec<_> = installed(status).into_iter().collect();
        assert_eq!(
            found,
            [("a".to_owned(), "1:2+b".to_owned(), "amd64".to_owned())]
        );
    }
}
