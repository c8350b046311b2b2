//! Calls, streams and their bytes.

use super::framework::{Framework, RawStream, headers, info, open};
use super::scene::{Scene, options, wait_until};
use crate::support::{Item, Stream, request};
use mesos_double::{Chunking, Options, Time};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread::sleep;
use std::time::{Duration, Instant};

#[test]
fn behaviour_2_a_subscription_that_is_refused_is_a_stream_of_one_error() {
    let scene = Scene::pretended(1);
    let stream = open(&scene.address(), &info(&json!({"role": "a b"})));
    assert_eq!(stream.head.status, 200);
    let error = stream.event();
    assert_eq!(error["type"], "ERROR");
    let text = "'FrameworkInfo.role' is not a valid role: Role component 'a b' is invalid because it contains backspace or whitespace";
    assert_eq!(error["error"]["message"], text);
    assert_eq!(stream.next(), Item::End);
}

fn heartbeats(stream: &Stream, expected: usize) {
    for _ in 0..expected {
        loop {
            match stream.next_of_all() {
                Item::Event(event) if event["type"] == "HEARTBEAT" => {
                    assert_eq!(event, json!({"type": "HEARTBEAT"}));
                    break;
                }
                Item::Event(_) => {}
                Item::End => panic!("the stream ended"),
            }
        }
    }
}

#[test]
fn behaviour_3_heartbeats_come_at_once_and_every_15_s_unless_they_are_muted() {
    let scene = Scene::pretended(0);
    let stream = open(&scene.address(), &info(&json!({})));
    let Item::Event(first) = stream.next_of_all() else {
        panic!("no event");
    };
    assert_eq!(first["type"], "SUBSCRIBED");
    assert_eq!(first["subscribed"]["heartbeat_interval_seconds"], 15.0);
    heartbeats(&stream, 1);
    scene.pass(45.0);
    heartbeats(&stream, 3);
    scene.set_faults(|faults| faults.mute_heartbeats = true);
    scene.pass(60.0);
    scene.set_faults(|faults| faults.mute_heartbeats = false);
    scene.pass(15.0);
    heartbeats(&stream, 1);
}

#[test]
fn behaviour_3_a_half_open_socket_says_nothing_and_stays_open() {
    let scene = Scene::pretended(1);
    let framework = Framework::new(&scene.address());
    framework.offer();
    scene.freeze_connections();
    sleep(Duration::from_millis(50));
    scene.pass(60.0);
    let silence = framework.stream.at_hand(Duration::from_millis(200));
    assert_eq!(silence, Vec::<Value>::new());
    // The master believes in the connection, and a new one takes its place.
    assert_eq!(scene.state()["frameworks"][0]["connected"], true);
    let again = framework.again(&json!({}));
    scene.pass(1.0);
    again.offer();
}

