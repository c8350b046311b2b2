//! What changed from release to release in how Flink reads values.

/// How the options of one release line read their values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadingRules {
    major: u32,
    minor: u32,
}

impl ReadingRules {
    /// Those of the newest release, and of flugs' own options.
    pub const NEWEST: Self = Self::of_line(u32::MAX, 0);

    /// Those of a release line, found by asking the options of every one.
    pub(super) const fn of_line(major: u32, minor: u32) -> Self {
        Self { major, minor }
    }

    const fn since(self, major: u32, minor: u32) -> bool {
        self.major > major || (self.major == major && self.minor >= minor)
    }

    /// `m` is a unit of time: minutes.
    pub(super) const fn has_minutes_as_m(self) -> bool {
        self.since(1, 15)
    }

    /// A duration's number may be larger than 64 bits, if the duration is not.
    pub(super) const fn has_wide_durations(self) -> bool {
        self.since(2, 0)
    }

    /// Durations may be written as in ISO 8601.
    pub(super) const fn has_iso_durations(self) -> bool {
        self.since(2, 1)
    }

    /// Lists and maps may be written as in YAML.
    pub(super) const fn has_yaml(self) -> bool {
        self.since(1, 19)
    }

    /// Maps within lists, too.
    pub(super) const fn has_yaml_within_lists(self) -> bool {
        self.since(2, 0)
    }
}
