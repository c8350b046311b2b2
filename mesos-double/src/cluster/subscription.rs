//! Frameworks come, go, come back, fail over and are removed.

use super::Cluster;
use crate::call::identifier;
use crate::framework::{Framework, Stream};
use crate::stream::{EventSink, Records, event_stream};
use crate::timer::Due;
use crate::validation::framework::{has_capability, roles, validate};
use serde_json::{Map, Value, json};

impl Cluster {
    /// A SUBSCRIBE that passed as a call: its answer is always a stream, if only of one ERROR.
    pub(crate) fn subscribe(
        &mut self,
        message: &Map<String, Value>,
        principal: Option<&str>,
        stream_id: &str,
    ) -> Records {
        let (sink, records) = event_stream(self.options.is_before(1, 7));
        match self.admit(message, principal) {
            Ok(framework) => self.connect(&framework, message, stream_id, sink),
            Err(reason) => {
                sink.send(&json!({"type": "ERROR", "error": {"message": reason}}));
            }
        }
        records
    }

    /// Finds or makes the framework; the error is the text of the ERROR event.
    fn admit(
        &mut self,
        message: &Map<String, Value>,
        principal: Option<&str>,
    ) -> Result<String, String> {
        validate(message)?;
        let mut info = message
            .get("framework_info")
            .and_then(Value::as_object)
            .cloned()
            .unwrap_or_default();
        self.check_role_list(&info)?;
        let Some(master) = &mut self.master else {
            return Err("No leader elected".to_owned());
        };
        if let Some(principal) = principal {
            info.entry("principal").or_insert_with(|| principal.into());
        }
        let id = identifier(&info, "id").unwrap_or_default().to_owned();
        if master.completed.contains(&id) {
            return Err("Framework has been removed".to_owned());
        }
        let id = if id.is_empty() {
            let id = master.new_framework_id();
            info.insert("id".to_owned(), json!({ "value": id }));
            id
        } else {
            id
        };
        match master.frameworks.get_mut(&id) {
            None => {
                let framework = Framework::new(&id, info);
                master.frameworks.insert(id.clone(), framework);
            }
            Some(framework) => update_info(framework, info)?,
        }
        Ok(id)
    }

    /// `--roles`: roles that nobody may subscribe to.
    fn check_role_list(&self, info: &Map<String, Value>) -> Result<(), String> {
        let Some(known) = &self.options.roles else {
            return Ok(());
        };
        let strangers: Vec<String> = roles(info)
            .into_iter()
            .filter(|role| role != "*" && !known.contains(role))
            .collect();
        if strangers.is_empty() {
            return Ok(());
        }
        Err(format!(
            "Roles {{ {} }} are not present in the master's --roles",
            strangers.join(", ")
        ))
    }

    fn connect(
        &mut self,
        id: &str,
        message: &Map<String, Value>,
        stream_id: &str,
        sink: EventSink,
    ) {
        let was_active = self.end_stream(id, Some("Framework failed over"));
        let interval = self.options.heartbeat_interval;
        let now = self.now();
        let info = self.master_info().filter(|_| !self.options.is_before(1, 1));
        let Some(framework) = self.framework_mut(id) else {
            return;
        };
        framework.epoch += 1;
        framework.recovered = false;
        framework.suppressed = crate::call::texts(message, "suppressed_roles")
            .into_iter()
            .collect();
        let mut subscribed = json!({
            "framework_id": {"value": id},
            "heartbeat_interval_seconds": interval.as_secs_f64(),
        });
        if let (Some(subscribed), Some(info)) = (subscribed.as_object_mut(), info) {
            subscribed.insert("master_info".to_owned(), info);
        }
        sink.send(&json!({"type": "SUBSCRIBED", "subscribed": subscribed}));
        framework.stream = Some(Stream {
            id: stream_id.to_owned(),
            sink,
        });
        let heartbeat = Due::Heartbeat {
            framework: id.to_owned(),
            stream: stream_id.to_owned(),
        };
        if self.faults.offers_before_heartbeat && !was_active {
            self.allocate(None);
        }
        self.timers.set(now, heartbeat);
        self.fire_due();
        // Allocator and agents work beside each other: either may be first. Whoever was active
        // already waits for the allocator's next batch.
        let offers_first = self.faults.offers_before_updates;
        if offers_first && !was_active {
            self.allocate(None);
        }
        for index in 0..self.agents.len() {
            self.resend_updates(index, Some(id));
        }
        if !offers_first && !was_active {
            self.allocate(None);
        }
    }

    /// A framework's connection is gone: its offers are taken back, and the time to return runs.
    pub(crate) fn stream_closed(&mut self, id: &str, stream_id: &str) {
        let is_current = self
            .framework(id)
            .and_then(|framework| framework.stream.as_ref())
            .is_some_and(|stream| stream.id == stream_id);
        if is_current {
            self.drop_stream(id);
        }
    }

    /// Ends a framework's stream as if its connection broke.
    pub(crate) fn drop_stream(&mut self, id: &str) {
        if !self.end_stream(id, None) {
            return;
        }
        let now = self.now();
        if let Some(framework) = self.framework(id) {
            let due = Due::FailoverTimeout {
                framework: id.to_owned(),
                epoch: framework.epoch,
            };
            let at = now + framework.failover_timeout();
            self.timers.set(at, due);
            self.fire_due();
        }
    }

