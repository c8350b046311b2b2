//! The handle over HTTP, as whoever runs the double by hand uses it.

use super::framework::{Framework, task};
use super::scene::{options, wait_until};
use crate::support::{Reply, request};
use mesos_double::{Chunking, Faults, MesosDouble, Options, Time, serve_admin};
use serde_json::{Value, json};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;

/// A double that is asked over HTTP.
struct Desk {
    runtime: Runtime,
    double: Arc<MesosDouble>,
    admin: String,
}

impl Desk {
    fn new(options: Options) -> Self {
        let runtime = Runtime::new().unwrap();
        let double = Arc::new(runtime.block_on(MesosDouble::start(options)).unwrap());
        let admin = serve_admin(Arc::clone(&double), "127.0.0.1", 0);
        let admin = runtime.block_on(admin).unwrap().to_string();
        Self {
            runtime,
            double,
            admin,
        }
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> Reply {
        request(&self.admin, method, path, &[], Some(body))
    }

    #[track_caller]
    fn done(&self, path: &str) {
        let reply = self.ask("POST", path, "");
        assert_eq!(reply.head.status, 200, "{path}: {}", reply.body);
    }

    #[track_caller]
    fn refused(&self, path: &str, body: &str, words: &str) {
        let reply = self.ask("POST", path, body);
        assert_eq!(
            (reply.head.status, reply.body.as_str()),
            (400, words),
            "{path}"
        );
    }

    fn faults(&self) -> Value {
        serde_json::from_str(&self.ask("GET", "/faults", "").body).unwrap()
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.runtime.block_on(self.double.stop());
    }
}

/// Each by its name, to each the same value by the handle and over HTTP, and no other is touched.
/// What each does is held by the tests that set it by the handle.
#[test]
fn every_fault_has_a_name() {
    let desk = Desk::new(options(0));
    let is = |name: &str, value: Value, faults: Faults| {
        let before = desk.faults();
        assert!(before.get(name).is_some_and(|one| *one != value), "{name}");
        let body = json!({ name: value }).to_string();
        let reply = desk.ask("POST", "/faults", &body);
        assert_eq!(reply.head.status, 200, "{name}: {}", reply.body);
        assert_eq!(desk.double.faults(), faults, "{name}");
        assert_eq!(desk.faults()[name], value);
        desk.double.set_faults(|all| *all = Faults::default());
        before.as_object().unwrap().len()
    };
    macro_rules! each {
        ($($field:ident: $value:expr, $json:expr;)*) => {{
            let names = [$(stringify!($field)),*];
            $(
                let all = is(stringify!($field), json!($json), Faults { $field: $value, ..Faults::default() });
                assert_eq!(all, names.len());
            )*
        }};
    }
    each! {
        chunking: Chunking::Random, "random";
        chunk_extensions: true, true;
        mute_heartbeats: true, true;
        mute_connections: true, true;
        duplicate_updates: true, true;
        update_delay: Duration::from_millis(500), 0.5;
        refused_calls: 1, 1;
        failed_launches: 2, 2;
        stale_offers: 3, 3;
        shuffle_agent_loss: true, true;
        offers_before_updates: true, true;
        offers_before_heartbeat: true, true;
        pull_delay: Duration::from_secs(2), 2.0;
        absolute_locations: true, true;
    }
    for (chunking, kind) in [
        ("record", Chunking::Record),
        ("bytes", Chunking::Bytes),
        ("merged", Chunking::Merged),
    ] {
        desk.ask(
            "POST",
            "/faults",
            &json!({ "chunking": chunking }).to_string(),
        );
        assert_eq!(desk.double.faults().chunking, kind);
    }
}

#[test]
fn what_cannot_be_done_is_said() {
    let desk = Desk::new(Options {
        time: Time::Real,
        ..options(2)
    });
    assert!(desk.ask("GET", "/", "").body.contains("POST /faults"));
    assert_eq!(desk.ask("POST", "/agents/0/paint", "").head.status, 404);
    assert_eq!(desk.ask("GET", "/fautls", "").head.status, 404);
    let text = "'mute_hartbeats': unknown, or true is no value for it";
    desk.refused("/faults", r#"{"mute_hartbeats": true}"#, text);
    let text = "'stale_offers': unknown, or 1000 is no value for it";
    desk.refused("/faults", r#"{"stale_offers": 1000}"#, text);
    let text = "'2': there is no such agent, they are 0 to 1";
    desk.refused("/agents/2/lose", "", text);
    let text = "'x': there is no such master, they are 0 to 0";
    desk.refused("/masters/x/elect", "", text);
    desk.refused("/tasks/t/exit?1", "", "there is no task t");
    desk.refused("/tasks/t/exit", "", "expected ?STATUS");
    // It would have to wait for it.
    let text = "time is real and goes by itself: --virtual-time";
    desk.refused("/advance?3600", "", text);
}

#[test]
fn tasks_and_agents_are_moved_over_http() {
    let desk = Desk::new(options(1));
    let framework = Framework::new(&desk.double.address());
    let offer = framework.offer();
    framework.accept(&[&offer], &[task(&offer, "t")], 600.0);
    // Not acknowledged, and so told again after ten seconds.
    let starting = framework.status();
    desk.done("/advance?10");
    assert_eq!(framework.status(), starting);
    framework.acknowledge(&starting);
    framework.expect("TASK_RUNNING");
    desk.done("/tasks/t/exit?7");
    let failed = framework.expect("TASK_FAILED");
    assert_eq!(failed["message"], "Command exited with status 7");

    desk.done("/advance?1");
    let offer = framework.offer();
    desk.done("/agents/0/lose");
    framework.stream.event_of("FAILURE");
    desk.done("/agents/0/return");
    let back = framework.offer();
    assert_eq!(back["agent_id"], offer["agent_id"], "the same agent");
    desk.done("/offers/rescind");
    framework.stream.event_of("RESCIND");
    desk.done("/advance?1");
    framework.offer();
    // Silence alone takes 75 s to tell.
    desk.done("/agents/0/cut");
    desk.done("/advance?74");
    assert!(
        framework
            .stream
            .at_hand(Duration::from_millis(50))
            .is_empty()
    );
    desk.done("/advance?1");
    framework.stream.event_of("FAILURE");
    desk.done("/agents/0/return");
    let offer = framework.offer();
    desk.done("/agents/0/crash");
    desk.done("/agents/0/return");
    assert_ne!(
        framework.offer()["agent_id"],
        offer["agent_id"],
        "another agent"
    );
}

#[test]
fn offers_masters_and_connections_are_broken_over_http() {
    let desk = Desk::new(Options {
        ports: vec![0, 0],
        ..options(1)
    });
    let addresses = desk.double.addresses();
    let framework = Framework::new(&addresses[0]);
    let offer = framework.offer();
    desk.done("/offers/spoil");
    framework.accept(&[&offer], &[task(&offer, "t")], 600.0);
    assert_eq!(framework.status()["reason"], "REASON_INVALID_OFFERS");
    desk.done("/masters/0/recovering");
    assert_eq!(framework.call("REVIVE", &Value::Null).head.status, 503);
    desk.done("/masters/0/recovered");
    framework.tell("REVIVE", &Value::Null);

    desk.done("/connections/freeze");
    std::thread::sleep(Duration::from_millis(50));
    framework.stream.at_hand(Duration::from_millis(50));
    desk.done("/advance?60");
    assert!(
        framework
            .stream
            .at_hand(Duration::from_millis(100))
            .is_empty()
    );
    assert!(!framework.stream.has_ended(), "and it stays open");
    let framework = framework.again(&json!({}));
    desk.done("/connections/cut");
    assert!(framework.ends_after_offers());

    let leads = |node: usize| {
        let reply = request(&addresses[node], "GET", "/state", &[], None);
        reply.head.status == 200
    };
    assert!(leads(0) && !leads(1));
    desk.done("/masters/1/elect");
    assert!(leads(1) && !leads(0));
    desk.done("/masters/none/elect");
    assert!(!leads(1) && !leads(0));
    desk.done("/masters/0/stop");
    wait_until(|| TcpStream::connect(&addresses[0]).is_err());
    desk.done("/masters/0/start");
    desk.done("/masters/0/elect");
    assert!(leads(0));
}
