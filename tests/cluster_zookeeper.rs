//! What is kept in ZooKeeper and found there, with a real server: the masters' leader, and the
//! scheduler's state.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a test may end at the first surprise, and waits for the programs that it runs"
)]

#[path = "flink_homes/mod.rs"]
mod flink_homes;
#[path = "zookeeper_support/server.rs"]
mod server;
#[path = "zookeeper_support/sessions.rs"]
mod sessions;

use std::time::Duration;

use flugs::store::{
    Contender, Election, Leave, SchedulerStore, Standing, StoreError, stand_for_election,
};
use flugs_base::{ExitCode, Failure as _};
use flugs_mesos::connection::{Connection, ConnectionSettings, Told};
use flugs_mesos::constraint::Host;
use flugs_mesos::detection::{Detected, Detector, Ways};
use flugs_mesos::master_address::MasterAddress;
use flugs_mesos::scheduler::{Change, Goal, Snapshot, TaskRecord};
use flugs_mesos::wire::{AgentId, Call, CallBody, FrameworkId, TaskId, TaskState};
use flugs_model::WorkerId;
use flugs_net::zookeeper::ZooKeeperCredentials;
use flugs_net::zookeeper::{Availability, Reach, ZooKeeper};
use serde_json::{Value, json};
use server::Server;
use sessions::resolver;
use tokio::sync::watch;
use tokio::time::timeout;
use zookeeper_client::{Acls, Client, CreateMode};

const PATH: &str = "/flink/default/mesos-workers";

fn record(serial: u64, state: Option<TaskState>) -> TaskRecord {
    let worker: WorkerId = format!("taskmanager-{serial}").parse().unwrap();
    TaskRecord {
        task: TaskId::new(format!("{worker}-{serial}")),
        serial,
        worker,
        profile: "default".into(),
        agent: AgentId::new("9b0f6b0e-3e1c-4f5c-a8ac-3f0b9d9e9b52-S12"),
        host: Host {
            hostname: "agent-12.example".into(),
            ..Host::default()
        }
        .into(),
        ports: vec![("rpc".into(), 31_000), ("data".into(), 31_001)],
        goal: Goal::Run,
        state,
    }
}

fn task(serial: u64) -> Change {
    Change::Task(Box::new(record(serial, None)))
}

fn running(serial: u64) -> Change {
    Change::Task(Box::new(record(serial, Some(TaskState::Running))))
}

fn forget(serial: u64) -> Change {
    Change::Forget(record(serial, None).task)
}

fn framework(id: &str) -> Change {
    Change::Framework(Some(FrameworkId::new(id)))
}

fn store(zookeeper: ZooKeeper) -> SchedulerStore {
    SchedulerStore::in_zookeeper(zookeeper, PATH, Duration::from_secs(20))
}

