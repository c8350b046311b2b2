use super::*;
use crate::configuration::{Layer, Origin};

fn configuration(key: &str) -> Configuration {
    let mut configuration = Configuration::new();
    configuration.set(key, "1", Origin::of(Layer::Manifest));
    configuration
}

fn prepare(source: Option<&Path>, target: &Path) -> Result<(), ConfError> {
    prepare_as(source, target, Taking::Copies)
}

fn prepare_as(source: Option<&Path>, target: &Path, taking: Taking) -> Result<(), ConfError> {
    let source = source.map(|directory| ConfSource {
        directory,
        release: None,
        taking,
    });
    let layout = ConsoleLayout::AsConfigured;
    let existing = Existing::Replaced;
    let configuration = configuration("a");
    prepare_directory(
        source,
        target,
        &configuration,
        Dialect::Nested,
        layout,
        existing,
    )
}

#[test]
fn a_read_only_conf_is_copied_and_its_settings_take_effect() {
    let home = tempfile::tempdir().unwrap();
    let (source, target) = (home.path().join("conf"), home.path().join("run/conf"));
    fs::create_dir(&source).unwrap();
    for (name, text) in [("config.yaml", "old: 1\n"), ("flink-conf.yaml", "old: 1\n")] {
        fs::write(source.join(name), text).unwrap();
    }
    fs::write(source.join("log4j-console.properties"), "mine = 1\n").unwrap();
    for name in ["config.yaml", "log4j-console.properties"] {
        fs::set_permissions(source.join(name), fs::Permissions::from_mode(0o444)).unwrap();
    }
    fs::set_permissions(&source, fs::Permissions::from_mode(0o555)).unwrap();
    prepare(Some(&source), &target).unwrap();
    let read = |directory: &Path, name: &str| fs::read_to_string(directory.join(name)).unwrap();
    assert_eq!(read(&target, "config.yaml"), "a: 1\n");
    assert!(!target.join("flink-conf.yaml").exists());
    assert_eq!(read(&target, "log4j-console.properties"), "mine = 1\n");
    assert!(target.join("logback-console.xml").exists());
    assert_eq!(read(&source, "config.yaml"), "old: 1\n");
    fs::set_permissions(&source, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_kubernetes_mount_of_symbolic_links_is_copied_as_files() {
    let home = tempfile::tempdir().unwrap();
    let source = home.path();
    fs::create_dir(source.join("..2026")).unwrap();
    fs::write(source.join("..2026/zoo.cfg"), "x").unwrap();
    symlink("..2026", source.join("..data")).unwrap();
    symlink("..data/zoo.cfg", source.join("zoo.cfg")).unwrap();
    let target = tempfile::tempdir().unwrap();
    prepare(Some(source), target.path()).unwrap();
    let copied = fs::symlink_metadata(target.path().join("zoo.cfg")).unwrap();
    assert!(copied.is_file());
    assert!(!target.path().join("..2026").exists());
}

#[test]
fn a_second_preparation_in_the_same_place_gives_the_same() {
    let target = tempfile::tempdir().unwrap();
    prepare(None, target.path()).unwrap();
    prepare(None, target.path()).unwrap();
    let mut names: Vec<String> = fs::read_dir(target.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(
        names,
        [
            "config.yaml",
            "log4j-console.properties",
            "logback-console.xml"
        ]
    );
}

#[test]
fn what_cannot_be_rendered_touches_nothing() {
    let home = tempfile::tempdir().unwrap();
    let target = home.path().join("conf");
    let layout = ConsoleLayout::AsConfigured;
    let unrepresentable = configuration("a#b");
    let existing = Existing::Replaced;
    let result = prepare_directory(
        None,
        &target,
        &unrepresentable,
        Dialect::Flat,
        layout,
        existing,
    );
    assert!(matches!(result, Err(ConfError::NotRepresentable { .. })));
    assert!(!target.exists());
}

/// Emacs's lock, a vim swap file of another user, a socket, a data base, a directory of root's.
#[test]
fn what_cannot_be_copied_is_linked_and_no_reason_to_refuse() {
    let home = tempfile::tempdir().unwrap();
    let (source, target) = (home.path().join("conf"), home.path().join("run"));
    fs::create_dir_all(source.join("closed")).unwrap();
    symlink("me@host.4711:1700000000", source.join(".#config.yaml")).unwrap();
    symlink("loop", source.join("loop")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(source.join("agent.sock")).unwrap();
    nix::unistd::mkfifo(&source.join("fifo"), nix::sys::stat::Mode::S_IRUSR).unwrap();
    let large = fs::File::create(source.join("geo.mmdb")).unwrap();
    large.set_len(LARGEST_COPY + 1).unwrap();
    fs::write(source.join("workers"), "localhost\n").unwrap();
    for _ in 0..2 {
        prepare(Some(&source), &target).unwrap();
    }
    for name in [".#config.yaml", "loop", "agent.sock", "fifo", "geo.mmdb"] {
        assert_eq!(fs::read_link(target.join(name)).unwrap(), source.join(name));
    }
    assert!(fs::read_link(target.join("workers")).is_err());
    // What was linked once and can be copied now is not written to through the link.
    fs::remove_dir(target.join("closed")).unwrap();
    symlink(source.join("closed"), target.join("closed")).unwrap();
    fs::write(source.join("closed/inner"), "x").unwrap();
    prepare(Some(&source), &target).unwrap();
    assert!(fs::read_link(target.join("closed")).is_err());
    assert_eq!(
        fs::read_to_string(target.join("closed/inner")).unwrap(),
        "x"
    );
}

#[test]
fn linked_files_follow_the_source_and_the_configuration_is_the_launchs_own() {
    let home = tempfile::tempdir().unwrap();
    let (source, target) = (home.path().join("conf"), home.path().join("run"));
    fs::create_dir(&source).unwrap();
    fs::write(source.join("config.yaml"), "old: 1\n").unwrap();
    fs::write(source.join("log4j-console.properties"), "level = INFO\n").unwrap();
    prepare_as(Some(&source), &target, Taking::Links).unwrap();
    fs::write(source.join("log4j-console.properties"), "level = DEBUG\n").unwrap();
    let read = |name: &str| fs::read_to_string(target.join(name)).unwrap();
    assert_eq!(read("log4j-console.properties"), "level = DEBUG\n");
    assert_eq!(read("config.yaml"), "a: 1\n");
    assert!(read("logback-console.xml").contains("<configuration>"));
    assert!(!source.join("logback-console.xml").exists());
}

#[test]
fn in_a_directory_that_somebody_named_links_and_devices_are_written_to_but_not_into_the_source() {
    let home = tempfile::tempdir().unwrap();
    let at = |name: &str| home.path().join(name);
    for directory in ["conf/below", "out", "elsewhere/below"] {
        fs::create_dir_all(at(directory)).unwrap();
    }
    for name in [
        "config.yaml",
        "log4j-console.properties",
        "zoo.cfg",
        "workers",
        "below/inner",
    ] {
        fs::write(at("conf").join(name), format!("of the source: {name}\n")).unwrap();
    }
    // Somebody's own links, one that dangles, a device, and links of an earlier preparation.
    symlink("../elsewhere/new.yaml", at("out/config.yaml")).unwrap();
    symlink("../elsewhere/below", at("out/below")).unwrap();
    symlink("/dev/null", at("out/logback-console.xml")).unwrap();
    nix::unistd::mkfifo(&at("out/zoo.cfg"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let mut both = fs::OpenOptions::new();
    let _reader = both.read(true).write(true).open(at("out/zoo.cfg")).unwrap();
    for name in ["workers", "log4j-console.properties"] {
        symlink(at("conf").join(name), at("out").join(name)).unwrap();
    }
    let source = ConfSource {
        directory: &at("conf"),
        release: None,
        taking: Taking::Copies,
    };
    let fill = || {
        let (layout, existing) = (ConsoleLayout::Json, Existing::WrittenTo);
        let (set, nested) = (configuration("a"), Dialect::Nested);
        prepare_directory(Some(source), &at("out"), &set, nested, layout, existing)
    };
    fill().unwrap();
    let read = |name: &str| fs::read_to_string(at(name)).unwrap();
    for link in ["config.yaml", "below", "logback-console.xml"] {
        assert!(at("out").join(link).is_symlink(), "{link}");
    }
    assert_eq!(read("elsewhere/new.yaml"), "a: 1\n");
    assert_eq!(
        read("elsewhere/below/inner"),
        "of the source: below/inner\n"
    );
    assert!(!fs::symlink_metadata(at("out/zoo.cfg")).unwrap().is_file());
    for name in ["workers", "log4j-console.properties"] {
        assert!(!at("out").join(name).is_symlink(), "{name}");
        assert_eq!(
            read(&format!("conf/{name}")),
            format!("of the source: {name}\n")
        );
    }
    // What can only be linked goes in the way of nothing that is somebody's.
    symlink("nowhere", at("conf/dangling")).unwrap();
    fs::create_dir_all(at("out/dangling/mine")).unwrap();
    let error = fill().unwrap_err();
    assert!(error.to_string().contains("out/dangling"), "{error}");
    assert!(at("out/dangling/mine").exists());
}

#[test]
fn without_log_settings_the_releases_own_hold_and_it_is_said() {
    let home = tempfile::tempdir().unwrap();
    let (source, release) = (home.path().join("mounted"), home.path().join("release"));
    for directory in [&source, &release] {
        fs::create_dir(directory).unwrap();
    }
    fs::write(release.join("log4j-console.properties"), "release = 1\n").unwrap();
    // What Docker makes of a mount whose source is not there.
    fs::create_dir(source.join("log4j-console.properties")).unwrap();
    let warning = missing_log_settings(&source).unwrap().to_string();
    assert!(warning.contains("no log4j-console.properties"), "{warning}");
    assert_eq!(missing_log_settings(&release), None);
    let given = ConfSource {
        directory: &source,
        release: Some(&release),
        taking: Taking::Links,
    };
    let target = home.path().join("run");
    let layout = ConsoleLayout::AsConfigured;
    prepare_directory(
        Some(given),
        &target,
        &configuration("a"),
        Dialect::Nested,
        layout,
        Existing::Replaced,
    )
    .unwrap();
    let text = fs::read_to_string(target.join("log4j-console.properties")).unwrap();
    assert_eq!(text, "release = 1\n");
}
