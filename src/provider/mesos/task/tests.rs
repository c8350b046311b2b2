use std::collections::BTreeSet;

use serde_json::Value;

use super::*;
use flugs_artifact::{Server, ServerOptions, Store};
use flugs_flink::FlinkVersion;
use flugs_flink_conf::{Layer, Origin};
use flugs_mesos::wire::TaskId;
use flugs_model::{ArtifactKind, WorkerId};

const MESOS_IMAGE: [(&str, &str); 1] = [(
    "mesos.resourcemanager.tasks.container.image.name",
    "flink:1.20",
)];
const DOCKER: [(&str, &str); 2] = [
    ("mesos.resourcemanager.tasks.container.type", "docker"),
    (
        "mesos.resourcemanager.tasks.container.image.name",
        "flink:1.20",
    ),
];

fn urls() -> ObjectUrls {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path()).unwrap();
    let options = ServerOptions {
        advertised: Some("http://am.example:9090".parse().unwrap()),
        ..ServerOptions::default()
    };
    let server = Server::bind("127.0.0.1:0".parse().unwrap(), store, options).unwrap();
    server.urls()
}

fn terms(settings: &[(&str, &str)]) -> TaskTerms {
    let mut configuration = Configuration::new();
    let shipped = || Origin::of(Layer::ConfDirectory);
    configuration.set("mesos.master", "master:5050", shipped());
    configuration.set("taskmanager.memory.process.size", "1728m", shipped());
    configuration.set("taskmanager.bind-host", "localhost", shipped());
    for (key, value) in settings {
        configuration.set(*key, *value, Origin::of(Layer::CommandLine));
    }
    let version = FlinkVersion::new(1, 20, 5);
    let options = MesosOptions::read(&configuration, &version, &|_| None).unwrap();
    TaskTerms {
        options,
        urls: urls(),
        token: Token::new("0123456789abcdef").unwrap(),
        java_home: None,
        configuration,
        table: OptionTable::for_line(1, 20),
        overlay_properties: [("security.ssl.keystore".into(), "tls/keystore.jks".into())].into(),
        environment: [("HADOOP_USER_NAME".into(), "etl".into())].into(),
        job_manager: JobManagerAddress {
            host: "am.example".to_owned(),
            rpc_port: 6123,
            rest_port: 8081,
        },
    }
}

fn describer(terms: TaskTerms) -> (TaskDescriber, Outbox) {
    let jar = Artifact {
        name: "flink/lib/flink-dist.jar".to_owned(),
        urls: vec!["/sha256/0".to_owned()],
        sha256: Sha256Digest::of(b"flink-dist"),
        size: 10,
        dest: "flink/lib/flink-dist.jar".parse().unwrap(),
        kind: ArtifactKind::File,
        mode: 0o444,
        cache: true,
    };
    TaskDescriber::new(terms, Sha256Digest::of(b"flugs"), vec![jar])
}

struct Described {
    info: TaskInfo,
    manifest: LaunchManifest,
    document: TaskDocument,
}

fn describe(terms: TaskTerms) -> Described {
    let network = &terms.options.tasks.network;
    let demand = terms.options.profiles()["default"].demand.clone();
    assert!(network.published || demand.ports.is_empty());
    let ports: Vec<(String, u16)> = demand
        .ports
        .iter()
        .zip(31000..)
        .map(|(port, offered)| (port.name.clone(), port.number.unwrap_or(offered)))
        .collect();
    let (describer, outbox) = describer(terms);
    let worker: WorkerId = "taskmanager-1".parse().unwrap();
    let info = describer.describe(Launch {
        task: &TaskId::new("taskmanager-1-7"),
        worker: &worker,
        profile: "default",
        hostname: "agent.example",
        ports: &ports,
    });
    let mut documents = outbox.take();
    assert_eq!((documents.len(), outbox.take().len()), (1, 0));
    let document = documents.remove(0);
    let manifest = LaunchManifest::parse(&document.bytes, "manifest").unwrap();
    Described {
        info,
        manifest,
        document,
    }
}

fn described(settings: &[&[(&str, &str)]]) -> Described {
    describe(terms(&settings.concat()))
}

fn json(info: &TaskInfo) -> String {
    serde_json::to_string_pretty(info).unwrap()
}

/// The names under which digests and capabilities are shown, which differ with every change.
fn stable(text: &str) -> String {
    let hexadecimal = regex_lite::Regex::new("[0-9a-f]{64}").unwrap();
    hexadecimal.replace_all(text, "HEX").into_owned()
}

