//! Offers: what an agent has to spare.

use super::message::message;
use super::{AgentId, AllocationInfo, Attribute, FrameworkId, OfferId, Resource};

message! {
    /// `DomainInfo.FaultDomain.RegionInfo` or `ZoneInfo`.
    NamedDomain {
        /// Its name.
        required name: String,
    }
}

message! {
    /// `DomainInfo.FaultDomain`.
    FaultDomain {
        /// The region.
        optional region: NamedDomain,
        /// The zone within the region.
        optional zone: NamedDomain,
    }
}

message! {
    /// `DomainInfo`.
    DomainInfo {
        /// Where failures are shared.
        optional fault_domain: FaultDomain,
    }
}

message! {
    /// `TimeInfo` or `DurationInfo`: nanoseconds, since the epoch or as a length.
    #[derive(Copy, Eq, Hash, PartialOrd, Ord)]
    Nanoseconds {
        /// How many.
        #[serde(deserialize_with = "super::tolerant::integer")]
        required nanoseconds: i64,
    }
}

message! {
    /// `Unavailability`: when an agent is going to be in maintenance.
    Unavailability {
        /// When it begins, since the epoch.
        required start: Nanoseconds,
        /// How long it lasts; absent: unknown.
        optional duration: Nanoseconds,
    }
}

message! {
    /// `Address`.
    Address {
        /// Host name.
        optional hostname: String,
        /// IP address.
        optional ip: String,
        /// Port.
        #[serde(deserialize_with = "super::tolerant::integer")]
        required port: i32,
    }
}

message! {
    /// `URL` of an agent. Its `scheme` says `http` even where TLS is spoken.
    Url {
        /// Scheme.
        required scheme: String,
        /// Host and port.
        required address: Address,
        /// Path.
        optional path: String,
    }
}

message! {
    /// `InverseOffer`: the request to give up what is held of an agent.
    InverseOffer {
        /// Its id; from the same numbers as offers'.
        required id: OfferId,
        /// Where the agent answers.
        optional url: Url,
        /// Who is asked.
        required framework_id: FrameworkId,
        /// The agent; absent: of any.
        optional agent_id: AgentId,
        /// When the agent will not be there.
        required unavailability: Unavailability,
        /// What is asked for; empty: all that is held.
        repeated resources: Resource,
    }
}

message! {
    /// `Offer`: one agent's free resources, for one role.
    Offer {
        /// Its id.
        required id: OfferId,
        /// Who it is made to.
        required framework_id: FrameworkId,
        /// Whose resources they are.
        required agent_id: AgentId,
        /// The agent's host name; not unique.
        required hostname: String,
        /// Where the agent answers.
        optional url: Url,
        /// The agent's region and zone.
        optional domain: DomainInfo,
        /// What is free.
        repeated resources: Resource,
        /// What the agent says about itself.
        repeated attributes: Attribute,
        /// Planned maintenance of the agent.
        optional unavailability: Unavailability,
        /// The role it is made for (`MULTI_ROLE`).
        optional allocation_info: AllocationInfo,
    }
}
