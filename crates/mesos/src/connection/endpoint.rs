//! Where a master's API answers, and where it sends people to.
//!
//! Owns endpoints and the meaning of `Location`. Pure.

use std::fmt;
use std::net::IpAddr;

use url::{Host, Url};

use flugs_net::HostPort;

/// Where every master has the v1 scheduler API.
const SCHEDULER_PATH: &str = "/api/v1/scheduler";

/// A master's scheduler API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Endpoint {
    pub(super) tls: bool,
    pub(super) master: HostPort,
    pub(super) path: String,
    /// What to use if the master's host name cannot be resolved.
    pub(super) address: Option<IpAddr>,
}

/// A `Location` that leads nowhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum RedirectError {
    #[error("without saying where to")]
    Missing,
    #[error("to \"{0}\", which is no address of a master")]
    NoAddress(String),
    #[error("from https to plain text (\"{0}\")")]
    Downgrade(String),
}

impl Endpoint {
    pub(super) fn new(master: HostPort, tls: bool) -> Self {
        let path = SCHEDULER_PATH.to_owned();
        Self {
            tls,
            master,
            path,
            address: None,
        }
    }

    fn scheme(&self) -> &'static str {
        if self.tls { "https" } else { "http" }
    }

    /// Where a redirect leads: `http://host:port/path`, `//host:port/path` as masters say it
    /// (with their own scheme), `//host:port` as `/redirect` says it, or a path alone.
    pub(super) fn redirected(&self, location: Option<&str>) -> Result<Self, RedirectError> {
        let location = location.map(str::trim).unwrap_or_default();
        if location.is_empty() {
            return Err(RedirectError::Missing);
        }
        let no_address = || RedirectError::NoAddress(location.to_owned());
        let (scheme, path) = (self.scheme(), &self.path);
        let base = Url::parse(&format!("{scheme}://{}{path}", self.master));
        let base = base.map_err(|_| no_address())?;
        let target = base.join(location).map_err(|_| no_address())?;
        let tls = match target.scheme() {
            "https" => true,
            "http" if self.tls => return Err(RedirectError::Downgrade(location.to_owned())),
            "http" => false,
            _ => return Err(no_address()),
        };
        let host = match target.host().ok_or_else(no_address)? {
            Host::Domain(name) => name.to_owned(),
            Host::Ipv4(address) => address.to_string(),
            Host::Ipv6(address) => address.to_string(),
        };
        let port = target.port_or_known_default().filter(|port| *port > 0);
        let port = port.ok_or_else(no_address)?;
        let path = match target.path() {
            path if path.ends_with("/scheduler") => path.to_owned(),
            _ => SCHEDULER_PATH.to_owned(),
        };
        let master = HostPort { host, port };
        // The numeric address is that of the master that was left, if it is another one.
        let address = self.address.filter(|_| master == self.master);
        Ok(Self {
            tls,
            master,
            path,
            address,
        })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}://{}", self.scheme(), self.master)
    }
}

/// Follows a `Location`, for fuzzing: what is an endpoint can be asked, and never in plain text
/// if it was TLS before.
#[doc(hidden)]
pub fn probe(location: &str) -> bool {
    let host = "m1".to_owned();
    [true, false].into_iter().all(|tls| {
        let from = Endpoint::new(
            HostPort {
                host: host.clone(),
                port: 5050,
            },
            tls,
        );
        match from.redirected(Some(location)) {
            Ok(to) => {
                let uri = to.path.parse::<hyper::Uri>();
                (to.tls || !tls) && to.master.port > 0 && uri.is_ok() && !to.master.host.is_empty()
            }
            Err(error) => !error.to_string().is_empty(),
        }
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn from(location: &str, tls: bool) -> String {
        let master = HostPort {
            host: "m1".into(),
            port: 5050,
        };
        let endpoint = Endpoint::new(master, tls);
        match endpoint.redirected(Some(location)) {
            Ok(to) => format!("{to}{}", to.path),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn every_form_of_redirect_is_followed() {
        let api = "/api/v1/scheduler";
        // As recorded from a follower: the scheme is the caller's.
        let recorded = "//127.0.0.1:5051/master/api/v1/scheduler";
        assert_eq!(
            from(recorded, false),
            "http://127.0.0.1:5051/master/api/v1/scheduler"
        );
        assert_eq!(
            from(recorded, true),
            "https://127.0.0.1:5051/master/api/v1/scheduler"
        );
        assert_eq!(
            from("//127.0.0.1:5051", false),
            format!("http://127.0.0.1:5051{api}")
        );
        assert_eq!(
            from("http://m2:5050/", false),
            format!("http://m2:5050{api}")
        );
        assert_eq!(
            from("https://m2:5050/", false),
            format!("https://m2:5050{api}")
        );
        assert_eq!(from("http://m2", false), format!("http://m2:80{api}"));
        assert_eq!(
            from("/master/api/v1/scheduler", false),
            "http://m1:5050/master/api/v1/scheduler"
        );
        assert_eq!(
            from("//[2001:db8::1]:5051/x", false),
            format!("http://[2001:db8::1]:5051{api}")
        );
        assert_eq!(from("//u:p@m2:5051", false), format!("http://m2:5051{api}"));
    }

    #[test]
    fn a_redirect_to_nobody_or_out_of_tls_is_refused() {
        assert_eq!(from("", false), "without saying where to");
        assert_eq!(
            from("http://", false),
            "to \"http://\", which is no address of a master"
        );
        assert_eq!(
            from("//m2:0/", false),
            "to \"//m2:0/\", which is no address of a master"
        );
        assert_eq!(
            from("ftp://m2:5050/", false),
            "to \"ftp://m2:5050/\", which is no address of a master"
        );
        assert_eq!(
            from("http://m2:5050/", true),
            "from https to plain text (\"http://m2:5050/\")"
        );
    }

    proptest! {
        #[test]
        fn any_location_is_an_endpoint_or_refused(location in "(http:|https:)?/{0,3}[a-z0-9:@/\\[\\]?#% \\\\.-]{0,30}") {
            prop_assert!(probe(&location));
        }
    }
}
