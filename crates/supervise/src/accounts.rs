//! Users and groups from `/etc/passwd` and `/etc/group`, read by hand: a static binary has no
//! name service switch, and an image need not have either file.

use std::fs;
use std::path::{Path, PathBuf};

/// Whom to become.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Account {
    /// User id.
    pub(super) uid: u32,
    /// Primary group id.
    pub(super) gid: u32,
    /// Supplementary groups, the primary one included.
    pub(super) groups: Vec<u32>,
    /// The name, if the user has an entry.
    pub(super) name: Option<String>,
    /// The home directory; `/` without an entry, as Docker has it.
    pub(super) home: PathBuf,
}

/// The two files' texts. A missing file is an empty one.
#[derive(Debug, Default)]
pub(super) struct Accounts {
    passwd: String,
    group: String,
}

struct Entry<'a> {
    name: &'a str,
    uid: u32,
    gid: u32,
    home: &'a str,
}

impl Accounts {
    /// Reads the files below `root`.
    pub(super) fn read(root: &Path) -> Self {
        let text = |path: &str| {
            let bytes = fs::read(root.join(path)).unwrap_or_default();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        Self {
            passwd: text("etc/passwd"),
            group: text("etc/group"),
        }
    }

    /// Resolves `NAME`, `UID`, `NAME:GROUP` or `UID:GID`.
    ///
    /// As Docker does: a number is an id first and a name never; an id without an entry has
    /// group 0 unless one is given; with a group given, there are no supplementary ones.
    pub(super) fn resolve(&self, wanted: &str) -> Result<Account, String> {
        let (user, group) = match wanted.split_once(':') {
            Some((user, group)) => (user, Some(group)),
            None => (wanted, None),
        };
        let (uid, entry) = self.user(user)?;
        let gid = match group {
            Some(group) => self.group_id(group)?,
            None => entry.as_ref().map_or(0, |entry| entry.gid),
        };
        let mut groups = vec![gid];
        if let (Some(entry), None) = (&entry, group) {
            groups.extend(self.memberships(entry.name).filter(|id| *id != gid));
        }
        Ok(Account {
            uid,
            gid,
            groups,
            name: entry.as_ref().map(|entry| entry.name.to_owned()),
            home: entry
                .map(|entry| entry.home)
                .filter(|home| !home.is_empty())
                .map_or_else(|| PathBuf::from("/"), PathBuf::from),
        })
    }

    fn user(&self, user: &str) -> Result<(u32, Option<Entry<'_>>), String> {
        if let Ok(uid) = user.parse() {
            return Ok((uid, self.entries().find(|entry| entry.uid == uid)));
        }
        match self.entries().find(|entry| entry.name == user) {
            Some(entry) => Ok((entry.uid, Some(entry))),
            None => Err(format!(
                "/etc/passwd has no user \"{user}\"; name one that it has, or give a number"
            )),
        }
    }

    fn group_id(&self, group: &str) -> Result<u32, String> {
        if let Ok(gid) = group.parse() {
            return Ok(gid);
        }
        let named = self.groups().find(|(name, ..)| *name == group);
        named.map(|(_, gid, _)| gid).ok_or_else(|| {
            format!("/etc/group has no group \"{group}\"; name one that it has, or give a number")
        })
    }

    /// `name:password:uid:gid:comment:home:shell`; other lines are passed over.
    fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        self.passwd.lines().filter_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next().filter(|name| !name.is_empty())?;
            let uid = fields.nth(1)?.parse().ok()?;
            let gid = fields.next()?.parse().ok()?;
            let home = fields.nth(1).unwrap_or_default();
            Some(Entry {
                name,
                uid,
                gid,
                home,
            })
        })
    }

    /// `name:password:gid:members`.
    fn groups(&self) -> impl Iterator<Item = (&str, u32, &str)> {
        self.group.lines().filter_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next().filter(|name| !name.is_empty())?;
            let gid = fields.nth(1)?.parse().ok()?;
            Some((name, gid, fields.next().unwrap_or_default()))
        })
    }

    fn memberships<'a>(&'a self, user: &'a str) -> impl Iterator<Item = u32> + 'a {
        self.groups()
            .filter(move |(_, _, members)| members.split(',').any(|member| member == user))
            .map(|(_, gid, _)| gid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn accounts() -> Accounts {
        Accounts {
            passwd: "root:x:0:0:root:/root:/bin/sh\n\n# no entry\n+::::::\n\
                     flink:x:9999:9998:Flink:/opt/flink:/bin/false\nshort:x:5:6\n"
                .to_owned(),
            group: "root:x:0:\nflink:x:9998:\nssl:x:110:other,flink\nlogs:x:111:flink\n".to_owned(),
        }
    }

    #[test]
    fn a_name_brings_its_group_its_memberships_and_its_home() {
        let account = accounts().resolve("flink").unwrap();
        assert_eq!((account.uid, account.gid), (9999, 9998));
        assert_eq!(account.groups, [9998, 110, 111]);
        assert_eq!(account.home, Path::new("/opt/flink"));
        assert_eq!(accounts().resolve("9999").unwrap(), account);
    }

    #[test]
    fn an_id_without_an_entry_is_group_0_at_the_root_as_openshift_runs_images() {
        let account = accounts().resolve("1000680000").unwrap();
        assert_eq!((account.uid, account.gid), (1_000_680_000, 0));
        assert_eq!((account.groups, account.name), (vec![0], None));
        assert_eq!(account.home, Path::new("/"));
    }

    #[test]
    fn a_group_that_is_given_replaces_all_others() {
        for (wanted, gid) in [("flink:ssl", 110), ("9999:7", 7), ("12:root", 0)] {
            let account = accounts().resolve(wanted).unwrap();
            assert_eq!((account.gid, account.groups), (gid, vec![gid]), "{wanted}");
        }
    }

    #[test]
    fn unknown_names_are_refused_by_name() {
        for wanted in [
            "nobody",
            "flink:nogroup",
            "",
            ":",
            "flink:",
            "-1",
            "4294967296",
        ] {
            assert!(accounts().resolve(wanted).is_err(), "{wanted}");
        }
        assert!(
            accounts()
                .resolve("nobody")
                .unwrap_err()
                .contains("\"nobody\"")
        );
    }

    #[test]
    fn an_image_without_the_files_still_takes_numbers() {
        let directory = tempfile::tempdir().unwrap();
        let accounts = Accounts::read(directory.path());
        assert_eq!(accounts.resolve("7:8").unwrap().gid, 8);
        assert!(accounts.resolve("root").is_err());
    }

    proptest! {
        #[test]
        fn any_files_and_any_wish_are_read_or_refused(
            passwd in "[a-c:0-9\n]{0,60}", group in "[a-c:,0-9\n]{0,60}", wanted in "[a-c:0-9]{0,6}",
        ) {
            let _ = Accounts { passwd, group }.resolve(&wanted);
        }
    }
}
