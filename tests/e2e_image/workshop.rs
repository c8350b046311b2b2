//! What the tests of images and bundles build with: a tiny base, a tiny Flink home, the binary.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

pub(crate) const ROOT: &str = env!("CARGO_MANIFEST_DIR");
pub(crate) const FLUGS: &str = env!("CARGO_BIN_EXE_flugs");
/// The time that every image of the tests carries.
pub(crate) const EPOCH: &str = "1700000000";

/// A directory with everything that a build needs, and what comes of it.
pub(crate) struct Workshop {
    directory: tempfile::TempDir,
}

impl Workshop {
    /// Definitions, a base and a Flink home that are tiny but real in kind.
    pub(crate) fn new() -> Self {
        let workshop = Self {
            directory: tempfile::tempdir().unwrap(),
        };
        for below in ["images", "entrypoints"] {
            copy_tree(&Path::new(ROOT).join(below), &workshop.path(below));
        }
        tiny_base(&workshop.path("base.tar"), "amd64");
        tiny_flink(&workshop.path("flink"));
        fs::write(workshop.path("job.jar"), b"PK\x05\x06 a job").unwrap();
        // A program as small as one can be: what is in it does not matter to a build.
        fs::write(workshop.path("flugs"), program(62)).unwrap();
        workshop
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// `flugs` in this directory, with the fixed time.
    pub(crate) fn flugs(&self, words: &[&str]) -> Output {
        Command::new(FLUGS)
            .args(words)
            .current_dir(self.directory.path())
            .env("SOURCE_DATE_EPOCH", EPOCH)
            .output()
            .unwrap()
    }

    #[track_caller]
    pub(crate) fn ok(&self, words: &[&str]) -> String {
        succeeded(&self.flugs(words), words)
    }

    /// Builds an image from the tiny inputs; gives the JSON that the build printed.
    #[track_caller]
    pub(crate) fn build(&self, definition: &str, output: &str, more: &[&str]) -> serde_json::Value {
        let definition = format!("images/{definition}.yaml");
        let mut words = vec!["image", "build", &definition, "--output", output, "--json"];
        words.extend(["--flink-home", "flink", "--cache", "cache"]);
        if !more.contains(&"--base") {
            words.extend(["--base", "base.tar"]);
        }
        if !more.contains(&"--binary") {
            words.extend(["--binary", "flugs"]);
        }
        words.extend(more);
        serde_json::from_str(&self.ok(&words)).unwrap()
    }
}

#[track_caller]
pub(crate) fn succeeded(output: &Output, words: &[&str]) -> String {
    assert!(output.status.success(), "{words:?}: {}", said(output));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// What a program printed, for a message.
pub(crate) fn said(output: &Output) -> String {
    let all = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    format!("{}\n{}", output.status, String::from_utf8_lossy(&all))
}

/// Runs another program, which must succeed.
#[track_caller]
pub(crate) fn run(words: &[&str]) -> String {
    let output = Command::new(words[0]).args(&words[1..]).output();
    let output = output.unwrap_or_else(|error| {
        panic!("{}: {error}; see tools/install-packages.sh test", words[0])
    });
    succeeded(&output, words)
}

/// A base of Debian's packages, made once.
pub(crate) fn debian_base() -> PathBuf {
    let directory = Path::new(ROOT).join("target/docker-images/base");
    run(&[
        &format!("{ROOT}/tools/base-image.sh"),
        directory.to_str().unwrap(),
    ]);
    directory.join("base.tar")
}

/// A real Flink home.
pub(crate) fn flink_home() -> PathBuf {
    let homes = std::env::var_os("FLUGS_FLINK_HOMES")
        .map_or_else(|| Path::new(ROOT).join("target/flink"), Into::into);
    let home = homes.join("2.3.0");
    assert!(
        home.join("lib").is_dir(),
        "no Flink home in {}: run tools/flink-home.sh 2.3.0 {0}",
        home.display()
    );
    home
}

/// The Docker engine, started if need be.
pub(crate) fn engine() {
    run(&[&format!("{ROOT}/tools/dockerd.sh")]);
}

pub(crate) fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_tree(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// The beginning of an ELF program for a machine (`e_machine`), and some bytes that do not
/// compress.
pub(crate) fn program(machine: u8) -> Vec<u8> {
    let mut bytes = b"\x7fELF\x02\x01\x01".to_vec();
    bytes.resize(18, 0);
    bytes.extend([machine, 0]);
    let mut state = u32::from(machine);
    bytes.extend((0..300_000).map(|_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    }));
    bytes
}

/// A root file system with what a build looks for: accounts, a merged `/usr`, a Java.
pub(crate) fn tiny_base(path: &Path, architecture: &str) {
    let mut builder = tar::Builder::new(fs::File::create(path).unwrap());
    let java = format!("usr/lib/jvm/java-17-openjdk-{architecture}");
    let header = |kind: tar::EntryType, mode: u32, size: usize| {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(1_600_000_000);
        header.set_size(size as u64);
        header
    };
    for directory in ["./etc/", "./usr/", "./usr/bin/", "./opt/", "./run/"] {
        let mut header = header(tar::EntryType::Directory, 0o755, 0);
        builder
            .append_data(&mut header, directory, std::io::empty())
            .unwrap();
    }
    let files = [
        ("etc/passwd".to_owned(), "root:x:0:0:root:/root:/bin/sh\n"),
        ("etc/group".to_owned(), "root:x:0:\n"),
        (format!("{java}/bin/java"), "java"),
        (format!("{java}/lib/server/libjvm.so"), architecture),
        (
            "var/lib/dpkg/status".to_owned(),
            "Package: libc6\nStatus: install ok installed\nArchitecture: amd64\nVersion: 2.36-9+deb12u14\n\n",
        ),
    ];
    for (name, content) in files {
        let mut header = header(tar::EntryType::Regular, 0o755, content.len());
        builder
            .append_data(&mut header, format!("./{name}"), content.as_bytes())
            .unwrap();
    }
    let mut header = header(tar::EntryType::Symlink, 0o777, 0);
    builder
        .append_link(&mut header, "./bin", "usr/bin")
        .unwrap();
    builder.into_inner().unwrap();
}

/// A Flink home of a few bytes that is complete by what every launch needs.
pub(crate) fn tiny_flink(home: &Path) {
    let files = [
        ("lib/flink-dist-2.3.0.jar", "PK dist"),
        ("lib/log4j-core-2.24.3.jar", "PK log4j"),
        ("bin/flink", "#!/bin/sh\n"),
        (
            "conf/config.yaml",
            "jobmanager:\n  bind-host: localhost\n  rpc:\n    address: localhost\n",
        ),
        ("conf/log4j-console.properties", "rootLogger.level = INFO\n"),
        ("log/old.log", "of yesterday"),
        ("NOTICE", "Apache Flink"),
    ];
    for (name, content) in files {
        let path = home.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        let mode = if name.starts_with("bin/") {
            0o755
        } else {
            0o644
        };
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }
}

/// The bytes of a file.
pub(crate) fn read(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
