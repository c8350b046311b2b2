//! The crates as a drawing: who uses whom, without the arrows that follow from others.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::workspace::Workspace;

/// A Mermaid graph, bottom to top.
pub(crate) fn draw(workspace: &Workspace) -> String {
    let mut drawing = "graph BT\n".to_owned();
    for (name, found) in &workspace.crates {
        if found.uses.is_empty() {
            let _ = writeln!(drawing, "  {name}");
        }
        for used in direct(workspace, &found.uses) {
            let _ = writeln!(drawing, "  {used} --> {name}");
        }
    }
    drawing
}

/// Those that none of the others uses in turn.
fn direct<'a>(workspace: &'a Workspace, uses: &'a BTreeSet<String>) -> Vec<&'a String> {
    let others: BTreeSet<&str> = uses
        .iter()
        .flat_map(|used| reached(workspace, used))
        .collect();
    uses.iter()
        .filter(|used| !others.contains(used.as_str()))
        .collect()
}

/// All that a crate uses, itself not counted.
fn reached<'a>(workspace: &'a Workspace, name: &'a str) -> BTreeSet<&'a str> {
    let mut pending: Vec<&str> = vec![name];
    let mut reached = BTreeSet::new();
    while let Some(name) = pending.pop() {
        let Some(found) = workspace.crates.get(name) else {
            continue;
        };
        let uses = found.uses.iter().map(String::as_str);
        pending.extend(uses.filter(|used| reached.insert(*used)));
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Crate;

    #[test]
    fn an_arrow_that_follows_from_others_is_left_out() {
        let one = |name: &str, uses: &[&str]| {
            let uses = uses.iter().map(|used| (*used).to_owned()).collect();
            let found = Crate {
                uses,
                ..Crate::default()
            };
            (name.to_owned(), found)
        };
        let crates = [
            one("base", &[]),
            one("flink", &["base", "net"]),
            one("net", &["base"]),
        ];
        let workspace = Workspace {
            crates: crates.into(),
        };
        assert_eq!(
            draw(&workspace),
            "graph BT\n  base\n  net --> flink\n  base --> net\n"
        );
    }
}