type Settings = &'static [(&'static str, &'static str)];

const COMBINATIONS: [(&str, &[Settings]); 7] = [
    ("mesos", &[]),
    (
        "mesos_image",
        &[
            &MESOS_IMAGE,
            &[
                (
                    "mesos.resourcemanager.tasks.container.docker.force-pull-image",
                    "true",
                ),
                (
                    "flugs.mesos.tasks.container.pull-config",
                    "secret:registry#config",
                ),
                ("flugs.mesos.tasks.secrets.environment", "KEY=s3#secret"),
                ("flugs.mesos.tasks.secrets.files", "/run/keytab=kerberos"),
                ("flugs.mesos.tasks.cache-directory", "/var/cache/flugs"),
            ],
        ],
    ),
    (
        "mesos_network",
        &[
            &MESOS_IMAGE,
            &[
                ("flugs.mesos.tasks.network.mode", "user"),
                ("flugs.mesos.tasks.network.name", "overlay"),
                ("flugs.mesos.tasks.network.published", "true"),
                (
                    "flugs.mesos.tasks.ports.static",
                    "taskmanager.rpc.port:6122",
                ),
            ],
        ],
    ),
    (
        "mesos_bootstrap",
        &[&[
            (
                "mesos.resourcemanager.tasks.bootstrap-cmd",
                "ulimit -n 65536",
            ),
            ("mesos.resourcemanager.tasks.user", "etl"),
            ("mesos.resourcemanager.tasks.uris", "hdfs:///a.tgz"),
            ("mesos.resourcemanager.tasks.labels", "team:data"),
            ("flugs.mesos.tasks.health-check", "false"),
        ]],
    ),
    ("docker", &[&DOCKER]),
    (
        "docker_bridge",
        &[
            &DOCKER,
            &[
                (
                    "mesos.resourcemanager.tasks.container.docker.parameters",
                    "ulimit=nofile=9:9",
                ),
                (
                    "mesos.resourcemanager.tasks.container.docker.force-pull-image",
                    "true",
                ),
                (
                    "mesos.resourcemanager.tasks.container.volumes",
                    "/data:/data:RO,/scratch",
                ),
                (
                    "mesos.resourcemanager.tasks.port-assignments",
                    "metrics.reporter.prom.port",
                ),
                (
                    "flugs.mesos.tasks.container.pull-config",
                    "file:///etc/docker.tar.gz",
                ),
                ("flugs.mesos.tasks.network.mode", "bridge"),
                (
                    "flugs.mesos.tasks.ports.static",
                    "metrics.reporter.prom.port:9249",
                ),
                ("flugs.mesos.tasks.binary", "/usr/local/bin/flugs"),
                ("flugs.mesos.tasks.ship-flink", "always"),
            ],
        ],
    ),
    (
        "docker_bootstrap",
        &[
            &DOCKER,
            &[
                ("mesos.resourcemanager.tasks.bootstrap-cmd", ". /env.sh"),
                (
                    "mesos.resourcemanager.tasks.container.docker.parameters",
                    "user=1000",
                ),
            ],
        ],
    ),
];

#[test]
fn every_combination_is_as_it_was() {
    for (name, settings) in COMBINATIONS {
        let described = described(settings);
        insta::assert_snapshot!(format!("task_{name}"), stable(&json(&described.info)));
        let manifest = String::from_utf8(described.document.bytes).unwrap();
        insta::assert_snapshot!(format!("manifest_{name}"), stable(&manifest));
    }
}

/// Every field of a message, with the kind of its value.
fn shape(value: &Value, path: &str, found: &mut BTreeSet<(String, &'static str)>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                shape(value, &format!("{path}.{name}"), found);
            }
        }
        Value::Array(values) => {
            found.insert((path.to_owned(), "array"));
            for value in values {
                shape(value, &format!("{path}[]"), found);
            }
        }
        Value::String(_) => _ = found.insert((path.to_owned(), "text")),
        Value::Number(_) => _ = found.insert((path.to_owned(), "number")),
        Value::Bool(_) => _ = found.insert((path.to_owned(), "flag")),
        Value::Null => _ = found.insert((path.to_owned(), "null")),
    }
}

