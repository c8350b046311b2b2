//! Commands that are no role, and the variables that they see.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::docker_images::{docker, docker_ok, images, text};

/// The configuration that a command of a container finds.
fn configuration(options: &[&str]) -> BTreeMap<String, String> {
    let images = images("2.3.0");
    let mut words = vec!["run", "--rm", "--network", "none"];
    words.extend(options);
    let script = "cat conf/config.yaml";
    words.extend([images.worker.as_str(), "sh", "-c", script]);
    let text = docker_ok(&words);
    let parsed = flugs_flink_conf::parse_nested(&text, "config.yaml").unwrap();
    let settings = parsed.settings.into_iter();
    settings.map(|one| (one.key, one.value)).collect()
}

#[test]
fn any_other_command_runs_as_it_stands_as_the_user_flink() {
    let images = images("2.3.0");
    let run = |options: &[&str], command: &[&str]| {
        let mut words = vec!["run", "--rm", "--network", "none"];
        words.extend(options);
        words.push(&images.worker);
        words.extend(command);
        docker(&words)
    };
    for (command, code) in [
        (vec!["sh", "-c", "exit 33"], 33),
        (vec!["sh", "-c", "kill -9 $$"], 137),
        (vec!["no-such-program"], 127),
        (vec!["/opt/flink/LICENSE"], 126),
        (vec!["help"], 0),
        (vec![], 0),
    ] {
        let output = run(&[], &command);
        assert_eq!(
            output.status.code(),
            Some(code),
            "{command:?}: {}",
            text(&output)
        );
    }
    // Privileges are dropped for good, whoever started the container and whatever it runs.
    for user in [&[][..], &["--user", "0"]] {
        let script = "id -u; echo $HOME; pwd; stat -c %u /proc/1";
        let output = run(user, &["sh", "-c", script]);
        let seen = String::from_utf8(output.stdout).unwrap();
        assert_eq!(seen, "9999\n/opt/flink\n/opt/flink\n9999\n");
    }
    let help = run(&[], &["/docker-entrypoint.sh", "help"]);
    assert!(text(&help).contains("standalone-job"), "{}", text(&help));
    let preloaded = run(&[], &["sh", "-c", "echo $LD_PRELOAD"]);
    assert!(
        text(&preloaded).contains("libjemalloc.so"),
        "{}",
        text(&preloaded)
    );
    let disabled = run(
        &["--env", "DISABLE_JEMALLOC=true"],
        &["sh", "-c", "echo $LD_PRELOAD"],
    );
    assert!(
        !text(&disabled).contains("libjemalloc"),
        "{}",
        text(&disabled)
    );
}

#[test]
fn mesos_scripts_run_the_application_master_which_says_what_is_wrong_before_anything_starts() {
    let images = images("2.3.0");
    let words = [
        "mesos-appmaster.sh",
        "-Dmesos.master=zk://a",
        "-Dmesos.initial-tasks=many",
        "-Ds3.secret-key=tell",
    ];
    for options in [&[][..], &["--read-only", "--tmpfs", "/tmp"]] {
        let run = [&["run", "--rm"], options, &[&images.appmaster], &words[..]];
        let output = docker(&run.concat());
        assert_eq!(output.status.code(), Some(75), "{}", text(&output));
        let said = text(&output);
        assert!(said.contains("mesos.master"), "{said}");
        assert!(said.contains("mesos.initial-tasks"), "{said}");
        assert!(!said.contains("tell"), "{said}");
    }
}

