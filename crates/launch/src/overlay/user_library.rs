//! Ships the user's own jars (`UserLibOverlay`).

use std::path::Path;

use super::{Overlay, OverlayError, tree};

const NAME: &str = "user-library";

/// Reads: `usrlib` of the Flink home, if there is one. Ships: every file in it, to
/// `flink/usrlib/…`, where Flink looks for it (beside `lib`). Sets: nothing.
pub(super) fn overlay(flink_home: &Path) -> Result<Overlay, OverlayError> {
    let files = tree::files_below(NAME, &flink_home.join("usrlib"), "flink/usrlib")?;
    Ok(Overlay {
        name: NAME,
        files,
        ..Overlay::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ships_usrlib_beside_lib_and_nothing_when_there_is_none() {
        let home = tempfile::tempdir().unwrap();
        assert_eq!(overlay(home.path()).unwrap().files, []);
        std::fs::create_dir(home.path().join("usrlib")).unwrap();
        std::fs::write(home.path().join("usrlib/job.jar"), "").unwrap();
        let overlay = overlay(home.path()).unwrap();
        assert_eq!(overlay.files[0].dest.as_str(), "flink/usrlib/job.jar");
    }
}
