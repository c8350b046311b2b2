//! The crates that a flugs binary is made of, as the binary itself tells: its build writes a list
//! of them into it (`build/crates.rs`). So the bill is right for whichever flugs an image has, of
//! another release or for another machine.

use memchr::memmem;

use flugs_base::Sha256Digest;

/// The list of this program.
#[used]
static LIST: &str = include_str!(concat!(env!("OUT_DIR"), "/crates.txt"));

/// How every list begins: the word that says what it is, and a blank. Taken from this program's
/// own, which so is sure to be in it.
fn beginning() -> &'static str {
    LIST.split_inclusive(' ').next().unwrap_or_default()
}

/// A list with more crates than this is none.
const MOST: usize = 10_000;

/// What a flugs binary is made of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Program {
    /// The release of flugs.
    pub(super) version: String,
    /// Whether all crates are part of it; else some may only have been used to build or test it.
    pub(super) linked: bool,
    pub(super) crates: Vec<Crate>,
}

/// A crate of crates.io, or of elsewhere if it has no checksum.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Crate {
    pub(super) name: String,
    pub(super) version: String,
    /// Of its `.crate` file.
    pub(super) sha256: Option<Sha256Digest>,
    /// An SPDX expression.
    pub(super) license: Option<String>,
}

impl Program {
    /// Reads the list in a program; `None` if there is none.
    pub(super) fn of(program: &[u8]) -> Option<Self> {
        let beginning = beginning();
        memmem::find_iter(program, beginning)
            .find_map(|at| Self::parse(program.get(at + beginning.len()..)?))
    }

    fn parse(list: &[u8]) -> Option<Self> {
        let mut lines = list.split(|byte| *byte == b'\n').map(std::str::from_utf8);
        let mut head = lines.next()?.ok()?.split(' ');
        let version = head.next()?.to_owned();
        let linked = match head.next()? {
            "linked" => true,
            "locked" => false,
            _ => return None,
        };
        let count: usize = head.next()?.parse().ok().filter(|count| *count <= MOST)?;
        let crates: Vec<Crate> = lines
            .take(count)
            .map(|line| Crate::parse(line.ok()?))
            .collect::<Option<_>>()?;
        (crates.len() == count).then_some(Self {
            version,
            linked,
            crates,
        })
    }
}

impl Crate {
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.splitn(4, ' ');
        let known = |word: &str| (word != "-").then(|| word.to_owned());
        Some(Self {
            name: words.next()?.to_owned(),
            version: words.next()?.to_owned(),
            sha256: match words.next()? {
                "-" => None,
                digits => Some(digits.parse().ok()?),
            },
            license: known(words.next()?),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use serde_json::Value;

    use super::*;

    /// What cargo says of this package and all that it could be made of.
    #[expect(clippy::disallowed_methods, reason = "the test asks cargo")]
    fn metadata() -> Value {
        let output = std::process::Command::new(env!("CARGO"))
            .args(["metadata", "--format-version", "1", "--locked", "--offline"])
            .args(["--filter-platform", env!("FLUGS_TARGET")])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Name and version of what is reached by normal dependencies, without procedural macros.
    fn reached(metadata: &Value) -> BTreeMap<(String, String), Option<String>> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let packages: BTreeMap<String, &Value> = (metadata["packages"].as_array().unwrap().iter())
            .map(|package| (text(&package["id"]), package))
            .collect();
        let nodes: BTreeMap<String, &Value> = (metadata["resolve"]["nodes"].as_array().unwrap())
            .iter()
            .map(|node| (text(&node["id"]), node))
            .collect();
        let is_macro = |package: &Value| package["targets"][0]["kind"][0] == "proc-macro";
        let own = packages
            .iter()
            .find(|(_, package)| package["name"] == "flugs");
        let mut pending = vec![own.unwrap().0.clone()];
        let mut seen = BTreeSet::new();
        while let Some(id) = pending.pop() {
            if is_macro(packages[&id]) || !seen.insert(id.clone()) {
                continue;
            }
            for dependency in nodes[&id]["deps"].as_array().unwrap() {
                let kinds = dependency["dep_kinds"].as_array().unwrap();
                if kinds.iter().any(|kind| kind["kind"].is_null()) {
                    pending.push(text(&dependency["pkg"]));
                }
            }
        }
        let found = seen.iter().map(|id| packages[id]);
        found
            .filter(|package| !package["source"].is_null())
            .map(|package| {
                let license = package["license"]
                    .as_str()
                    .map(|it| it.replace('/', " OR "));
                ((text(&package["name"]), text(&package["version"])), license)
            })
            .collect()
    }

    #[test]
    fn the_list_is_what_cargo_metadata_says_is_linked_with_the_checksums_of_the_lock_file() {
        assert_eq!(beginning(), "flugs-crates/1 ");
        let program = Program::of(LIST.as_bytes()).unwrap();
        assert!(program.linked);
        assert_eq!(program.version, env!("CARGO_PKG_VERSION"));
        let listed: BTreeMap<(String, String), Option<String>> = program
            .crates
            .iter()
            .map(|one| ((one.name.clone(), one.version.clone()), one.license.clone()))
            .collect();
        assert_eq!(listed.len(), program.crates.len());
        let reached = reached(&metadata());
        let unknown: Vec<_> = listed
            .iter()
            .filter(|one| !reached_has(&reached, one))
            .collect();
        assert!(unknown.is_empty(), "{unknown:?}");
        // Metadata counts features that only tests and builds ask for, so it may know more.
        let missing = reached.keys().filter(|key| !listed.contains_key(*key));
        let missing: Vec<_> = missing.collect();
        assert!(missing.len() * 10 < listed.len(), "{missing:?}");
        let lock = include_str!("../../../Cargo.lock");
        for one in &program.crates {
            let sha256 = one.sha256.unwrap();
            let entry = format!("name = \"{}\"\nversion = \"{}\"\n", one.name, one.version);
            let entry = lock.split("[[package]]").find(|text| text.contains(&entry));
            assert!(entry.unwrap().contains(&sha256.to_string()), "{}", one.name);
        }
    }

    fn reached_has(
        reached: &BTreeMap<(String, String), Option<String>>,
        listed: &(&(String, String), &Option<String>),
    ) -> bool {
        reached.get(listed.0) == Some(listed.1)
    }

    #[test]
    fn a_list_is_found_wherever_it_is_in_a_program_and_the_word_alone_is_none() {
        let list = "flugs-crates/1 0.1.0 locked 2\na 1.0.0 - -\nb 2.0.0 - MIT OR Apache-2.0\n";
        let program = format!("\x7fELF flugs-crates/1 \0 flugs-crates/1 x {list}\0\0");
        let found = Program::of(program.as_bytes()).unwrap();
        assert!(!found.linked);
        assert_eq!(
            found.crates[1].license.as_deref(),
            Some("MIT OR Apache-2.0")
        );
        let cut = list.get(..list.len() - 30).unwrap();
        assert_eq!(Program::of(cut.as_bytes()), None);
        assert_eq!(Program::of(b"flugs-crates/1 0.1.0 linked 99999999\n"), None);
        assert_eq!(Program::of(b""), None);
    }
}
