//! The small words of a definition: paths, modes, ports, durations, signals, names. Each is
//! checked as it is read, so that an error knows its line.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// An absolute path inside an image: normal, without `..`, control characters or a final slash.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ImagePath(String);

impl ImagePath {
    /// The path with its leading slash.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path as entries of a layer name it: without the leading slash.
    pub fn in_layer(&self) -> &str {
        self.0.trim_start_matches('/')
    }
}

impl TryFrom<String> for ImagePath {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let refuse = |why: &str| Err(format!("\"{text}\" is not a path in an image: {why}"));
        let Some(below) = text.strip_prefix('/') else {
            return refuse("it must begin with /");
        };
        if text.chars().any(char::is_control) {
            return refuse("it has a control character");
        }
        if below.is_empty() {
            return refuse("it is the root itself");
        }
        if below.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return refuse("it must be normal, without //, . or .. and without a final /");
        }
        Ok(Self(text))
    }
}

impl From<ImagePath> for String {
    fn from(path: ImagePath) -> Self {
        path.0
    }
}

impl fmt::Display for ImagePath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Permission bits, written in octal: `"0755"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Mode(u32);

impl Mode {
    /// The bits, at most 0o7777.
    pub const fn bits(self) -> u32 {
        self.0
    }
}

impl TryFrom<String> for Mode {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let digits =
            (3..=4).contains(&text.len()) && text.bytes().all(|digit| digit.is_ascii_digit());
        u32::from_str_radix(&text, 8)
            .ok()
            .filter(|_| digits)
            .map(Self)
            .ok_or_else(|| {
                format!("\"{text}\" is not a mode: expected three or four octal digits like 0755")
            })
    }
}

impl From<Mode> for String {
    fn from(mode: Mode) -> Self {
        format!("{:04o}", mode.0)
    }
}

/// Who owns a file: numeric user and group, written `9999:0`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Owner {
    /// The user.
    pub user: u32,
    /// The group.
    pub group: u32,
}

impl TryFrom<String> for Owner {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let numbers = text.split_once(':').and_then(|(user, group)| {
            let number = |digits: &str| {
                let plain =
                    !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
                digits.parse::<u32>().ok().filter(|_| plain)
            };
            Some((number(user)?, number(group)?))
        });
        match numbers {
            Some((user, group)) => Ok(Self { user, group }),
            None => Err(format!(
                "\"{text}\" is not an owner: expected two numbers like 9999:0"
            )),
        }
    }
}

impl From<Owner> for String {
    fn from(owner: Owner) -> Self {
        format!("{}:{}", owner.user, owner.group)
    }
}

/// A port that the image listens on: `6123`, `6123/tcp`, `5353/udp`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Port {
    number: u16,
    protocol: Protocol,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Protocol {
    Tcp,
    Udp,
    Sctp,
}

impl Protocol {
    const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        }
    }
}

impl TryFrom<String> for Port {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let (digits, protocol) = text.split_once('/').unwrap_or((&text, "tcp"));
        let protocol = [Protocol::Tcp, Protocol::Udp, Protocol::Sctp]
            .into_iter()
            .find(|known| known.name() == protocol);
        let plain = digits.bytes().all(|digit| digit.is_ascii_digit());
        match (digits.parse(), protocol) {
            (Ok(number), Some(protocol)) if number > 0 && plain => Ok(Self { number, protocol }),
            _ => Err(format!(
                "\"{text}\" is not a port: expected 1 to 65535, with /tcp, /udp or /sctp behind it if need be"
            )),
        }
    }
}

impl From<Port> for String {
    fn from(port: Port) -> Self {
        port.to_string()
    }
}

impl fmt::Display for Port {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.number, self.protocol.name())
    }
}

/// A span of time: `500ms`, `10s`, `1m30s`, `2h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Span(Duration);

impl Span {
    /// Nanoseconds, as image configurations count.
    pub fn nanoseconds(self) -> u64 {
        u64::try_from(self.0.as_nanos()).unwrap_or(u64::MAX)
    }
}