/// Fields that no recorded ACCEPT had. Their types are those of `mesos/v1/mesos.proto`.
const UNRECORDED: [(&str, &str); 33] = [
    (
        ".command.environment.variables[].secret.reference.key",
        "text",
    ),
    (
        ".command.environment.variables[].secret.reference.name",
        "text",
    ),
    (".command.environment.variables[].secret.type", "text"),
    (".command.environment.variables[].type", "text"),
    (".command.uris[].cache", "flag"),
    (".command.user", "text"),
    (".container.docker.force_pull_image", "flag"),
    (".container.mesos.image.cached", "flag"),
    (".container.mesos.image.docker.config.reference.key", "text"),
    (
        ".container.mesos.image.docker.config.reference.name",
        "text",
    ),
    (".container.mesos.image.docker.config.type", "text"),
    (".container.network_infos", "array"),
    (".container.network_infos[].name", "text"),
    (".container.network_infos[].port_mappings", "array"),
    (
        ".container.network_infos[].port_mappings[].container_port",
        "number",
    ),
    (
        ".container.network_infos[].port_mappings[].host_port",
        "number",
    ),
    (
        ".container.network_infos[].port_mappings[].protocol",
        "text",
    ),
    (".container.volumes", "array"),
    (".container.volumes[].container_path", "text"),
    (".container.volumes[].host_path", "text"),
    (".container.volumes[].mode", "text"),
    (".container.volumes[].source.secret.reference.name", "text"),
    (".container.volumes[].source.secret.type", "text"),
    (".container.volumes[].source.type", "text"),
    (".discovery.name", "text"),
    (".discovery.ports.ports", "array"),
    (".discovery.ports.ports[].name", "text"),
    (".discovery.ports.ports[].number", "number"),
    (".discovery.ports.ports[].protocol", "text"),
    (".discovery.visibility", "text"),
    (".health_check.command.arguments", "array"),
    (".labels.labels", "array"),
    (".labels.labels[].key", "text"),
];

#[test]
fn tasks_have_the_shape_that_a_real_master_took() {
    let recordings = [
        include_str!("../../../../tests/data/mesos/03-command-tasks.jsonl"),
        include_str!("../../../../tests/data/mesos/04-docker-tasks.jsonl"),
        include_str!("../../../../tests/data/mesos/05-image-tasks.jsonl"),
        include_str!("../../../../tests/data/mesos/10-health-checks.jsonl"),
    ];
    let mut recorded = BTreeSet::new();
    for line in recordings.iter().flat_map(|recording| recording.lines()) {
        let line: Value = serde_json::from_str(line).unwrap();
        let launch = "/call/body/accept/operations/0/launch/task_infos";
        for info in line
            .pointer(launch)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            shape(info, "", &mut recorded);
        }
    }
    assert!(recorded.len() > 30, "{recorded:?}");
    let mut known: BTreeSet<(String, &str)> = UNRECORDED
        .iter()
        .map(|(path, kind)| ((*path).to_owned(), *kind))
        .collect();
    // The same messages in two places.
    for (path, kind) in recorded.iter().chain(&known.clone()) {
        if let Some(rest) = path.strip_prefix(".command.") {
            known.insert((format!(".health_check.command.{rest}"), kind));
        }
    }
    let labels = (".labels.labels[].value".to_owned(), "text");
    known.extend([
        labels,
        (".health_check.command.arguments[]".to_owned(), "text"),
    ]);
    for (name, settings) in COMBINATIONS {
        let info = serde_json::to_value(described(settings).info).unwrap();
        let mut own = BTreeSet::new();
        shape(&info, "", &mut own);
        let strange: Vec<_> = own
            .difference(&recorded)
            .filter(|one| !known.contains(*one))
            .collect();
        assert_eq!(strange, Vec::<&(String, &str)>::new(), "{name}");
    }
}

#[test]
fn neither_a_token_nor_a_setting_is_in_a_task() {
    let secret = ("s3.secret-key", "hunter2");
    for (name, settings) in COMBINATIONS {
        let settings: Vec<_> = settings.concat().into_iter().chain([secret]).collect();
        let described = describe(terms(&settings));
        let text = json(&described.info);
        assert!(!text.contains("0123456789abcdef"), "{name}");
        assert!(!text.contains("hunter2"), "{name}");
        assert!(described.document.is_secret, "{name}");
        assert!(!format!("{:?}", described.document).contains("hunter2"));
    }
    assert!(!described(&[]).document.is_secret);
}

