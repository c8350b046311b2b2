//! Where the leading master is to be asked for.
//!
//! Owns the texts of `mesos.master`: `host:port` lists, `zk://[user:pass@]h1:p1,h2:p2/path`, and
//! `file:///path` whose content is one of the others (libmesos' `src/zookeeper/url.hpp` and
//! `src/master/detector`). Never opens a file or a connection.

use std::path::PathBuf;

use flugs_net::HostPort;
use flugs_net::zookeeper::ZooKeeperCredentials;

/// The port of a master that none is named for.
pub const DEFAULT_MASTER_PORT: u16 = 5050;

/// The port of a ZooKeeper server that none is named for.
pub const DEFAULT_ZOOKEEPER_PORT: u16 = 2181;

/// How the leading master is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MasterAddress {
    /// One of these leads, or knows who does.
    Masters(Vec<HostPort>),
    /// The masters elect their leader under a node of ZooKeeper.
    ZooKeeper {
        /// The servers.
        servers: Vec<HostPort>,
        /// The node, with its leading `/`.
        path: String,
        /// Who to be.
        credentials: Option<ZooKeeperCredentials>,
    },
    /// A file holds one of the other forms.
    File(PathBuf),
}

/// An address of masters that cannot be understood. None of the texts has a password in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MasterAddressError {
    /// There is none.
    #[error("no master is named; expected host:port, zk://host:port/path or file:///path")]
    Empty,
    /// A host is missing, or its port is no port.
    #[error("\"{found}\" is not host:port")]
    HostPort {
        /// What was found.
        found: String,
    },
    /// ZooKeeper's node is missing.
    #[error(
        "the zk:// address names no node; expected zk://host:port/path with a path that is more than \"/\""
    )]
    Path,
    /// The credentials are not a pair.
    #[error(
        "the zk:// address has credentials without a colon; expected zk://user:password@host:port/path"
    )]
    Credentials,
    /// A file has to be named by its whole path.
    #[error("\"{found}\" is no file; expected file:///path")]
    File {
        /// What was found.
        found: String,
    },
    /// It is of another kind.
    #[error("\"{found}://\" is no way to find a master; expected host:port, zk:// or file://")]
    Scheme {
        /// The scheme.
        found: String,
    },
}

impl MasterAddress {
    /// Reads an address.
    pub fn parse(text: &str) -> Result<Self, MasterAddressError> {
        let text = text.trim();
        match text.split_once("://") {
            None if text.is_empty() => Err(MasterAddressError::Empty),
            None => Ok(Self::Masters(hosts(text, DEFAULT_MASTER_PORT)?)),
            Some(("zk", rest)) => zookeeper(rest),
            Some(("file", path)) if path.starts_with('/') && path.len() > 1 => {
                Ok(Self::File(PathBuf::from(path)))
            }
            Some(("file", path)) => Err(MasterAddressError::File {
                found: path.to_owned(),
            }),
            Some((scheme, _)) => Err(MasterAddressError::Scheme {
                found: scheme.to_owned(),
            }),
        }
    }
}

fn zookeeper(rest: &str) -> Result<MasterAddress, MasterAddressError> {
    // A password may hold a slash or an at sign: the last of those is the border.
    let (credentials, rest) = match rest.rsplit_once('@') {
        None => (None, rest),
        Some((pair, rest)) => (Some(pair), rest),
    };
    let credentials = credentials
        .map(|pair| pair.split_once(':').ok_or(MasterAddressError::Credentials))
        .transpose()?
        .map(|(user, password)| ZooKeeperCredentials {
            user: user.to_owned(),
            password: password.to_owned(),
        });
    let (servers, path) = rest.split_once('/').ok_or(MasterAddressError::Path)?;
    let path = path.trim_end_matches('/');
    if path.is_empty() {
        return Err(MasterAddressError::Path);
    }
    Ok(MasterAddress::ZooKeeper {
        servers: hosts(servers, DEFAULT_ZOOKEEPER_PORT)?,
        path: format!("/{path}"),
        credentials,
    })
}

