//! Bases of Debian's packages: the same bytes on any machine, and nothing of that machine.

use std::fs;
use std::path::Path;
use std::process::Command;

use flugs::spec::Sha256Digest;

use crate::workshop::{EPOCH, FLUGS, Workshop, debian_base, run, said};

/// What would tell who made a base, or when.
const TRACES: [&str; 12] = [
    "etc/hostname",
    "etc/hosts",
    "etc/resolv.conf",
    "etc/mailname",
    "etc/passwd-",
    "etc/shadow-",
    "etc/apt/apt.conf.d/99mmdebstrap",
    "var/lib/dbus/machine-id",
    "var/lib/dpkg/status-old",
    "var/lib/dpkg/lock",
    "var/cache/ldconfig/aux-cache",
    "var/cache/debconf/config.dat-old",
];

#[test]
fn a_base_of_packages_has_nothing_of_the_machine_that_made_it() {
    let mut archive = tar::Archive::new(fs::File::open(debian_base()).unwrap());
    let mut accounts = 0;
    for entry in archive.entries().unwrap() {
        let entry = entry.unwrap();
        let header = entry.header();
        let path = entry.path().unwrap().display().to_string();
        let path = path.trim_start_matches("./").to_owned();
        assert!(!TRACES.contains(&path.as_str()), "{path}");
        let is_directory = header.entry_type().is_dir();
        for swept in [
            "etc/apt/sources.list.d/",
            "var/lib/apt/lists/",
            "tmp/",
            "run/",
        ] {
            assert!(is_directory || !path.starts_with(swept), "{path}");
        }
        assert!(
            is_directory || !path.starts_with("var/log/") || entry.size() == 0,
            "{path}"
        );
        let names = (header.username().unwrap(), header.groupname().unwrap());
        assert_eq!(names, (Some(""), Some("")), "{path}");
        accounts += usize::from(path == "etc/passwd");
    }
    assert_eq!(accounts, 1, "what belongs into a base is there");
}

/// Two machines: another name, resolver, hosts, machine id and clock, another user's environment,
/// umask and locale. Packages whose scripts look around: D-Bus makes a machine id, fontconfig a
/// cache and a log, tzdata looks at the time zone, and some of them make users.
#[test]
fn nightly_the_same_packages_give_the_same_base_on_any_machine() {
    let shop = Workshop::new();
    let words = [
        "image",
        "base",
        "--package",
        "dbus",
        "--package",
        "fontconfig",
        "--package",
        "tzdata",
    ];
    let own = shop.flugs(&[words.as_slice(), &["--output", "one.tar"]].concat());
    assert!(own.status.success(), "{}", said(&own));

    let other = shop.path("other");
    for below in ["home", "tmp"] {
        fs::create_dir_all(other.join(below)).unwrap();
    }
    run(&["chmod", "1777", other.join("tmp").to_str().unwrap()]);
    let copied = |path: &str, more: &str| {
        let here = fs::read_to_string(path).unwrap_or_default();
        let name = Path::new(path).file_name().unwrap();
        fs::write(other.join(name), here + more).unwrap();
    };
    copied("/etc/resolv.conf", "search elsewhere.example\n");
    copied("/etc/hosts", "192.0.2.7 elsewhere.example\n");
    fs::write(other.join("hostname"), "elsewhere\n").unwrap();
    fs::write(other.join("machine-id"), format!("{}\n", "7".repeat(32))).unwrap();
    let script = "set -e; umask 077; hostname elsewhere
        for file in hostname resolv.conf hosts machine-id; do
            if [ -e /etc/$file ]; then mount --bind other/$file /etc/$file; fi
        done
        exec faketime -f +40d \"$@\"";
    let elsewhere = Command::new("unshare")
        .args(["--mount", "--uts", "sh", "-c", script, "sh", FLUGS])
        .args(words)
        .args(["--output", "two.tar"])
        .current_dir(shop.path(""))
        .env_clear()
        .env("PATH", std::env::var("PATH").unwrap())
        .env("SOURCE_DATE_EPOCH", EPOCH)
        // Times of files are real; what is asked for the time is told another.
        .env("NO_FAKE_STAT", "1")
        .env("HOME", other.join("home"))
        .env("TMPDIR", other.join("tmp"))
        .env("USER", "somebody")
        .env("EMAIL", "somebody@elsewhere.example")
        .env("TZ", "Pacific/Auckland")
        .env("LC_ALL", "tr_TR.UTF-8")
        .envs(std::env::vars().filter(|(name, _)| name.to_lowercase().ends_with("_proxy")))
        .output()
        .unwrap();
    assert!(elsewhere.status.success(), "{}", said(&elsewhere));
    let digest = |name: &str| Sha256Digest::of(&fs::read(shop.path(name)).unwrap());
    assert_eq!(digest("one.tar"), digest("two.tar"));
}
