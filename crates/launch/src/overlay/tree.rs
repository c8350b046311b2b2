//! Lists the files of a directory tree as an overlay ships them.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::{OverlayError, OverlayFile};
use flugs_base::RelativePath;

/// Deeper than any Flink distribution; shallow enough to stop at a link that leads back up.
const DEPTH_LIMIT: usize = 24;

/// Every regular file below `root`, sorted by destination, links followed (a plugin jar is often
/// a link into `opt/`). Sockets, devices and broken links are left out: no launch can use them.
/// An absent `root` is an empty tree.
pub(super) fn files_below(
    overlay: &'static str,
    root: &Path,
    dest: &str,
) -> Result<Vec<OverlayFile>, OverlayError> {
    let mut files = Vec::new();
    if root.is_dir() {
        collect(overlay, root, dest, 0, &mut files)?;
    }
    files.sort_by(|a, b| a.dest.cmp(&b.dest));
    Ok(files)
}

/// One file as it is shipped: read-only, so that the placed file can be a hard link into the
/// cache. The owner's execute bit decides, as in Flink's FlinkDistributionOverlay.
pub(super) fn file(source: &Path, dest: RelativePath) -> OverlayFile {
    let mode = fs::metadata(source).map_or(0, |metadata| metadata.permissions().mode());
    let mode = if mode & 0o100 == 0 { 0o444 } else { 0o555 };
    OverlayFile {
        source: source.to_owned(),
        dest,
        mode,
        secret: false,
    }
}

fn collect(
    overlay: &'static str,
    directory: &Path,
    dest: &str,
    depth: usize,
    files: &mut Vec<OverlayFile>,
) -> Result<(), OverlayError> {
    if depth > DEPTH_LIMIT {
        let path = directory.to_owned();
        return Err(OverlayError::TooDeep {
            overlay,
            path,
            limit: DEPTH_LIMIT,
        });
    }
    let unreadable = |source| OverlayError::Read {
        overlay,
        path: directory.to_owned(),
        source,
    };
    for entry in fs::read_dir(directory).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let Ok(metadata) = fs::metadata(&path) else {
            continue;
        };
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let below = format!("{dest}/{name}");
        if metadata.is_dir() {
            collect(overlay, &path, &below, depth + 1, files)?;
        } else if metadata.is_file() {
            let name_refused = |source| OverlayError::Name {
                overlay,
                path: path.clone(),
                source,
            };
            let dest = below.parse().map_err(name_refused)?;
            files.push(file(&path, dest));
        }
    }
    Ok(())
}