#[test]
fn flink_38587_values_of_flink_properties_keep_what_they_are_made_of() {
    let properties = "\
# a comment line
spaces: -Dfoo=bar -XX:+UseZGC   -Dx=y
quotes.single: it's
quotes.double: \"a b\"
glob.key: /usr/b*
dollar: $$ ${UNSET}x $NAME costs 5$
hash: a#b
colon: s3://bucket/a:b
nospace:val
ümlaut: grüße – 漢字
fs.s3a.endpoint: one
fs.s3a.endpoint.region: two

taskmanager.numberOfTaskSlots: 7";
    let variable = format!("FLINK_PROPERTIES={properties}");
    let found = configuration(&["--env", &variable, "--env", "NAME=flink"]);
    let expected = [
        ("spaces", "-Dfoo=bar -XX:+UseZGC   -Dx=y"),
        ("quotes.single", "it's"),
        ("quotes.double", "a b"),
        ("glob.key", "/usr/b*"),
        ("hash", "a#b"),
        ("colon", "s3://bucket/a:b"),
        ("nospace", "val"),
        ("ümlaut", "grüße – 漢字"),
        ("fs.s3a.endpoint", "one"),
        ("fs.s3a.endpoint.region", "two"),
        ("taskmanager.numberOfTaskSlots", "7"),
    ];
    for (key, value) in expected {
        assert_eq!(found.get(key).map(String::as_str), Some(value), "{key}");
    }
    assert_eq!(found["dollar"], "$$ x flink costs 5$");
    assert!(!found.contains_key("#acommentline"), "{found:?}");
}

#[test]
fn single_variables_set_their_keys_and_flink_properties_win_over_them() {
    let found = configuration(&[
        "--env",
        "JOB_MANAGER_RPC_ADDRESS=jm",
        "--env",
        "TASK_MANAGER_NUMBER_OF_TASK_SLOTS=5",
        "--env",
        "FLINK_PROPERTIES=taskmanager.numberOfTaskSlots: 6",
    ]);
    assert_eq!(found["jobmanager.rpc.address"], "jm");
    assert_eq!(found["taskmanager.numberOfTaskSlots"], "6");
    assert_eq!(found["blob.server.port"], "6124");
    assert_eq!(found["taskmanager.bind-host"], "0.0.0.0");
    assert!(!found.contains_key("taskmanager.host"));
}

/// A directory below the repository's that any user of a container can read, and write if asked.
fn conf_with(files: &[(&str, &str)], mode: u32) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let path = directory.path().join(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode & 0o666)).unwrap();
    }
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(mode)).unwrap();
    directory
}

/// `docker run` of the worker's image; both outputs, and the code.
fn run(options: &[&str], command: &[&str]) -> (Option<i32>, String) {
    let images = images("2.3.0");
    let mut words = vec!["run", "--rm", "--network", "none", "--hostname", "box"];
    words.extend(options);
    words.push(&images.worker);
    words.extend(command);
    let output = docker(&words);
    (output.status.code(), text(&output))
}

#[test]
fn commands_find_the_configuration_where_the_official_image_writes_it() {
    // Without any variable: the address is this container's, for every command.
    let show = [
        "sh",
        "-c",
        "echo \"[$FLINK_CONF_DIR]\"; cat conf/config.yaml",
    ];
    let (_, seen) = run(&[], &show);
    assert!(seen.contains("[]\n"), "{seen}");
    assert!(seen.contains("    address: box\n"), "{seen}");
    assert!(seen.contains("before:     address: localhost\n"), "{seen}");
    assert!(seen.contains("\nblob.server.port: 6124\n"), "{seen}");
    // What an entry point of the user's does to the file before counts, and its comments stay.
    let own = "echo 'own.key: 1 # mine' >> conf/config.yaml; sed -i 's/numberOfTaskSlots: 1/numberOfTaskSlots: 3/' conf/config.yaml; exec /docker-entrypoint.sh sh -c 'cat conf/config.yaml'";
    let options = [
        "--env",
        "FLINK_PROPERTIES=rest.port: 8099",
        "--entrypoint",
        "sh",
    ];
    for user in ["9999", "4711:0"] {
        let (_, seen) = run(&[&options[..], &["--user", user]].concat(), &["-c", own]);
        for line in [
            "own.key: 1 # mine\n",
            "numberOfTaskSlots: 3\n",
            "\nrest.port: 8099\n",
        ] {
            assert!(seen.contains(line), "{user}: {line}: {seen}");
        }
    }
    // A file that is mounted by itself is written in place.
    let conf = conf_with(&[("config.yaml", "rest.port: 1\n")], 0o777);
    let file = conf.path().join("config.yaml");
    let mount = format!("{}:/opt/flink/conf/config.yaml", file.display());
    for port in ["8099", "8100"] {
        let properties = format!("FLINK_PROPERTIES=rest.port: {port}");
        let (_, seen) = run(&["--volume", &mount, "--env", &properties], &show);
        assert!(
            seen.contains(&format!("before: rest.port: 1\nrest.port: {port}\n")),
            "{seen}"
        );
    }
}

