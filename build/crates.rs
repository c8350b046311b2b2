//! The crates that the binary is made of: one line for each, in a text that becomes part of the
//! binary, so that a bill of materials can be written of it wherever it ends up
//! (`src/image/bundle/crates.rs` reads it).
//!
//! Which crates are linked, cargo says; what their checksums are, Cargo.lock. Without a cargo that
//! answers, all crates of Cargo.lock are listed, and the text says so.

use std::collections::{BTreeMap, BTreeSet};

/// A package of Cargo.lock: its name and version.
type Package = (String, String);

/// The text: a line of what follows, then lines of `NAME VERSION SHA-256 LICENCE`, sorted; what is
/// not known is `-`. `tree` is what `cargo tree` printed as `NAME vVERSION…|LICENCE`.
pub(crate) fn list(version: &str, lock: &str, tree: Option<&str>) -> String {
    let checksums = locked(lock);
    let linked = tree.map(linked);
    let (which, licences) = match linked {
        Some(linked) if !linked.is_empty() => ("linked", linked),
        _ => {
            let unknown = |package: &Package| (package.clone(), "-".to_owned());
            ("locked", checksums.keys().map(unknown).collect())
        }
    };
    let mut lines = BTreeSet::new();
    for ((name, version), licence) in licences {
        let checksum = checksums.get(&(name.clone(), version.clone()));
        let checksum = checksum.map_or("-", String::as_str);
        lines.insert(format!("{name} {version} {checksum} {licence}\n"));
    }
    let head = format!("flugs-crates/1 {version} {which} {}\n", lines.len());
    lines.into_iter().fold(head, |text, line| text + &line)
}

/// The packages of Cargo.lock with their checksums; those of this workspace have none.
fn locked(lock: &str) -> BTreeMap<Package, String> {
    let field = |paragraph: &str, name: &str| {
        let value = |line: &str| {
            let value = line.strip_prefix(name)?.strip_prefix(" = \"")?;
            Some(value.strip_suffix('"')?.to_owned())
        };
        paragraph.lines().find_map(value)
    };
    let package = |paragraph: &str| {
        let key = (field(paragraph, "name")?, field(paragraph, "version")?);
        let checksum = field(paragraph, "checksum")?;
        Some((key, checksum))
    };
    lock.split("[[package]]").filter_map(package).collect()
}

/// The packages of `cargo tree`, with their licences as SPDX expressions (`/` is cargo's older way
/// to write OR). Those that are in a directory are a part of this program.
fn linked(tree: &str) -> BTreeMap<Package, String> {
    let package = |line: &str| {
        let (package, licence) = line.split_once('|')?;
        let (name, rest) = package.split_once(" v")?;
        let mut words = rest.split(' ');
        let version = words.next()?;
        let is_own = words.next().is_some_and(|place| place.starts_with("(/"));
        // A star marks what is printed for a second time, without what is below it.
        let licence = match licence.trim_end_matches(" (*)").trim() {
            "" => "-".to_owned(),
            licence => licence.replace('/', " OR "),
        };
        (!is_own).then(|| ((name.to_owned(), version.to_owned()), licence))
    };
    tree.lines().filter_map(package).collect()
}
