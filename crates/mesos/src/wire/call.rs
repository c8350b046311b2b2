//! Calls: what the scheduler says to the master.

use serde::ser::{Error as _, SerializeMap};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::message::{message, open_enum};
use super::tolerant::Base64Bytes;
use super::{
    AgentId, ExecutorInfo, FrameworkId, FrameworkInfo, KillPolicy, OfferId, TaskGroupInfo, TaskId,
    TaskInfo,
};

message! {
    /// `Call.Subscribe`.
    Subscribe {
        /// Who subscribes; its id has to be the call's.
        required framework_info: FrameworkInfo,
        /// Roles that want no offers for now.
        repeated suppressed_roles: String,
    }
}

message! {
    /// `Filters`.
    Filters {
        /// How long what is refused is not offered again; absent: 5 s, at most a year.
        optional refuse_seconds: f64,
    }
}

message! {
    /// `Offer.Operation.Launch`.
    Launch {
        /// The tasks; each is judged by itself.
        repeated task_infos: TaskInfo,
    }
}

message! {
    /// `Offer.Operation.LaunchGroup`.
    LaunchGroup {
        /// The executor that runs them.
        required executor: ExecutorInfo,
        /// The tasks.
        required task_group: TaskGroupInfo,
    }
}

open_enum! {
    /// `Offer.Operation.Type`.
    OperationType {
        /// Launch tasks.
        Launch = "LAUNCH",
        /// Launch a task group.
        LaunchGroup = "LAUNCH_GROUP",
    }
}

message! {
    /// `Offer.Operation`.
    Operation {
        /// Which.
        #[serde(rename = "type")]
        required kind: OperationType,
        /// Tasks.
        optional launch: Launch,
        /// A task group.
        optional launch_group: LaunchGroup,
    }
}

message! {
    /// `Call.Accept`. One stale offer makes all of it void.
    Accept {
        /// Offers of one agent and one role.
        repeated offer_ids: OfferId,
        /// What to do with them, in order.
        repeated operations: Operation,
        /// What holds for the rest of the offers.
        optional filters: Filters,
    }
}

message! {
    /// `Call.Decline`.
    Decline {
        /// The offers. Written even if there is none.
        #[serde(default, deserialize_with = "super::tolerant::list")]
        required offer_ids: Vec<OfferId>,
        /// How long they are not wanted.
        optional filters: Filters,
    }
}

message! {
    /// `Call.AcceptInverseOffers` and `Call.DeclineInverseOffers`: for operators to see.
    AnswerInverseOffers {
        /// The requests.
        repeated inverse_offer_ids: OfferId,
        /// How long nobody asks again; the request may come back after an acceptance, too.
        optional filters: Filters,
    }
}

message! {
    /// `Call.Revive` and `Call.Suppress`: one role too many, and the master drops the call.
    Roles {
        /// The roles; empty: all.
        repeated roles: String,
    }
}

message! {
    /// `Call.Kill`.
    Kill {
        /// The task.
        required task_id: TaskId,
        /// Its agent; a wrong one makes the call void.
        optional agent_id: AgentId,
        /// In place of the task's own (from 1.0).
        optional kill_policy: KillPolicy,
    }
}

message! {
    /// `Call.Acknowledge`.
    Acknowledge {
        /// The update's agent.
        required agent_id: AgentId,
        /// The update's task.
        required task_id: TaskId,
        /// The update's uuid.
        required uuid: Base64Bytes,
    }
}

message! {
    /// `Call.Reconcile.Task`.
    ReconcileTask {
        /// The task.
        required task_id: TaskId,
        /// Its agent; without it the master may have nothing to say.
        optional agent_id: AgentId,
    }
}

message! {
    /// `Call.Reconcile`.
    Reconcile {
        /// The tasks; none: everything that the master knows of the framework. Written even if
        /// it is empty.
        #[serde(default, deserialize_with = "super::tolerant::list")]
        required tasks: Vec<ReconcileTask>,
    }
}

message! {
    /// `Call.UpdateFramework` (from 1.9).
    UpdateFramework {
        /// What it is now; user, principal and checkpoint cannot change.
        required framework_info: FrameworkInfo,
        /// Roles that want no offers.
        repeated suppressed_roles: String,
    }
}

/// What is said.
#[derive(Debug, Clone, PartialEq)]
pub enum CallBody {
    /// Take the framework up, or take it over.
    Subscribe(Box<Subscribe>),
    /// End the framework and every task of it.
    Teardown,
    /// Use offers.
    Accept(Accept),
    /// Give offers back.
    Decline(Decline),
    /// What is asked back will be given up.
    AcceptInverseOffers(AnswerInverseOffers),
    /// It will not.
    DeclineInverseOffers(AnswerInverseOffers),
    /// Want offers, and forget what was refused.
    Revive(Option<Roles>),
    /// Want no offers.
    Suppress(Option<Roles>),
    /// End a task.
    Kill(Kill),
    /// An update was taken care of.
    Acknowledge(Acknowledge),
    /// Ask for the state of tasks.
    Reconcile(Reconcile),
    /// Change the framework.
    UpdateFramework(Box<UpdateFramework>),
}

