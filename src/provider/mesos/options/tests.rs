use super::*;
use flugs_flink_conf::options::{FlinkOption, OptionTable, ValueType};
use flugs_flink_conf::{Layer, Origin};

fn configuration(settings: &[(&str, &str)]) -> Configuration {
    let mut configuration = Configuration::new();
    for (key, value) in settings {
        let origin = Origin::from_source(Layer::CommandLine, "-D");
        configuration.set(*key, *value, origin);
    }
    configuration
}

const LEAST: [(&str, &str); 2] = [
    ("mesos.master", "master:5050"),
    ("taskmanager.memory.process.size", "1728m"),
];

pub(in super::super) fn read(settings: &[(&str, &str)]) -> Result<MesosOptions, MesosOptionsError> {
    let settings: Vec<(&str, &str)> = LEAST.iter().chain(settings).copied().collect();
    let version = FlinkVersion::new(1, 20, 5);
    MesosOptions::read(&configuration(&settings), &version, &|_| None)
}

fn place() -> FrameworkPlace {
    FrameworkPlace {
        hostname: "am.example".to_owned(),
        user: "flink".to_owned(),
        webui_url: Some("http://am.example:8081".to_owned()),
    }
}

fn problems(settings: &[(&str, &str)]) -> String {
    read(settings).unwrap_err().to_string()
}

#[test]
fn a_master_is_all_that_is_needed_and_defaults_are_those_of_the_table() {
    let options = read(&[]).unwrap();
    let info = serde_json::to_string_pretty(&options.framework(&place())).unwrap();
    insta::assert_snapshot!(info);
    insta::assert_debug_snapshot!(options.profiles());
    let settings = options.scheduler_settings(&place(), 7);
    assert_eq!(settings.refuse, Duration::from_secs(120));
    assert_eq!(settings.grace, Duration::from_secs(10));
    assert_eq!(
        (options.workers[DEFAULT_PROFILE].workers, settings.seed),
        (1, 7)
    );
    assert_eq!(options.workers_path, "/mesos-workers");
    assert_eq!(options.maximum_failed_tasks, None);
}

#[test]
fn everything_that_is_wrong_is_told_at_once_each_with_its_key_and_no_secret() {
    let version = FlinkVersion::new(1, 20, 5);
    let wrong = configuration(&[
        ("mesos.failover-timeout", "-1"),
        ("mesos.resourcemanager.tasks.cpus", "many"),
        ("mesos.resourcemanager.tasks.gpus", "-2"),
        ("mesos.resourcemanager.tasks.container.type", "lxc"),
        ("mesos.resourcemanager.tasks.container.volumes", "/a:/b:RX"),
        (
            "mesos.resourcemanager.tasks.container.docker.parameters",
            "hunter2",
        ),
        ("mesos.constraints.hard.hostattribute", "rack"),
        ("mesos.resourcemanager.framework.role", "a b"),
        ("mesos.resourcemanager.framework.secret", "hunter2:x"),
        ("mesos.resourcemanager.artifactserver.port", "65536"),
        ("mesos.resourcemanager.unused-offer-expiration", "soon"),
        ("flugs.mesos.profile.big.cpu", "4"),
        ("flugs.mesos.profile.big.memory", "10m"),
        ("flugs.mesos.tasks.network.mode", "user"),
    ]);
    let error = MesosOptions::read(&wrong, &version, &|_| None).unwrap_err();
    let told = error.to_string();
    assert!(!told.contains("hunter2"), "{told}");
    insta::assert_snapshot!(told);
}

#[test]
fn more_workers_than_can_be_are_refused_before_anybody_counts_to_them() {
    for (key, value) in [
        ("mesos.initial-tasks", "2000000000"),
        ("mesos.initial-tasks", "99999999999"),
        ("flugs.mesos.profile.big.workers", "100001"),
        ("slotmanager.redundant-taskmanager-num", "2147483647"),
        ("slotmanager.number-of-slots.min", "2147483647"),
    ] {
        let configuration = configuration(&[LEAST[0], LEAST[1], (key, value)]);
        let read = MesosOptions::read(&configuration, &FlinkVersion::new(1, 20, 5), &|_| None);
        let told = read.unwrap_err().to_string();
        assert!(told.contains(key), "{told}");
    }
}

