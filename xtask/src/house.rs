//! The rules of the house: which way dependencies point, and that the document says so.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::document::Document;
use crate::drawing;
use crate::workspace::Workspace;

/// A rule that is broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Breach {
    /// A crate is not in the document's table.
    Unlisted(String),
    /// The document's table has a crate that there is not.
    Missing(String),
    /// A crate uses others than its row says.
    Uses {
        name: String,
        row: BTreeSet<String>,
        found: BTreeSet<String>,
    },
    /// A crate uses one that stands below it in the table.
    Upwards { name: String, used: String },
    /// A crate is not held to the workspace's lints: its public items may be undocumented.
    NoLints(String),
    /// A crate does not say what it owns.
    Silent(String),
    /// A crate shows nobody how it is used.
    NoExample(String),
    /// The drawing is not that of these crates.
    Drawing,
}

impl fmt::Display for Breach {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let listed = |names: &BTreeSet<String>| {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            if names.is_empty() {
                "nothing".to_owned()
            } else {
                names.join(", ")
            }
        };
        match self {
            Self::Unlisted(name) => write!(out, "{name}: has no row in ARCHITECTURE.md's table"),
            Self::Missing(name) => {
                write!(
                    out,
                    "{name}: in ARCHITECTURE.md's table, and no crate of that name in crates/"
                )
            }
            Self::Uses { name, row, found } => write!(
                out,
                "{name}: ARCHITECTURE.md says that it uses {}; its Cargo.toml says {}",
                listed(row),
                listed(found)
            ),
            Self::Upwards { name, used } => write!(
                out,
                "{name}: uses {used}, which stands below it in ARCHITECTURE.md's table: \
                 dependencies point up that table only"
            ),
            Self::NoLints(name) => write!(
                out,
                "{name}: its Cargo.toml lacks `[lints]` with `workspace = true`"
            ),
            Self::Silent(name) => {
                write!(
                    out,
                    "{name}: its lib.rs does not begin with `//!` and what it owns"
                )
            }
            Self::NoExample(name) => {
                write!(
                    out,
                    "{name}: its lib.rs has no example (a block of `//! ```)"
                )
            }
            Self::Drawing => write!(
                out,
                "ARCHITECTURE.md's drawing is an old one: put the output of `cargo xtask drawing` there"
            ),
        }
    }
}

/// Every rule that is broken.
pub(crate) fn check(workspace: &Workspace, document: &Document) -> Vec<Breach> {
    let place: BTreeMap<&str, usize> = (document.rows.iter().enumerate())
        .map(|(at, row)| (row.name.as_str(), at))
        .collect();
    let mut breaches = Vec::new();
    for name in workspace.crates.keys() {
        if !place.contains_key(name.as_str()) {
            breaches.push(Breach::Unlisted(name.clone()));
        }
    }
    for (at, row) in document.rows.iter().enumerate() {
        let Some(found) = workspace.crates.get(&row.name) else {
            breaches.push(Breach::Missing(row.name.clone()));
            continue;
        };
        let name = row.name.clone();
        for used in &found.uses {
            if place.get(used.as_str()).is_some_and(|other| *other >= at) {
                let (name, used) = (name.clone(), used.clone());
                breaches.push(Breach::Upwards { name, used });
            }
        }
        if !found.has_lints {
            breaches.push(Breach::NoLints(name.clone()));
        }
        if !found.says_what_it_owns {
            breaches.push(Breach::Silent(name.clone()));
        }
        if !found.has_example {
            breaches.push(Breach::NoExample(name.clone()));
        }
        if found.uses != row.uses {
            let (row, found) = (row.uses.clone(), found.uses.clone());
            breaches.push(Breach::Uses { name, row, found });
        }
    }
    if drawing::draw(workspace) != document.drawing {
        breaches.push(Breach::Drawing);
    }
    breaches
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Row;
    use crate::workspace::Crate;

    fn names(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    /// Crates with what they use, all of them as they should be.
    fn workspace(crates: &[(&str, &[&str])]) -> Workspace {
        let one = |uses: &[&str]| Crate {
            uses: names(uses),
            has_lints: true,
            says_what_it_owns: true,
            has_example: true,
        };
        let crates = crates.iter();
        Workspace {
            crates: crates
                .map(|(name, uses)| ((*name).to_owned(), one(uses)))
                .collect(),
        }
    }

    fn document(rows: &[(&str, &[&str])], workspace: &Workspace) -> Document {
        let row = |(name, uses): &(&str, &[&str])| Row {
            name: (*name).to_owned(),
            uses: names(uses),
        };
        Document {
            rows: rows.iter().map(row).collect(),
            drawing: drawing::draw(workspace),
        }
    }

    #[test]
    fn the_house_stands_as_architecture_md_says() {
        let root = crate::root();
        let workspace = Workspace::read(root).unwrap();
        let document = Document::read(&root.join("ARCHITECTURE.md")).unwrap();
        let breaches: Vec<String> = check(&workspace, &document)
            .iter()
            .map(ToString::to_string)
            .collect();
        assert!(breaches.is_empty(), "{}", breaches.join("\n"));
    }

    #[test]
    fn a_crate_that_uses_one_below_it_is_named() {
        let workspace = workspace(&[("base", &["net"]), ("net", &[])]);
        let document = document(&[("base", &["net"]), ("net", &[])], &workspace);
        let breach = Breach::Upwards {
            name: "base".to_owned(),
            used: "net".to_owned(),
        };
        assert_eq!(check(&workspace, &document), [breach]);
    }

    #[test]
    fn rows_and_crates_that_differ_are_named() {
        let workspace = workspace(&[("base", &[]), ("net", &["base"])]);
        let document = document(&[("base", &[]), ("model", &[]), ("net", &[])], &workspace);
        let uses = Breach::Uses {
            name: "net".to_owned(),
            row: names(&[]),
            found: names(&["base"]),
        };
        let missing = Breach::Missing("model".to_owned());
        assert_eq!(check(&workspace, &document), [missing, uses]);
    }

    #[test]
    fn a_crate_without_a_row_lints_or_words_is_named() {
        let mut workspace = workspace(&[("base", &[]), ("net", &[])]);
        for found in workspace.crates.values_mut() {
            *found = Crate::default();
        }
        let document = document(&[("base", &[])], &workspace);
        let base = || "base".to_owned();
        assert_eq!(
            check(&workspace, &document),
            [
                Breach::Unlisted("net".to_owned()),
                Breach::NoLints(base()),
                Breach::Silent(base()),
                Breach::NoExample(base()),
            ]
        );
    }

    #[test]
    fn an_old_drawing_is_named() {
        let workspace = workspace(&[("base", &[])]);
        let mut document = document(&[("base", &[])], &workspace);
        document.drawing.push_str("  net --> base\n");
        assert_eq!(check(&workspace, &document), [Breach::Drawing]);
    }
}
