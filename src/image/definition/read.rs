//! From YAML text to a definition as written, with errors that name file, line and remedy.

use std::path::Path;

use super::error::DefinitionError;
use super::raw::RawDefinition;

/// A definition longer than this, in bytes, is a mistake.
const LONGEST: u64 = 1 << 20;

/// Includes go this deep at most.
const DEEPEST: usize = 8;

/// Reads a file and all that it includes, merged.
pub(super) fn file(path: &Path) -> Result<RawDefinition, DefinitionError> {
    nested(path, 0)
}

fn nested(path: &Path, depth: usize) -> Result<RawDefinition, DefinitionError> {
    if depth > DEEPEST {
        return Err(DefinitionError::Includes {
            path: path.to_owned(),
            depth: DEEPEST,
        });
    }
    let unreadable = |source| DefinitionError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let length = std::fs::metadata(path).map_err(unreadable)?.len();
    if length > LONGEST {
        return Err(malformed(
            path,
            format!("{length} bytes are too many for a definition"),
            None,
        ));
    }
    let content = std::fs::read_to_string(path).map_err(unreadable)?;
    let own = text(&content, path)?.below(path.parent().unwrap_or(Path::new(".")));
    let mut below = RawDefinition::default();
    for included in &own.include {
        below = nested(included, depth + 1)?.over(below);
    }
    Ok(own.over(below))
}

/// Reads one document. `path` is only for messages.
pub(super) fn text(content: &str, path: &Path) -> Result<RawDefinition, DefinitionError> {
    serde_saphyr::from_str(content).map_err(|error| located(&error, path))
}

fn located(error: &serde_saphyr::Error, path: &Path) -> DefinitionError {
    let location = error.location();
    let reason = error.without_snippet().to_string();
    // The location is said once, in front.
    let reason = match reason.rfind(" at line ") {
        Some(at) => reason.get(..at).unwrap_or(&reason).to_owned(),
        None => reason,
    };
    let reason = reason
        .lines()
        .next()
        .unwrap_or_default()
        .trim_end_matches(':')
        .to_owned();
    // What follows is advice to programmers.
    let reason = reason.replace(", set DuplicateKeyPolicy in Options if acceptable", "");
    let hint = hint(&reason);
    DefinitionError::Malformed {
        path: path.to_owned(),
        line: location.map_or(0, |location| location.line()),
        column: location.map_or(0, |location| location.column()),
        reason,
        hint,
    }
}

fn malformed(path: &Path, reason: String, hint: Option<String>) -> DefinitionError {
    DefinitionError::Malformed {
        path: path.to_owned(),
        line: 0,
        column: 0,
        reason,
        hint,
    }
}

/// For an unknown field, the known one that is written most alike.
fn hint(reason: &str) -> Option<String> {
    let rest = reason.strip_prefix("unknown field `")?;
    let (unknown, known) = rest.split_once("`, expected ")?;
    let known = known.strip_prefix("one of ").unwrap_or(known);
    let (distance, nearest) = known
        .split(", ")
        .map(|known| known.trim_matches('`'))
        .map(|known| (strsim::damerau_levenshtein(unknown, known), known))
        .min()?;
    (distance <= unknown.len().div_ceil(3)).then(|| format!("did you mean `{nearest}`?"))
}
