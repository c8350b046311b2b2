//! The framework and the master, as they introduce themselves.

use super::message::{message, open_enum};
use super::{Address, DomainInfo, FrameworkId, Labels};

open_enum! {
    /// `FrameworkInfo.Capability.Type`. A master ignores those that it does not know.
    CapabilityType {
        /// May be offered resources that can be taken away.
        RevocableResources = "REVOCABLE_RESOURCES",
        /// Understands `TASK_KILLING`.
        TaskKillingState = "TASK_KILLING_STATE",
        /// May be offered agents that have GPUs.
        GpuResources = "GPU_RESOURCES",
        /// May be offered shared volumes.
        SharedResources = "SHARED_RESOURCES",
        /// Understands the states that `TASK_LOST` stood for.
        PartitionAware = "PARTITION_AWARE",
        /// Has `roles`, not `role` (from 1.3).
        MultiRole = "MULTI_ROLE",
        /// Understands `reservations`, not `reservation` (from 1.4).
        ReservationRefinement = "RESERVATION_REFINEMENT",
        /// May be offered agents of other regions.
        RegionAware = "REGION_AWARE",
    }
}

message! {
    /// `FrameworkInfo.Capability`, `MasterInfo.Capability`.
    #[derive(Eq)]
    Capability {
        /// Which.
        #[serde(rename = "type")]
        required kind: CapabilityType,
    }
}

message! {
    /// `FrameworkInfo`.
    FrameworkInfo {
        /// The user that tasks run as; empty: the master decides.
        required user: String,
        /// What people see.
        required name: String,
        /// The id of an earlier subscription.
        optional id: FrameworkId,
        /// Seconds that tasks stay while the framework is away; absent: 0.
        optional failover_timeout: f64,
        /// Whether executors survive a restart of the agent; absent: no.
        optional checkpoint: bool,
        /// The role of a framework without `MULTI_ROLE`; absent: `*`.
        optional role: String,
        /// The roles of a framework with `MULTI_ROLE`.
        repeated roles: String,
        /// Where the framework runs.
        optional hostname: String,
        /// Who authenticates.
        optional principal: String,
        /// Its web page.
        optional webui_url: String,
        /// What it understands.
        repeated capabilities: Capability,
        /// Labels.
        optional labels: Labels,
    }
}

message! {
    /// `MasterInfo.Capability`.
    MasterCapability {
        /// E.g. `AGENT_UPDATE`.
        #[serde(rename = "type")]
        required kind: String,
    }
}

message! {
    /// `MasterInfo`, from masters since 1.1.
    MasterInfo {
        /// The master's id.
        required id: String,
        /// E.g. `master@192.0.2.1:5050`.
        optional pid: String,
        /// Its host name.
        optional hostname: String,
        /// Its version.
        optional version: String,
        /// Where it answers.
        optional address: Address,
        /// Its region and zone.
        optional domain: DomainInfo,
        /// What it understands.
        repeated capabilities: MasterCapability,
    }
}
