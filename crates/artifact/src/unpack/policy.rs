//! What may be unpacked: a function of the entries so far, without any I/O.
//!
//! Why an accepted symbolic link never leaves the tree: no entry is written below a link, so the
//! directory a link lies in is a real one; its target goes up first, and no further than the
//! tree's top, and then only down. Going down it may meet other links, and of those the same
//! holds. `..` after a name is refused because it would break that argument.

use std::collections::BTreeMap;
use std::time::Duration;

use super::rule::Rule;

/// How much an archive may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of all files together.
    pub total_bytes: u64,
    /// Bytes of one file.
    pub file_bytes: u64,
    /// Entries.
    pub entries: u64,
    /// Directories above an entry.
    pub depth: usize,
    /// Unpacked bytes for each byte of the archive, looked at from `ratio_floor` bytes on.
    pub ratio: u64,
    /// Archives that unpack to less than this may expand as they like.
    pub ratio_floor: u64,
    /// Wall time.
    pub time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            total_bytes: 32 << 30,
            file_bytes: 16 << 30,
            entries: 200_000,
            depth: 40,
            ratio: 200,
            ratio_floor: 64 << 20,
            time: Duration::from_secs(15 * 60),
        }
    }
}

/// An entry as the archive describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Its name as written.
    pub name: &'a [u8],
    /// What it says it is.
    pub kind: Kind<'a>,
    /// The length of its content.
    pub size: u64,
    /// Its permission bits, special bits included.
    pub mode: u32,
}

/// What an entry says it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind<'a> {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link to this target.
    Link(&'a [u8]),
    /// Something that is refused, whatever else is right about it.
    Refused(Rule),
}

/// An entry that may be unpacked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// Where it goes, below the tree's top; normal, relative.
    pub path: String,
    /// What to make.
    pub node: Node,
}

/// What to make of an accepted entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// The tree's top itself, which is there already.
    Top,
    /// A directory with this mode.
    Directory(u32),
    /// A file with this mode.
    File(u32),
    /// A symbolic link to this target.
    Link(String),
}

/// The policy, and what it has seen so far of one archive.
#[derive(Debug)]
pub struct Policy {
    limits: Limits,
    archive_bytes: u64,
    entries: u64,
    bytes: u64,
    seen: BTreeMap<String, Seen>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    /// A directory that no entry names, only those below it.
    Implied,
    Directory,
    Other,
}

impl Policy {
    /// The policy for one archive of so many bytes.
    pub fn new(limits: Limits, archive_bytes: u64) -> Self {
        Self {
            limits,
            archive_bytes,
            entries: 0,
            bytes: 0,
            seen: BTreeMap::new(),
        }
    }

    /// Accepts an entry or says which rule it breaks.
    pub fn admit(&mut self, entry: &Entry<'_>) -> Result<Accepted, Rule> {
        self.entries += 1;
        if self.entries > self.limits.entries {
            let limit = self.limits.entries;
            return Err(Rule::Entries { limit });
        }
        if let Kind::Refused(rule) = &entry.kind {
            return Err(rule.clone());
        }
        if entry.mode & 0o7000 != 0 {
            return Err(Rule::SpecialBits { mode: entry.mode });
        }
        let is_directory = entry.kind == Kind::Directory;
        let path = normal_name(entry.name, is_directory, self.limits.depth)?;
        if entry.kind != Kind::File && entry.size != 0 {
            return Err(Rule::Content);
        }
        self.count(entry.size)?;
        let node = match entry.kind {
            Kind::Directory if path.is_empty() => Node::Top,
            Kind::Directory => Node::Directory(0o700 | entry.mode & 0o755),
            Kind::Link(target) => Node::Link(link_target(&path, target)?),
            Kind::File => Node::File(0o400 | entry.mode & 0o755),
            Kind::Refused(ref rule) => return Err(rule.clone()),
        };
        if node != Node::Top {
            self.take_name(&path, is_directory)?;
        }
        Ok(Accepted { path, node })
    }

