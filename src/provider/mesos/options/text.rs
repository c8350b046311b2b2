//! The small languages inside the options' values: volumes, parameters, lists.
//!
//! Each is read as Flink's Mesos integration read it (`MesosTaskManagerParameters`,
//! `ContaineredTaskManagerParameters`), but what that dropped in silence is refused here. No
//! message repeats an entry that may hold a secret; it is counted instead.

use flugs_mesos::wire::VolumeMode;

/// Why a value cannot be understood; the entries of a list are counted from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// A volume has another form.
    #[error(
        "entry {entry}, \"{found}\", is no volume; expected [host path:]container path[:RO|RW]"
    )]
    Volume {
        /// Which entry.
        entry: usize,
        /// What was found.
        found: String,
    },
    /// An entry is no pair.
    #[error("entry {entry} is no pair; expected {expected}")]
    Pair {
        /// Which entry.
        entry: usize,
        /// The form of a pair.
        expected: &'static str,
    },
    /// Two entries say something of the same thing.
    #[error("entry {entry} names \"{name}\" again")]
    Twice {
        /// Which entry is the second.
        entry: usize,
        /// What both name.
        name: String,
    },
    /// A port is none.
    #[error("entry {entry} gives \"{name}\" no port from 1 to 65535")]
    Port {
        /// Which entry.
        entry: usize,
        /// The port's name.
        name: String,
    },
    /// A URI holds what Mesos refuses.
    #[error(
        "entry {entry} is no URI that Mesos' fetcher takes: it must not hold white space, quotes or backslashes"
    )]
    Uri {
        /// Which entry.
        entry: usize,
    },
}

/// A directory or file of the host that a container sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeOption {
    /// Where it is on the host; absent: the path within the sandbox that the container path is.
    pub host_path: Option<String>,
    /// Where it is in the container.
    pub container_path: String,
    /// Whether it may be written.
    pub mode: VolumeMode,
}

/// The entries of a list with commas; empty ones are none.
fn entries(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let entries = text.split(',').map(str::trim);
    let filled = entries.filter(|entry| !entry.is_empty());
    filled.enumerate().map(|(index, entry)| (index + 1, entry))
}

/// A list with commas.
pub fn list(text: &str) -> Vec<String> {
    entries(text).map(|(_, entry)| entry.to_owned()).collect()
}

/// `[host path:]container path[:RO|RW]`, separated by commas; without a mode, it may be written.
pub fn volumes(text: &str) -> Result<Vec<VolumeOption>, TextError> {
    let mode = |word: &str| match word {
        _ if word.eq_ignore_ascii_case("RO") => Some(VolumeMode::ReadOnly),
        _ if word.eq_ignore_ascii_case("RW") => Some(VolumeMode::ReadWrite),
        _ => None,
    };
    let one = |(entry, found): (usize, &str)| {
        let wrong = || TextError::Volume {
            entry,
            found: found.to_owned(),
        };
        let parts: Vec<&str> = found.split(':').map(str::trim).collect();
        let (host, container, mode) = match *parts.as_slice() {
            [container] => (None, container, VolumeMode::ReadWrite),
            [first, second] => match mode(second) {
                Some(mode) => (None, first, mode),
                None => (Some(first), second, VolumeMode::ReadWrite),
            },
            [host, container, word] => (Some(host), container, mode(word).ok_or_else(wrong)?),
            _ => return Err(wrong()),
        };
        if container.is_empty() || host.is_some_and(str::is_empty) {
            return Err(wrong());
        }
        Ok(VolumeOption {
            host_path: host.map(str::to_owned),
            container_path: container.to_owned(),
            mode,
        })
    };
    entries(text).map(one).collect()
}