#[test]
fn behaviour_3_connections_that_nobody_answers() {
    let scene = Scene::pretended(1);
    scene.set_faults(|faults| faults.mute_connections = true);
    let mut socket = TcpStream::connect(scene.address()).unwrap();
    socket
        .write_all(b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n")
        .unwrap();
    socket
        .set_read_timeout(Some(Duration::from_millis(200)))
        .unwrap();
    let read = socket.read(&mut [0; 16]);
    let kind = read.expect_err("an answer").kind();
    assert!(matches!(
        kind,
        std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
    ));
}

#[test]
fn behaviour_4_records_arrive_whole_however_the_bytes_are_cut() {
    for chunking in [
        Chunking::Record,
        Chunking::Bytes,
        Chunking::Random,
        Chunking::Merged,
    ] {
        for extensions in [false, true] {
            let scene = Scene::pretended(3);
            scene.set_faults(|faults| {
                faults.chunking = chunking;
                faults.chunk_extensions = extensions;
            });
            // The role is shown in offers: characters of several bytes are cut as well.
            let framework = Framework::with(
                &scene.address(),
                &json!({
                    "roles": ["größe"], "capabilities": [{"type": "MULTI_ROLE"}],
                }),
            );
            let offers = framework.offers();
            assert_eq!(offers.len(), 3);
            assert_eq!(offers[0]["allocation_info"]["role"], "größe");
        }
    }
}

#[test]
fn behaviour_4_chunks_are_really_cut_and_really_merged() {
    let subscribed = |chunking| {
        let scene = Scene::pretended(1);
        scene.set_faults(|faults| {
            faults.chunking = chunking;
            faults.chunk_extensions = true;
        });
        let mut stream = RawStream::open(&scene.address());
        let is_whole = |body: &str| body.contains("OFFERS") && body.ends_with('}');
        wait_until(|| {
            stream.read_for(Duration::from_millis(50));
            is_whole(&stream.chunks().concat())
        });
        assert!(stream.seen.contains(";note=\"a; b\"\r\n"));
        let chunks = stream.chunks().into_iter();
        chunks.map(str::len).collect::<Vec<usize>>()
    };
    // SUBSCRIBED, HEARTBEAT and OFFERS.
    assert_eq!(subscribed(Chunking::Record).len(), 3);
    assert_eq!(subscribed(Chunking::Merged).len(), 1);
    assert!(subscribed(Chunking::Bytes).iter().all(|size| *size == 1));
    let random = subscribed(Chunking::Random);
    assert!(
        random.len() > 20 && random.iter().all(|size| *size <= 40),
        "{random:?}"
    );
}

#[test]
fn behaviour_5_the_second_subscription_wins_and_the_first_is_told() {
    let scene = Scene::pretended(1);
    let first = Framework::new(&scene.address());
    let offer = first.offer();
    let second = first.again(&json!({}));
    let error = first.stream.event();
    assert_eq!(error["error"]["message"], "Framework failed over");
    assert_eq!(first.stream.next(), Item::End);
    assert_eq!(first.call("REVIVE", &Value::Null).head.status, 400);
    // The offer is void, and nobody said so.
    second.accept(&[&offer], &[super::framework::task(&offer, "t")], 1.0);
    assert_eq!(second.status()["reason"], "REASON_INVALID_OFFERS");
}

#[test]
fn behaviour_6_ids_are_new_taken_over_refused_and_forgotten() {
    let scene = Scene::with(Options {
        ports: vec![0, 0],
        ..options(1)
    });
    let addresses = scene.addresses();
    let one = Framework::new(&addresses[0]);
    let other = Framework::new(&addresses[0]);
    assert_ne!(one.id, other.id);
    let unknown = Framework::with(&addresses[0], &json!({"id": {"value": "unheard-of"}}));
    assert_eq!(unknown.id, "unheard-of");
    one.tell("TEARDOWN", &Value::Null);
    let removed = info(&json!({"id": {"value": one.id}}));
    let error = open(&addresses[0], &removed).event();
    assert_eq!(error["error"]["message"], "Framework has been removed");
    scene.elect(Some(1));
    let back = open(&addresses[1], &removed).event();
    assert_eq!(back["subscribed"]["framework_id"]["value"], one.id);
}

#[test]
fn behaviour_20_a_teardown_ends_the_stream_without_an_error() {
    let scene = Scene::pretended(1);
    let framework = Framework::new(&scene.address());
    let offer = framework.offer();
    framework.run(&offer, "t");
    framework.tell("TEARDOWN", &Value::Null);
    assert!(framework.ends());
    assert_eq!(scene.state()["frameworks"], json!([]));
}

#[test]
fn behaviour_21_a_call_behind_a_subscription_is_not_answered() {
    let scene = Scene::pretended(0);
    let call = "GET /health HTTP/1.1\r\n\r\n";
    let mut stream = RawStream::open_with(&scene.address(), &json!({}), call);
    stream.read_for(Duration::from_millis(200));
    let seen = &stream.seen;
    assert!(seen.contains("SUBSCRIBED"), "{seen}");
    assert_eq!(seen.matches("HTTP/1.1 200").count(), 1, "{seen}");
}

#[test]
fn behaviour_23_json_is_as_the_master_writes_it() {
    let scene = Scene::pretended(1);
    let framework = Framework::new(&scene.address());
    let offer = framework.offer();
    // Nothing that is empty, no allocation for a framework of one role, ports as plain numbers.
    assert!(offer.get("attributes").is_none());
    assert!(offer.get("executor_ids").is_none());
    assert!(offer.get("allocation_info").is_none());
    assert_eq!(
        offer["resources"][0],
        json!({"name": "ports", "type": "RANGES", "role": "*", "ranges": {"range": [{"begin": 31000, "end": 31500}]}})
    );
    framework.accept(&[&offer], &[super::framework::task(&offer, "t")], 1.0);
    let uuid = framework.status()["uuid"].as_str().unwrap().to_owned();
    assert_eq!(uuid.len(), 24, "16 bytes in Base64: {uuid}");
    // What a master does not know it passes over.
    let message = json!({"offer_ids": [], "surprise": {"deep": [1, null]}, "filters": null});
    framework.tell("DECLINE", &message);
}

#[test]
fn behaviour_25_basic_authentication() {
    let scene = Scene::with(Options {
        credentials: [("flink".to_owned(), "a:b".to_owned())].into(),
        time: Time::Virtual,
        ..options(0)
    });
    let mut headers = headers(None);
    // "flink:a:b": three parts, so that this secret can never be told.
    headers.push(("Authorization".to_owned(), "Basic Zmxpbms6YTpi".to_owned()));
    let reply = request(
        &scene.address(),
        "POST",
        "/api/v1/scheduler",
        &headers,
        Some("{}"),
    );
    assert_eq!(reply.head.status, 401);
    let challenge = reply.head.header("WWW-Authenticate");
    assert_eq!(challenge, Some("Basic realm=\"mesos-master-scheduler\""));
    // The other half of it, a call of somebody else's framework: behaviour_1_….
    for path in ["/health", "/version", "/redirect"] {
        let reply = request(&scene.address(), "GET", path, &[], None);
        assert_ne!(reply.head.status, 401, "{path}");
    }
    let reply = request(&scene.address(), "GET", "/state", &[], None);
    let challenge = reply.head.header("WWW-Authenticate");
    assert_eq!(challenge, Some("Basic realm=\"mesos-master-readonly\""));
}

#[test]
fn behaviour_26_a_slow_reader_holds_nobody_up() {
    let scene = Scene::with(Options {
        allocation_interval: Duration::from_secs(3600),
        ..options(1)
    });
    let _slow = RawStream::open(&scene.address());
    wait_until(|| scene.state()["frameworks"][0]["connected"] == true);
    // Weeks of heartbeats: megabytes, beyond what sockets hold.
    scene.pass(3_600.0 * 24.0 * 20.0);
    let start = Instant::now();
    let other = Framework::new(&scene.address());
    other.tell("REVIVE", &Value::Null);
    assert!(start.elapsed() < Duration::from_secs(2));
    assert_eq!(scene.state()["frameworks"].as_array().unwrap().len(), 2);
}
