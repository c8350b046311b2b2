//! A launch manifest of arbitrary bytes: refused, or written and read again to the same.

use flugs_model::LaunchManifest;

pub(crate) fn run(bytes: &[u8]) {
    if let Ok(manifest) = LaunchManifest::parse(bytes, "fuzz") {
        let again = LaunchManifest::parse(&manifest.to_json(), "again");
        assert_eq!(again.ok(), Some(manifest));
    }
}