    /// Takes the stream and the offers, without RESCIND. Whether there was a stream.
    fn end_stream(&mut self, id: &str, reason: Option<&str>) -> bool {
        let Some(master) = &mut self.master else {
            return false;
        };
        for offer in master.offers_where(|offer| offer.framework_id == id) {
            master.withdraw(&offer);
        }
        master.withdraw_inverse_offers(|offer| offer.framework_id == id);
        let stream = master
            .frameworks
            .get_mut(id)
            .and_then(|framework| framework.stream.take());
        if let (Some(stream), Some(reason)) = (&stream, reason) {
            stream
                .sink
                .send(&json!({"type": "ERROR", "error": {"message": reason}}));
        }
        stream.is_some()
    }

    pub(super) fn failover_timeout(&mut self, id: &str, epoch: u64) {
        let is_late = self
            .framework(id)
            .is_some_and(|framework| framework.epoch == epoch && !framework.is_connected());
        if is_late {
            self.remove_framework(id);
        }
    }

    /// The framework is over: its stream ends without ERROR, its tasks are ended, no update is sent.
    pub(crate) fn remove_framework(&mut self, id: &str) {
        self.end_stream(id, None);
        let Some(master) = &mut self.master else {
            return;
        };
        let tasks: Vec<String> = match master.frameworks.get(id) {
            Some(framework) => framework.tasks.keys().cloned().collect(),
            None => return,
        };
        for task in tasks {
            master.forget_task(id, &task);
        }
        master.frameworks.remove(id);
        master.complete(id);
        let online: Vec<usize> = master
            .registered
            .values()
            .map(|agent| agent.index)
            .filter(|index| self.agents.get(*index).is_some_and(|agent| agent.online))
            .collect();
        for index in online {
            self.agent_shutdown(index, id);
        }
    }

    /// UPDATE_FRAMEWORK: the error is the text of the 400.
    pub(crate) fn update_framework(
        &mut self,
        id: &str,
        message: &Map<String, Value>,
    ) -> Result<(), String> {
        validate(message)?;
        let info = message
            .get("framework_info")
            .and_then(Value::as_object)
            .cloned()
            .unwrap_or_default();
        self.check_role_list(&info)?;
        let Some(framework) = self.framework_mut(id) else {
            return Ok(());
        };
        for field in ["user", "checkpoint"] {
            let value = |info: &Map<String, Value>| match info.get(field) {
                Some(Value::String(text)) => text.clone(),
                other => other.cloned().unwrap_or(Value::Bool(false)).to_string(),
            };
            let (old, new) = (value(&framework.info), value(&info));
            if old != new {
                return Err(format!(
                    "Updating 'FrameworkInfo.{field}' is unsupported; attempted to update from '{old}' to '{new}'"
                ));
            }
        }
        update_info(framework, info)?;
        framework.suppressed = crate::call::texts(message, "suppressed_roles")
            .into_iter()
            .collect();
        self.rescind_lost_roles(id);
        self.allocate(None);
        Ok(())
    }

    fn rescind_lost_roles(&mut self, id: &str) {
        let roles = self.framework(id).map(Framework::roles).unwrap_or_default();
        if let Some(master) = &mut self.master {
            let lost = master
                .offers_where(|offer| offer.framework_id == id && !roles.contains(&offer.role));
            for offer in lost {
                master.rescind(&offer);
            }
        }
    }

    /// Whose stream it is.
    pub(crate) fn framework_of_stream(&self, stream_id: &str) -> Option<String> {
        let frameworks = &self.master.as_ref()?.frameworks;
        frameworks
            .values()
            .find(|framework| {
                let stream = framework.stream.as_ref();
                stream.is_some_and(|stream| stream.id == stream_id)
            })
            .map(|framework| framework.id.clone())
    }

    pub(super) fn framework(&self, id: &str) -> Option<&Framework> {
        self.master.as_ref()?.frameworks.get(id)
    }

    pub(super) fn framework_mut(&mut self, id: &str) -> Option<&mut Framework> {
        self.master.as_mut()?.frameworks.get_mut(id)
    }
}

/// A framework that comes back may change everything but its user, checkpointing and principal.
fn update_info(framework: &mut Framework, mut info: Map<String, Value>) -> Result<(), String> {
    if framework.recovered && framework.info.is_empty() {
        framework.info = info;
        return Ok(());
    }
    if framework.info.get("principal") != info.get("principal") {
        return Err("Changing framework's principal is not allowed.".to_owned());
    }
    for field in ["user", "checkpoint"] {
        match framework.info.get(field) {
            Some(old) => info.insert(field.to_owned(), old.clone()),
            None => info.remove(field),
        };
    }
    // Roles it no longer has leave no filter behind.
    let multi_role = has_capability(&info, "MULTI_ROLE");
    let kept = if multi_role { roles(&info) } else { Vec::new() };
    framework
        .filters
        .retain(|filter| !multi_role || kept.contains(&filter.role));
    framework.info = info;
    Ok(())
}