/// Those of other types: the test after this one.
#[test]
fn every_option_that_is_text_changes_something() {
    let read = |key: &str, value: &str| {
        let configuration = configuration(&[LEAST[0], LEAST[1], (key, value)]);
        MesosOptions::read(&configuration, &FlinkVersion::new(1, 20, 5), &|_| None).ok()
    };
    let without = read("other", "x");
    let is_text = |option: &&FlinkOption| option.value_type == ValueType::Text;
    let unread: Vec<&str> = OptionTable::own()
        .options()
        .iter()
        .filter(is_text)
        .map(|option| option.key)
        .filter(|key| {
            let key = key.replace("<name>", "big").replace("<option>", "a");
            read(&key, "x") == without
        })
        .collect();
    // Flugs is the command.
    assert_eq!(unread, ["mesos.resourcemanager.tasks.taskmanager-cmd"]);
}

/// `flugs conf check` and the application master go by one table.
#[test]
fn what_conf_check_calls_an_error_is_refused_here_and_the_other_way_round() {
    for option in OptionTable::own().options() {
        let key = option.key.replace("<name>", "big").replace("<option>", "x");
        let configuration = configuration(&[LEAST[0], LEAST[1], (&key, "-?")]);
        let checked = flugs_flink_conf::check(
            &configuration,
            OptionTable::for_line(1, 20),
            flugs_flink_conf::Dialect::Flat,
        );
        let is_known = |problem: &flugs_flink_conf::Problem| {
            !matches!(problem, flugs_flink_conf::Problem::UnknownKey { .. })
        };
        assert!(
            checked.iter().all(|finding| is_known(&finding.problem)),
            "{key}"
        );
        let is_error = checked
            .iter()
            .any(|finding| finding.key == key && finding.problem.is_error());
        let read = MesosOptions::read(&configuration, &FlinkVersion::new(1, 20, 5), &|_| None);
        let is_refused = read.is_err_and(|error| {
            let of_type = |one: &MesosOptionProblem| {
                one.key == key && matches!(one.reason, MesosOptionReason::Type { .. })
            };
            error.problems.iter().any(of_type)
        });
        assert_eq!(is_error, is_refused, "{key}");
    }
}

