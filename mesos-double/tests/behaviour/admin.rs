//! The handle over HTTP, as whoever runs the double by hand uses it.

use super::framework::{Framework, task};
use super::scene::options;
use crate::support::{Reply, request};
use mesos_double::{MesosDouble, serve_admin};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::runtime::Runtime;

#[test]
fn faults_are_asked_for_over_http() {
    let runtime = Runtime::new().unwrap();
    let double = Arc::new(runtime.block_on(MesosDouble::start(options(1))).unwrap());
    let admin = serve_admin(Arc::clone(&double), "127.0.0.1", 0);
    let admin = runtime.block_on(admin).unwrap().to_string();
    let ask = |method: &str, path: &str, body: &str| -> Reply {
        request(&admin, method, path, &[], Some(body))
    };
    let done = |path: &str| assert_eq!(ask("POST", path, "").head.status, 200, "{path}");

    assert!(ask("GET", "/", "").body.contains("POST /faults"));
    assert_eq!(ask("POST", "/agents/0/paint", "").head.status, 404);
    let refused = ask("POST", "/faults", r#"{"mute_hartbeats": true}"#);
    assert_eq!(refused.head.status, 400);
    let text = "'mute_hartbeats': unknown, or true is no value for it";
    assert_eq!(refused.body, text);
    let set = ask(
        "POST",
        "/faults",
        r#"{"chunking": "random", "update_delay": 0.5}"#,
    );
    assert_eq!(set.head.status, 200);
    let faults: Value = serde_json::from_str(&ask("GET", "/faults", "").body).unwrap();
    assert_eq!(
        (&faults["chunking"], &faults["update_delay"]),
        (&json!("random"), &json!(0.5))
    );

    ask("POST", "/faults", r#"{"update_delay": 0}"#);

    let framework = Framework::new(&double.address());
    let offer = framework.offer();
    framework.accept(&[&offer], &[task(&offer, "t")], 600.0);
    // Not acknowledged, and so told again after ten seconds.
    let starting = framework.status();
    done("/advance?10");
    assert_eq!(framework.status(), starting);
    framework.acknowledge(&starting);
    framework.expect("TASK_RUNNING");
    done("/tasks/t/exit?7");
    let failed = framework.expect("TASK_FAILED");
    assert_eq!(failed["message"], "Command exited with status 7");
    done("/agents/0/lose");
    framework.stream.event_of("FAILURE");
    done("/agents/0/return");
    framework.stream.event_of("OFFERS");
    done("/offers/rescind");
    framework.stream.event_of("RESCIND");
    done("/masters/none/elect");
    assert!(framework.ends());
    runtime.block_on(double.stop());
}
