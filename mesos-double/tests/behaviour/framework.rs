//! A framework as simple as can be: it subscribes, calls, and looks at what comes.

use crate::support::{Item, PATIENCE, Reply, Stream, request, subscribe};
use serde_json::{Value, json};
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

/// A subscribed framework.
pub(crate) struct Framework {
    pub(crate) address: String,
    pub(crate) id: String,
    pub(crate) stream_id: String,
    pub(crate) stream: Stream,
}

pub(crate) fn headers(stream_id: Option<&str>) -> Vec<(String, String)> {
    let mut headers = vec![
        ("Content-Type".to_owned(), "application/json".to_owned()),
        ("Accept".to_owned(), "application/json".to_owned()),
    ];
    headers.extend(stream_id.map(|id| ("Mesos-Stream-Id".to_owned(), id.to_owned())));
    headers
}

/// `FrameworkInfo` with a timeout of an hour, and what `more` says.
pub(crate) fn info(more: &Value) -> Value {
    let mut info = json!({"user": "root", "name": "test", "failover_timeout": 3600.0});
    let fields = more.as_object().unwrap().clone();
    info.as_object_mut().unwrap().extend(fields);
    info
}

/// Opens a stream; the first event may be an ERROR.
pub(crate) fn open(address: &str, info: &Value) -> Stream {
    let mut call = json!({"type": "SUBSCRIBE", "subscribe": {"framework_info": info}});
    if let Some(id) = info.get("id") {
        call["framework_id"] = id.clone();
    }
    subscribe(
        address,
        "/api/v1/scheduler",
        &headers(None),
        &call.to_string(),
    )
    .unwrap_or_else(|reply| panic!("no stream: {reply:?}"))
}

impl Framework {
    pub(crate) fn new(address: &str) -> Self {
        Self::with(address, &json!({}))
    }

    pub(crate) fn with(address: &str, more: &Value) -> Self {
        let stream = open(address, &info(more));
        let stream_id = stream.head.header("Mesos-Stream-Id").unwrap().to_owned();
        let subscribed = stream.event();
        assert_eq!(subscribed["type"], "SUBSCRIBED", "{subscribed}");
        let id = subscribed["subscribed"]["framework_id"]["value"].as_str();
        Self {
            address: address.to_owned(),
            id: id.unwrap().to_owned(),
            stream_id,
            stream,
        }
    }

    /// The same framework on a new stream.
    pub(crate) fn again(&self, more: &Value) -> Self {
        let mut more = more.clone();
        more["id"] = json!({"value": self.id});
        Self::with(&self.address, &more)
    }

    pub(crate) fn call(&self, kind: &str, message: &Value) -> Reply {
        let mut call = json!({"type": kind, "framework_id": {"value": self.id}});
        if !message.is_null() {
            call[kind.to_lowercase()] = message.clone();
        }
        request(
            &self.address,
            "POST",
            "/api/v1/scheduler",
            &headers(Some(&self.stream_id)),
            Some(&call.to_string()),
        )
    }

    /// A call that has to be taken.
    pub(crate) fn tell(&self, kind: &str, message: &Value) {
        let reply = self.call(kind, message);
        assert_eq!(reply.head.status, 202, "{kind}: {}", reply.body);
    }

    /// The next offers.
    pub(crate) fn offers(&self) -> Vec<Value> {
        let event = self.stream.event_of("OFFERS");
        event["offers"]["offers"].as_array().unwrap().clone()
    }

    pub(crate) fn offer(&self) -> Value {
        self.offers().remove(0)
    }

    pub(crate) fn accept(&self, offers: &[&Value], tasks: &[Value], refuse: f64) {
        let ids: Vec<Value> = offers.iter().map(|offer| offer["id"].clone()).collect();
        self.tell(
            "ACCEPT",
            &json!({
                "offer_ids": ids,
                "operations": [{"type": "LAUNCH", "launch": {"task_infos": tasks}}],
                "filters": {"refuse_seconds": refuse},
            }),
        );
    }

    pub(crate) fn decline(&self, offer: &Value, filters: Value) {
        let mut message = json!({"offer_ids": [offer["id"]]});
        if !filters.is_null() {
            message["filters"] = filters;
        }
        self.tell("DECLINE", &message);
    }

    /// The next status update.
    pub(crate) fn status(&self) -> Value {
        self.stream.event_of("UPDATE")["update"]["status"].clone()
    }

