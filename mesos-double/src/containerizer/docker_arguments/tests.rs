//! The clauses of §7.1 to §7.4, one by one.
use super::*;
use crate::faults::Faults;
use crate::identity::Uuid;
use crate::options::AgentOptions;
use serde_json::json;
use std::path::PathBuf;

fn launch(task: &Value) -> Launch {
    Launch {
        container: Uuid::random(),
        agent_id: "S0".to_owned(),
        agent_pid: "slave(1)@127.0.0.1:5051".to_owned(),
        agent_endpoint: "127.0.0.1:5051".to_owned(),
        address: "127.0.0.1".to_owned(),
        options: AgentOptions::default(),
        framework_id: "F".to_owned(),
        framework_info: Map::new(),
        role: "flink".to_owned(),
        task_id: "t".to_owned(),
        task: task.as_object().unwrap().clone(),
        work_dir: PathBuf::from("/work"),
        faults: Faults::default(),
    }
}

/// A task of these parts; what `docker` says of the container is in `docker`.
fn task(command: &Value, docker: &Value, container: &Value) -> Value {
    let mut docker_info = json!({"image": "i"});
    let mut container_info = json!({"type": "DOCKER"});
    for (info, more) in [(&mut docker_info, docker), (&mut container_info, container)] {
        let fields = more.as_object().unwrap().clone();
        info.as_object_mut().unwrap().extend(fields);
    }
    container_info["docker"] = docker_info;
    json!({
        "command": command,
        "container": container_info,
        "resources": [
            {"name": "cpus", "type": "SCALAR", "scalar": {"value": 0.5}},
            {"name": "mem", "type": "SCALAR", "scalar": {"value": 64.0}},
            {"name": "ports", "type": "RANGES", "ranges": {"range": [{"begin": 31000, "end": 31001}]}},
        ],
    })
}

fn plain(docker: &Value, container: &Value) -> Value {
    task(&json!({"shell": false}), docker, container)
}

/// The words without those that every container has.
fn arguments(task: &Value) -> Result<Vec<String>, String> {
    let launch = launch(task);
    let name = container_name(&launch);
    let words = run_arguments(&launch, Path::new("/box"))?;
    Ok(words
        .into_iter()
        .map(|word| word.replace(&name, "NAME"))
        .collect())
}

fn line(task: &Value) -> String {
    arguments(task).unwrap().join(" ")
}

fn refusal(task: &Value) -> String {
    arguments(task).unwrap_err()
}

const EVERYWHERE: &str = "-e MESOS_ALLOCATION_ROLE=flink -e MESOS_CONTAINER_NAME=NAME \
     -e MESOS_SANDBOX=/mnt/mesos/sandbox -v /box:/mnt/mesos/sandbox";

#[test]
fn clause_7_1_options_stand_in_the_agents_order_and_nothing_else_is_asked_for() {
    let docker = json!({
        "privileged": true, "network": "BRIDGE",
        "port_mappings": [{"host_port": 31000, "container_port": 80, "protocol": "TCP"}],
        "parameters": [{"key": "init", "value": "true"}, {"key": "user", "value": "nobody"}],
    });
    let line = line(&task(
        &json!({"value": "sleep 1"}),
        &docker,
        &json!({"hostname": "h"}),
    ));
    let expected = format!(
        "run --privileged --cpu-shares 512 --memory 67108864 {EVERYWHERE} --net bridge --hostname h \
         -p 31000:80/tcp --entrypoint /bin/sh --name NAME --init=true --user=nobody i -c sleep 1"
    );
    assert_eq!(line, expected);
}

#[test]
fn clause_7_1_no_container_gets_less_than_the_least() {
    let mut task = plain(&json!({}), &json!({}));
    task["resources"] = json!([
        {"name": "cpus", "type": "SCALAR", "scalar": {"value": 0.001}},
        {"name": "mem", "type": "SCALAR", "scalar": {"value": 1.0}},
    ]);
    let own = line(&task);
    assert!(
        own.starts_with("run --cpu-shares 2 --memory 33554432 -e "),
        "{own}"
    );
    task["limits"] = json!({"cpus": {"value": 1.5}, "mem": {"value": "Infinity"}});
    let own = line(&task);
    let expected = "run --cpu-shares 2 --cpu-quota 150000 --memory-reservation 33554432 -e ";
    assert!(own.starts_with(expected), "{own}");
}

#[test]
fn clause_7_1_a_parameter_can_name_the_network() {
    let docker = json!({"network": "HOST", "parameters": [{"key": "net", "value": "none"}]});
    let own = line(&plain(&docker, &json!({})));
    assert!(own.contains(" --net none --name NAME i"), "{own}");
}

