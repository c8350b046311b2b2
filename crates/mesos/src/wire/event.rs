//! Events: what the master says to the scheduler.

use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::message::message;
use super::{
    AgentId, ExecutorId, FrameworkId, InverseOffer, MasterInfo, Offer, OfferId, TaskStatus,
};

message! {
    /// `Event.Subscribed`.
    Subscribed {
        /// The framework's id; to be stored before any offer is used.
        required framework_id: FrameworkId,
        /// Seconds between heartbeats; absent: none are promised.
        optional heartbeat_interval_seconds: f64,
        /// The master (from 1.1).
        optional master_info: MasterInfo,
    }
}

message! {
    /// `Event.Offers`.
    Offers {
        /// The offers.
        repeated offers: Offer,
    }
}

message! {
    /// `Event.Rescind`.
    Rescind {
        /// The offer that is void.
        required offer_id: OfferId,
    }
}

message! {
    /// `Event.Update`.
    Update {
        /// What is known of a task.
        required status: TaskStatus,
    }
}

message! {
    /// `Event.Failure`: of an agent, if no executor is named.
    Failure {
        /// The agent.
        optional agent_id: AgentId,
        /// The executor.
        optional executor_id: ExecutorId,
        /// How it ended, as `waitpid(2)` says it; -1: unknown.
        #[serde(deserialize_with = "super::tolerant::optional_integer")]
        optional status: i32,
    }
}

message! {
    /// `Event.Error`; the stream ends after it.
    ErrorEvent {
        /// What is wrong.
        required message: String,
    }
}

message! {
    /// `Event.InverseOffers`.
    InverseOffers {
        /// The requests.
        repeated inverse_offers: InverseOffer,
    }
}

message! {
    /// `Event.RescindInverseOffer`.
    RescindInverseOffer {
        /// The request that is void.
        required inverse_offer_id: OfferId,
    }
}

/// `Event`.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The subscription is accepted.
    Subscribed(Box<Subscribed>),
    /// Resources to be had.
    Offers(Offers),
    /// An offer is void.
    Rescind(Rescind),
    /// Resources to be given up: their agents go into maintenance.
    InverseOffers(InverseOffers),
    /// Such a request is void.
    RescindInverseOffer(RescindInverseOffer),
    /// A task's state.
    Update(Box<Update>),
    /// An agent or an executor is gone.
    Failure(Failure),
    /// The subscription is refused or over.
    Error(ErrorEvent),
    /// The master is there.
    Heartbeat,
    /// Something that this version does not use; its type, if it has one.
    Other(Option<String>),
}

#[derive(Default, Deserialize)]
struct Raw {
    subscribed: Option<Box<Subscribed>>,
    offers: Option<Offers>,
    rescind: Option<Rescind>,
    inverse_offers: Option<InverseOffers>,
    rescind_inverse_offer: Option<RescindInverseOffer>,
    update: Option<Box<Update>>,
    failure: Option<Failure>,
    error: Option<ErrorEvent>,
}

#[derive(Deserialize)]
struct Typed {
    #[serde(rename = "type")]
    kind: Option<String>,
    #[serde(flatten)]
    rest: serde_json::Map<String, serde_json::Value>,
}

/// The types that have a body.
const KNOWN: [&str; 8] = [
    "SUBSCRIBED",
    "OFFERS",
    "RESCIND",
    "INVERSE_OFFERS",
    "RESCIND_INVERSE_OFFER",
    "UPDATE",
    "FAILURE",
    "ERROR",
];

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        let Typed { kind, rest } = Typed::deserialize(input)?;
        let Some(kind) = kind else {
            return Ok(Self::Other(None));
        };
        // What belongs to a type that is not known is not looked at.
        if kind == "HEARTBEAT" {
            return Ok(Self::Heartbeat);
        }
        if !KNOWN.contains(&kind.as_str()) {
            return Ok(Self::Other(Some(kind)));
        }
        let raw: Raw =
            serde_json::from_value(serde_json::Value::Object(rest)).map_err(D::Error::custom)?;
        let event = match kind.as_str() {
            "SUBSCRIBED" => raw.subscribed.map(Self::Subscribed),
            "OFFERS" => raw.offers.map(Self::Offers),
            "RESCIND" => raw.rescind.map(Self::Rescind),
            "INVERSE_OFFERS" => raw.inverse_offers.map(Self::InverseOffers),
            "RESCIND_INVERSE_OFFER" => raw.rescind_inverse_offer.map(Self::RescindInverseOffer),
            "UPDATE" => raw.update.map(Self::Update),
            "FAILURE" => raw.failure.map(Self::Failure),
            _ => raw.error.map(Self::Error),
        };
        event.ok_or_else(|| D::Error::custom(format!("a {kind} event without its body")))
    }
}

/// What a master does with an event; the scheduler itself never writes one.
impl Serialize for Event {
    fn serialize<S: Serializer>(&self, output: S) -> Result<S::Ok, S::Error> {
        let mut map = output.serialize_map(None)?;
        let mut name = |name: &str| map.serialize_entry("type", name);
        match self {
            Self::Subscribed(_) => name("SUBSCRIBED")?,
            Self::Offers(_) => name("OFFERS")?,
            Self::Rescind(_) => name("RESCIND")?,
            Self::InverseOffers(_) => name("INVERSE_OFFERS")?,
            Self::RescindInverseOffer(_) => name("RESCIND_INVERSE_OFFER")?,
            Self::Update(_) => name("UPDATE")?,
            Self::Failure(_) => name("FAILURE")?,
            Self::Error(_) => name("ERROR")?,
            Self::Heartbeat => name("HEARTBEAT")?,
            Self::Other(Some(other)) => name(other)?,
            Self::Other(None) => {}
        }
        match self {
            Self::Subscribed(body) => map.serialize_entry("subscribed", body)?,
            Self::Offers(body) => map.serialize_entry("offers", body)?,
            Self::Rescind(body) => map.serialize_entry("rescind", body)?,
            Self::InverseOffers(body) => map.serialize_entry("inverse_offers", body)?,
            Self::RescindInverseOffer(body) => {
                map.serialize_entry("rescind_inverse_offer", body)?;
            }
            Self::Update(body) => map.serialize_entry("update", body)?,
            Self::Failure(body) => map.serialize_entry("failure", body)?,
            Self::Error(body) => map.serialize_entry("error", body)?,
            Self::Heartbeat | Self::Other(_) => {}
        }
        map.end()
    }
}
