//! Nested YAML in `flink-conf.yaml`: what is told of it is true of the file, and changes no setting.

use flugs_flink_conf::{WarningKind, parse_flat};

pub(crate) fn run(bytes: &[u8]) {
    let text = crate::text(bytes);
    let parsed = parse_flat(text, "flink-conf.yaml");
    for warning in &parsed.warnings {
        let WarningKind::NestedYaml {
            last_line,
            lines,
            keys,
        } = &warning.kind
        else {
            continue;
        };
        assert!(!keys.is_empty());
        assert!(*last_line <= text.lines().count());
        assert_eq!(lines.last().map(|(_, last)| last), Some(last_line));
        assert!(lines.iter().all(|(first, last)| first < last));
        assert!(lines.windows(2).all(|pair| pair[0].1 < pair[1].0));
        // Of a line within, nothing else is said.
        for other in parsed.warnings.iter().filter(|other| *other != warning) {
            let is_within = |line| {
                lines
                    .iter()
                    .any(|(first, last)| (*first..=*last).contains(&line))
            };
            assert!(!other.line.is_some_and(is_within), "{other}");
        }
    }
}