    /// Counts bytes before they are written. The same is done with the sizes that headers
    /// claim, so a bomb is refused at its header.
    fn count(&mut self, bytes: u64) -> Result<(), Rule> {
        let limits = &self.limits;
        if bytes > limits.file_bytes {
            let limit = limits.file_bytes;
            return Err(Rule::FileSize { limit });
        }
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > limits.total_bytes {
            let limit = limits.total_bytes;
            return Err(Rule::TotalSize { limit });
        }
        let most = self.archive_bytes.saturating_mul(limits.ratio);
        if self.bytes > limits.ratio_floor.max(most) {
            let limit = limits.ratio;
            return Err(Rule::Ratio { limit });
        }
        Ok(())
    }

    /// How long the decompressed stream may be, headers and padding included, and the rule that
    /// a longer one breaks.
    pub(super) fn most_stream_bytes(&self) -> (u64, Rule) {
        let limits = &self.limits;
        let expanded = self.archive_bytes.saturating_mul(limits.ratio);
        let by_ratio = limits.ratio_floor.max(expanded);
        // Headers and padding for each entry, and the end: generously.
        let overhead = limits.entries.saturating_mul(4096).saturating_add(64 << 10);
        let by_size = limits.total_bytes.saturating_add(overhead);
        if by_ratio < by_size {
            let limit = limits.ratio;
            (by_ratio, Rule::Ratio { limit })
        } else {
            let limit = limits.total_bytes;
            (by_size, Rule::TotalSize { limit })
        }
    }

    fn take_name(&mut self, path: &str, is_directory: bool) -> Result<(), Rule> {
        for (at, _) in path.match_indices('/') {
            let above = path.get(..at).unwrap_or_default();
            match self.seen.get(above) {
                None => {
                    self.seen.insert(above.to_owned(), Seen::Implied);
                }
                Some(Seen::Implied | Seen::Directory) => {}
                Some(Seen::Other) => {
                    let above = above.to_owned();
                    return Err(Rule::ThroughOther { above });
                }
            }
        }
        let now = if is_directory {
            Seen::Directory
        } else {
            Seen::Other
        };
        match self.seen.insert(path.to_owned(), now) {
            None => Ok(()),
            Some(Seen::Implied) if is_directory => Ok(()),
            Some(_) => Err(Rule::Duplicate),
        }
    }
}

/// The name without what is harmless (a leading `./`, a directory's final `/`), if nothing else
/// is wrong with it. Empty for the tree's top.
fn normal_name(name: &[u8], is_directory: bool, depth: usize) -> Result<String, Rule> {
    let name = std::str::from_utf8(name).map_err(|_| Rule::NotUtf8)?;
    if name.is_empty() {
        return Err(Rule::NoName);
    }
    if name.chars().any(is_control) {
        return Err(Rule::Control);
    }
    if name.starts_with('/') {
        return Err(Rule::Absolute);
    }
    if name.contains('\\') {
        return Err(Rule::Backslash);
    }
    let name = if is_directory {
        name.strip_suffix('/').unwrap_or(name)
    } else {
        name
    };
    let name = match name {
        "." if is_directory => "",
        name => name.strip_prefix("./").unwrap_or(name),
    };
    if name.is_empty() {
        return if is_directory {
            Ok(String::new())
        } else {
            Err(Rule::NoName)
        };
    }
    if name.len() > 4096 || name.split('/').any(|part| part.len() > 255) {
        return Err(Rule::LongName);
    }
    for part in name.split('/') {
        match part {
            ".." => return Err(Rule::ParentInName),
            "" | "." => return Err(Rule::OddName),
            _ => {}
        }
    }
    if name.split('/').count() > depth {
        return Err(Rule::Depth { limit: depth });
    }
    Ok(name.to_owned())
}

/// The target of a link at `path`, if it stays within the tree.
fn link_target(path: &str, target: &[u8]) -> Result<String, Rule> {
    let target = std::str::from_utf8(target).map_err(|_| Rule::NotUtf8)?;
    if target.is_empty() {
        return Err(Rule::LinkEmpty);
    }
    if target.chars().any(is_control) {
        return Err(Rule::Control);
    }
    if target.len() > 4096 {
        return Err(Rule::LongName);
    }
    let owned = || target.to_owned();
    if target.starts_with('/') {
        return Err(Rule::LinkAbsolute { target: owned() });
    }
    let parts = target.split('/').filter(|part| !matches!(*part, "" | "."));
    let up = parts.clone().take_while(|part| *part == "..").count();
    if parts.skip(up).any(|part| part == "..") {
        return Err(Rule::LinkWinding { target: owned() });
    }
    if up > path.matches('/').count() {
        return Err(Rule::LinkEscapes { target: owned() });
    }
    Ok(owned())
}