fn hosts(list: &str, port: u16) -> Result<Vec<HostPort>, MasterAddressError> {
    list.split(',').map(|one| host(one.trim(), port)).collect()
}

fn host(text: &str, default: u16) -> Result<HostPort, MasterAddressError> {
    let wrong = || MasterAddressError::HostPort {
        found: text.to_owned(),
    };
    // A master's pid, as it is in ZooKeeper and in logs.
    let address = text.strip_prefix("master@").unwrap_or(text);
    let (host, port) = match address.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']').ok_or_else(wrong)?;
            let port = match port {
                "" => None,
                port => Some(port.strip_prefix(':').ok_or_else(wrong)?),
            };
            (host, port)
        }
        None => match address.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (address, None),
        },
    };
    let digits = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    let port = match port {
        None => default,
        Some(port) if digits(port) => port.parse().map_err(|_| wrong())?,
        Some(_) => return Err(wrong()),
    };
    let strange = |letter: char| letter.is_whitespace() || matches!(letter, '/' | '@' | '[' | ']');
    if host.is_empty() || port == 0 || host.contains(strange) {
        return Err(wrong());
    }
    let host = host.to_owned();
    Ok(HostPort { host, port })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(text: &str) -> String {
        match MasterAddress::parse(text) {
            Ok(MasterAddress::Masters(masters)) => join(&masters),
            Ok(MasterAddress::ZooKeeper {
                servers,
                path,
                credentials,
            }) => {
                let user = credentials.map(|pair| format!("{}/{} ", pair.user, pair.password));
                format!("{}{} {path}", user.unwrap_or_default(), join(&servers))
            }
            Ok(MasterAddress::File(path)) => path.display().to_string(),
            Err(error) => error.to_string(),
        }
    }

    fn join(hosts: &[HostPort]) -> String {
        let hosts: Vec<String> = hosts.iter().map(ToString::to_string).collect();
        hosts.join(" ")
    }

    #[test]
    fn every_form_that_libmesos_takes_is_read() {
        assert_eq!(shown("m1:5051, m2"), "m1:5051 m2:5050");
        assert_eq!(shown("master@192.0.2.1:5050"), "192.0.2.1:5050");
        assert_eq!(shown("[2001:db8::1]:5051"), "[2001:db8::1]:5051");
        assert_eq!(shown("zk://z1:2182,z2/mesos"), "z1:2182 z2:2181 /mesos");
        assert_eq!(shown("zk://u:p@s/@z1/a/b/"), "u/p@s/ z1:2181 /a/b");
        assert_eq!(shown("file:///etc/mesos/zk"), "/etc/mesos/zk");
    }

    #[test]
    fn what_is_no_address_is_refused_and_no_password_is_told() {
        let texts = [
            "",
            "m1:",
            "m1:0",
            "m1:65536",
            "m1:+5",
            ":5050",
            "m1,,m2",
            "[::1",
            "zk://z1",
            "zk://z1/",
            "zk://secret@z1/mesos",
            "zk://u:secret@z1:x/mesos",
            "file://x",
            "http://m1:5050",
        ];
        for text in texts {
            let error = MasterAddress::parse(text).unwrap_err();
            assert!(!error.to_string().contains("secret"), "{error}");
        }
        let address = MasterAddress::parse("zk://u:secret@z1/mesos").unwrap();
        assert!(!format!("{address:?}").contains("secret"));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "(zk://|file://)?[a-z0-9:,@/\\[\\] ]{0,30}") {
            if let Ok(MasterAddress::Masters(masters)) = MasterAddress::parse(&text) {
                prop_assert_eq!(MasterAddress::parse(&join(&masters).replace(' ', ",")), Ok(MasterAddress::Masters(masters)));
            }
        }
    }
}