fn applied(changes: &[Change]) -> Snapshot {
    let mut snapshot = Snapshot::default();
    for change in changes {
        snapshot.apply(change);
    }
    snapshot
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_schedulers_state_in_zookeeper() {
    let mut server = Server::start();
    what_is_applied_is_loaded_by_the_next_one(&server).await;
    ten_thousand_tasks_in_one_step_are_within_the_servers_limits(&server).await;
    an_older_writer_gets_nothing_in_after_a_newer_one_came(&server).await;
    nodes_belong_to_whoever_made_them(&server).await;
    what_is_not_understood_is_refused_and_left_as_it_was(&server).await;
    what_was_deleted_is_made_anew_by_its_writer_and_by_nobody_else(&server).await;
    what_was_deleted_at_the_end_stays_deleted(&server).await;
    a_server_that_is_killed_and_comes_back_loses_no_step(&mut server).await;
}

async fn what_is_applied_is_loaded_by_the_next_one(server: &Server) {
    let steps: [&[Change]; 6] = [
        &[framework("f-1")],
        &[task(1), task(2), task(3)],
        &[running(1), running(2), running(1)],
        &[forget(2), task(4), forget(4), forget(99)],
        &[],
        &[forget(3), running(5), framework("f-2")],
    ];
    let mut expected = Snapshot::default();
    for changes in steps {
        let mut store = store(server.anybody());
        assert_eq!(store.load().await.unwrap(), expected);
        store.apply(changes).await.unwrap();
        for change in changes {
            expected.apply(change);
        }
    }
    assert_eq!(store(server.anybody()).load().await.unwrap(), expected);
    assert_eq!((expected.tasks.len(), expected.serial), (2, 5));
}

async fn ten_thousand_tasks_in_one_step_are_within_the_servers_limits(server: &Server) {
    let zookeeper = server.anybody();
    let many =
        |path: &str| SchedulerStore::in_zookeeper(zookeeper.clone(), path, Duration::from_secs(20));
    let changes: Vec<Change> = (1..=10_000).map(task).collect();
    let mut first = many("/many");
    first.apply(&changes).await.unwrap();
    assert_eq!(many("/many").load().await.unwrap(), applied(&changes));
    // The first one has been replaced just now.
    let gone: Vec<Change> = (1..=10_000).map(forget).collect();
    let mut second = many("/many");
    second.apply(&gone).await.unwrap();
    let left = many("/many").load().await.unwrap();
    assert_eq!((left.tasks.len(), left.serial), (0, 10_000));
}

async fn an_older_writer_gets_nothing_in_after_a_newer_one_came(server: &Server) {
    let mut older = store(server.anybody());
    let before = older.load().await.unwrap();
    let mut newer = store(server.anybody());
    assert_eq!(newer.load().await.unwrap(), before);
    for _ in 0..2 {
        let error = older.apply(&[task(70)]).await.unwrap_err();
        assert!(matches!(error, StoreError::Superseded { .. }), "{error}");
        assert_eq!(error.exit_code(), ExitCode::FrameworkSuperseded);
    }
    // Not even by looking again does it come back.
    older.load().await.unwrap_err();
    newer.apply(&[task(71)]).await.unwrap();
    let after = store(server.anybody()).load().await.unwrap();
    assert_eq!(after.tasks.len(), before.tasks.len() + 1);
    assert!(after.tasks.contains_key("taskmanager-71-71"));
}

async fn nodes_belong_to_whoever_made_them(server: &Server) {
    let path = "/secured/mesos-workers";
    let as_user = |user: Option<&str>| {
        SchedulerStore::in_zookeeper(server.as_user(user), path, Duration::from_secs(20))
    };
    as_user(Some("flink"))
        .apply(&[framework("f"), task(1)])
        .await
        .unwrap();
    for other in [None, Some("somebody")] {
        let error = as_user(other).load().await.unwrap_err();
        assert!(matches!(error, StoreError::Refused { .. }), "{error}");
        assert!(!format!("{error:?}").contains("p@ss"), "{error:?}");
    }
    // Those above are its own as well, as Flink does it.
    let client = server.as_user(Some("flink")).connect().await.unwrap();
    let (acl, _) = client.get_acl("/secured").await.unwrap();
    assert_ne!(acl, Acls::anyone_all().to_vec());
    let snapshot = as_user(Some("flink")).load().await.unwrap();
    assert_eq!(snapshot, applied(&[framework("f"), task(1)]));
}

async fn what_is_not_understood_is_refused_and_left_as_it_was(server: &Server) {
    let client = server.anybody().connect().await.unwrap();
    let header =
        json!({"version": 1, "writer": "w", "transaction": 1, "framework": null, "serial": 0});
    let with = |key: &str, value: Value| {
        let mut fields = header.as_object().cloned().unwrap();
        fields.insert(key.to_owned(), value);
        Value::Object(fields)
    };
    let options = CreateMode::Persistent.with_acls(Acls::anyone_all());
    for (number, (header, node, expected)) in [
        (
            with("version", json!(2)),
            None,
            "has version 2, this flugs reads version 1",
        ),
        (with("later", json!(1)), None, "is damaged"),
        (
            header.clone(),
            Some(json!({"version": 3, "task": {}})),
            "has version 3",
        ),
        (
            header.clone(),
            Some(json!({"version": 1, "task": {}})),
            "is damaged",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let path = format!("/strange/{number}");
        client
            .mkdir(&format!("{path}/tasks"), &options)
            .await
            .unwrap();
        let written = header.to_string();
        client
            .create(&format!("{path}/scheduler"), written.as_bytes(), &options)
            .await
            .unwrap();
        if let Some(node) = &node {
            let task = format!("{path}/tasks/0000000001");
            client
                .create(&task, node.to_string().as_bytes(), &options)
                .await
                .unwrap();
        }
        let mut store =
            SchedulerStore::in_zookeeper(server.anybody(), &path, Duration::from_secs(5));
        let error = store.load().await.unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert_eq!(error.exit_code(), ExitCode::StateRefused);
        store.apply(&[task(1)]).await.unwrap_err();
        let (left, _) = client.get_data(&format!("{path}/scheduler")).await.unwrap();
        if node.is_none() {
            assert_eq!(String::from_utf8(left).unwrap(), written);
        } else {
            let (left, _) = client
                .get_data(&format!("{path}/tasks/0000000001"))
                .await
                .unwrap();
            assert_eq!(Some(serde_json::from_slice(&left).unwrap()), node);
        }
    }
}

/// As Flink does with everything of its cluster.
async fn deleted(client: &Client, path: &str) {
    let mut found = vec![path.to_owned()];
    let mut next = 0;
    while let Some(node) = found.get(next).cloned() {
        for name in client.list_children(&node).await.unwrap() {
            found.push(format!("{node}/{name}"));
        }
        next += 1;
    }
    for node in found.iter().rev() {
        client.delete(node, None).await.unwrap();
    }
}

async fn what_was_deleted_is_made_anew_by_its_writer_and_by_nobody_else(server: &Server) {
    let path = "/deleted/cluster/mesos-workers";
    let of = || SchedulerStore::in_zookeeper(server.anybody(), path, Duration::from_secs(5));
    let mut store = of();
    let before = [framework("f"), task(1), running(2)];
    store.apply(&before).await.unwrap();
    let client = server.anybody().connect().await.unwrap();
    deleted(&client, "/deleted/cluster").await;
    store.apply(&[task(3)]).await.unwrap();
    let mut expected = applied(&before);
    expected.apply(&task(3));
    assert_eq!(of().load().await.unwrap(), expected);

    // Half of it: the directory of the tasks is gone, or some of the tasks.
    let mut store = of();
    store.load().await.unwrap();
    for node in [
        "/tasks/0000000001",
        "/tasks/0000000002",
        "/tasks/0000000003",
        "/tasks",
    ] {
        client.delete(&format!("{path}{node}"), None).await.unwrap();
    }
    store.apply(&[task(4)]).await.unwrap();
    expected.apply(&task(4));
    client
        .delete(&format!("{path}/tasks/0000000001"), None)
        .await
        .unwrap();
    store.apply(&[running(1)]).await.unwrap();
    expected.apply(&running(1));
    assert_eq!(of().load().await.unwrap(), expected);

    // Somebody has begun there meanwhile.
    let mut older = of();
    older.load().await.unwrap();
    deleted(&client, "/deleted/cluster").await;
    let mut newer = of();
    newer.apply(&[framework("g")]).await.unwrap();
    let error = older.apply(&[task(5)]).await.unwrap_err();
    assert!(matches!(error, StoreError::Superseded { .. }), "{error}");
    assert_eq!(of().load().await.unwrap(), applied(&[framework("g")]));
}

async fn what_was_deleted_at_the_end_stays_deleted(server: &Server) {
    let path = "/ended/cluster/mesos-workers";
    let mut store = SchedulerStore::in_zookeeper(server.anybody(), path, Duration::from_secs(5));
    store.apply(&[framework("f"), task(1)]).await.unwrap();
    let client = server.anybody().connect().await.unwrap();
    deleted(&client, "/ended").await;
    store
        .apply(&[forget(1), Change::Framework(None)])
        .await
        .unwrap();
    assert_eq!(client.check_stat("/ended").await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_several_application_masters_the_first_in_line_leads() {
    let server = Server::start();
    let contender = |pid: u32| Contender {
        host: "master.example".into(),
        web_url: "http://master.example:8081".into(),
        pid,
    };
    let enter = |pid: u32| {
        let id = format!("{pid:x}");
        stand_for_election(server.anybody(), CLUSTER, LINE, &id, &contender(pid))
    };
    let behind = |pid: u32, before: usize| Standing::Behind {
        leader: Some(contender(pid)),
        before,
    };
    let mut first = enter(1);
    stands(&mut first, &Standing::Leads).await;
    let mut second = enter(2);
    stands(&mut second, &behind(1, 1)).await;
    let mut third = enter(3);
    stands(&mut third, &behind(1, 2)).await;

    // One that leaves hands over at once, and so does one whose session ends.
    first.leave(Leave::ToTheNext).await;
    stands(&mut second, &Standing::Leads).await;
    stands(&mut third, &behind(2, 1)).await;
    drop(second);
    stands(&mut third, &Standing::Leads).await;

    // One that is no longer in line, as after a lost session, is behind those who are.
    let mut fourth = enter(4);
    stands(&mut fourth, &behind(3, 1)).await;
    let client = server.anybody().connect().await.unwrap();
    let mut names = client.list_children(LINE).await.unwrap();
    names.sort_by_key(|name| name.rsplit('-').next().map(str::to_owned));
    let leaders = names.first().unwrap();
    client
        .delete(&format!("{LINE}/{leaders}"), None)
        .await
        .unwrap();
    stands(&mut fourth, &Standing::Leads).await;
    stands(&mut third, &behind(4, 1)).await;

    // The cluster ends for good: nobody takes over, not even for a moment.
    third.leave(Leave::ToTheNext).await;
    let mut fifth = enter(5);
    stands(&mut fifth, &behind(4, 1)).await;
    fourth.leave(Leave::Dissolve).await;
    let seen = stands(&mut fifth, &Standing::Dissolved).await;
    assert!(!seen.contains(&Standing::Leads), "{seen:?}");
}

/// Its session may last for a minute: who has its directory knows better.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_after_a_process_that_is_gone_does_not_wait_for_its_sessions_end() {
    let server = Server::start();
    let client = server.anybody().connect().await.unwrap();
    let open = || CreateMode::Persistent.with_acls(Acls::anyone_all());
    client.mkdir(LINE, &open()).await.unwrap();
    let going = CreateMode::EphemeralSequential.with_acls(Acls::anyone_all());
    for place in ["a-1-1-", "a1-1-1-"] {
        let path = format!("{LINE}/{place}");
        client.create(&path, b"?", &going).await.unwrap();
    }
    // What its JobManager led by is still there, too; as each line of Flink's releases has it.
    let latches = [
        ("leader/latch", &going),
        ("leaderlatch/dispatcher_lock", &going),
        ("leaderlatch/0a1b/job_manager_lock", &going),
        ("leaderlatch/kept", &open()),
    ];
    for (directory, mode) in latches {
        let directory = format!("{CLUSTER}/{directory}");
        client.mkdir(&directory, &open()).await.unwrap();
        let path = format!("{directory}/_c_0b-latch-");
        client.create(&path, b"", mode).await.unwrap();
    }
    let contender = Contender {
        host: "h".into(),
        web_url: "w".into(),
        pid: 1,
    };
    let many = async |directory: &str| {
        let path = format!("{CLUSTER}/{directory}");
        client.list_children(&path).await.unwrap().len()
    };
    // Somebody else's past is nobody's leave to remove it.
    let stranger = stand_for_election(server.anybody(), CLUSTER, LINE, "a1", &contender);
    let mut stranger = stranger;
    let waits = Standing::Behind {
        leader: None,
        before: 1,
    };
    stands(&mut stranger, &waits).await;
    for (directory, _) in latches {
        assert_eq!(many(directory).await, 1, "{directory}");
    }
    stranger.leave(Leave::ToTheNext).await;
    let path = format!("{LINE}/a1-1-1-");
    client.create(&path, b"?", &going).await.unwrap();
    let mut again = stand_for_election(server.anybody(), CLUSTER, LINE, "a", &contender);
    // The other one's place is another's.
    let behind = Standing::Behind {
        leader: None,
        before: 1,
    };
    stands(&mut again, &behind).await;
    for (directory, _) in latches {
        let kept = usize::from(directory == "leaderlatch/kept");
        assert_eq!(many(directory).await, kept, "{directory}");
    }
    let mut other = stand_for_election(server.anybody(), CLUSTER, LINE, "a1", &contender);
    stands(&mut again, &Standing::Leads).await;
    let behind = Standing::Behind {
        leader: Some(contender.clone()),
        before: 1,
    };
    stands(&mut other, &behind).await;
}

/// Everything is deleted from outside, one node after the other: who stood by has nothing to lead.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_stands_by_a_cluster_that_is_deleted_does_not_take_it_over() {
    let server = Server::start();
    let contender = Contender {
        host: "h".into(),
        web_url: "w".into(),
        pid: 1,
    };
    let mut leader = stand_for_election(server.anybody(), CLUSTER, LINE, "a", &contender);
    stands(&mut leader, &Standing::Leads).await;
    let mut other = stand_for_election(server.anybody(), CLUSTER, LINE, "b", &contender);
    let behind = Standing::Behind {
        leader: Some(contender.clone()),
        before: 1,
    };
    stands(&mut other, &behind).await;
    let client = server.anybody().connect().await.unwrap();
    let mut names = client.list_children(LINE).await.unwrap();
    names.sort_by_key(|name| name.rsplit('-').next().map(str::to_owned));
    for name in names {
        client
            .delete(&format!("{LINE}/{name}"), None)
            .await
            .unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let seen = stands(&mut other, &Standing::Dissolved).await;
    assert!(!seen.contains(&Standing::Leads), "{seen:?}");
    assert_eq!(leader.standing(), Standing::Leads);
}

const CLUSTER: &str = "/flink/default";
const LINE: &str = "/flink/default/mesos-workers/election";

/// Waits until it stands like that; how it stood before.
async fn stands(election: &mut Election, expected: &Standing) -> Vec<Standing> {
    let mut seen = Vec::new();
    while election.standing() != *expected {
        seen.push(election.standing());
        let changed = timeout(Duration::from_secs(20), election.changed()).await;
        assert!(changed.is_ok(), "not {expected:?}: {seen:?}");
    }
    seen
}

/// Steps are written all the while; the server is killed twice in between.
async fn a_server_that_is_killed_and_comes_back_loses_no_step(server: &mut Server) {
    let path = "/killed";
    let of = |zookeeper| SchedulerStore::in_zookeeper(zookeeper, path, Duration::from_secs(30));
    let mut store = of(server.anybody());
    store.load().await.unwrap();
    let (done, mut counted) = watch::channel(0);
    let writing = tokio::spawn(async move {
        let mut expected = Snapshot::default();
        for serial in 1..=400 {
            let changes = [
                task(serial),
                running(serial),
                forget(serial.saturating_sub(5)),
            ];
            store.apply(&changes).await.unwrap();
            for change in &changes {
                expected.apply(change);
            }
            done.send_replace(serial);
        }
        expected
    });
    for step in [40, 120] {
        counted.wait_for(|count| *count >= step).await.unwrap();
        server.kill();
        server.resume();
    }
    let expected = writing.await.unwrap();
    assert_eq!(of(server.anybody()).load().await.unwrap(), expected);
    // While it is gone nothing is confirmed, and the call can be made again.
    let mut store = SchedulerStore::in_zookeeper(server.anybody(), path, Duration::from_secs(1));
    store.load().await.unwrap();
    server.kill();
    let error = store.apply(&[task(1000)]).await.unwrap_err();
    assert!(matches!(error, StoreError::Away { .. }), "{error}");
    server.resume();
    let mut result = store.apply(&[task(1000)]).await;
    for _ in 0..10 {
        if result.is_ok() {
            break;
        }
        result = store.apply(&[task(1000)]).await;
    }
    result.unwrap();
    let after = of(server.anybody()).load().await.unwrap();
    assert_eq!(after.tasks.len(), expected.tasks.len() + 1);
}

/// As a master registers itself.
async fn register(client: &Client, directory: &str, port: u16) -> String {
    let info = json!({"id": format!("m-{port}"), "version": "1.12.0", "hostname": "127.0.0.1",
        "pid": format!("master@127.0.0.1:{port}"), "port": port, "ip": 16_777_343,
        "address": {"hostname": "127.0.0.1", "ip": "127.0.0.1", "port": port}});
    let options = CreateMode::EphemeralSequential.with_acls(Acls::anyone_all());
    let prefix = format!("{directory}/json.info_");
    let data = info.to_string();
    let (_, sequence) = client
        .create(&prefix, data.as_bytes(), &options)
        .await
        .unwrap();
    format!("{prefix}{sequence}")
}

async fn leader(detected: &mut watch::Receiver<Detected>, port: u16) {
    let leads = detected.wait_for(|now| match now {
        Detected::Leader(master) => master.at.port == port,
        _ => false,
    });
    timeout(Duration::from_secs(20), leads)
        .await
        .expect("no such leader")
        .unwrap();
}

async fn nobody(detected: &mut watch::Receiver<Detected>, because: &str) {
    let leads =
        detected.wait_for(|now| matches!(now, Detected::Nobody(why) if why.contains(because)));
    timeout(Duration::from_secs(10), leads)
        .await
        .expect(because)
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_masters_leader_is_followed() {
    let mut server = Server::start();
    let address = MasterAddress::ZooKeeper {
        servers: vec![server.address()],
        path: "/mesos".into(),
        credentials: Some(ZooKeeperCredentials {
            user: "mesos".into(),
            password: "p@ss/word".into(),
        }),
    };
    let ways = Ways {
        resolver: resolver(),
        session_timeout: Duration::from_secs(4),
        zookeeper: Availability::default(),
    };
    let mut reach = ways.zookeeper.watch();
    let detector = Detector::start(&address, &ways);
    let mut detected = detector.watch();
    nobody(&mut detected, "does not exist").await;
    assert!(matches!(&*reach.borrow(), Reach::Reached { .. }));

    let masters = server.as_user(Some("mesos")).connect().await.unwrap();
    let readable = CreateMode::Persistent.with_acls(Acls::creator_all());
    masters.create("/mesos", b"", &readable).await.unwrap();
    masters
        .create("/mesos/log_replicas", b"", &readable)
        .await
        .unwrap();
    let first = register(&masters, "/mesos", 5051).await;
    let second = register(&masters, "/mesos", 5052).await;
    leader(&mut detected, 5051).await;
    masters.delete(&first, None).await.unwrap();
    leader(&mut detected, 5052).await;
    masters.delete(&second, None).await.unwrap();
    nobody(&mut detected, "no master is registered").await;
    register(&masters, "/mesos", 5053).await;
    leader(&mut detected, 5053).await;

    // Who may not look is told so, and the password is not.
    let stranger = MasterAddress::ZooKeeper {
        servers: vec![server.address()],
        path: "/mesos".into(),
        credentials: None,
    };
    let outside = Detector::start(&stranger, &ways);
    nobody(&mut outside.watch(), "not authorized").await;

    // The leader that was known stays known while the server is away, and the next is found. The
    // outage is noticed although nothing is asked.
    server.kill();
    let away = reach.wait_for(|now| matches!(now, Reach::Away { .. }));
    timeout(Duration::from_secs(20), away)
        .await
        .expect("an outage")
        .unwrap();
    assert!(matches!(&*detected.borrow(), Detected::Leader(master) if master.at.port == 5053));
    server.resume();
    let back = reach.wait_for(|now| matches!(now, Reach::Reached { .. }));
    timeout(Duration::from_secs(20), back)
        .await
        .expect("its end")
        .unwrap();
    let masters = server.as_user(Some("mesos")).connect().await.unwrap();
    for name in masters.list_children("/mesos").await.unwrap() {
        if name.starts_with("json.info_") {
            masters
                .delete(&format!("/mesos/{name}"), None)
                .await
                .unwrap();
        }
    }
    register(&masters, "/mesos", 5054).await;
    leader(&mut detected, 5054).await;
    a_new_leader_ends_the_connection_to_the_old_one(&masters, address).await;
}

/// Masters that take every subscription and stay silent.
async fn master() -> u16 {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut request = [0; 4096];
                let _ = socket.read(&mut request).await;
                let event = json!({"type": "SUBSCRIBED", "subscribed": {
                    "framework_id": {"value": "f"}, "heartbeat_interval_seconds": 15.0}})
                .to_string();
                let record = format!("{}\n{event}", event.len());
                let answer = format!(
                    "HTTP/1.1 200 OK\r\nMesos-Stream-Id: s\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{record}\r\n",
                    record.len()
                );
                socket.write_all(answer.as_bytes()).await.unwrap();
                std::future::pending::<()>().await;
            });
        }
    });
    port
}

