//! What has to be known of a base to build on it: who is in its passwd, which directories and
//! links it has, where its Java is.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};

use serde::{Deserialize, Serialize};

use crate::image::definition::Owner;
use crate::image::layer::Permissions;
use flugs_base::files::read_bounded_text;

/// An account file longer than this is none.
const LONGEST_ACCOUNTS: u64 = 4 << 20;

/// What is known of a base.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::image) struct Facts {
    /// The content of `/etc/passwd`.
    pub(in crate::image) passwd: String,
    /// The content of `/etc/group`.
    pub(in crate::image) group: String,
    /// The directories, without a slash in front, and whose they are.
    pub(in crate::image) directories: BTreeMap<String, Permissions>,
    /// The symbolic links, and their targets.
    pub(in crate::image) links: BTreeMap<String, String>,
    /// Directories that hold a `bin/java`.
    pub(in crate::image) java_homes: BTreeSet<String>,
}

impl Facts {
    /// Lays a layer's tar over what is known. Whiteouts are those of opencontainers/image-spec,
    /// "Image Layer Filesystem Changeset".
    pub(in crate::image) fn add_layer(&mut self, tar: impl Read) -> io::Result<()> {
        let mut archive = tar::Archive::new(tar);
        for entry in archive.entries()? {
            let mut entry = entry?;
            let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            let path = path.trim_start_matches("./").trim_matches('/').to_owned();
            let name = path.rsplit('/').next().unwrap_or_default();
            if let Some(hidden) = name.strip_prefix(".wh.") {
                let above = path.strip_suffix(name).unwrap_or_default();
                if hidden == ".wh..opq" {
                    self.forget_below(above.trim_end_matches('/'));
                } else {
                    self.forget(&format!("{above}{hidden}"));
                }
                continue;
            }
            self.add_entry(&path, &mut entry)?;
        }
        Ok(())
    }

    fn add_entry<R: Read>(&mut self, path: &str, entry: &mut tar::Entry<'_, R>) -> io::Result<()> {
        let kind = entry.header().entry_type();
        if kind.is_dir() {
            self.links.remove(path);
            let permissions = permissions(entry.header())?;
            self.directories.insert(path.to_owned(), permissions);
            return Ok(());
        }
        self.forget(path);
        if kind.is_symlink() {
            let target = entry.link_name_bytes().unwrap_or_default();
            let target = String::from_utf8_lossy(&target).into_owned();
            self.links.insert(path.to_owned(), target);
            return Ok(());
        }
        let account = match path {
            "etc/passwd" => &mut self.passwd,
            "etc/group" => &mut self.group,
            _ => {
                if let Some(home) = path.strip_suffix("/bin/java") {
                    self.java_homes.insert(home.to_owned());
                }
                return Ok(());
            }
        };
        *account = read_bounded_text(entry, LONGEST_ACCOUNTS)?;
        Ok(())
    }

    fn forget(&mut self, path: &str) {
        self.directories.remove(path);
        self.links.remove(path);
        if let Some(home) = path.strip_suffix("/bin/java") {
            self.java_homes.remove(home);
        }
        match path {
            "etc/passwd" => self.passwd.clear(),
            "etc/group" => self.group.clear(),
            _ => {}
        }
        self.forget_below(path);
    }

    fn forget_below(&mut self, path: &str) {
        let prefix = if path.is_empty() {
            String::new()
        } else {
            format!("{path}/")
        };
        let gone = |at: &str| at.starts_with(&prefix);
        self.directories.retain(|at, _| !gone(at));
        self.links.retain(|at, _| !gone(at));
        self.java_homes
            .retain(|home| !gone(&format!("{home}/bin/java")));
        if gone("etc/passwd") {
            self.passwd.clear();
        }
        if gone("etc/group") {
            self.group.clear();
        }
    }

    /// Whether the base has a directory, or a link in its place, at this path.
    pub(in crate::image) fn has_directory(&self, path: &str) -> bool {
        self.directories.contains_key(path) || self.links.contains_key(path)
    }

    /// The link of the base that a path would go through, and its target.
    pub(in crate::image) fn link_above(&self, path: &str) -> Option<(&str, &str)> {
        path.match_indices('/').find_map(|(at, _)| {
            let above = path.get(..at)?;
            let (link, target) = self.links.get_key_value(above)?;
            Some((link.as_str(), target.as_str()))
        })
    }

