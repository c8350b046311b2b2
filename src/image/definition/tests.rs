use std::path::Path;

use proptest::prelude::*;

use super::*;

const WHOLE: &str = "\
schema: 1
name: flugs/worker:1
flink: {baked: true, home: /opt/flink, writable: [log]}
flugs: {path: /opt/flugs/bin/flugs}
user: {name: flink, uid: 9999, gid: 9999, home: /opt/flink}
entrypoint: [/docker-entrypoint.sh]
";

fn message(text: &str) -> String {
    Definition::parse(text, Path::new("w.yaml"))
        .expect_err("refused")
        .to_string()
}

fn with(lines: &str) -> String {
    message(&format!("{WHOLE}{lines}"))
}

#[test]
fn a_definition_is_read() {
    let text = format!(
        "{WHOLE}ports: [6123, 8081/tcp]\nenvironment: {{A: \"1\"}}\nstop-signal: SIGTERM\nhealthcheck: {{command: [flugs, health], interval: 10s}}\nfiles:\n- {{path: /x, source: x.sh, mode: 0755}}\n- {{path: /y, link: x}}\n"
    );
    let read = Definition::parse(&text, Path::new("images/w.yaml")).unwrap();
    assert_eq!(read.name.to_string(), "flugs/worker:1");
    assert_eq!(read.files[0].what, Added::Source("images/x.sh".into()));
    assert_eq!(read.files[0].mode.map(Mode::bits), Some(0o755));
    assert_eq!(read.ports.len(), 2);
    assert_eq!(
        read.healthcheck.unwrap().interval.unwrap().nanoseconds(),
        10_000_000_000
    );
}

#[test]
fn an_unknown_field_is_named_with_its_line_and_the_nearest_known_one() {
    insta::assert_snapshot!(with("entrypoints: [a]\n"), @"w.yaml:7:1: unknown field `entrypoints`, expected one of schema, include, name, base, java, flink, flugs, files, user, environment, labels, ports, healthcheck, stop-signal, volumes, workdir, entrypoint, command; did you mean `entrypoint`?");
    insta::assert_snapshot!(with("java:\n  hoem: /usr\n"), @"w.yaml:8:3: unknown field `hoem`, expected one of home, copy; did you mean `home`?");
    insta::assert_snapshot!(with("files:\n- {path: /a, content: a}\n- {path: /b, contnet: b}\n"), @"w.yaml:9:14: unknown field `contnet`, expected one of path, source, content, link, directory, mode, owner; did you mean `content`?");
}

