//! The certificate that the artifact server shows to agents' fetchers and to workers.
//!
//! Fetchers trust by the authorities of their agents, so it is the operator's to give: as files, or
//! as the one of Flink's REST interface. Workers' flugs trusts by the fingerprint in its manifest.

use std::path::Path;
use std::time::SystemTime;

use url::Url;

use super::super::AppMasterError;
use crate::provider::mesos::options::{ArtifactServerOptions, CERTIFICATE_FILES};
use flugs_artifact::server::{TlsError, TlsIdentity};
use flugs_flink::rest::RestTls;
use flugs_java_keystore::{Identity, check_server_certificate};

/// Who the artifact server is, if it speaks TLS. What fetchers would refuse is refused here.
/// `host` is where others find this machine.
pub(super) fn identity(
    options: &ArtifactServerOptions,
    rest: Option<&RestTls>,
    host: &str,
) -> Result<Option<TlsIdentity>, AppMasterError> {
    let (option, identity) = match (&options.certificate, rest) {
        _ if !options.tls => return Ok(None),
        (Some((chain, key)), _) => (CERTIFICATE_FILES[0], of_files(chain, key)?),
        (None, Some(rest)) => {
            let (option, Identity { chain, key }) = rest.identity();
            let identity = TlsIdentity::from_parts(chain.clone(), key.clone_key());
            let refused = |source| AppMasterError::ArtifactIdentity { option, source };
            (option, identity.map_err(refused)?)
        }
        (None, None) => return Ok(None),
    };
    let advertised = options.advertised_url.as_deref();
    let advertised = advertised.and_then(|url| Url::parse(url).ok());
    let host = advertised.as_ref().and_then(Url::host_str).unwrap_or(host);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    check_server_certificate(identity.certificate(), host, SystemTime::now())
        .map_err(|problem| AppMasterError::ArtifactCertificate { option, problem })?;
    Ok(Some(identity.pinned()))
}

fn of_files(chain: &Path, key: &Path) -> Result<TlsIdentity, AppMasterError> {
    TlsIdentity::from_files(chain, key, None).map_err(|source| {
        let [of_chain, of_key] = CERTIFICATE_FILES;
        // What is no certificate is told of the chain; all else is the key's fault, or of both.
        let of_the_chain = matches!(&source, TlsError::Pem(error) if error.path == chain);
        let option = if of_the_chain { of_chain } else { of_key };
        AppMasterError::ArtifactIdentity { option, source }
    })
}