    /// The link of the base at a path, and its target.
    pub(in crate::image) fn link_at(&self, path: &str) -> Option<(&str, &str)> {
        let (link, target) = self.links.get_key_value(path)?;
        Some((link.as_str(), target.as_str()))
    }

    /// The content of `/etc/passwd` and `/etc/group` with this user and group in it (passwd(5),
    /// group(5)). A user of that name is replaced.
    pub(in crate::image) fn accounts_with(
        &self,
        name: &str,
        uid: u32,
        gid: u32,
        home: &str,
    ) -> (String, String) {
        let with = |content: &str, line: String| {
            let prefix = format!("{name}:");
            let others = content
                .lines()
                .filter(|line| !line.is_empty() && !line.starts_with(&prefix));
            others
                .map(str::to_owned)
                .chain([line])
                .map(|line| line + "\n")
                .collect::<String>()
        };
        let root_user = "root:x:0:0:root:/root:/bin/sh\n";
        let root_group = "root:x:0:\n";
        let or = |content: &str, root: &str| {
            if content.is_empty() {
                root.to_owned()
            } else {
                content.to_owned()
            }
        };
        (
            with(
                &or(&self.passwd, root_user),
                format!("{name}:x:{uid}:{gid}::{home}:/bin/sh"),
            ),
            with(&or(&self.group, root_group), format!("{name}:x:{gid}:")),
        )
    }
}

fn permissions(header: &tar::Header) -> io::Result<Permissions> {
    let number = |id: u64| u32::try_from(id).map_err(|_| io::ErrorKind::InvalidData.into());
    let (user, group): (io::Result<u32>, io::Result<u32>) =
        (number(header.uid()?), number(header.gid()?));
    Ok(Permissions {
        mode: header.mode()? & 0o7777,
        owner: Owner {
            user: user?,
            group: group?,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(entries: &[(&str, tar::EntryType, &str)]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (path, kind, content) in entries {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(*kind);
            header.set_mode(0o1777);
            header.set_uid(7);
            header.set_gid(8);
            header.set_size(0);
            if kind.is_symlink() {
                builder.append_link(&mut header, path, content).unwrap();
            } else {
                header.set_size(content.len() as u64);
                builder
                    .append_data(&mut header, path, content.as_bytes())
                    .unwrap();
            }
        }
        builder.into_inner().unwrap()
    }

    use tar::EntryType::{Directory, Regular, Symlink};

    #[test]
    fn layers_add_replace_and_hide() {
        let mut facts = Facts::default();
        let below = layer(&[
            (
                "./etc/passwd",
                Regular,
                "root:x:0:0::/:/bin/sh\nflink:x:1:1::/:/x\n",
            ),
            ("opt/", Directory, ""),
            ("bin", Symlink, "usr/bin"),
            ("usr/lib/jvm/a/bin/java", Regular, "elf"),
            ("usr/lib/jvm/b/bin/java", Regular, "elf"),
        ]);
        facts.add_layer(below.as_slice()).unwrap();
        assert!(facts.has_directory("opt") && facts.has_directory("bin"));
        let opt = facts.directories["opt"];
        assert_eq!((opt.mode, String::from(opt.owner)), (0o1777, "7:8".into()));
        assert_eq!(facts.link_above("bin/x"), Some(("bin", "usr/bin")));
        let above = layer(&[
            ("usr/lib/jvm/.wh.a", Regular, ""),
            ("opt/.wh..wh..opq", Regular, ""),
            (".wh.bin", Regular, ""),
        ]);
        facts.add_layer(above.as_slice()).unwrap();
        assert_eq!(
            facts.java_homes.iter().collect::<Vec<_>>(),
            ["usr/lib/jvm/b"]
        );
        assert_eq!(facts.link_above("bin/x"), None);
        let (passwd, group) = facts.accounts_with("flink", 9999, 9999, "/opt/flink");
        assert_eq!(
            passwd,
            "root:x:0:0::/:/bin/sh\nflink:x:9999:9999::/opt/flink:/bin/sh\n"
        );
        assert_eq!(group, "root:x:0:\nflink:x:9999:\n");
    }
}