#[test]
fn a_wrong_value_is_named_with_its_line() {
    insta::assert_snapshot!(with("ports: [6123, 70000]\n"), @r#"w.yaml:7:15: "70000" is not a port: expected 1 to 65535, with /tcp, /udp or /sctp behind it if need be"#);
    insta::assert_snapshot!(with("workdir: opt/flink\n"), @r#"w.yaml:7:10: "opt/flink" is not a path in an image: it must begin with /"#);
    insta::assert_snapshot!(with("stop-signal: TERM\n"), @r#"w.yaml:7:14: "TERM" is not a signal: expected a name like SIGTERM"#);
    insta::assert_snapshot!(with("environment:\n  A: \"1\"\n  B=C: \"2\"\n"), @r#"w.yaml:9:3: "B=C" is not the name of an environment variable: letters, digits and _ only"#);
    insta::assert_snapshot!(with("labels: [a]\n"), @"w.yaml:7:9: expected mapping start");
    insta::assert_snapshot!(with("files:\n- {path: /a, mode: 0999, content: x}\n"), @r#"w.yaml:8:20: "0999" is not a mode: expected three or four octal digits like 0755"#);
    insta::assert_snapshot!(with("healthcheck: {command: [a], interval: fast}\n"), @r#"w.yaml:7:39: "fast" is not a span of time: expected one like 500ms, 10s or 1m30s"#);
    insta::assert_snapshot!(message("schema: 2\n"), @"w.yaml:1:9: schema 2 is not known: this flugs reads schema 1");
}

#[test]
fn exactly_one_way_to_a_base_and_to_a_file() {
    insta::assert_snapshot!(with("base: {rootfs: a.tar, oci: b}\n"), @"w.yaml:7:7: base: name exactly one of rootfs, oci, archive, engine, packages");
    insta::assert_snapshot!(with("base:\n  rootfs: a.tar\n  digest: sha256:12\n"), @r#"w.yaml:9:11: "sha256:12" is not a digest: expected sha256: and 64 hexadecimal digits"#);
    insta::assert_snapshot!(with("files:\n- {path: /a}\n"), @"w.yaml:8:3: /a: name exactly one of source, content, link, directory: true");
    insta::assert_snapshot!(with("files:\n- {path: /a, link: b, mode: 0755}\n"), @"w.yaml:8:3: /a: a link has no mode");
}

#[test]
fn what_every_image_needs_is_demanded() {
    insta::assert_snapshot!(message("name: a\n"), @"w.yaml: schema is missing: write `schema: 1`");
    insta::assert_snapshot!(message("schema: 1\nflink: {home: /opt/flink}\nuser: {name: f, uid: 1, gid: 1, home: /f}\nname: a\nflugs: {path: /f}\n"), @"w.yaml: entrypoint is missing: write the program that a container runs");
}

#[test]
fn yaml_itself_is_strict() {
    insta::assert_snapshot!(with("schema: 1\n"), @"w.yaml:7:1: duplicate mapping key: schema");
    insta::assert_snapshot!(with("labels: {a: [\n"), @"w.yaml:7:13: expected string scalar");
    insta::assert_snapshot!(message(""), @"w.yaml: schema is missing: write `schema: 1`");
}

#[test]
fn a_file_is_laid_over_what_it_includes() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
    write(
        "shared.yaml",
        &format!(
            "{WHOLE}environment: {{A: shared, B: shared}}\nports: [1]\nfiles:\n- {{path: /x, content: shared}}\n"
        ),
    );
    write(
        "own.yaml",
        "include: [shared.yaml]\nname: own\nenvironment: {B: own}\nports: [2]\nflink: {baked: false}\nfiles:\n- {path: /x, content: own}\n",
    );
    let read = Definition::read(&directory.path().join("own.yaml")).unwrap();
    assert_eq!(read.name.repository, "own");
    let environment: Vec<_> = read
        .environment
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    assert_eq!(environment, [("A", "shared"), ("B", "own")]);
    assert_eq!(read.ports.len(), 2);
    assert!(!read.flink.baked);
    assert_eq!(read.flink.home.as_str(), "/opt/flink");
    assert_eq!(read.files.len(), 1);
    assert_eq!(read.files[0].what, Added::Content("own".into()));
}

#[test]
fn definitions_that_include_one_another_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.yaml");
    std::fs::write(&path, "include: [a.yaml]\n").unwrap();
    assert!(matches!(
        Definition::read(&path),
        Err(DefinitionError::Includes { .. })
    ));
}

#[test]
fn an_error_in_an_included_file_names_that_file() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("b.yaml"), "\n\nwrong: 1\n").unwrap();
    let path = directory.path().join("a.yaml");
    std::fs::write(&path, "include: [b.yaml]\n").unwrap();
    let message = Definition::read(&path).unwrap_err().to_string();
    assert!(
        message.contains("b.yaml:3:1: unknown field `wrong`"),
        "{message}"
    );
}

#[test]
fn the_definitions_of_the_repository_are_sound() {
    let images = Path::new(env!("CARGO_MANIFEST_DIR")).join("images");
    for name in ["appmaster", "worker", "worker-slim"] {
        let read = Definition::read(&images.join(name).with_extension("yaml")).unwrap();
        assert_eq!(read.user.uid, 9999);
        assert_eq!(read.flink.baked, name != "worker-slim");
        for file in read.files {
            if let Added::Source(path) = file.what {
                assert!(path.exists(), "{}", path.display());
            }
        }
    }
}

proptest! {
    #[test]
    fn no_text_panics_the_reader(text in "\\PC{0,200}") {
        let _ = Definition::parse(&text, Path::new("p.yaml"));
    }

    #[test]
    fn no_change_to_a_good_definition_panics_the_reader(at in 0..WHOLE.len(), with in "\\PC{0,6}") {
        let text: String = WHOLE.chars().take(at).chain(with.chars()).chain(WHOLE.chars().skip(at + 1)).collect();
        let _ = Definition::parse(&text, Path::new("p.yaml"));
    }

    #[test]
    fn every_port_mode_and_owner_reads_back(port in 1_u16.., mode in 0_u32..0o10000, user: u32, group: u32) {
        let port_text = format!("{port}/udp");
        prop_assert_eq!(String::from(Port::try_from(port_text.clone()).unwrap()), port_text);
        let mode_text = format!("{mode:04o}");
        prop_assert_eq!(Mode::try_from(mode_text).unwrap().bits(), mode);
        let owner = Owner { user, group };
        prop_assert_eq!(Owner::try_from(String::from(owner)).unwrap(), owner);
    }
}

#[test]
fn training_is_off_unless_a_definition_or_what_it_includes_asks_for_it() {
    let trained = |own: &str| {
        let directory = tempfile::tempdir().unwrap();
        let shared = WHOLE.replace("baked: true,", "baked: true, trained: true,");
        std::fs::write(directory.path().join("shared.yaml"), shared).unwrap();
        let path = directory.path().join("own.yaml");
        std::fs::write(&path, format!("include: [shared.yaml]\n{own}")).unwrap();
        Definition::read(&path).unwrap().flink.trained
    };
    let plain = Definition::parse(WHOLE, Path::new("x.yaml")).unwrap();
    assert!(!plain.flink.trained);
    assert!(trained(""));
    assert!(!trained("flink: {trained: false}\n"));
}