    /// The next update, which has to be of this state; it is acknowledged if it wants to be.
    pub(crate) fn expect(&self, state: &str) -> Value {
        let status = self.status();
        assert_eq!(status["state"], state, "{status}");
        if status.get("uuid").is_some() {
            self.acknowledge(&status);
        }
        status
    }

    pub(crate) fn acknowledge(&self, status: &Value) {
        self.tell(
            "ACKNOWLEDGE",
            &json!({
                "agent_id": status["agent_id"],
                "task_id": status["task_id"],
                "uuid": status["uuid"],
            }),
        );
    }

    /// Launches a task on an offer and waits until it runs.
    pub(crate) fn run(&self, offer: &Value, id: &str) {
        self.accept(&[offer], &[task(offer, id)], 1.0);
        self.expect("TASK_STARTING");
        self.expect("TASK_RUNNING");
    }

    pub(crate) fn ends(&self) -> bool {
        self.stream.next() == Item::End
    }

    /// Whether it ends, whatever is offered before.
    pub(crate) fn ends_after_offers(&self) -> bool {
        loop {
            match self.stream.next() {
                Item::Event(event) if event["type"] == "OFFERS" => {}
                item => return item == Item::End,
            }
        }
    }
}

/// A task that sleeps, with little of everything.
pub(crate) fn task(offer: &Value, id: &str) -> Value {
    json!({
        "name": id,
        "task_id": {"value": id},
        "agent_id": offer["agent_id"],
        "resources": [scalar("cpus", 0.5), scalar("mem", 64.0)],
        "command": {"value": "sleep 600"},
    })
}

pub(crate) fn scalar(name: &str, value: f64) -> Value {
    json!({"name": name, "type": "SCALAR", "scalar": {"value": value}})
}

/// How much of a scalar an offer has.
pub(crate) fn amount(offer: &Value, name: &str) -> f64 {
    let resources = offer["resources"].as_array().unwrap().iter();
    resources
        .filter(|resource| resource["name"] == name)
        .map(|resource| resource["scalar"]["value"].as_f64().unwrap())
        .sum()
}

/// A subscription of which the bytes are looked at as they come.
pub(crate) struct RawStream {
    socket: TcpStream,
    pub(crate) seen: String,
}

impl RawStream {
    pub(crate) fn open(address: &str) -> Self {
        Self::open_with(address, &json!({}), "")
    }

    /// `behind`: what is sent after the SUBSCRIBE, on the same connection.
    pub(crate) fn open_with(address: &str, more: &Value, behind: &str) -> Self {
        let mut socket = TcpStream::connect(address).unwrap();
        let call = json!({"type": "SUBSCRIBE", "subscribe": {"framework_info": info(more)}});
        let call = call.to_string();
        let head = "POST /api/v1/scheduler HTTP/1.1\r\nContent-Type: application/json";
        let length = call.len();
        let request = format!("{head}\r\nContent-Length: {length}\r\n\r\n{call}{behind}");
        socket.write_all(request.as_bytes()).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self {
            socket,
            seen: String::new(),
        }
    }

    /// Reads until this has come.
    #[track_caller]
    pub(crate) fn read_until(&mut self, text: &str) {
        while !self.seen.contains(text) {
            assert!(self.read(), "it ended without {text}: {}", self.seen);
        }
    }

    /// Reads for so long.
    pub(crate) fn read_for(&mut self, time: Duration) {
        self.socket.set_read_timeout(Some(time)).unwrap();
        while self.read() {}
    }

    /// Whether there may be more.
    fn read(&mut self) -> bool {
        let mut bytes = [0; 4096];
        match self.socket.read(&mut bytes) {
            Ok(0) => false,
            Ok(read) => {
                self.seen.push_str(&String::from_utf8_lossy(&bytes[..read]));
                true
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                false
            }
            Err(error) => panic!("{error}"),
        }
    }

    /// The chunks that came whole.
    pub(crate) fn chunks(&self) -> Vec<&str> {
        let head_and_body = self.seen.split_once("\r\n\r\n");
        let mut rest = head_and_body.map_or("", |(_, body)| body);
        let mut chunks = Vec::new();
        while let Some((line, after)) = rest.split_once("\r\n") {
            let digits = line.split(';').next().unwrap();
            let size = usize::from_str_radix(digits, 16).unwrap();
            let (Some(chunk), Some(next)) = (after.get(..size), after.get(size + 2..)) else {
                break;
            };
            chunks.push(chunk);
            rest = next;
        }
        chunks
    }
}
