//! What an image's root needs to be lived in: `/proc`, a few devices, and memory for `/tmp`.
//!
//! All of it belongs to a mount namespace, and is gone with the last process in it.

use std::fs;
use std::io;
use std::path::Path;

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::unistd::{chdir, pivot_root};

use super::{ARCHIVES, ROOT, TrainingError};

/// The devices that a JVM opens.
const DEVICES: [&str; 5] = ["null", "zero", "full", "random", "urandom"];

/// Where the archives are left, in the root.
pub(super) const OUTPUT: &str = "/tmp/class-data";

/// Mounts everything below the root of this directory, and makes it the root of this process.
/// The caller is in a mount namespace of its own, and the first process of a process namespace.
pub(super) fn enter(directory: &Path) -> Result<(), TrainingError> {
    let root = directory.join(ROOT);
    let nothing = None::<&str>;
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(nothing, "/", nothing, private, nothing).map_err(failed("keep mounts to itself"))?;
    // A root must be a mount.
    bind(&root, &root)?;
    for name in ["proc", "dev", "tmp"] {
        plain_directory(&root, name)?;
    }
    mount_proc(&root.join("proc"))?;
    let devices = root.join("dev");
    memory(&devices, "mode=755")?;
    for name in DEVICES {
        let place = devices.join(name);
        made(fs::write(&place, ""), &place)?;
        bind(&Path::new("/dev").join(name), &place)?;
    }
    let shared = devices.join("shm");
    made(fs::create_dir(&shared), &shared)?;
    memory(&shared, "mode=1777")?;
    memory(&root.join("tmp"), "mode=1777")?;
    // Below what was just mounted: no link of the image's is on the way.
    let output = root.join(OUTPUT.trim_start_matches('/'));
    made(fs::create_dir(&output), &output)?;
    bind(&directory.join(ARCHIVES), &output)?;
    chdir(&root).map_err(failed("enter it"))?;
    // The old root lies over the new one then, and goes (pivot_root(2), "pivot_root(".", ".")").
    pivot_root(".", ".").map_err(failed("make it the root"))?;
    umount2(".", MntFlags::MNT_DETACH).map_err(failed("leave the old root"))?;
    chdir("/").map_err(failed("enter it"))
}

/// The processes of this namespace; where a container's engine hides parts of /proc, the kernel
/// lets nobody mount another, and this machine's has to do.
fn mount_proc(place: &Path) -> Result<(), TrainingError> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    let nothing = None::<&str>;
    match mount(Some("proc"), place, Some("proc"), flags, nothing) {
        Err(Errno::EPERM) => {
            let flags = MsFlags::MS_BIND | MsFlags::MS_REC;
            mount(Some("/proc"), place, nothing, flags, nothing)
        }
        mounted => mounted,
    }
    .map_err(failed("mount /proc"))
}

/// A directory of the root that is there, or is made. A link would lead out of it.
fn plain_directory(root: &Path, name: &'static str) -> Result<(), TrainingError> {
    let path = root.join(name);
    match fs::symlink_metadata(&path) {
        Ok(metadata) if metadata.is_dir() => Ok(()),
        Ok(_) => Err(TrainingError::NotADirectory { name }),
        Err(_) => made(fs::create_dir(&path), &path),
    }
}

fn bind(from: &Path, to: &Path) -> Result<(), TrainingError> {
    let nothing = None::<&str>;
    mount(Some(from), to, nothing, MsFlags::MS_BIND, nothing)
        .map_err(failed(&format!("bind {} there", from.display())))
}

fn memory(place: &Path, options: &str) -> Result<(), TrainingError> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    mount(Some("tmpfs"), place, Some("tmpfs"), flags, Some(options))
        .map_err(failed(&format!("mount memory at {}", place.display())))
}

fn made(result: io::Result<()>, path: &Path) -> Result<(), TrainingError> {
    result.map_err(|source| TrainingError::Root {
        what: format!("make {}", path.display()),
        source,
    })
}

fn failed(what: &str) -> impl Fn(Errno) -> TrainingError {
    move |errno| TrainingError::Root {
        what: what.to_owned(),
        source: errno.into(),
    }
}
