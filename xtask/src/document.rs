//! What ARCHITECTURE.md says of the crates: its table and its drawing.

use std::collections::BTreeSet;
use std::path::Path;

/// What the first cell of the table's head says.
const HEAD: &str = "crate";
/// What the drawing's block begins with.
const DRAWING: &str = "```mermaid\n";

/// The part of the document that can be held to the truth.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Document {
    /// The table's rows, in its order: who stands higher is used by who stands lower.
    pub(crate) rows: Vec<Row>,
    /// The drawing, without its fence.
    pub(crate) drawing: String,
}

/// One row: `| name | owns | must never | uses |`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) uses: BTreeSet<String>,
}

/// The document is not as it has to be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DocumentError {
    /// It cannot be read.
    #[error("{0}")]
    Read(#[from] std::io::Error),
    /// A line of the table has other cells than its head.
    #[error("expected 4 cells, found {found}: {line}")]
    Cells {
        /// How many it has.
        found: usize,
        /// The line.
        line: String,
    },
    /// A crate has two rows.
    #[error("{0} has two rows")]
    Twice(String),
    /// It has no such table.
    #[error("found no table whose first column is \"crate\" and whose last is \"uses\"")]
    NoTable,
    /// It has no drawing.
    #[error("found no block of Mermaid: put the output of `cargo xtask drawing` into one")]
    NoDrawing,
}

impl Document {
    /// Reads it.
    pub(crate) fn read(path: &Path) -> Result<Self, DocumentError> {
        Self::parse(&std::fs::read_to_string(path)?)
    }

    fn parse(text: &str) -> Result<Self, DocumentError> {
        let is_head = |line: &&str| cells(line).first().is_some_and(|first| first == HEAD);
        let lines = text.lines().skip_while(|line| !is_head(line)).skip(2);
        let rows = lines
            .take_while(|line| line.starts_with('|'))
            .map(Row::parse);
        let rows = rows.collect::<Result<Vec<Row>, DocumentError>>()?;
        if rows.is_empty() {
            return Err(DocumentError::NoTable);
        }
        let mut names = BTreeSet::new();
        if let Some(twice) = rows.iter().find(|row| !names.insert(&row.name)) {
            return Err(DocumentError::Twice(twice.name.clone()));
        }
        let (_, drawing) = text.split_once(DRAWING).ok_or(DocumentError::NoDrawing)?;
        let (drawing, _) = drawing.split_once("```").ok_or(DocumentError::NoDrawing)?;
        Ok(Self {
            rows,
            drawing: drawing.to_owned(),
        })
    }
}

impl Row {
    fn parse(line: &str) -> Result<Self, DocumentError> {
        match cells(line).as_slice() {
            [name, _, _, uses] => Ok(Self {
                name: name.trim_matches('`').to_owned(),
                uses: names(uses),
            }),
            others => Err(DocumentError::Cells {
                found: others.len(),
                line: line.to_owned(),
            }),
        }
    }
}

/// The cells of a table's line; none of any other.
fn cells(line: &str) -> Vec<String> {
    let inner = line
        .strip_prefix('|')
        .and_then(|rest| rest.strip_suffix('|'));
    let cells = inner.into_iter().flat_map(|inner| inner.split('|'));
    cells.map(|cell| cell.trim().to_owned()).collect()
}

/// The names in a cell, where a dash stands for none.
fn names(cell: &str) -> BTreeSet<String> {
    let names = cell.split(',').map(|name| name.trim().trim_matches('`'));
    names
        .filter(|name| !matches!(*name, "–" | "-" | ""))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
| crate | owns | must never | uses |
|---|---|---|---|
| `base` | digests | know any domain | – |
| `net` | names | know what is sent | `base` |

```mermaid
graph BT
```
";

    #[test]
    fn the_table_and_the_drawing_are_found() {
        let document = Document::parse(TEXT).unwrap();
        let row = |name: &str, uses: &[&str]| Row {
            name: name.to_owned(),
            uses: uses.iter().map(|one| (*one).to_owned()).collect(),
        };
        assert_eq!(document.rows, [row("base", &[]), row("net", &["base"])]);
        assert_eq!(document.drawing, "graph BT\n");
    }

    #[test]
    fn a_row_that_cannot_be_understood_is_named() {
        let broken = |from: &str, to: &str| {
            let error = Document::parse(&TEXT.replace(from, to)).unwrap_err();
            error.to_string()
        };
        assert_eq!(
            broken("| names | know what is sent |", "| names |"),
            "expected 4 cells, found 3: | `net` | names | `base` |"
        );
        assert_eq!(broken("`net` |", "`base` |"), "base has two rows");
    }

    #[test]
    fn a_document_without_them_is_refused() {
        let without = |what: &str| Document::parse(&TEXT.replace(what, "")).unwrap_err();
        assert!(matches!(without("| crate "), DocumentError::NoTable));
        assert!(matches!(without("```mermaid\n"), DocumentError::NoDrawing));
    }
}
