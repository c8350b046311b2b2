//! A cluster on Mesos.

use std::time::Duration;

use mesos_double::{AgentOptions, MesosDouble, Options};
use tokio::runtime::Runtime;

use crate::docker_images::{flink_home, images};
use crate::known::{Scene, of, one};
use crate::place::Place;

/// Small processes that start fast, and ports that nobody else has.
const SMALL: &str = "-D mesos.resourcemanager.tasks.cpus=0.5 -D jobmanager.memory.process.size=900m \
                     -D taskmanager.memory.process.size=1000m -D rest.port=0 -D rest.address=127.0.0.1";

fn double(runtime: &Runtime) -> MesosDouble {
    let agent = |number: usize| AgentOptions {
        hostname: format!("127.0.0.{}", number + 1),
        resources: format!(
            "ports:[{0}000-{0}099];cpus:2;mem:2600;disk:10000",
            32 + number
        ),
        ..AgentOptions::default()
    };
    let options = Options {
        agents: (0..2).map(agent).collect(),
        agent_timeout: Duration::from_secs(3),
        ..Options::default()
    };
    runtime.block_on(MesosDouble::start(options)).unwrap()
}

#[test]
fn the_application_master_brings_its_workers_up_and_ends_in_order() {
    let runtime = Runtime::new().unwrap();
    let double = double(&runtime);
    let masters = double.addresses().join(",");
    let exec = format!(
        "exec env FLINK_HOME={} flugs",
        flink_home("2.3.0").display()
    );
    let tasks = format!("mesos.initial-tasks=1 {SMALL}");
    let here = ("$(hostname -f)", "127.0.0.1");
    for (page, zookeeper, host) in [
        ("README.md", "zk://zk1:2181/mesos", None),
        ("docs/mesos.md", "zk://zk1:2181,zk2:2181/mesos", Some(here)),
    ] {
        let mut names = vec![
            ("FLINK_HOME=/opt/flink flugs", exec.as_str()),
            (zookeeper, &masters),
            ("mesos.initial-tasks=4", &tasks),
        ];
        names.extend(host);
        let place = Place::new(&names);
        let block = one(Scene::Mesos, page, "FLINK_HOME=/opt/flink flugs appmaster");
        let mut appmaster = place.start(&block);
        appmaster.wait_until("every worker is registered", |_| {
            place.succeeds("flugs why")
        });
        appmaster.stop();
        place.used_every_name();
    }
}

#[test]
fn the_application_master_runs_in_its_image() {
    let runtime = Runtime::new().unwrap();
    let double = double(&runtime);
    let name = format!("flugs-documents-{}-appmaster", std::process::id());
    let image = images("2.3.0").appmaster;
    let run = format!("exec docker run --rm --name {name} --network host");
    let master = format!("mesos.master={} {SMALL}", double.addresses().join(","));
    let place = Place::new(&[
        ("docker run --network host", &run),
        ("/var/lib/flink", "$PWD/data"),
        ("flugs-appmaster", &image),
        ("mesos.master=…", &master),
    ]);
    // The image's user writes to it.
    place.run("install -d -m 0777 data");
    let mut appmaster = place.start(&one(Scene::Mesos, "docs/mesos.md", "docker run"));
    appmaster.wait_until("every worker is registered", |_| {
        place.succeeds(&format!("docker exec {name} flugs why --dir /data/cluster"))
    });
    appmaster.stop();
    place.used_every_name();
    assert_eq!(of(Scene::Mesos).len(), 3);
}
