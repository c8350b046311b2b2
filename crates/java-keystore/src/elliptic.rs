//! Keys of elliptic curves as Java writes them: without their public half (RFC 5915 lets it be
//! absent), which the TLS library wants to see. The certificate has it.

use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use super::certificate::public_key;
use super::der::{BITS, Der, INTEGER, OCTETS, SEQUENCE, explicit};

/// 1.2.840.10045.2.1.
const ELLIPTIC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];

/// The key with the public half that its certificate names, if it is one of an elliptic curve that
/// lacks it; else the key as it is.
pub(super) fn completed(
    key: PrivateKeyDer<'static>,
    certificate: &CertificateDer<'_>,
) -> PrivateKeyDer<'static> {
    let complete = || {
        let point = public_key(certificate)?;
        let whole = with_public_half(key.secret_der(), point)?;
        Some(PrivatePkcs8KeyDer::from(whole).into())
    };
    match complete() {
        Some(whole) => whole,
        None => key,
    }
}

fn with_public_half(pkcs8: &[u8], point: &[u8]) -> Option<Vec<u8>> {
    let mut outer = Der(pkcs8).inside(SEQUENCE)?;
    let version = outer.content(INTEGER)?;
    let algorithm = outer.content(SEQUENCE)?;
    let inner = outer.content(OCTETS)?;
    if Der(algorithm).content(super::der::OBJECT)? != ELLIPTIC {
        return None;
    }
    let mut private = Der(inner).inside(SEQUENCE)?;
    let (one, scalar) = (private.content(INTEGER)?, private.content(OCTETS)?);
    let _ = private.content(explicit(0));
    if !private.is_empty() {
        return None;
    }
    let private = [
        value(INTEGER, one),
        value(OCTETS, scalar),
        value(explicit(1), &value(BITS, point)),
    ];
    let private = value(SEQUENCE, &private.concat());
    let whole = [
        value(INTEGER, version),
        value(SEQUENCE, algorithm),
        value(OCTETS, &private),
    ];
    Some(value(SEQUENCE, &whole.concat()))
}

/// A value in DER.
fn value(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let length: Vec<u8> = length.into_iter().skip_while(|byte| *byte == 0).collect();
    let head = match length.as_slice() {
        [] => vec![tag, 0],
        [short @ ..=0x7f] => vec![tag, *short],
        long => {
            let count = u8::try_from(long.len()).unwrap_or(u8::MAX);
            [&[tag, 0x80 | count], long].concat()
        }
    };
    [&head, content].concat()
}