/// `Call`.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// The framework; absent only in the first SUBSCRIBE.
    pub framework_id: Option<FrameworkId>,
    /// What is said.
    pub body: CallBody,
}

impl CallBody {
    /// `Call.Type`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Subscribe(_) => "SUBSCRIBE",
            Self::Teardown => "TEARDOWN",
            Self::Accept(_) => "ACCEPT",
            Self::Decline(_) => "DECLINE",
            Self::AcceptInverseOffers(_) => "ACCEPT_INVERSE_OFFERS",
            Self::DeclineInverseOffers(_) => "DECLINE_INVERSE_OFFERS",
            Self::Revive(_) => "REVIVE",
            Self::Suppress(_) => "SUPPRESS",
            Self::Kill(_) => "KILL",
            Self::Acknowledge(_) => "ACKNOWLEDGE",
            Self::Reconcile(_) => "RECONCILE",
            Self::UpdateFramework(_) => "UPDATE_FRAMEWORK",
        }
    }
}

impl Serialize for Call {
    fn serialize<S: Serializer>(&self, output: S) -> Result<S::Ok, S::Error> {
        let mut map = output.serialize_map(None)?;
        if let Some(id) = &self.framework_id {
            map.serialize_entry("framework_id", id)?;
        }
        map.serialize_entry("type", self.body.name())?;
        match &self.body {
            CallBody::Teardown | CallBody::Revive(None) | CallBody::Suppress(None) => {}
            CallBody::Subscribe(body) => map.serialize_entry("subscribe", body)?,
            CallBody::Accept(body) => map.serialize_entry("accept", body)?,
            CallBody::Decline(body) => map.serialize_entry("decline", body)?,
            CallBody::AcceptInverseOffers(body) => {
                map.serialize_entry("accept_inverse_offers", body)?;
            }
            CallBody::DeclineInverseOffers(body) => {
                map.serialize_entry("decline_inverse_offers", body)?;
            }
            CallBody::Revive(Some(body)) => map.serialize_entry("revive", body)?,
            CallBody::Suppress(Some(body)) => map.serialize_entry("suppress", body)?,
            CallBody::Kill(body) => map.serialize_entry("kill", body)?,
            CallBody::Acknowledge(body) if body.uuid.0.len() != 16 => {
                return Err(S::Error::custom("an acknowledgement's uuid has 16 bytes"));
            }
            CallBody::Acknowledge(body) => map.serialize_entry("acknowledge", body)?,
            CallBody::Reconcile(body) => map.serialize_entry("reconcile", body)?,
            CallBody::UpdateFramework(body) => map.serialize_entry("update_framework", body)?,
        }
        map.end()
    }
}

#[derive(Deserialize)]
struct Raw {
    framework_id: Option<FrameworkId>,
    #[serde(rename = "type")]
    kind: String,
    subscribe: Option<Box<Subscribe>>,
    accept: Option<Accept>,
    decline: Option<Decline>,
    accept_inverse_offers: Option<AnswerInverseOffers>,
    decline_inverse_offers: Option<AnswerInverseOffers>,
    revive: Option<Roles>,
    suppress: Option<Roles>,
    kill: Option<Kill>,
    acknowledge: Option<Acknowledge>,
    reconcile: Option<Reconcile>,
    update_framework: Option<Box<UpdateFramework>>,
}

/// What a master does with a call; the scheduler itself never reads one.
impl<'de> Deserialize<'de> for Call {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        let raw = Raw::deserialize(input)?;
        let body = match raw.kind.as_str() {
            "SUBSCRIBE" => raw.subscribe.map(CallBody::Subscribe),
            "TEARDOWN" => Some(CallBody::Teardown),
            "ACCEPT" => raw.accept.map(CallBody::Accept),
            "DECLINE" => raw.decline.map(CallBody::Decline),
            "ACCEPT_INVERSE_OFFERS" => raw.accept_inverse_offers.map(CallBody::AcceptInverseOffers),
            "DECLINE_INVERSE_OFFERS" => raw
                .decline_inverse_offers
                .map(CallBody::DeclineInverseOffers),
            "REVIVE" => Some(CallBody::Revive(raw.revive)),
            "SUPPRESS" => Some(CallBody::Suppress(raw.suppress)),
            "KILL" => raw.kill.map(CallBody::Kill),
            "ACKNOWLEDGE" => raw.acknowledge.map(CallBody::Acknowledge),
            "RECONCILE" => raw.reconcile.map(CallBody::Reconcile),
            "UPDATE_FRAMEWORK" => raw.update_framework.map(CallBody::UpdateFramework),
            other => return Err(D::Error::custom(format!("a call of type {other}"))),
        };
        let body =
            body.ok_or_else(|| D::Error::custom(format!("a {} call without its body", raw.kind)))?;
        Ok(Self {
            framework_id: raw.framework_id,
            body,
        })
    }
}
