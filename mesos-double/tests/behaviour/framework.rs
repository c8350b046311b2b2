//! A framework as simple as can be: it subscribes, calls, and looks at what comes.

use crate::support::{Item, Reply, Stream, request, subscribe};
use serde_json::{Value, json};

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
