//! What a request target names. Nothing here is ever joined to a path: a target either is one of
//! a few exact shapes or names nothing.

use flugs_base::Sha256Digest;

/// What a request target names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    /// `/sha256/HEX`, or `/c/CAPABILITY/sha256/HEX`.
    Artifact {
        digest: Sha256Digest,
        capability: Option<Sha256Digest>,
    },
    /// `/c/CAPABILITY/exit-report/TASK`: where that task's launcher hands its report in.
    ExitReport {
        task: String,
        capability: Sha256Digest,
    },
    /// `/health`: whether the server lives; needs no token.
    Health,
    /// `/metrics`.
    Metrics,
    /// Something with a query. A token in a query would end in logs, so none is looked at.
    Query,
    /// Anything else.
    Unknown,
}

/// Reads a target in origin form. No percent-decoding: no shape has anything to encode.
pub(super) fn parse(target: &str) -> Target {
    if target.contains(['?', '#']) {
        return Target::Query;
    }
    let parts: Vec<&str> = target.split('/').collect();
    match *parts.as_slice() {
        ["", "health"] => Target::Health,
        ["", "metrics"] => Target::Metrics,
        ["", "sha256", digest] => artifact(digest, None),
        ["", "c", capability, "sha256", digest] => artifact(digest, Some(capability)),
        ["", "c", capability, "exit-report", task] => report(task, capability),
        _ => Target::Unknown,
    }
}

/// Tasks are named as Mesos lets them be named, by what needs no encoding.
fn report(task: &str, capability: &str) -> Target {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    match lower_case_hex(capability) {
        Some(capability) if !task.is_empty() && task.len() <= 200 && task.chars().all(plain) => {
            Target::ExitReport {
                task: task.to_owned(),
                capability,
            }
        }
        _ => Target::Unknown,
    }
}

fn artifact(digest: &str, capability: Option<&str>) -> Target {
    let capability = capability.map(lower_case_hex);
    match (lower_case_hex(digest), capability) {
        (Some(digest), None) => Target::Artifact {
            digest,
            capability: None,
        },
        (Some(digest), Some(Some(capability))) => Target::Artifact {
            digest,
            capability: Some(capability),
        },
        _ => Target::Unknown,
    }
}

/// One spelling a resource: upper case would be a second URL for the same object.
fn lower_case_hex(text: &str) -> Option<Sha256Digest> {
    let one_case = !text.bytes().any(|byte| byte.is_ascii_uppercase());
    one_case.then(|| text.parse().ok()).flatten()
}

/// A target as it may be logged: a capability is as good as a token for its artifact.
pub(super) fn redacted(target: &str) -> String {
    let path = target.split(['?', '#']).next().unwrap_or_default();
    let shown = match path.strip_prefix("/c/") {
        Some(rest) => format!("/c/redacted/{}", rest.split_once('/').map_or("", |x| x.1)),
        None => path.to_owned(),
    };
    let query = if path.len() < target.len() {
        "?redacted"
    } else {
        ""
    };
    let visible = |c: char| if c.is_ascii_graphic() { c } else { '.' };
    shown
        .chars()
        .take(200)
        .map(visible)
        .chain(query.chars())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hex() -> String {
        Sha256Digest::of(b"x").to_string()
    }

    #[test]
    fn the_exact_shapes_are_found() {
        let digest = Sha256Digest::of(b"x");
        let at = |target: &str| parse(target);
        assert_eq!(
            at(&format!("/sha256/{digest}")),
            Target::Artifact {
                digest,
                capability: None
            }
        );
        assert_eq!(
            at(&format!("/c/{digest}/sha256/{digest}")),
            Target::Artifact {
                digest,
                capability: Some(digest)
            }
        );
        assert_eq!(at("/health"), Target::Health);
        assert_eq!(
            at(&format!("/c/{digest}/exit-report/taskmanager-1-7")),
            Target::ExitReport {
                task: "taskmanager-1-7".to_owned(),
                capability: digest
            }
        );
    }

    #[test]
    fn traversal_encoding_and_other_spellings_name_nothing() {
        let hex = hex();
        for target in [
            "/".to_owned(),
            "//sha256".to_owned(),
            "/sha256/".to_owned(),
            "/sha256/../../etc/passwd".to_owned(),
            "/sha256/..%2f..%2fetc%2fpasswd".to_owned(),
            format!("/sha256/../sha256/{hex}"),
            format!("/sha256/./{hex}"),
            format!("/sha256/{hex}/"),
            format!("//sha256/{hex}"),
            format!("/sha256/{}", hex.to_uppercase()),
            format!("/sha256/%61{}", hex.get(1..).unwrap()),
            format!("/secret/{}/{hex}", hex.get(..2).unwrap()),
            format!("/sha256/{}/{hex}", hex.get(..2).unwrap()),
            format!("/c/x/sha256/{hex}"),
            "/c/x/exit-report/taskmanager-1-7".to_owned(),
            format!("/c/{hex}/exit-report/"),
            format!("/c/{hex}/exit-report/a%2fb"),
            format!("/c/{hex}/exit-report/../x"),
            "/sha256\\..\\x".to_owned(),
        ] {
            assert_eq!(parse(&target), Target::Unknown, "{target}");
        }
    }

    #[test]
    fn a_query_is_never_looked_at() {
        let target = format!("/sha256/{}?token=0123456789abcdef", hex());
        assert_eq!(parse(&target), Target::Query);
        assert!(!redacted(&target).contains("0123456789abcdef"));
    }

    #[test]
    fn a_capability_is_not_logged() {
        let target = format!("/c/{}/sha256/{}", Sha256Digest::of(b"s"), hex());
        assert_eq!(redacted(&target), format!("/c/redacted/sha256/{}", hex()));
    }

    proptest! {
        #[test]
        fn what_is_logged_is_one_printable_line(target in "\\PC{0,300}|[\\x00-\\x7f]{0,300}") {
            prop_assert!(redacted(&target).chars().all(|c| c.is_ascii_graphic()));
        }
    }
}
