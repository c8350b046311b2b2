//! Which processes are below this one, from `/proc`.
//!
//! Needed only when this process is not PID 1 of a namespace: there, `kill(-1)` says the same.

use std::collections::BTreeMap;
use std::fs;

/// Every process below `ancestor`, children before their own children.
pub(super) fn descendants(ancestor: i32) -> Vec<i32> {
    below(ancestor, processes())
}

/// Every visible process with its parent.
pub(super) fn processes() -> impl Iterator<Item = (i32, i32)> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| {
        let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
        let stat = fs::read(entry.path().join("stat")).ok()?;
        Some((pid, parent(&stat)?))
    })
}

/// The parent in `pid (name) state ppid …`; the name may hold anything, parentheses included.
fn parent(stat: &[u8]) -> Option<i32> {
    let after_name = stat.iter().rposition(|byte| *byte == b')')? + 1;
    let rest = std::str::from_utf8(stat.get(after_name..)?).ok()?;
    rest.split_ascii_whitespace().nth(1)?.parse().ok()
}

fn below(ancestor: i32, processes: impl Iterator<Item = (i32, i32)>) -> Vec<i32> {
    let mut children: BTreeMap<i32, Vec<i32>> = BTreeMap::new();
    for (pid, parent) in processes {
        children.entry(parent).or_default().push(pid);
    }
    let mut found = Vec::new();
    let mut next = vec![ancestor];
    while let Some(parent) = next.pop() {
        for pid in children.remove(&parent).unwrap_or_default() {
            found.push(pid);
            next.push(pid);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_process_name_with_parentheses_and_spaces_hides_nothing() {
        assert_eq!(parent(b"42 (a) S 7 (b) R 1 1 1"), Some(1));
        assert_eq!(parent(b"42 (java) S 7 42 42 0"), Some(7));
        assert_eq!(parent(b"42 (\xff) Z 7 42"), Some(7));
        assert_eq!(parent(b""), None);
    }

    #[test]
    fn only_what_is_below_is_found_parents_first() {
        let table = [(1, 0), (5, 1), (6, 5), (7, 6), (8, 1), (9, 5)];
        assert_eq!(below(5, table.into_iter()), [6, 9, 7]);
        assert!(below(8, table.into_iter()).is_empty());
    }

    #[test]
    fn this_test_has_no_descendants_but_its_parent_has_it() {
        let own = nix::unistd::getpid().as_raw();
        assert!(descendants(nix::unistd::getppid().as_raw()).contains(&own));
    }

    proptest! {
        #[test]
        fn any_table_even_a_cyclic_one_ends(table in prop::collection::vec((0_i32..9, 0_i32..9), 0..30)) {
            let found = below(0, table.into_iter());
            prop_assert!(found.len() <= 30);
        }
    }
}
