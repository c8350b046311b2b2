//! The options of a cluster on Mesos: any text is read or refused, and what is read and written
//! again is the same; a whole configuration of such texts is read or refused with its reasons.

use flugs::provider::mesos::options::{MesosOptions, text};
use flugs_flink::FlinkVersion;
use flugs_flink_conf::{Configuration, Layer, Origin};

const KEYS: [&str; 12] = [
    "mesos.master",
    "mesos.resourcemanager.framework.role",
    "mesos.resourcemanager.tasks.container.docker.parameters",
    "mesos.resourcemanager.tasks.container.type",
    "mesos.resourcemanager.tasks.container.volumes",
    "mesos.resourcemanager.tasks.cpus",
    "mesos.resourcemanager.tasks.hostname",
    "mesos.resourcemanager.tasks.port-assignments",
    "mesos.resourcemanager.tasks.uris",
    "mesos.constraints.hard.hostattribute",
    "flugs.mesos.profile.big.conf.taskmanager.rpc.port",
    "flugs.mesos.tasks.ports.static",
];

pub(crate) fn run(bytes: &[u8]) {
    let input = crate::text(bytes);
    assert!(text::probe(input), "{input:?}");
    let mut configuration = Configuration::new();
    let origin = || Origin::of(Layer::CommandLine);
    configuration.set("taskmanager.memory.process.size", "1728m", origin());
    for (key, value) in KEYS.into_iter().zip(input.lines()) {
        configuration.set(key, value, origin());
    }
    match MesosOptions::read(&configuration, &FlinkVersion::new(1, 20, 5), &|_| None) {
        Ok(options) => assert!(options.profiles().contains_key("default")),
        Err(error) => assert!(!error.problems.is_empty()),
    }
}
