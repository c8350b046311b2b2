//! The one time that everything in an image carries: `SOURCE_DATE_EPOCH`
//! (reproducible-builds.org/specs/source-date-epoch), else the time of this program's commit.

use super::ImageError;

/// Seconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Epoch(u64);

/// The last second of the year 9999: later times have no RFC 3339 form.
const LATEST: u64 = 253_402_300_799;

impl Epoch {
    /// Reads the variable's value; without one, the commit's time. A malformed value is an error:
    /// whoever sets it wants that very time.
    pub fn resolve(variable: Option<&str>) -> Result<Self, ImageError> {
        let Some(text) = variable else {
            return Ok(Self(commit_time()));
        };
        let digits = !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit());
        text.parse()
            .ok()
            .filter(|seconds| digits && *seconds <= LATEST)
            .map(Self)
            .ok_or_else(|| ImageError::Epoch {
                found: text.to_owned(),
            })
    }

    /// Seconds since 1970.
    pub const fn seconds(self) -> u64 {
        self.0
    }

    /// The time in RFC 3339, in UTC.
    pub fn rfc3339(self) -> String {
        let seconds = i64::try_from(self.0).unwrap_or(i64::MAX);
        jiff::Timestamp::from_second(seconds)
            .unwrap_or(jiff::Timestamp::MAX)
            .to_string()
    }
}

/// When the commit that this program was built from was made; 0 outside a repository.
fn commit_time() -> u64 {
    env!("FLUGS_COMMIT_TIME").parse().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_malformed_source_date_epoch_is_an_error_and_not_the_current_time() {
        for text in [
            "",
            "now",
            "-1",
            "+1",
            "1.5",
            "0x10",
            " 1",
            "253402300800",
            "99999999999999999999",
        ] {
            assert!(Epoch::resolve(Some(text)).is_err(), "{text}");
        }
    }

    #[test]
    fn the_epoch_is_written_in_utc() {
        assert_eq!(
            Epoch::resolve(Some("1700000000")).unwrap().rfc3339(),
            "2023-11-14T22:13:20Z"
        );
    }
}
