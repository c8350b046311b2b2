//! What making a base leaves behind of the machine and the moment: names, addresses, where its
//! packages came from, logs, locks, backups, caches. None of it is of use in an image, and each
//! makes two bases of the same packages differ.

/// What becomes of an entry of a base that was just made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Treatment {
    /// It stays.
    Keep,
    /// It stays, without content: programs expect the file.
    Empty,
    /// It goes.
    LeaveOut,
}

/// The files of this machine that mmdebstrap and packages copy, keep or make.
const LEFT_OUT: [&str; 23] = [
    // Of the network that the machine is in; every engine mounts its own.
    "etc/hostname",
    "etc/hosts",
    "etc/mailname",
    "etc/resolv.conf",
    // Where this machine has its packages from, and how it was told to take them.
    "etc/apt/apt.conf.d/99mmdebstrap",
    "etc/apt/auth.conf",
    "etc/apt/sources.list",
    // One machine's identity.
    "var/lib/dbus/machine-id",
    "var/lib/systemd/random-seed",
    // Locks and what was before the last change.
    "etc/.pwd.lock",
    "etc/group-",
    "etc/gshadow-",
    "etc/passwd-",
    "etc/shadow-",
    "etc/subgid-",
    "etc/subuid-",
    "etc/.java/.systemPrefs/.system.lock",
    "var/cache/debconf/config.dat-old",
    "var/cache/debconf/templates.dat-old",
    "var/lib/dpkg/diversions-old",
    "var/lib/dpkg/lock",
    "var/lib/dpkg/lock-frontend",
    "var/lib/dpkg/status-old",
];

/// Directories whose files go.
const SWEPT: [&str; 7] = [
    "etc/apt/auth.conf.d/",
    "etc/apt/sources.list.d/",
    "var/cache/",
    "var/lib/apt/lists/",
    "run/",
    "tmp/",
    "var/tmp/",
];

/// Debconf's answers are no cache, whatever the directory is called.
const KEPT: &str = "var/cache/debconf/";

/// What becomes of the file, or of whatever else is no directory, at a path without a slash in
/// front.
pub(super) fn treatment(path: &str) -> Treatment {
    let swept = SWEPT.iter().any(|directory| path.starts_with(directory));
    let host_key = path.starts_with("etc/ssh/ssh_host_");
    if LEFT_OUT.contains(&path) || host_key || (swept && !path.starts_with(KEPT)) {
        return Treatment::LeaveOut;
    }
    // machine-id(5): empty in an image of many machines.
    if path == "etc/machine-id" || path.starts_with("var/log/") {
        return Treatment::Empty;
    }
    Treatment::Keep
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traces_go_logs_are_emptied_and_what_packages_brought_stays() {
        for path in [
            "etc/resolv.conf",
            "etc/apt/sources.list.d/0000debian.sources",
            "etc/ssh/ssh_host_rsa_key",
            "var/cache/ldconfig/aux-cache",
            "var/cache/fontconfig/x.cache-7",
            "var/cache/debconf/config.dat-old",
            "var/lib/apt/lists/deb.debian.org_InRelease",
            "tmp/hsperfdata_root/7",
        ] {
            assert_eq!(treatment(path), Treatment::LeaveOut, "{path}");
        }
        for path in ["etc/machine-id", "var/log/dpkg.log", "var/log/apt/term.log"] {
            assert_eq!(treatment(path), Treatment::Empty, "{path}");
        }
        for path in [
            "etc/passwd",
            "etc/host.conf",
            "etc/ssl/certs/java/cacerts",
            "var/cache/debconf/config.dat",
            "var/lib/dpkg/status",
            "usr/share/doc/x/copyright",
        ] {
            assert_eq!(treatment(path), Treatment::Keep, "{path}");
        }
    }
}
