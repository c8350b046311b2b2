//! Ships Flink itself (`FlinkDistributionOverlay`).

use std::path::Path;

use super::{Overlay, OverlayError, tree};

const NAME: &str = "flink-distribution";

/// The directories of a Flink home that a launch needs. `examples`, `licenses` and `log` stay.
/// `opt` travels as well, unlike in Java, so that `ENABLE_BUILT_IN_PLUGINS` works on a worker.
const DIRECTORIES: [&str; 5] = ["bin", "conf", "lib", "opt", "plugins"];

/// Reads: `bin`, `conf`, `lib`, `opt` and `plugins` of the Flink home. Ships: every file in them,
/// to `flink/…`. Sets: nothing; a launch that finds `flink/` in its sandbox runs that.
pub(super) fn overlay(flink_home: &Path) -> Result<Overlay, OverlayError> {
    let mut files = Vec::new();
    for directory in DIRECTORIES {
        let root = flink_home.join(directory);
        files.extend(tree::files_below(
            NAME,
            &root,
            &format!("flink/{directory}"),
        )?);
    }
    Ok(Overlay {
        name: NAME,
        files,
        ..Overlay::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    fn home() -> tempfile::TempDir {
        let home = tempfile::tempdir().unwrap();
        for file in [
            "bin/flink",
            "conf/config.yaml",
            "lib/flink-dist-2.3.0.jar",
            "opt/s3.jar",
        ] {
            let path = home.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, file).unwrap();
        }
        fs::create_dir_all(home.path().join("plugins/s3")).unwrap();
        fs::create_dir_all(home.path().join("log")).unwrap();
        fs::write(home.path().join("log/old.log"), "").unwrap();
        let executable = fs::Permissions::from_mode(0o755);
        fs::set_permissions(home.path().join("bin/flink"), executable).unwrap();
        symlink("../../opt/s3.jar", home.path().join("plugins/s3/s3.jar")).unwrap();
        home
    }

    #[test]
    fn ships_every_file_of_the_distribution_with_links_followed_and_no_logs() {
        let home = home();
        let overlay = overlay(home.path()).unwrap();
        let shipped: Vec<(&str, u32)> = overlay
            .files
            .iter()
            .map(|file| (file.dest.as_str(), file.mode))
            .collect();
        assert_eq!(
            shipped,
            [
                ("flink/bin/flink", 0o555),
                ("flink/conf/config.yaml", 0o444),
                ("flink/lib/flink-dist-2.3.0.jar", 0o444),
                ("flink/opt/s3.jar", 0o444),
                ("flink/plugins/s3/s3.jar", 0o444),
            ]
        );
    }

    #[test]
    fn a_link_that_leads_back_up_is_an_error_and_not_an_endless_walk() {
        let home = home();
        symlink("..", home.path().join("lib/loop")).unwrap();
        let error = overlay(home.path()).unwrap_err();
        assert!(matches!(error, OverlayError::TooDeep { .. }), "{error}");
    }

    #[test]
    fn a_name_that_cannot_travel_is_refused_and_named() {
        let home = home();
        fs::write(home.path().join("lib/a\nb.jar"), "").unwrap();
        let error = overlay(home.path()).unwrap_err();
        assert!(matches!(error, OverlayError::Name { .. }), "{error}");
    }
}