#[test]
fn a_negative_failover_timeout_that_masters_take_is_refused() {
    insta::assert_snapshot!(problems(&[("mesos.failover-timeout", "-1")]), @"
    the configuration of the Mesos cluster cannot be followed:
      mesos.failover-timeout (command-line -D): the value is -1; expected zero or more seconds
    ");
    assert!(read(&[("mesos.failover-timeout", "0")]).is_ok());
}

#[test]
fn gpus_and_regions_are_asked_for_only_by_those_who_want_them() {
    let capabilities = |settings: &[(&str, &str)]| -> Vec<String> {
        let info = read(settings).unwrap().framework(&place());
        info.capabilities
            .iter()
            .map(|one| one.kind.to_string())
            .collect()
    };
    assert_eq!(capabilities(&[]).len(), 4);
    let all = capabilities(&[
        ("mesos.resourcemanager.tasks.gpus", "1"),
        ("flugs.mesos.profile.cheap.revocable", "true"),
        ("flugs.mesos.constraints.soft", "@region:IS:eu"),
    ]);
    assert_eq!(
        all[4..],
        ["GPU_RESOURCES", "REVOCABLE_RESOURCES", "REGION_AWARE"]
    );
}

/// `MesosTaskManagerParameters.getCpus` of 1.13.
#[test]
fn cpus_are_the_cores_of_flink_then_the_tasks_then_the_slots() {
    let cpus = |settings: &[(&str, &str)]| {
        read(settings).unwrap().workers[DEFAULT_PROFILE]
            .cpus
            .value()
    };
    let (cores, task, slots) = (
        ("taskmanager.cpu.cores", "1.5"),
        ("mesos.resourcemanager.tasks.cpus", "2"),
        ("taskmanager.numberOfTaskSlots", "3"),
    );
    let found = [
        cpus(&[cores, task, slots]),
        cpus(&[task, slots]),
        cpus(&[slots]),
        cpus(&[]),
    ];
    assert_eq!(format!("{found:?}"), "[1.5, 2.0, 3.0, 1.0]");
}

#[test]
fn a_profile_has_what_it_sets_and_the_rest_of_all() {
    let options = read(&[
        ("mesos.initial-tasks", "3"),
        ("mesos.resourcemanager.tasks.disk", "100"),
        ("mesos.resourcemanager.tasks.network.bandwidth", "50"),
        ("mesos.resourcemanager.network.resource.name", "net"),
        ("mesos.constraints.hard.hostattribute", "rack:r1"),
        ("flugs.mesos.profile.big.memory", "4g"),
        ("flugs.mesos.profile.big.slots", "4"),
        ("flugs.mesos.profile.big.workers", "2"),
        ("flugs.mesos.profile.big.disk", "0"),
        (
            "flugs.mesos.profile.big.constraints.hard",
            "hostname:UNIQUE",
        ),
        ("flugs.mesos.profile.big.conf.taskmanager.rpc.port", "6122"),
    ])
    .unwrap();
    assert_eq!(options.workers[DEFAULT_PROFILE].workers, 3);
    assert_eq!(options.workers["big"].workers, 2);
    insta::assert_debug_snapshot!(options.profiles());
}

#[test]
fn memory_that_flink_would_refuse_is_refused_with_the_profiles_key() {
    insta::assert_snapshot!(problems(&[("flugs.mesos.profile.tiny.memory", "10m")]));
}

#[test]
fn ports_are_asked_for_where_others_come_by_the_host() {
    let names = |settings: &[(&str, &str)]| -> String {
        let profiles = read(settings).unwrap().profiles();
        let ports = &profiles[DEFAULT_PROFILE].demand.ports;
        let shown = ports.iter().map(|port| {
            let name = port.name.rsplit_once('.').unwrap().0;
            port.number
                .map_or(name.to_owned(), |number| format!("{name}={number}"))
        });
        shown.collect::<Vec<_>>().join(" ")
    };
    let more = (
        "mesos.resourcemanager.tasks.port-assignments",
        "metrics.reporter.prom.port, taskmanager.rpc.port",
    );
    let data = "taskmanager.data";
    assert_eq!(names(&[]), format!("{data} taskmanager.rpc"));
    assert_eq!(
        names(&[more]),
        format!("{data} taskmanager.rpc metrics.reporter.prom")
    );
    // Flink's own default for a reporter is a range: any offered port is as good.
    let range = ("metrics.reporter.prom.port", "9250-9260");
    let fixed = ("taskmanager.rpc.port", "6122");
    let found = names(&[more, range, fixed]);
    assert_eq!(
        found,
        format!("{data} taskmanager.rpc=6122 metrics.reporter.prom")
    );
    let statics = (
        "flugs.mesos.tasks.ports.static",
        "taskmanager.rpc.port:6122",
    );
    assert_eq!(names(&[statics]), data);
    let docker = [
        ("mesos.resourcemanager.tasks.container.type", "docker"),
        ("mesos.resourcemanager.tasks.container.image.name", "flink"),
        ("flugs.mesos.tasks.network.mode", "bridge"),
    ];
    let bridge: Vec<(&str, &str)> = docker.into_iter().chain([statics]).collect();
    assert_eq!(names(&bridge), format!("{data} taskmanager.rpc"));
    let user = [
        ("flugs.mesos.tasks.network.mode", "user"),
        ("flugs.mesos.tasks.network.name", "overlay"),
    ];
    assert_eq!(names(&user), "");
}

#[test]
fn what_a_containerizer_cannot_do_is_refused() {
    let docker = ("mesos.resourcemanager.tasks.container.type", "docker");
    let image = ("mesos.resourcemanager.tasks.container.image.name", "flink");
    for settings in [
        &[docker][..],
        &[
            docker,
            image,
            ("flugs.mesos.tasks.secrets.environment", "A=b"),
        ],
        &[
            docker,
            image,
            ("flugs.mesos.tasks.container.pull-config", "secret:b"),
        ],
        &[
            docker,
            image,
            (
                "mesos.resourcemanager.tasks.container.docker.parameters",
                "entrypoint=x",
            ),
        ],
        &[("flugs.mesos.tasks.network.mode", "bridge")],
        &[
            image,
            ("flugs.mesos.tasks.container.pull-config", "http://x/c.tgz"),
        ],
        &[("flugs.mesos.tasks.container.pull-config", "secret:x")],
        &[("flugs.mesos.tasks.binary", "flugs")],
        &[
            ("flugs.mesos.tasks.hostname.x", "a"),
            ("mesos.resourcemanager.tasks.hostname", "$(x)"),
        ],
    ] {
        assert!(read(settings).is_err(), "{settings:?}");
    }
}

#[test]
fn tls_of_the_artifact_server_needs_that_of_the_rest_interface() {
    let tls = |settings: &[(&str, &str)]| read(settings).unwrap().artifact_server.tls;
    assert!(!tls(&[]));
    assert!(tls(&[("security.ssl.rest.enabled", "true")]));
    assert!(tls(&[("security.ssl.enabled", "true")]));
    let off = ("mesos.resourcemanager.artifactserver.ssl.enabled", "false");
    assert!(!tls(&[("security.ssl.rest.enabled", "true"), off]));
}

#[test]
fn a_wildcard_address_in_any_option_gives_way_to_the_name_of_the_machine() {
    let mut options = read(&[
        (
            "flugs.mesos.artifactserver.advertised-url",
            "http://0.0.0.0:9090/files",
        ),
        ("flugs.mesos.framework.webui-url", "https://[::]:8443"),
        ("flugs.mesos.framework.hostname", "0.0.0.0"),
        ("mesos.resourcemanager.tasks.hostname", "::"),
    ])
    .unwrap();
    options.advertise("master1");
    let advertised = options.artifact_server.advertised_url.as_deref();
    assert_eq!(advertised, Some("http://master1:9090/files"));
    let web = options.framework.webui_url.as_deref();
    assert_eq!(web, Some("https://master1:8443"));
    assert_eq!(options.framework.hostname, None);
    assert_eq!(options.tasks.hostname, None);
}

#[test]
fn no_secret_is_shown() {
    let options = read(&[
        ("mesos.resourcemanager.framework.principal", "flink"),
        ("mesos.resourcemanager.framework.secret", "hunter2"),
    ])
    .unwrap();
    assert!(!format!("{options:?}").contains("hunter2"));
    let Some(FrameworkSecret::Text(secret)) = &options.framework.secret else {
        panic!("no secret");
    };
    assert_eq!(secret.expose(), "hunter2");
}

/// Flink's own keys, with Flink's own defaults (`ResourceManagerOptions`).
#[test]
fn scaling_is_on_demand_as_flinks_own_unless_it_is_fixed() {
    let scaling = |settings: &[(&str, &str)]| read(settings).unwrap().scaling;
    let default = scaling(&[]);
    assert_eq!(default.idle, Duration::from_secs(30));
    assert_eq!(
        (default.least_slots, default.most_slots, default.redundant),
        (0, None, 0)
    );
    assert!(default.on_demand && !default.reactive && !default.adaptive);
    assert!(!scaling(&[("flugs.mesos.scaling", "FIXED")]).on_demand);
    let set = scaling(&[
        ("slotmanager.taskmanager-timeout", "5000"),
        ("slotmanager.number-of-slots.min", "2"),
        ("slotmanager.number-of-slots.max", "8"),
        ("slotmanager.redundant-taskmanager-num", "1"),
        ("jobmanager.scheduler", "Adaptive"),
    ]);
    assert_eq!(set.idle, Duration::from_secs(5));
    assert_eq!(
        (set.least_slots, set.most_slots, set.redundant),
        (2, Some(8), 1)
    );
    assert!(set.adaptive);
    let newer = ("resourcemanager.taskmanager-timeout", "1 min");
    assert_eq!(scaling(&[newer]).idle, Duration::from_secs(60));
}

#[test]
fn limits_of_slots_that_contradict_one_another_are_refused_with_their_keys() {
    let wrong = [
        ("flugs.mesos.scaling", "sometimes"),
        ("resourcemanager.taskmanager-timeout", "a while"),
        ("slotmanager.number-of-slots.min", "-1"),
        ("slotmanager.redundant-taskmanager-num", "many"),
        ("taskmanager.numberOfTaskSlots", "0"),
    ];
    insta::assert_snapshot!(problems(&wrong));
    let limits = [
        ("slotmanager.number-of-slots.min", "9"),
        ("slotmanager.number-of-slots.max", "3"),
        ("taskmanager.numberOfTaskSlots", "2"),
        ("mesos.initial-tasks", "2"),
    ];
    insta::assert_snapshot!(problems(&limits));
    // Nobody needs room where nobody comes and goes.
    let fixed: Vec<_> = limits
        .into_iter()
        .chain([("flugs.mesos.scaling", "fixed")])
        .collect();
    assert!(read(&fixed).is_ok());
    let none = [
        ("mesos.initial-tasks", "0"),
        ("taskmanager.numberOfTaskSlots", "4"),
        ("slotmanager.number-of-slots.max", "3"),
    ];
    insta::assert_snapshot!(problems(&none));
}

#[test]
fn a_misspelled_option_of_flugs_is_refused_and_one_of_flinks_integration_is_told() {
    let told = problems(&[
        ("flugs.mesos.grcae", "5 s"),
        ("flugs.mesos.framework.secret", "hunter2"),
    ]);
    insta::assert_snapshot!(told);
    let settings = [
        ("mesos.resourcemanager.tasks.cpu", "2"),
        ("mesos.resourcemanager.tasks.cpus", "2"),
        ("mesos.constraints.soft.balanced", "true"),
        ("mesos.resourcemanager.unused-offer-expiration", "1000"),
        ("mesos.resourcemanager.tasks.labels.team", "orders"),
    ];
    assert!(read(&settings).is_ok());
    insta::assert_snapshot!(doubts(&configuration(&settings)).join("\n"));
}

#[test]
fn flinks_own_options_of_starts_and_of_high_availability_are_read_and_refused_at_start() {
    let starts = |settings| read(settings).unwrap().starts;
    let minute = Duration::from_secs(60);
    let flinks = starts(&[]);
    assert_eq!(flinks.registration_timeout, 5 * minute);
    assert_eq!(flinks.failures_per_minute, 10);
    assert_eq!(flinks.retry_interval, Duration::from_secs(3));
    let set = starts(&[
        ("taskmanager.registration.timeout", "2 min"),
        ("resourcemanager.start-worker.max-failure-rate", "4.5"),
        ("resourcemanager.start-worker.retry-interval", "60000"),
    ]);
    assert_eq!(set.registration_timeout, 2 * minute);
    assert_eq!(set.failures_per_minute, 4);
    assert_eq!(set.retry_interval, minute);
    let told = problems(&[
        ("resourcemanager.taskmanager-registration.timeout", "soon"),
        ("resourcemanager.start-worker.max-failure-rate", "-1"),
        ("resourcemanager.start-worker.retry-interval", "often"),
        ("high-availability", "zookeeper"),
    ]);
    insta::assert_snapshot!(told);
    let told = problems(&[("high-availability.type", "KUBERNETES")]);
    insta::assert_snapshot!(told);
    for settings in [
        [("high-availability", "NONE"), ("a", "b")],
        [("high-availability", "org.example.Factory"), ("a", "b")],
    ] {
        assert!(read(&settings).is_ok());
    }
}

#[test]
fn the_artifact_server_speaks_tls_if_it_has_a_certificate_of_its_own_or_that_of_the_rest_interface()
{
    let [chain, key] = CERTIFICATE_FILES.map(|option| (option, "/etc/flugs/file.pem"));
    let off = ("mesos.resourcemanager.artifactserver.ssl.enabled", "false");
    let rest = ("security.ssl.rest.enabled", "true");
    for (settings, expected) in [
        (&[][..], false),
        (&[rest], true),
        (&[rest, off], false),
        (&[chain, key], true),
    ] {
        let server = read(settings).unwrap().artifact_server;
        assert_eq!(server.tls, expected, "{settings:?}");
        assert_eq!(server.certificate.is_some(), settings.contains(&chain));
    }
    let alone = problems(&[chain]);
    assert!(
        alone.contains("flugs.mesos.artifactserver.key-file is needed as well"),
        "{alone}"
    );
    assert!(problems(&[key]).contains("certificate-file is needed as well"));
    assert!(problems(&[chain, key, off]).contains("ssl.enabled turns TLS off"));
}