#[test]
fn where_conf_cannot_be_written_to_commands_and_flinks_scripts_are_led_elsewhere() {
    let conf = conf_with(&[("config.yaml", "jobmanager.rpc.address: jm\n")], 0o755);
    let mount = format!("{}:/opt/flink/conf:ro", conf.path().display());
    let script = "cat \"$FLINK_CONF_DIR/config.yaml\"; unset FLINK_CONF_DIR; . bin/config.sh; echo \"led to $FLINK_CONF_DIR\"; ls $FLINK_CONF_DIR";
    let properties = ["--env", "FLINK_PROPERTIES=rest.port: 8099"];
    for (options, directory) in [
        (&["--volume", mount.as_str()][..], "/run/flugs"),
        (&["--user", "1000680000:4711"], "/run/flugs"),
        (&["--read-only", "--tmpfs", "/tmp"], "/tmp/flugs"),
    ] {
        let (code, seen) = run(&[options, &properties].concat(), &["bash", "-c", script]);
        assert_eq!(code, Some(0), "{seen}");
        for part in [
            "rest.port: 8099\n",
            &format!("led to {directory}/clients/conf\n"),
            "/opt/flink/conf: cannot be written to",
        ] {
            assert!(seen.contains(part), "{options:?}: {part}: {seen}");
        }
    }
    let before = fs::read_to_string(conf.path().join("config.yaml")).unwrap();
    assert_eq!(before, "jobmanager.rpc.address: jm\n");
}

#[test]
fn a_file_that_cannot_be_parsed_stays_as_it_is_and_keeps_no_command_from_running() {
    let broken = "a: [1\nb: 2\n";
    let conf = conf_with(&[("config.yaml", broken)], 0o777);
    let mount = format!("{}:/opt/flink/conf", conf.path().display());
    let options = [
        "--volume",
        &mount,
        "--env",
        "FLINK_PROPERTIES=rest.port: 8099",
    ];
    let (code, seen) = run(&options, &["sh", "-c", "exit 33"]);
    assert_eq!(code, Some(33), "{seen}");
    assert!(seen.contains("config.yaml:"), "{seen}");
    let (code, seen) = run(&options, &["taskmanager"]);
    assert_eq!(code, Some(75), "{seen}");
    let after = fs::read_to_string(conf.path().join("config.yaml")).unwrap();
    assert_eq!(after, broken);
}

#[test]
fn a_limit_that_is_too_small_for_flink_says_what_to_do() {
    for (role, least) in [("taskmanager", "982m"), ("jobmanager", "704m")] {
        let (code, seen) = run(&["--memory", "512m"], &[role]);
        assert_eq!(code, Some(75), "{seen}");
        for part in [
            "512 MiB",
            &format!("--memory {least}"),
            "memory.process.size",
            "official image",
        ] {
            assert!(seen.contains(part), "{role}: {part}: {seen}");
        }
    }
}

