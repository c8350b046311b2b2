//! The v1 scheduler API in JSON, as typed values.
//!
//! Owns the messages that a scheduler sends and reads, from masters 1.0 to 1.12: tolerant of
//! fields, enum values and events that it does not know. Names are those of
//! `mesos/v1/mesos.proto` and `mesos/v1/scheduler/scheduler.proto`. Never does I/O.

mod call;
mod command;
mod container;
mod event;
mod framework;
mod id;
mod message;
mod offer;
mod resource;
mod task;
mod tolerant;

#[cfg(test)]
mod recordings;

pub use call::{
    Accept, Acknowledge, AnswerInverseOffers, Call, CallBody, Decline, Filters, Kill, Launch,
    LaunchGroup, Operation, OperationType, Reconcile, ReconcileTask, Roles, Subscribe,
    UpdateFramework,
};
pub use command::{
    CommandInfo, DiscoveryInfo, DiscoveryPort, DiscoveryPorts, Environment, HealthCheck,
    HealthCheckType, HttpCheck, KillPolicy, Label, Labels, Secret, SecretReference, SecretType,
    SecretValue, TcpCheck, Uri, Variable, VariableType, Visibility,
};
pub use container::{
    ContainerInfo, ContainerType, DockerImage, DockerInfo, DockerNetwork, Image, IpAddress,
    MesosInfo, NetworkInfo, Parameter, PortMapping, ResourceLimit, ResourceLimits, SandboxPath,
    Volume, VolumeMode, VolumeSource,
};
pub use event::{
    ErrorEvent, Event, Failure, InverseOffers, Offers, Rescind, RescindInverseOffer, Subscribed,
    Update,
};
pub use framework::{Capability, CapabilityType, FrameworkInfo, MasterCapability, MasterInfo};
pub use id::{AgentId, ContainerId, ExecutorId, FrameworkId, OfferId, TaskId};
pub use offer::{
    Address, DomainInfo, FaultDomain, InverseOffer, NamedDomain, Nanoseconds, Offer,
    Unavailability, Url,
};
pub use resource::{
    AllocationInfo, Attribute, DiskInfo, Range, Ranges, ReservationInfo, Resource, Scalar, Set,
    Text, ValueType,
};
pub use task::{
    ContainerStatus, ExecutorInfo, Reason, Source, TaskGroupInfo, TaskInfo, TaskResourceLimitation,
    TaskState, TaskStatus,
};
pub use tolerant::Base64Bytes;