/// `key=value`, separated by commas: options of `docker run`, without their dashes. A comma within
/// a value has a backslash before it. An option may occur more than once.
pub fn parameters(text: &str) -> Result<Vec<(String, String)>, TextError> {
    let mut parts = vec![String::new()];
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' if letters.peek() == Some(&',') => {
                letters.next();
                if let Some(part) = parts.last_mut() {
                    part.push(',');
                }
            }
            ',' => parts.push(String::new()),
            letter => {
                if let Some(part) = parts.last_mut() {
                    part.push(letter);
                }
            }
        }
    }
    let filled = parts.iter().map(|part| part.trim());
    let filled = filled.filter(|part| !part.is_empty()).enumerate();
    filled
        .map(|(index, part)| pair(index + 1, part, '=', "key=value"))
        .collect()
}

/// `name=value`, separated by commas; each name once.
pub fn pairs(text: &str, expected: &'static str) -> Result<Vec<(String, String)>, TextError> {
    let all = entries(text).map(|(entry, found)| pair(entry, found, '=', expected));
    let all: Vec<(String, String)> = all.collect::<Result<_, _>>()?;
    once(&all)?;
    Ok(all)
}

/// `key:value`, separated by commas, as Flink writes maps.
pub fn map(text: &str) -> Result<Vec<(String, String)>, TextError> {
    let one = |(entry, found): (usize, &str)| pair(entry, found, ':', "key:value");
    entries(text).map(one).collect()
}

/// `option:port`, separated by commas.
pub fn static_ports(text: &str) -> Result<Vec<(String, u16)>, TextError> {
    let expected = "an option and its port, option:port";
    let all = entries(text).map(|(entry, found)| pair(entry, found, ':', expected));
    let all: Vec<(String, String)> = all.collect::<Result<_, _>>()?;
    once(&all)?;
    let port = |(index, (name, text)): (usize, &(String, String))| {
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        match text.parse() {
            Ok(port) if digits && port > 0 => Ok((name.clone(), port)),
            _ => Err(TextError::Port {
                entry: index + 1,
                name: name.clone(),
            }),
        }
    };
    all.iter().enumerate().map(port).collect()
}

/// Keys of options, separated by commas; each once.
pub fn names(text: &str) -> Result<Vec<String>, TextError> {
    let all = list(text);
    let named: Vec<(String, String)> = all.iter().map(|one| (one.clone(), String::new())).collect();
    once(&named)?;
    Ok(all)
}

/// URIs that the agent's fetcher gets, separated by commas.
pub fn uris(text: &str) -> Result<Vec<String>, TextError> {
    let one = |(entry, found): (usize, &str)| {
        let refused =
            |c: char| matches!(c, '\\' | '\'' | '"') || c.is_whitespace() || c.is_control();
        if found.contains(refused) {
            return Err(TextError::Uri { entry });
        }
        Ok(found.to_owned())
    };
    entries(text).map(one).collect()
}

fn pair(
    entry: usize,
    text: &str,
    separator: char,
    expected: &'static str,
) -> Result<(String, String), TextError> {
    let wrong = || TextError::Pair { entry, expected };
    let (name, value) = text.split_once(separator).ok_or_else(wrong)?;
    let name = name.trim();
    if name.is_empty() || name.contains(|c: char| c.is_whitespace() || c == ',') {
        return Err(wrong());
    }
    Ok((name.to_owned(), value.trim().to_owned()))
}

fn once(pairs: &[(String, String)]) -> Result<(), TextError> {
    let earlier =
        |index: usize, name: &String| pairs.iter().take(index).any(|(one, _)| one == name);
    let mut named = pairs.iter().map(|(name, _)| name).enumerate();
    match named.find(|(index, name)| earlier(*index, name)) {
        None => Ok(()),
        Some((index, name)) => Err(TextError::Twice {
            entry: index + 1,
            name: name.clone(),
        }),
    }
}

