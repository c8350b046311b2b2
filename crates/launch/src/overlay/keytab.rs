//! Ships the Kerberos keytab (`KeytabOverlay`).

use super::{Overlay, OverlayError, OverlaySources, named_file};
use flugs_base::RelativePath;

const NAME: &str = "keytab";

/// The option, and its spelling before Flink 1.2.
const OPTION: &str = "security.kerberos.login.keytab";
const OLD_OPTION: &str = "security.keytab";

/// Reads: the file that `security.kerberos.login.keytab` names. Ships: that file, to
/// `krb5.keytab`, as a secret. Sets: the same option, to the place in the sandbox.
pub(super) fn overlay(sources: &OverlaySources<'_>) -> Result<Overlay, OverlayError> {
    let set = |key: &'static str| (sources.configuration)(key).map(|value| (key, value));
    let Some((key, value)) = set(OPTION).or_else(|| set(OLD_OPTION)) else {
        return Ok(Overlay::default());
    };
    let dest = RelativePath::literal("krb5.keytab");
    Ok(Overlay {
        name: NAME,
        properties: [(OPTION.to_owned(), dest.to_string())].into(),
        files: vec![named_file(NAME, key, &value, dest)?],
        ..Overlay::default()
    })
}

#[cfg(test)]
mod tests {
    use super::super::sources_for_tests::{Sources, shipped};
    use super::*;

    #[test]
    fn the_keytab_travels_as_a_secret_under_either_spelling_of_its_option() {
        let sources = Sources::new();
        sources.write("my.keytab");
        for key in [OPTION, OLD_OPTION] {
            let option = Some((key, sources.path("my.keytab")));
            let overlay = sources.with(option, None, overlay).unwrap();
            assert_eq!(shipped(&overlay), ["krb5.keytab"]);
            assert!(overlay.files[0].secret && overlay.files[0].mode == 0o600);
            assert_eq!(overlay.properties[OPTION], "krb5.keytab");
        }
    }

    #[test]
    fn a_missing_keytab_is_an_error_that_names_the_option() {
        let sources = Sources::new();
        let option = Some((OPTION, sources.path("none")));
        let error = sources.with(option, None, overlay).unwrap_err();
        assert!(error.to_string().starts_with(OPTION), "{error}");
    }
}