#[test]
fn clause_7_2_what_a_command_becomes() {
    for (command, end) in [
        (
            json!({"value": "X Y"}),
            "--entrypoint /bin/sh --name NAME i -c X Y",
        ),
        (
            json!({"shell": false, "value": "V", "arguments": ["a", "b"]}),
            "--net host --name NAME i V a b",
        ),
        (
            json!({"shell": false, "arguments": ["a", "b"]}),
            "--net host --name NAME i a b",
        ),
        (json!({"shell": false}), "--net host --name NAME i"),
    ] {
        let own = line(&task(&command, &json!({}), &json!({})));
        assert!(own.ends_with(end), "{command}: {own}");
    }
    let none = task(&json!({}), &json!({}), &json!({}));
    assert_eq!(
        refusal(&none),
        "Shell specified but no command value provided"
    );
}

#[test]
fn clause_7_3_what_the_agent_sets_wins_secrets_are_empty_and_nobody_is_told_ids() {
    let variables = json!([
        {"name": "A", "value": "1"},
        {"name": "MESOS_SANDBOX", "value": "/mine"},
        {"name": "MESOS_CONTAINER_NAME", "value": "mine"},
        {"name": "TOKEN", "type": "SECRET", "secret": {"type": "VALUE", "value": {"data": "c2VjcmV0"}}},
    ]);
    let command = json!({"shell": false, "environment": {"variables": variables}});
    let words = arguments(&task(&command, &json!({}), &json!({}))).unwrap();
    let set = words.windows(2).filter(|pair| pair[0] == "-e");
    let set: Vec<&str> = set.map(|pair| pair[1].as_str()).collect();
    let expected = [
        "A=1",
        "MESOS_ALLOCATION_ROLE=flink",
        "MESOS_CONTAINER_NAME=NAME",
        "MESOS_SANDBOX=/mnt/mesos/sandbox",
        "TOKEN=",
    ];
    assert_eq!(set, expected);
}

#[test]
fn clause_7_4_volumes() {
    let volumes = json!([
        {"host_path": "/a", "container_path": "/b", "mode": "RO"},
        {"host_path": "c", "container_path": "/d", "mode": "RW"},
        {"host_path": "/e", "container_path": "f", "mode": "RW"},
        {"container_path": "/g", "source": {"type": "DOCKER_VOLUME", "docker_volume": {"name": "v", "driver": "local"}}},
        {"container_path": "/h", "source": {"type": "HOST_PATH", "host_path": {"path": "/ignored"}}},
        {"container_path": "/i", "source": {"type": "SANDBOX_PATH", "sandbox_path": {"path": "ignored"}}},
        {"container_path": "/j", "source": {"type": "SECRET", "secret": {}}},
    ]);
    let own = line(&plain(&json!({}), &json!({ "volumes": volumes })));
    let expected = "-v /a:/b:ro -v /box/c:/d:rw -v /e:/mnt/mesos/sandbox/f:rw -v v:/g:rw \
         -v /box:/mnt/mesos/sandbox --volume-driver=local --net";
    assert!(own.contains(expected), "{own}");
    let relative = json!({"volumes": [{"host_path": "a", "container_path": "b"}]});
    let text = refusal(&plain(&json!({}), &relative));
    assert!(text.contains("are relative"), "{text}");
}

#[test]
fn clause_7_4_networks_and_ports() {
    let user = json!({"network": "USER"});
    let named = json!({"network_infos": [{"name": "n"}]});
    let own = line(&plain(&user, &named));
    assert!(own.contains("--net n --name"), "{own}");
    let mapping = |network: &str, port: u16| {
        let mappings = json!([{"host_port": port, "container_port": 80}]);
        plain(
            &json!({"network": network, "port_mappings": mappings}),
            &json!({}),
        )
    };
    for (task, text) in [
        (
            plain(&user, &json!({})),
            "No network info found in container info",
        ),
        (
            plain(
                &user,
                &json!({"network_infos": [{"name": "n"}, {"name": "m"}]}),
            ),
            "Only a single network can be defined in Docker run",
        ),
        (
            plain(&json!({}), &json!({"hostname": "h"})),
            "Unable to set hostname with host network mode",
        ),
        (
            mapping("BRIDGE", 31002),
            "Port [31002] not included in resources",
        ),
        (
            mapping("HOST", 31000),
            "Port mappings are only supported for bridge and user-defined networks",
        ),
    ] {
        assert_eq!(refusal(&task), text);
    }
}
