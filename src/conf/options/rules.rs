//! What changed from release to release in how Flink reads values.

/// How the options of one release line read their values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadingRules {
    /// `m` is a unit of time: minutes.
    pub minutes_as_m: bool,
    /// A duration's number may be larger than 64 bits, if the duration is not.
    pub wide_durations: bool,
    /// Durations may be written as in ISO 8601.
    pub iso_durations: bool,
    /// Lists and maps may be written as in YAML.
    pub yaml: bool,
    /// Maps within lists, too.
    pub yaml_elements: bool,
}

impl ReadingRules {
    /// Those of the newest release, and of flugs' own options.
    pub const NEWEST: Self = Self {
        minutes_as_m: true,
        wide_durations: true,
        iso_durations: true,
        yaml: true,
        yaml_elements: true,
    };

    /// Those of a release line, as its own options read values.
    pub(super) fn of_line(major: u32, minor: u32) -> Self {
        let since = |line: (u32, u32)| major > line.0 || (major == line.0 && minor >= line.1);
        Self {
            minutes_as_m: since((1, 15)),
            wide_durations: since((2, 0)),
            iso_durations: since((2, 1)),
            yaml: since((1, 19)),
            yaml_elements: since((2, 0)),
        }
    }
}