/// Control characters, and those that make text on a terminal look like other text.
fn is_control(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn policy() -> Policy {
        Policy::new(Limits::default(), 1000)
    }

    fn file(name: &str) -> Entry<'_> {
        Entry {
            name: name.as_bytes(),
            kind: Kind::File,
            size: 1,
            mode: 0o644,
        }
    }

    fn link<'a>(name: &'a str, target: &'a str) -> Entry<'a> {
        Entry {
            name: name.as_bytes(),
            kind: Kind::Link(target.as_bytes()),
            size: 0,
            mode: 0o777,
        }
    }

    fn directory(name: &str) -> Entry<'_> {
        Entry {
            name: name.as_bytes(),
            kind: Kind::Directory,
            size: 0,
            mode: 0o755,
        }
    }

    fn refused(entry: &Entry<'_>) -> Rule {
        policy().admit(entry).unwrap_err()
    }

    #[test]
    fn names_that_leave_hide_or_mislead_are_each_refused_in_their_own_way() {
        let long = "a".repeat(256);
        let deep = "a/".repeat(40) + "b";
        for (name, rule) in [
            ("", Rule::NoName),
            ("/etc/passwd", Rule::Absolute),
            ("..", Rule::ParentInName),
            ("a/../../b", Rule::ParentInName),
            ("./../a", Rule::ParentInName),
            ("a//b", Rule::OddName),
            ("a/./b", Rule::OddName),
            ("a/", Rule::OddName),
            ("././a", Rule::OddName),
            ("..\\a", Rule::Backslash),
            ("a\nb", Rule::Control),
            ("a\0b", Rule::Control),
            ("exe.\u{202e}gpj", Rule::Control),
            (&long, Rule::LongName),
            (&deep, Rule::Depth { limit: 40 }),
        ] {
            assert_eq!(refused(&file(name)), rule, "{name:?}");
        }
        let entry = Entry {
            name: b"\xff",
            ..file("x")
        };
        assert_eq!(refused(&entry), Rule::NotUtf8);
    }

    #[test]
    fn links_that_leave_the_tree_by_themselves_or_with_others_help_are_refused() {
        let target = |text: &str| text.to_owned();
        for (name, to, rule) in [
            ("l", "", Rule::LinkEmpty),
            (
                "l",
                "/etc",
                Rule::LinkAbsolute {
                    target: target("/etc"),
                },
            ),
            (
                "l",
                "..",
                Rule::LinkEscapes {
                    target: target(".."),
                },
            ),
            (
                "a/l",
                "../../x",
                Rule::LinkEscapes {
                    target: target("../../x"),
                },
            ),
            (
                "a/b/l",
                "c/../../..",
                Rule::LinkWinding {
                    target: target("c/../../.."),
                },
            ),
            ("l", "a\nb", Rule::Control),
        ] {
            assert_eq!(refused(&link(name, to)), rule, "{name} -> {to}");
        }
        for (name, to) in [
            ("l", "x"),
            ("a/l", "../x"),
            ("a/b/l", ".././../x/y"),
            ("l", "."),
        ] {
            policy().admit(&link(name, to)).unwrap();
        }
    }

    #[test]
    fn nothing_is_written_through_a_link_or_a_file_or_twice() {
        let above = || Rule::ThroughOther {
            above: "a".to_owned(),
        };
        let cases: [(Vec<Entry<'_>>, Rule); 6] = [
            (vec![link("a", "b"), file("a/x")], above()),
            (vec![file("a"), file("a/x")], above()),
            (vec![file("a"), file("a")], Rule::Duplicate),
            (vec![link("a", "b"), file("a")], Rule::Duplicate),
            (vec![file("a/x"), link("a", "b")], Rule::Duplicate),
            (vec![directory("a/"), directory("a")], Rule::Duplicate),
        ];
        for (entries, rule) in cases {
            let mut policy = policy();
            let last = entries.iter().map(|entry| policy.admit(entry)).last();
            assert_eq!(last.unwrap(), Err(rule), "{entries:?}");
        }
    }

    #[test]
    fn a_directory_may_be_named_after_what_lies_in_it_and_the_top_may_be_named_at_all() {
        let mut policy = policy();
        for entry in [
            directory("./"),
            file("./a/x"),
            directory("a/"),
            directory("a/b/"),
        ] {
            policy.admit(&entry).unwrap();
        }
    }

    #[test]
    fn special_bits_and_content_of_directories_are_refused() {
        for mode in [0o4755, 0o2755, 0o1755] {
            let entry = Entry { mode, ..file("x") };
            assert_eq!(refused(&entry), Rule::SpecialBits { mode });
        }
        let entry = Entry {
            size: 1,
            ..directory("x")
        };
        assert_eq!(refused(&entry), Rule::Content);
    }

    #[test]
    fn bombs_are_refused_at_the_header_that_claims_them() {
        let limits = Limits {
            total_bytes: 1000,
            file_bytes: 600,
            entries: 4,
            ratio: 10,
            ratio_floor: 100,
            ..Limits::default()
        };
        let sized = |size| Entry { size, ..file("x") };
        let first = |archive, size| Policy::new(limits, archive).admit(&sized(size));
        assert_eq!(first(1000, 601), Err(Rule::FileSize { limit: 600 }));
        assert_eq!(first(10, 101), Err(Rule::Ratio { limit: 10 }));
        assert!(first(10, 100).is_ok());
        let mut policy = Policy::new(limits, 1000);
        let names = ["a", "b", "c", "d", "e"];
        let lengths = [500, 500, 0, 0, 0];
        let mut outcomes = names
            .iter()
            .zip(lengths)
            .map(|(name, size)| policy.admit(&Entry { size, ..file(name) }).err());
        assert!(outcomes.by_ref().take(4).all(|outcome| outcome.is_none()));
        assert_eq!(outcomes.next(), Some(Some(Rule::Entries { limit: 4 })));
        let mut policy = Policy::new(limits, 1000);
        policy.admit(&sized(600)).unwrap();
        let more = Entry {
            size: 401,
            ..file("y")
        };
        assert_eq!(policy.admit(&more), Err(Rule::TotalSize { limit: 1000 }));
    }

    proptest! {
        #[test]
        fn an_accepted_name_stays_below_the_top(name in "[./a\\\\ \u{1}]{0,12}") {
            if let Ok(accepted) = policy().admit(&file(&name)) {
                let parts: Vec<_> = accepted.path.split('/').collect();
                prop_assert!(parts.iter().all(|part| !matches!(*part, "" | "." | "..")));
            }
        }

        /// Follows accepted links the way the kernel does, and never gets out.
        #[test]
        fn accepted_links_never_leave_the_tree_whatever_their_order(
            links in proptest::collection::vec(("[ab]/[ab]/[cd]|[ab]/[cd]|[cd]", "(\\.\\./){0,3}([abcd]/){0,3}[abcd]"), 1..6),
            start in 0..6_usize,
        ) {
            let mut policy = policy();
            let mut tree = BTreeMap::new();
            for (name, target) in &links {
                if let Ok(Accepted { path, node: Node::Link(target) }) = policy.admit(&link(name, target)) {
                    tree.insert(path, target);
                }
            }
            if let Some((path, _)) = links.get(start).filter(|(path, _)| tree.contains_key(path)) {
                prop_assert!(stays_inside(&tree, path));
            }
        }
    }

    fn stays_inside(tree: &BTreeMap<String, String>, path: &str) -> bool {
        let mut at: Vec<String> = Vec::new();
        let mut ahead: Vec<String> = path.split('/').rev().map(str::to_owned).collect();
        let mut hops = 0;
        while let Some(part) = ahead.pop() {
            match part.as_str() {
                "" | "." => {}
                ".." => {
                    if at.pop().is_none() {
                        return false;
                    }
                }
                _ => {
                    at.push(part);
                    if let Some(target) = tree.get(&at.join("/")) {
                        hops += 1;
                        if hops > 40 {
                            return true;
                        }
                        at.pop();
                        ahead.extend(target.split('/').rev().map(str::to_owned));
                    }
                }
            }
        }
        true
    }
}
