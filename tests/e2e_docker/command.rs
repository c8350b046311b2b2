//! Commands that are no role, and the variables that they see.

use std::collections::BTreeMap;

use super::docker_images::{docker, docker_ok, images, text};

/// The configuration that a command of a container finds.
fn configuration(options: &[&str]) -> BTreeMap<String, String> {
    let images = images("2.3.0");
    let mut words = vec!["run", "--rm", "--network", "none"];
    words.extend(options);
    let script = "cat \"$FLINK_CONF_DIR/config.yaml\"";
    words.extend([images.worker.as_str(), "sh", "-c", script]);
    let text = docker_ok(&words);
    let parsed = flugs::conf::parse_nested(&text, "config.yaml").unwrap();
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
    let output = docker(&[&["run", "--rm", &images.appmaster], &words[..]].concat());
    assert_eq!(output.status.code(), Some(75), "{}", text(&output));
    let said = text(&output);
    assert!(said.contains("mesos.master"), "{said}");
    assert!(said.contains("mesos.initial-tasks"), "{said}");
    assert!(!said.contains("tell"), "{said}");
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

#[test]
fn a_plugin_that_is_not_there_ends_the_launch_and_names_it() {
    let images = images("2.3.0");
    let words = ["run", "--rm", "--env", "ENABLE_BUILT_IN_PLUGINS=none.jar"];
    let output = docker(&[&words[..], &[&images.worker, "taskmanager"]].concat());
    assert_eq!(output.status.code(), Some(75), "{}", text(&output));
    assert!(text(&output).contains("none.jar"), "{}", text(&output));
}
