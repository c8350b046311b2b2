//! Makes the configuration file that Flink ships fit a container: what it binds to the loopback
//! address alone can be reached by nobody there.

use std::collections::BTreeMap;

use super::dialect::Dialect;
use super::error::ConfError;
use super::{flat, nested};

/// What Flink ships.
const LOOPBACK: &str = "localhost";
/// What the official image puts in its place.
const EVERY_ADDRESS: &str = "0.0.0.0";

/// The options that it is replaced in.
const BOUND: [&str; 4] = [
    "jobmanager.bind-host",
    "taskmanager.bind-host",
    "rest.bind-address",
    "rest.address",
];
/// The option that is taken out: Flink finds a TaskManager's own address by connecting.
const REMOVED: &str = "taskmanager.host";

/// The text of a configuration file with the shipped loopback addresses opened, its comments and
/// everything else as they were; an address that somebody chose stays. The same edits as the
/// official image's, which loses the comments.
///
/// # Errors
/// If the text cannot be parsed; [`ConfError::NotFitted`] if it is laid out in a way that these
/// edits, line by line, would not do right.
pub fn fit_container(text: &str, dialect: Dialect, name: &str) -> Result<String, ConfError> {
    let before = settings(text, dialect, name)?;
    let mut lines: Vec<Option<String>> = text.lines().map(|line| Some(line.to_owned())).collect();
    let mut wanted = BTreeMap::new();
    for (key, (value, line)) in &before {
        let mut value = value.clone();
        let shipped = value == LOOPBACK;
        let line = lines.get_mut(line - 1);
        if shipped && key == REMOVED {
            if let Some(line) = line {
                *line = None;
            }
            continue;
        }
        if shipped && BOUND.contains(&key.as_str()) {
            EVERY_ADDRESS.clone_into(&mut value);
            if let Some(Some(line)) = line
                && let Some((start, end)) = line.rsplit_once(LOOPBACK)
            {
                *line = format!("{start}{EVERY_ADDRESS}{end}");
            }
        }
        wanted.insert(key.clone(), value);
    }
    let mut fitted: String = lines
        .into_iter()
        .flatten()
        .flat_map(|line| [line, "\n".to_owned()])
        .collect();
    if !text.ends_with('\n') {
        fitted.pop();
    }
    // The edit is by line; whether it did what was wanted, the parser says.
    let after = settings(&fitted, dialect, name).map(|after| {
        let values = after.into_iter().map(|(key, (value, _))| (key, value));
        values.collect::<BTreeMap<_, _>>()
    });
    match after {
        Ok(after) if after == wanted => Ok(fitted),
        _ => Err(ConfError::NotFitted {
            source_name: name.to_owned(),
        }),
    }
}

/// Every key's value in effect, and its line.
fn settings(
    text: &str,
    dialect: Dialect,
    name: &str,
) -> Result<BTreeMap<String, (String, usize)>, ConfError> {
    let parsed = match dialect {
        Dialect::Flat => flat::parse_flat(text, name),
        Dialect::Nested => nested::parse_nested(text, name)?,
    };
    let settings = parsed.settings.into_iter();
    Ok(settings
        .map(|one| (one.key, (one.value, one.line)))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SHIPPED: &str = "\
# localhost, and why
jobmanager:
  bind-host: localhost
  rpc:
    address: localhost
taskmanager:
  bind-host: localhost
  # The address of the host.
  host: localhost
  numberOfTaskSlots: 1
rest:
  address: localhost # localhost
  # bind-address: localhost
";

    fn fit(text: &str, dialect: Dialect) -> Result<String, ConfError> {
        fit_container(text, dialect, "config.yaml")
    }

    #[test]
    fn the_shipped_addresses_are_opened_and_the_comments_stay() {
        insta::assert_snapshot!(fit(&SHIPPED.replace(" # localhost\n", "\n"), Dialect::Nested).unwrap(), @r"
        # localhost, and why
        jobmanager:
          bind-host: 0.0.0.0
          rpc:
            address: localhost
        taskmanager:
          bind-host: 0.0.0.0
          # The address of the host.
          numberOfTaskSlots: 1
        rest:
          address: 0.0.0.0
          # bind-address: localhost
        ");
    }

    #[test]
    fn the_flat_file_of_older_releases_is_fitted_too() {
        let text = "jobmanager.rpc.address: localhost\nrest.address: localhost\ntaskmanager.host: localhost";
        let fitted = fit(text, Dialect::Flat).unwrap();
        assert_eq!(
            fitted,
            "jobmanager.rpc.address: localhost\nrest.address: 0.0.0.0"
        );
    }

    #[test]
    fn addresses_that_somebody_chose_stay() {
        let text = "rest.address: jm.example\ntaskmanager.host: 10.0.0.7\n";
        assert_eq!(fit(text, Dialect::Nested).unwrap(), text);
    }

    #[test]
    fn a_layout_that_a_line_edit_would_spoil_is_refused_and_named() {
        for text in [
            "taskmanager: {bind-host: localhost, host: localhost}\n",
            "taskmanager:\n  host: localhost\n",
            SHIPPED,
        ] {
            let error = fit(text, Dialect::Nested).unwrap_err();
            assert!(matches!(error, ConfError::NotFitted { .. }), "{error}");
        }
    }

    proptest! {
        #[test]
        fn a_second_fitting_changes_nothing(
            lines in prop::collection::vec(
                (prop::sample::select([BOUND.as_slice(), &[REMOVED, "a.b"]].concat()),
                 prop::sample::select(vec!["localhost", "0.0.0.0", "x"])), 0..8)
        ) {
            let text: String = lines.iter().flat_map(|(key, value)| [*key, ": ", *value, "\n"]).collect();
            if let Ok(once) = fit(&text, Dialect::Flat) {
                prop_assert_eq!(fit(&once, Dialect::Flat).unwrap(), once);
            }
        }
    }
}