async fn a_new_leader_ends_the_connection_to_the_old_one(masters: &Client, address: MasterAddress) {
    for name in masters.list_children("/mesos").await.unwrap() {
        if name.starts_with("json.info_") {
            masters
                .delete(&format!("/mesos/{name}"), None)
                .await
                .unwrap();
        }
    }
    let (old, new) = (master().await, master().await);
    let first = register(masters, "/mesos", old).await;
    let mut connection = Connection::new(ConnectionSettings::new(address, resolver())).unwrap();
    let subscribe = || Call {
        framework_id: None,
        body: CallBody::Subscribe(Box::default()),
    };
    connection.connect(1, subscribe());
    let mut ports = Vec::new();
    while ports.len() < 2 {
        let told = timeout(Duration::from_secs(20), connection.next())
            .await
            .expect("nothing told");
        match told {
            Told::Leader { address, version } => {
                assert_eq!(
                    version.map(|one| one.to_string()).as_deref(),
                    Some("1.12.0")
                );
                ports.push(address.port);
                if ports.len() == 1 {
                    register(masters, "/mesos", new).await;
                    masters.delete(&first, None).await.unwrap();
                }
            }
            Told::Disconnected { reason, .. } => {
                let expected =
                    format!("the master 127.0.0.1:{new} leads now, instead of 127.0.0.1:{old}");
                assert_eq!(reason.to_string(), expected);
                connection.connect(2, subscribe());
            }
            _ => {}
        }
    }
    assert_eq!(ports, [old, new]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chroot_that_zookeeper_lacks_is_refused_before_the_start() {
    let mut server = Server::start();
    let directory = tempfile::tempdir().unwrap();
    let quorum = format!("{}/base/of/ours", server.address());
    let flugs = |words: &[&str]| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_flugs"))
            .args(words)
            .args(["-D", "high-availability.type=zookeeper", "-D"])
            .arg(format!("high-availability.zookeeper.quorum={quorum}"))
            .args(["-D", "high-availability.storageDir=file:///tmp/ha"])
            .args(["-D", "rest.port=0", "-D", "mesos.master=127.0.0.1:1"])
            .env("FLINK_HOME", flink_homes::flink_home("2.3.0"))
            .env("FLINK_CONF_DIR", directory.path().join("conf"))
            .env("FLUGS_RUN_DIR", directory.path().join("run"))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), said)
    };
    let conf = flink_homes::flink_home("2.3.0").join("conf/config.yaml");
    std::fs::create_dir(directory.path().join("conf")).unwrap();
    std::fs::copy(conf, directory.path().join("conf/config.yaml")).unwrap();
    let place = |name: &str| directory.path().join(name).display().to_string();
    let calls: [&[&str]; 6] = [
        &["up", "--detach", "--dir", &place("up")],
        &["launch", "jobmanager", "--dir", &place("launch")],
        &["launch", "jobmanager", "--check", "--dir", &place("check")],
        &["launch", "standalone-job", "--dir", &place("job")],
        &["appmaster", "--dir", &place("appmaster")],
        &["entrypoint", "docker", "jobmanager"],
    ];
    let code = i32::from(ExitCode::ChrootMissing.code());
    let remedy = format!("zkCli.sh -server {} create /base/of/ours", server.address());
    for call in calls {
        let (found, said) = flugs(call);
        assert_eq!(found, Some(code), "{call:?}: {said}");
        assert!(said.contains(&remedy), "{call:?}: {said}");
    }
    assert!(!directory.path().join("up/sandboxes").exists());
    let check: &[&str] = &["launch", "jobmanager", "--check", "--dir", &place("check")];

    let zookeeper = server.anybody();
    assert!(zookeeper.lacks("/base/of/ours").await);
    let client = zookeeper.connect().await.unwrap();
    let persistent = CreateMode::Persistent.with_acls(Acls::anyone_all());
    for node in ["/base", "/base/of", "/base/of/ours"] {
        client.create(node, b"", &persistent).await.unwrap();
    }
    assert!(!zookeeper.lacks("/base/of/ours").await);
    assert_eq!(flugs(check).0, Some(0));
    // One that says nothing has not said that it lacks anything.
    server.kill();
    assert!(!zookeeper.lacks("/missing").await);
    let begun = std::time::Instant::now();
    assert_eq!(flugs(check).0, Some(0));
    assert!(
        begun.elapsed() < Duration::from_secs(20),
        "{:?}",
        begun.elapsed()
    );
}
