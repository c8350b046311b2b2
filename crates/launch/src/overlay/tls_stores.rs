//! Ships TLS key and trust stores (`SSLStoreOverlay`, and the stores that it forgot).

use std::path::Path;

use super::{Overlay, OverlayError, OverlaySources, named_file};

const NAME: &str = "tls-stores";

/// The options that name a store, and what the store is called in the sandbox. Flink's own
/// overlay knows the first two, which Flink itself replaced by the others in 1.5.
const STORES: [(&str, &str); 6] = [
    ("security.ssl.keystore", "keystore"),
    ("security.ssl.truststore", "truststore"),
    ("security.ssl.internal.keystore", "internal-keystore"),
    ("security.ssl.internal.truststore", "internal-truststore"),
    ("security.ssl.rest.keystore", "rest-keystore"),
    ("security.ssl.rest.truststore", "rest-truststore"),
];

/// Reads: the files that the six options name. Ships: each to `tls/…`, with its own extension, as
/// a secret. Sets: the same options, to the places in the sandbox.
pub(super) fn overlay(sources: &OverlaySources<'_>) -> Result<Overlay, OverlayError> {
    let mut overlay = Overlay {
        name: NAME,
        ..Overlay::default()
    };
    for (key, store) in STORES {
        let Some(value) = (sources.configuration)(key) else {
            continue;
        };
        let extension = Path::new(&value)
            .extension()
            .and_then(|extension| extension.to_str());
        let text = format!("tls/{store}.{}", extension.unwrap_or("jks"));
        let refused = |source| OverlayError::Name {
            overlay: NAME,
            path: value.clone().into(),
            source,
        };
        let dest: flugs_base::RelativePath = text.parse().map_err(refused)?;
        overlay.properties.insert(key.to_owned(), dest.to_string());
        overlay.files.push(named_file(NAME, key, &value, dest)?);
    }
    Ok(overlay)
}

#[cfg(test)]
mod tests {
    use super::super::sources_for_tests::{Sources, shipped};
    use super::*;

    #[test]
    fn every_store_option_ships_its_store_and_points_to_it() {
        let sources = Sources::new();
        sources.write("store.p12");
        for (key, store) in STORES {
            let option = Some((key, sources.path("store.p12")));
            let overlay = sources.with(option, None, overlay).unwrap();
            let dest = format!("tls/{store}.p12");
            assert_eq!(shipped(&overlay), [dest.as_str()]);
            assert_eq!(overlay.properties[key], dest);
            assert!(overlay.files[0].secret);
        }
    }

    #[test]
    fn a_missing_store_is_an_error_that_names_its_option() {
        let sources = Sources::new();
        let option = Some(("security.ssl.rest.truststore", sources.path("none.jks")));
        let error = sources.with(option, None, overlay).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("security.ssl.rest.truststore names "),
            "{error}"
        );
    }
}