impl TryFrom<String> for Span {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        parse_span(&text)
            .filter(|span| !span.is_zero())
            .map(Self)
            .ok_or_else(|| {
                format!("\"{text}\" is not a span of time: expected one like 500ms, 10s or 1m30s")
            })
    }
}

impl From<Span> for String {
    fn from(span: Span) -> Self {
        let millis = span.0.as_millis();
        if millis.is_multiple_of(1000) {
            format!("{}s", millis / 1000)
        } else {
            format!("{millis}ms")
        }
    }
}

fn parse_span(text: &str) -> Option<Duration> {
    let mut total = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, behind) = rest.split_at_checked(digits)?;
        let number: u64 = number.parse().ok()?;
        let letters = behind.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, behind) = behind.split_at_checked(letters)?;
        let part = match unit {
            "ms" => Duration::from_millis(number),
            "s" => Duration::from_secs(number),
            "m" => Duration::from_secs(number.checked_mul(60)?),
            "h" => Duration::from_secs(number.checked_mul(3600)?),
            _ => return None,
        };
        total = total.checked_add(part)?;
        rest = behind;
    }
    Some(total)
}

/// The signal that asks a container to stop, by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StopSignal(nix::sys::signal::Signal);

impl TryFrom<String> for StopSignal {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
            .map(Self)
            .map_err(|_| format!("\"{text}\" is not a signal: expected a name like SIGTERM"))
    }
}

impl From<StopSignal> for String {
    fn from(signal: StopSignal) -> Self {
        signal.0.as_str().to_owned()
    }
}

/// The name of an environment variable: letters, digits and `_`, no digit first (POSIX).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct VariableName(String);

impl VariableName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for VariableName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let begins = text
            .chars()
            .next()
            .is_some_and(|first| !first.is_ascii_digit());
        if begins && text.chars().all(word) {
            Ok(Self(text))
        } else {
            Err(format!(
                "\"{text}\" is not the name of an environment variable: letters, digits and _ only"
            ))
        }
    }
}

impl From<VariableName> for String {
    fn from(name: VariableName) -> Self {
        name.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good<T: TryFrom<String> + Into<String>>(text: &str) -> String {
        T::try_from(text.to_owned()).ok().expect(text).into()
    }

    fn bad<T: TryFrom<String, Error = String>>(text: &str) -> bool {
        T::try_from(text.to_owned()).is_err()
    }

    #[test]
    fn what_is_written_is_what_is_meant() {
        assert_eq!(good::<Mode>("755"), "0755");
        assert_eq!(good::<Owner>("9999:0"), "9999:0");
        assert_eq!(good::<Port>("6123"), "6123/tcp");
        assert_eq!(good::<Port>("53/udp"), "53/udp");
        assert_eq!(good::<Span>("1m30s"), "90s");
        assert_eq!(good::<Span>("500ms"), "500ms");
        assert_eq!(good::<StopSignal>("SIGTERM"), "SIGTERM");
        assert_eq!(good::<VariableName>("_A1"), "_A1");
        assert_eq!(good::<ImagePath>("/opt/flink"), "/opt/flink");
    }

    #[test]
    fn what_could_be_misread_is_refused() {
        assert!(
            ["", "7", "rwx", "0o755", "99", "+755", "17777"]
                .into_iter()
                .all(bad::<Mode>)
        );
        assert!(
            ["", "flink", "9999", "9999:flink", "1:2:3", "-1:0", "+1:0"]
                .into_iter()
                .all(bad::<Owner>)
        );
        assert!(
            ["", "0", "65536", "80/http", "+80", "80/"]
                .into_iter()
                .all(bad::<Port>)
        );
        assert!(
            ["", "0s", "10", "s", "1d", "99999999999999999999s"]
                .into_iter()
                .all(bad::<Span>)
        );
        assert!(
            ["", "TERM", "15", "SIGNONE"]
                .into_iter()
                .all(bad::<StopSignal>)
        );
        assert!(
            ["", "1A", "A-B", "A=B"]
                .into_iter()
                .all(bad::<VariableName>)
        );
        assert!(
            ["", "opt", "/", "/a//b", "/a/../b", "/a/", "/a\nb"]
                .into_iter()
                .all(bad::<ImagePath>)
        );
    }
}