#[test]
fn root_becomes_flink_or_stays_as_the_official_image_of_the_release_has_it() {
    let home = tempfile::tempdir().unwrap();
    for file in ["lib/flink-dist-2.4.0.jar", "conf/config.yaml"] {
        let path = home.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    }
    fs::set_permissions(home.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let mount = format!("{}:/next", home.path().display());
    let next = [
        "--user",
        "0",
        "--volume",
        &mount,
        "--env",
        "FLINK_HOME=/next",
    ];
    let (_, seen) = run(&next, &["id", "-u"]);
    assert!(
        seen.contains("\n0\n") && seen.contains("runs as root"),
        "{seen}"
    );
    let (_, seen) = run(&["--user", "0"], &["id", "-u"]);
    assert!(
        seen.contains("9999\n") && !seen.contains("runs as root"),
        "{seen}"
    );
}

#[test]
fn a_plugin_that_is_not_there_ends_the_launch_and_names_it() {
    let images = images("2.3.0");
    let words = ["run", "--rm", "--env", "ENABLE_BUILT_IN_PLUGINS=none.jar"];
    let output = docker(&[&words[..], &[&images.worker, "taskmanager"]].concat());
    assert_eq!(output.status.code(), Some(75), "{}", text(&output));
    assert!(text(&output).contains("none.jar"), "{}", text(&output));
    let jar = "flink-python-2.3.0.jar";
    let list = format!("ENABLE_BUILT_IN_PLUGINS={jar}; {jar}");
    let script =
        "/docker-entrypoint.sh true; ls plugins/flink-python-2.3.0; echo \"[$FLINK_PLUGINS_DIR]\"";
    let (_, seen) = run(&["--env", &list], &["sh", "-c", script]);
    assert!(seen.contains(&format!("{jar}\n[]\n")), "{seen}");
}

#[test]
fn a_directory_that_does_not_do_is_told_before_the_start_with_what_a_try_met() {
    let check = [
        "flugs",
        "launch",
        "taskmanager",
        "--check",
        "--dir",
        "/run/flugs/x",
    ];
    let option = "env.java.opts.taskmanager=-Djna.tmpdir=/native -Dio.netty.native.workdir=native";
    let words = [&check[..], &["-D", option]].concat();
    // An engine's tmpfs is noexec unless it is told otherwise; the working directory is Flink's.
    let (code, seen) = run(&["--tmpfs", "/native:mode=1777"], &words);
    assert_eq!(code, Some(0), "{seen}");
    let complaint = "jna.tmpdir: native code cannot be mapped from /native (a file in it cannot be mapped as code";
    assert!(
        seen.contains(complaint) && seen.contains("noexec"),
        "{seen}"
    );
    assert!(!seen.contains("netty.native.workdir:"), "{seen}");
    let (_, seen) = run(&["--tmpfs", "/native:exec,mode=1777"], &words);
    assert!(!seen.contains("native code"), "{seen}");

    // Logs: where the image's directory cannot be written to, the launch's own is taken; somebody's
    // own choice is told.
    let closed = ["--read-only", "--tmpfs", "/tmp:exec"];
    let entry =
        "/docker-entrypoint.sh taskmanager & sleep 5; ls /tmp/flugs/taskmanager/log; kill %1; wait";
    let options = [&closed[..], &["--env", "JOB_MANAGER_RPC_ADDRESS=nowhere"]].concat();
    let (_, seen) = run(&options, &["bash", "-c", entry]);
    assert!(seen.contains("-taskexecutor-0-box.log\n"), "{seen}");
    assert!(!seen.contains("no log can be written"), "{seen}");
    let options = [&closed[..], &["--env", "FLINK_LOG_DIR=/opt/flink/log"]].concat();
    let in_temporary = [
        "flugs",
        "launch",
        "taskmanager",
        "--check",
        "--dir",
        "/tmp/x",
    ];
    let (code, seen) = run(&options, &in_temporary);
    assert_eq!(code, Some(0), "{seen}");
    let complaint = "/opt/flink/log: no log can be written there (a file in it cannot be written: Read-only file system";
    assert!(seen.contains(complaint), "{seen}");
}
