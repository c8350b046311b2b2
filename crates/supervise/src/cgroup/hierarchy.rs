//! Where a controller's files are: `/proc/self/cgroup` says which group, `/proc/self/mountinfo`
//! where the hierarchy is mounted and which part of it.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// The generation of control groups that a controller is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// One hierarchy a controller.
    V1,
    /// The unified hierarchy.
    V2,
}

/// This process's group in one hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Which generation.
    pub version: Version,
    /// The mount that the group is below, or is.
    pub mount: PathBuf,
    /// The group's directory: the mount itself, or below it.
    pub directory: PathBuf,
}

/// Which groups this process is in, and where they are mounted.
#[derive(Debug)]
pub(super) struct Memberships<'a> {
    root: &'a Path,
    groups: String,
    mounts: String,
}

impl<'a> Memberships<'a> {
    /// Reads them, with `/proc` looked for below `root`.
    pub(super) fn read(root: &'a Path) -> Option<Self> {
        Some(Self {
            root,
            groups: read_pseudo_file(&root.join("proc/self/cgroup"))?,
            mounts: read_pseudo_file(&root.join("proc/self/mountinfo"))?,
        })
    }

    /// The group that `controller` accounts this process to, if it is mounted. A v1 hierarchy
    /// comes first: a controller that is bound to one does nothing in the unified hierarchy.
    pub(super) fn group(&self, controller: &str) -> Option<Group> {
        let locate = |version, path: Option<&str>| {
            locate(self.root, &self.mounts, version, controller, path?)
        };
        locate(Version::V1, v1_path(&self.groups, controller))
            .or_else(|| locate(Version::V2, v2_path(&self.groups)))
    }
}

/// Reads a file that the kernel makes up. It has no size, by which a buffer would be chosen:
/// most of these fit into one page.
pub(super) fn read_pseudo_file(path: &Path) -> Option<String> {
    let mut text = String::with_capacity(4096);
    File::open(path).ok()?.read_to_string(&mut text).ok()?;
    Some(text)
}

impl Group {
    /// The group and the groups around it, innermost first, as far as they are mounted.
    pub(super) fn with_ancestors(&self) -> impl Iterator<Item = &Path> {
        let inside = |path: &&Path| path.starts_with(&self.mount);
        self.directory.ancestors().take_while(inside)
    }
}

/// The path in a line `7:cpu,cpuacct:/docker/abc`.
fn v1_path<'a>(memberships: &'a str, controller: &str) -> Option<&'a str> {
    memberships.lines().find_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        let controllers = fields.next()?;
        let path = fields.next()?;
        controllers
            .split(',')
            .any(|c| c == controller)
            .then_some(path)
    })
}

/// The path in the line `0::/docker/abc`.
fn v2_path(memberships: &str) -> Option<&str> {
    memberships
        .lines()
        .find_map(|line| line.strip_prefix("0::"))
}

/// One line of `/proc/self/mountinfo` (`man 5 proc`).
struct Mount<'a> {
    root: PathBuf,
    point: PathBuf,
    kind: &'a str,
    options: &'a str,
}

fn parse(line: &str) -> Option<Mount<'_>> {
    let (fixed, rest) = line.split_once(" - ")?;
    let mut fixed = fixed.split(' ').skip(3);
    let mut rest = rest.split(' ');
    Some(Mount {
        root: unescape(fixed.next()?),
        point: unescape(fixed.next()?),
        kind: rest.next()?,
        options: rest.nth(1)?,
    })
}

fn locate(
    root: &Path,
    mounts: &str,
    version: Version,
    controller: &str,
    path: &str,
) -> Option<Group> {
    let fits = |mount: &Mount<'_>| match version {
        Version::V1 => {
            mount.kind == "cgroup" && mount.options.split(',').any(|option| option == controller)
        }
        Version::V2 => mount.kind == "cgroup2",
    };
    let mount = mounts.lines().filter_map(parse).find(fits)?;
    let point = root.join(mount.point.strip_prefix("/").unwrap_or(&mount.point));
    let directory = below(&mount.root, Path::new(path))
        .map(|inner| point.join(inner))
        .filter(|directory| directory.is_dir())
        // The group is not visible through this mount: what is mounted is its own top.
        .unwrap_or_else(|| point.clone());
    Some(Group {
        version,
        mount: point,
        directory,
    })
}

/// The group's path below the mounted part of the hierarchy. A path with `..` (a process outside
/// its namespace's root) has none.
fn below(mounted: &Path, path: &Path) -> Option<PathBuf> {
    let inner = path.strip_prefix(mounted).ok()?;
    let plain = inner
        .components()
        .all(|part| matches!(part, std::path::Component::Normal(_)));
    plain.then(|| inner.to_owned())
}

/// Mount points have space, tab, newline and backslash as `\ooo`.
fn unescape(text: &str) -> PathBuf {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        plain.push_str(before);
        let code = after
            .get(..3)
            .and_then(|octal| u8::from_str_radix(octal, 8).ok());
        if let Some(code) = code {
            plain.push(char::from(code));
            rest = after.get(3..).unwrap_or_default();
        } else {
            plain.push('\\');
            rest = after;
        }
    }
    plain.push_str(rest);
    PathBuf::from(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mount_points_with_spaces_are_read() {
        let line = r"30 23 0:26 / /sys/fs/my\040cgroup rw - cgroup2 cgroup2 rw";
        let mount = parse(line).unwrap();
        assert_eq!(mount.point, Path::new("/sys/fs/my cgroup"));
        assert_eq!(unescape(r"a\b\0"), Path::new(r"a\b\0"));
    }

    #[test]
    fn optional_fields_of_mountinfo_are_passed_over() {
        let line = "31 30 0:27 /docker/x /sys/fs/cgroup/memory ro master:11 shared:3 - cgroup cgroup rw,memory";
        let mount = parse(line).unwrap();
        assert_eq!((mount.kind, mount.options), ("cgroup", "rw,memory"));
        assert_eq!(mount.root, Path::new("/docker/x"));
    }

    #[test]
    fn a_path_outside_the_mounted_part_has_no_place_in_it() {
        assert_eq!(below(Path::new("/a"), Path::new("/a/b")), Some("b".into()));
        assert_eq!(below(Path::new("/"), Path::new("/")), Some("".into()));
        assert_eq!(below(Path::new("/a"), Path::new("/c")), None);
        assert_eq!(below(Path::new("/"), Path::new("/../../x")), None);
    }
}