/// Reads arbitrary text in every form, for fuzzing: what is read and written again is read as the
/// same.
#[doc(hidden)]
pub fn probe(text: &str) -> bool {
    let joined = |pairs: &[(String, String)], separator: &str, comma: &str| {
        let one = |(name, value): &(String, String)| {
            format!("{name}{separator}{}", value.replace(',', comma))
        };
        // Blanks keep a backslash that ends a value away from the comma behind it.
        pairs.iter().map(one).collect::<Vec<_>>().join(" ,")
    };
    let of_volumes = volumes(text).is_ok_and(|all| {
        let written: Vec<String> = all.iter().map(ToString::to_string).collect();
        volumes(&written.join(",")) != Ok(all)
    });
    let of_parameters =
        parameters(text).is_ok_and(|all| parameters(&joined(&all, "=", "\\,")) != Ok(all));
    let of_pairs = pairs(text, "x").is_ok_and(|all| pairs(&joined(&all, "=", ","), "x") != Ok(all));
    let of_map = map(text).is_ok_and(|all| map(&joined(&all, ":", ",")) != Ok(all));
    let of_ports = static_ports(text).is_ok_and(|all| all.iter().any(|(_, port)| *port == 0));
    let of_names = names(text).is_ok_and(|all| names(&all.join(",")) != Ok(all));
    let of_uris = uris(text).is_ok_and(|all| uris(&all.join(",")) != Ok(all));
    let broken = [
        of_volumes,
        of_parameters,
        of_pairs,
        of_map,
        of_ports,
        of_names,
        of_uris,
    ];
    !broken.contains(&true)
}

impl std::fmt::Display for VolumeOption {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            host_path,
            container_path,
            mode,
        } = self;
        match host_path {
            Some(host) => write!(formatter, "{host}:{container_path}:{mode}"),
            None => write!(formatter, "{container_path}:{mode}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(text: &str) -> String {
        match volumes(text) {
            Ok(all) => {
                let all: Vec<String> = all.iter().map(ToString::to_string).collect();
                all.join(" ")
            }
            Err(error) => error.to_string(),
        }
    }

    /// `ContaineredTaskManagerParameters`/`MesosTaskManagerParameters.buildVolumes` of 1.13.
    #[test]
    fn volumes_are_read_as_flink_1_13_read_them() {
        assert_eq!(shown("/a"), "/a:RW");
        assert_eq!(shown("/a:RO"), "/a:RO");
        assert_eq!(shown("/a:/b"), "/a:/b:RW");
        assert_eq!(shown("/a:/b:ro, /c:/d:RW,"), "/a:/b:RO /c:/d:RW");
        for text in ["/a:/b:RX", "a:b:c:d", ":", ":/b", "/a::RO"] {
            assert!(volumes(text).is_err(), "{text}");
        }
        insta::assert_snapshot!(shown("/x,/a:/b:c:d"), @r#"entry 2, "/a:/b:c:d", is no volume; expected [host path:]container path[:RO|RW]"#);
    }

    #[test]
    fn a_parameter_may_hold_a_comma_and_is_never_repeated_in_an_error() {
        let read = parameters(r"env=A=1\,2, log-opt=max-size=1m,privileged=true").unwrap();
        let shown: Vec<String> = read
            .iter()
            .map(|(key, value)| format!("{key} {value}"))
            .collect();
        assert_eq!(
            shown,
            ["env A=1,2", "log-opt max-size=1m", "privileged true"]
        );
        let error = parameters("a=b,hunter2").unwrap_err().to_string();
        assert_eq!(error, "entry 2 is no pair; expected key=value");
    }

    #[test]
    fn ports_and_names_are_given_once() {
        assert_eq!(
            static_ports("taskmanager.rpc.port:6122"),
            Ok(vec![("taskmanager.rpc.port".to_owned(), 6122)])
        );
        for text in ["a:0", "a:+1", "a:70000", "a", "a:1,a:2"] {
            assert!(static_ports(text).is_err(), "{text}");
        }
        assert!(names("a, b").is_ok());
        assert!(names("a,b,a").is_err());
    }

    #[test]
    fn a_uri_that_the_fetcher_would_refuse_is_refused_first() {
        assert_eq!(uris("hdfs://a/b.tgz, /c").unwrap().len(), 2);
        for text in ["http://x/a b", "x'y", "a\\b"] {
            assert!(uris(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_read_and_written_again_is_the_same(text in "[a-z/:=,\\\\ .0-9RWO']{0,24}") {
            prop_assert!(probe(&text), "{text:?}");
        }
    }
}
