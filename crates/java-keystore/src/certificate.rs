//! What a certificate says of itself, as far as it can be told before anybody is asked to trust
//! it: when it is valid, and for which names.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use jiff::civil::date;
use jiff::tz::TimeZone;
use rustls::client::verify_server_name;
use rustls::server::ParsedCertificate;
use rustls_pki_types::{CertificateDer, ServerName};

use super::der::{BITS, Der, INTEGER, OBJECT, OCTETS, SEQUENCE, SET, explicit};

const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const BOOLEAN: u8 = 0x01;
const COMMON_NAME: &[u8] = &[0x55, 4, 3];
const SUBJECT_ALTERNATIVE_NAME: &[u8] = &[0x55, 0x1d, 17];

/// Why a server should not show a certificate: clients would refuse it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateProblem {
    /// It is no certificate of X.509's.
    #[error("it is no certificate that can be read")]
    Unreadable,
    /// It is not valid any more.
    #[error("it expired at {0}")]
    Expired(Timestamp),
    /// It is not valid yet.
    #[error("it is not valid before {0}")]
    NotYet(Timestamp),
    /// It is for other names.
    #[error("it is not for {host}, where it would be shown{}", for_whom(.names))]
    Name {
        /// Where it would be shown.
        host: String,
        /// Whom it is for, as far as that is text.
        names: Vec<String>,
    },
}

fn for_whom(names: &[String]) -> String {
    if names.is_empty() {
        return String::new();
    }
    format!(", but for {}", names.join(", "))
}

/// What a server's certificate has to be for clients that trust its authority: valid now, and for
/// the host that they ask for. A certificate without alternative names is for its common name, as
/// curl has it, which is how agents of Mesos fetch.
pub fn check_server_certificate(
    certificate: &CertificateDer<'_>,
    host: &str,
    now: SystemTime,
) -> Result<(), CertificateProblem> {
    let facts = Facts::of(certificate).ok_or(CertificateProblem::Unreadable)?;
    let now = Timestamp::try_from(now).map_err(|_| CertificateProblem::Unreadable)?;
    if now > facts.not_after {
        return Err(CertificateProblem::Expired(facts.not_after));
    }
    if now < facts.not_before {
        return Err(CertificateProblem::NotYet(facts.not_before));
    }
    let fits = if facts.alternative_names.is_some() {
        alternative_name_fits(certificate, host)?
    } else {
        let name = facts.common_name.as_deref();
        name.is_some_and(|name| name.eq_ignore_ascii_case(host))
    };
    if fits {
        return Ok(());
    }
    Err(CertificateProblem::Name {
        host: host.to_owned(),
        names: facts.names(),
    })
}

fn alternative_name_fits(
    certificate: &CertificateDer<'_>,
    host: &str,
) -> Result<bool, CertificateProblem> {
    let parsed =
        ParsedCertificate::try_from(certificate).map_err(|_| CertificateProblem::Unreadable)?;
    let name = ServerName::try_from(host);
    Ok(name.is_ok_and(|name| verify_server_name(&parsed, &name).is_ok()))
}

/// Who issued a certificate and whom it is for, as they are encoded.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Names<'a> {
    pub(super) issuer: &'a [u8],
    pub(super) subject: &'a [u8],
}

impl<'a> Names<'a> {
    pub(super) fn of(certificate: &'a CertificateDer<'_>) -> Option<Self> {
        let body = Body::of(certificate)?;
        Some(Self {
            issuer: body.issuer,
            subject: body.subject.0,
        })
    }
}

/// The public key in a certificate: the content of its bit string.
pub(super) fn public_key<'a>(certificate: &'a CertificateDer<'_>) -> Option<&'a [u8]> {
    let mut key = Body::of(certificate)?.rest.inside(SEQUENCE)?;
    key.content(SEQUENCE)?;
    key.content(BITS)
}

/// The parts of a certificate that matter here (RFC 5280, 4.1).
struct Body<'a> {
    issuer: &'a [u8],
    validity: Der<'a>,
    subject: Der<'a>,
    /// What follows the subject.
    rest: Der<'a>,
}

impl<'a> Body<'a> {
    fn of(certificate: &'a [u8]) -> Option<Self> {
        let mut body = Der(certificate).inside(SEQUENCE)?.inside(SEQUENCE)?;
        // The version; absent: 1.
        let _ = body.content(explicit(0));
        body.content(INTEGER)?;
        body.content(SEQUENCE)?;
        Some(Self {
            issuer: body.content(SEQUENCE)?,
            validity: body.inside(SEQUENCE)?,
            subject: body.inside(SEQUENCE)?,
            rest: body,
        })
    }
}

struct Facts {
    not_before: Timestamp,
    not_after: Timestamp,
    common_name: Option<String>,
    /// The names of hosts and addresses; absent: there are no alternative names of these kinds.
    alternative_names: Option<Vec<String>>,
}

impl Facts {
    fn of(certificate: &[u8]) -> Option<Self> {
        let mut body = Body::of(certificate)?;
        Some(Self {
            not_before: time(&mut body.validity)?,
            not_after: time(&mut body.validity)?,
            common_name: common_name(body.subject),
            alternative_names: alternative_names(body.rest),
        })
    }

    fn names(self) -> Vec<String> {
        let common = self.common_name.into_iter().collect();
        self.alternative_names.unwrap_or(common)
    }
}