#[test]
fn a_task_can_have_its_own_files_and_nothing_else() {
    let described = described(&[]);
    let token = Token::new("0123456789abcdef").unwrap();
    let command = described.info.command.unwrap();
    let mut granted: Vec<&str> = command.uris.iter().map(|uri| uri.value.as_str()).collect();
    granted.extend(
        described
            .manifest
            .artifacts
            .iter()
            .map(|one| one.urls[0].as_str()),
    );
    let own = [
        Sha256Digest::of(b"flugs"),
        described.document.digest,
        Sha256Digest::of(b"flink-dist"),
    ];
    for (url, digest) in granted.into_iter().zip(own) {
        let parts: Vec<&str> = url.split('/').collect();
        let [
            "http:",
            "",
            "am.example:9090",
            "c",
            capability,
            "sha256",
            object,
        ] = parts.as_slice()
        else {
            panic!("{url}");
        };
        assert_eq!(*object, digest.to_string());
        assert!(token.grants(&digest, &capability.parse().unwrap()));
    }
}

#[test]
fn flugs_is_the_first_process_of_a_container_of_dockers() {
    let first = |settings: &[&[(&str, &str)]]| {
        let info = described(settings).info;
        let command = info.command.unwrap();
        let docker = info.container.unwrap().docker.unwrap();
        let entrypoint = docker
            .parameters
            .into_iter()
            .find(|one| one.key == "entrypoint");
        (
            command.shell,
            command.value,
            entrypoint.map(|one| one.value),
        )
    };
    let fetched = "/mnt/mesos/sandbox/flugs".to_owned();
    assert_eq!(first(&[&DOCKER]), (Some(false), None, Some(fetched)));
    let bootstrap = ("mesos.resourcemanager.tasks.bootstrap-cmd", "true");
    let (shell, line, entrypoint) = first(&[&DOCKER, &[bootstrap]]);
    assert_eq!((shell, entrypoint), (Some(true), None));
    assert!(
        line.unwrap()
            .starts_with("true && exec /mnt/mesos/sandbox/flugs launch ")
    );
}

#[test]
fn a_worker_is_found_under_the_name_that_the_network_gives_it() {
    let host = |settings: &[&[(&str, &str)]]| {
        described(settings).manifest.forced_properties["taskmanager.host"].clone()
    };
    assert_eq!(host(&[]), "agent.example");
    let pattern = ("mesos.resourcemanager.tasks.hostname", "_TASK_.flink.mesos");
    assert_eq!(host(&[&[pattern]]), "taskmanager-1-7.flink.mesos");
    let user = [
        ("flugs.mesos.tasks.network.mode", "user"),
        ("flugs.mesos.tasks.network.name", "overlay"),
    ];
    // Taken out: the worker's own address there is what Flink finds out by itself.
    assert_eq!(host(&[&MESOS_IMAGE, &user]), "");
}

#[test]
fn a_profiles_own_settings_go_before_those_of_all() {
    let mut terms = terms(&[
        ("taskmanager.memory.process.size", "2g"),
        ("taskmanager.numberOfTaskSlots", "2"),
        ("flugs.mesos.profile.default.memory", "3g"),
    ]);
    terms.java_home = Some("java/jdk-17".parse().unwrap());
    let manifest = describe(terms).manifest;
    assert_eq!(manifest.properties["taskmanager.memory.process.size"], "3g");
    assert_eq!(manifest.properties["taskmanager.numberOfTaskSlots"], "2");
    assert_eq!(manifest.default_properties["taskmanager.cpu.cores"], "2");
    assert_eq!(manifest.resources.memory_bytes, Some(3 << 30));
    assert_eq!(manifest.forced_properties["env.java.home"], "java/jdk-17");
}

#[test]
fn every_task_has_a_document_of_its_own_that_is_handed_over_once() {
    let (describer, outbox) = describer(terms(&[]));
    let worker: WorkerId = "taskmanager-1".parse().unwrap();
    for number in 0..1000 {
        let task = TaskId::new(format!("taskmanager-1-{number}"));
        describer.describe(Launch {
            task: &task,
            worker: &worker,
            profile: "default",
            hostname: "agent.example",
            ports: &[],
        });
    }
    let documents = outbox.take();
    let digests: BTreeSet<String> = documents.iter().map(|one| one.digest.to_string()).collect();
    assert_eq!((digests.len(), outbox.take().len()), (1000, 0));
}
