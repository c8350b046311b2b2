use super::*;

struct Machine {
    directory: tempfile::TempDir,
    java: JavaRuntime,
    home: FlinkHome,
}

fn machine() -> Machine {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    for file in [
        "flink/lib/flink-dist-2.3.0.jar",
        "flink/lib/log4j.jar",
        "flink/conf/config.yaml",
        "flink/conf/log4j-console.properties",
        "java/release",
    ] {
        let path = root.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "x").unwrap();
    }
    Machine {
        java: JavaRuntime {
            home: root.join("java"),
            executable: root.join("java/bin/java"),
            feature_version: 17,
            modules: None,
        },
        home: FlinkHome::open(&root.join("flink")).unwrap(),
        directory,
    }
}

impl Machine {
    fn choose(&self, options: &[&str]) -> ClassData {
        let options: Vec<String> = options.iter().map(|&one| one.to_owned()).collect();
        choose_class_data(
            Role::TaskManager,
            &self.java,
            &self.home,
            None,
            &options,
            &|_| None,
        )
    }

    /// Makes the archive that fits now.
    fn archive(&self) -> PathBuf {
        let name = archive_name(Role::TaskManager, &self.java, &self.home, None).unwrap();
        let path = self.directory.path().join("flink/class-data").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "archive").unwrap();
        path
    }
}

#[test]
fn an_archive_is_used_only_while_the_jvm_and_the_class_path_are_those_it_was_made_with() {
    let machine = machine();
    let path = machine.archive();
    let used = machine.choose(&["-Xmx1073741824", "-classpath", "x", "-Xshare:off"]);
    assert_eq!(used, ClassData::Archive(path.clone()));
    let options = [
        format!("-XX:SharedArchiveFile={}", path.display()),
        "-Xshare:auto".into(),
    ];
    assert_eq!(used.options(), options);
    // Another jar, a changed jar, another JVM: each is another name.
    let root = machine.directory.path();
    for file in ["flink/lib/user.jar", "flink/lib/log4j.jar", "java/release"] {
        let before = fs::read(root.join(file)).ok();
        fs::write(root.join(file), "changed").unwrap();
        let machine = Machine {
            home: FlinkHome::open(&root.join("flink")).unwrap(),
            java: machine.java.clone(),
            directory: tempfile::tempdir().unwrap(),
        };
        let unused = machine.choose(&[]);
        assert!(
            matches!(
                &unused,
                ClassData::Unused(Unused::Missing { others: true, .. })
            ),
            "{file}"
        );
        assert!(
            unused.to_string().contains("another JVM or class path"),
            "{unused}"
        );
        assert!(unused.options().is_empty());
        match before {
            Some(_) => {}
            None => fs::remove_file(root.join(file)).unwrap(),
        }
    }
}

#[test]
fn what_travels_has_the_same_archive_in_every_sandbox_and_its_name_is_known_before() {
    let machine = machine();
    let before = travelling_archive_name(&machine.java, &machine.home, Path::new("flink"));
    for sandbox in ["a", "b"] {
        let sandbox = machine.directory.path().join(sandbox);
        for jar in ["flink-dist-2.3.0.jar", "log4j.jar"] {
            let jar = sandbox.join("flink/lib").join(jar);
            fs::create_dir_all(jar.parent().unwrap()).unwrap();
            fs::write(&jar, "x").unwrap();
            let file = fs::File::options().write(true).open(&jar).unwrap();
            file.set_modified(flugs_model::artifact_time()).unwrap();
        }
        let conf = sandbox.join("flink/conf");
        fs::create_dir_all(&conf).unwrap();
        fs::write(conf.join("log4j-console.properties"), "").unwrap();
        let home = FlinkHome::open(&sandbox.join("flink")).unwrap();
        let there = archive_name(Role::TaskManager, &machine.java, &home, Some(&sandbox));
        assert_eq!(there, before);
        assert_ne!(
            archive_name(Role::TaskManager, &machine.java, &home, None),
            before
        );
    }
}

#[test]
fn options_that_an_archive_does_not_fit_keep_it_out_and_are_named() {
    let machine = machine();
    machine.archive();
    for option in ["-XX:+UseZGC", "-XX:SharedArchiveFile=x.jsa", "-Xshare:off"] {
        let unused = machine.choose(&[option]);
        assert_eq!(unused.to_string(), format!("none: {option} rules it out"));
    }
    let large = machine.choose(&["-Xmx34359738368"]);
    assert_eq!(large, ClassData::Unused(Unused::Heap));
}

#[test]
fn a_jvm_is_asked_about_options_that_nobody_knows_and_not_about_the_usual() {
    let words = |line: &str| -> Vec<String> { line.split(' ').map(str::to_owned).collect() };
    let usual = "-Xmx1 -Xms1 -XX:+UseG1GC --add-opens java.base/java.util=ALL-UNNAMED \
                     --add-exports=a/b=c -Dx=y -classpath lib Main -XX:+Odd";
    assert_eq!(in_doubt(&words(usual)), None);
    let odd = "-Xmx1 -Xms1 -XX:+UseCompactObjectHeaders -javaagent:x.jar -Dx=y -Xlog:gc:f \
                   -classpath lib Main -a";
    let asked = words("-Xmx1 -XX:+UseCompactObjectHeaders -classpath lib");
    assert_eq!(in_doubt(&words(odd)), Some(asked));
}

#[test]
fn an_archive_without_the_jvms_own_is_not_used_and_the_remedy_is_told() {
    let machine = machine();
    machine.archive();
    let server = machine.java.home.join("lib/server");
    fs::create_dir_all(&server).unwrap();
    fs::write(server.join("libjvm.so"), "").unwrap();
    machine.archive();
    let unused = machine.choose(&[]).to_string();
    assert!(unused.contains("java -Xshare:dump` makes it"), "{unused}");
    fs::write(server.join("classes.jsa"), "").unwrap();
    assert!(matches!(machine.choose(&[]), ClassData::Archive(_)));
}

#[test]
fn where_archives_are_is_for_a_variable_to_say_and_it_may_say_nowhere() {
    let directories = |value: Option<&str>| {
        class_data_directories(Path::new("/opt/flink"), &|name| match name {
            "FLUGS_CLASS_DATA" => value.map(str::to_owned),
            "HOME" => Some("/home/x".to_owned()),
            _ => None,
        })
    };
    assert_eq!(directories(Some("off")), None);
    assert_eq!(directories(Some("/a")), Some(vec!["/a".into()]));
    let usual = ["/opt/flink/class-data", "/home/x/.cache/flugs/class-data"];
    assert_eq!(directories(None), Some(usual.map(PathBuf::from).to_vec()));
}

#[test]
fn a_java_that_cannot_archive_is_not_asked_to() {
    let mut machine = machine();
    machine.java.feature_version = 11;
    assert_eq!(machine.choose(&[]), ClassData::Unused(Unused::JavaTooOld));
}
