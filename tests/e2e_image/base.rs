//! Bases of Debian's packages: the same bytes on any machine, and nothing of that machine.

use std::fs;
use std::path::Path;
use std::process::Command;

use flugs_base::Sha256Digest;

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

/// Binds over what tells one machine from another, and becomes an ordinary user with subordinate ids
/// (`subuid(5)`), at another time.
const ELSEWHERE: &str = "set -e; umask 077; mount --make-rprivate /; hostname elsewhere
    for file in hostname resolv.conf hosts machine-id subuid subgid; do
        if [ -e /etc/$file ]; then mount --bind $file /etc/$file; fi
    done
    touch flugs; mount --bind \"$1\" flugs; shift
    exec setpriv --reuid 65534 --regid 65534 --clear-groups \
        faketime -f +40d \"$PWD/flugs\" \"$@\"";

/// Two machines: another name, resolver, hosts, machine id and clock, and an ordinary user with
/// another environment, umask and locale instead of root. Packages whose scripts look around: D-Bus
/// makes a machine id, fontconfig a cache and a log, tzdata looks at the time zone, and some of
/// them make users.
#[test]
fn nightly_the_same_packages_give_the_same_base_on_any_machine_whoever_makes_it() {
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

    let other = tempfile::tempdir().unwrap();
    let other = other.path();
    for below in ["home", "tmp"] {
        fs::create_dir_all(other.join(below)).unwrap();
    }
    let write = |name: &str, text: String| fs::write(other.join(name), text).unwrap();
    for (name, more) in [
        ("resolv.conf", "search elsewhere.example\n"),
        ("hosts", "192.0.2.7 elsewhere.example\n"),
    ] {
        let here = fs::read_to_string(Path::new("/etc").join(name)).unwrap_or_default();
        write(name, here + more);
    }
    write("hostname", "elsewhere\n".to_owned());
    write("machine-id", format!("{}\n", "7".repeat(32)));
    for name in ["subuid", "subgid"] {
        write(name, "nobody:200000:65536\n".to_owned());
    }
    run(&["chown", "-R", "65534:65534", other.to_str().unwrap()]);
    let elsewhere = Command::new("unshare")
        .args(["--mount", "--uts", "sh", "-c", ELSEWHERE, "sh", FLUGS])
        .args(words)
        .args(["--output", "two.tar"])
        .current_dir(other)
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
    let digest = |path: &Path| Sha256Digest::of(&fs::read(path).unwrap());
    let (one, two) = (shop.path("one.tar"), other.join("two.tar"));
    assert_eq!(digest(&one), digest(&two));
}