fn time(validity: &mut Der<'_>) -> Option<Timestamp> {
    let (tag, text) = validity.any()?;
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let (year, rest) = text.split_at_checked(match tag {
        UTC_TIME => 2,
        GENERALIZED_TIME => 4,
        _ => return None,
    })?;
    if !digits || rest.len() != 10 {
        return None;
    }
    let year: i16 = year.parse().ok()?;
    let year = match (tag, year) {
        (UTC_TIME, 50..) => 1900 + year,
        (UTC_TIME, _) => 2000 + year,
        _ => year,
    };
    let part = |at: usize| rest.get(at..at + 2)?.parse::<i8>().ok();
    let (month, day) = (part(0)?, part(2)?);
    // Where the calendar has no such day there is no such time.
    date(1, 1, 1)
        .with()
        .year(year)
        .month(month)
        .day(day)
        .build()
        .ok()
        .and_then(|day| {
            let time = day.at(0, 0, 0, 0).to_zoned(TimeZone::UTC).ok()?.timestamp();
            let seconds =
                i64::from(part(4)?) * 3600 + i64::from(part(6)?) * 60 + i64::from(part(8)?);
            time.checked_add(Duration::from_secs(u64::try_from(seconds).ok()?))
                .ok()
        })
}

fn common_name(mut subject: Der<'_>) -> Option<String> {
    let mut last = None;
    while let Some(mut set) = subject.inside(SET) {
        while let Some(mut attribute) = set.inside(SEQUENCE) {
            if attribute.content(OBJECT) == Some(COMMON_NAME) {
                let (_, text) = attribute.any()?;
                last = String::from_utf8(text.to_vec()).ok();
            }
        }
    }
    last
}

fn alternative_names(mut rest: Der<'_>) -> Option<Vec<String>> {
    let extensions = std::iter::from_fn(|| rest.any()).find(|(tag, _)| *tag == explicit(3))?;
    let mut extensions = Der(extensions.1).inside(SEQUENCE)?;
    let mut found = None;
    while let Some(mut extension) = extensions.inside(SEQUENCE) {
        let name = extension.content(OBJECT);
        let _ = extension.content(BOOLEAN);
        if name == Some(SUBJECT_ALTERNATIVE_NAME) {
            found = Der(extension.content(OCTETS)?).inside(SEQUENCE);
        }
    }
    let mut all = found?;
    let mut names = Vec::new();
    while let Some((tag, value)) = all.any() {
        match tag {
            0x82 => names.push(String::from_utf8_lossy(value).into_owned()),
            0x87 => names.push(address(value)),
            _ => {}
        }
    }
    (!names.is_empty()).then_some(names)
}

fn address(bytes: &[u8]) -> String {
    if let Ok(four) = <[u8; 4]>::try_from(bytes) {
        return std::net::Ipv4Addr::from(four).to_string();
    }
    match <[u8; 16]>::try_from(bytes) {
        Ok(sixteen) => std::net::Ipv6Addr::from(sixteen).to_string(),
        Err(_) => "an address of unknown length".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rcgen::{CertificateParams, DnType, KeyPair, date_time_ymd};

    fn certificate(names: &[&str], common: &str, until: i32) -> CertificateDer<'static> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut parameters = CertificateParams::new(names).unwrap();
        parameters
            .distinguished_name
            .push(DnType::CommonName, common);
        parameters.not_before = date_time_ymd(2020, 1, 1);
        parameters.not_after = date_time_ymd(until, 1, 1);
        let key = KeyPair::generate().unwrap();
        parameters.self_signed(&key).unwrap().der().clone()
    }

    fn now() -> SystemTime {
        "2026-06-01T00:00:00Z".parse::<Timestamp>().unwrap().into()
    }

    #[test]
    fn a_certificate_is_for_its_alternative_names_and_addresses_alone() {
        let one = certificate(&["am.example", "*.flink.example", "10.0.0.1"], "cn", 2060);
        for host in ["am.example", "a.flink.example", "10.0.0.1"] {
            assert_eq!(
                check_server_certificate(&one, host, now()),
                Ok(()),
                "{host}"
            );
        }
        for host in ["cn", "10.0.0.2", "other.example", "a b"] {
            let said = check_server_certificate(&one, host, now()).unwrap_err();
            assert_eq!(
                said.to_string(),
                format!(
                    "it is not for {host}, where it would be shown, \
                     but for am.example, *.flink.example, 10.0.0.1"
                )
            );
        }
    }

    #[test]
    fn without_alternative_names_the_common_name_counts_as_it_does_for_curl() {
        let one = certificate(&[], "AM.example", 2060);
        assert_eq!(check_server_certificate(&one, "am.example", now()), Ok(()));
        assert!(check_server_certificate(&one, "other", now()).is_err());
    }

    #[test]
    fn a_certificate_is_valid_in_its_time() {
        let one = certificate(&["a"], "a", 2025);
        let said = check_server_certificate(&one, "a", now()).unwrap_err();
        assert_eq!(said.to_string(), "it expired at 2025-01-01T00:00:00Z");
        let early = SystemTime::UNIX_EPOCH;
        let said = check_server_certificate(&one, "a", early).unwrap_err();
        assert_eq!(
            said.to_string(),
            "it is not valid before 2020-01-01T00:00:00Z"
        );
    }

    proptest! {
        #[test]
        fn damaged_certificates_are_refused_and_never_panic(
            at in 0_usize..400, byte in any::<u8>(), cut in 0_usize..400,
        ) {
            let mut der = certificate(&["a"], "a", 2060).to_vec();
            if let Some(place) = der.get_mut(at) {
                *place = byte;
            }
            der.truncate(cut);
            let _ = check_server_certificate(&der.into(), "a", now());
        }
    }
}
