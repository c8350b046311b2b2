//! Resources and attributes, as they are offered and as they are asked for.

use serde_json::{Map, Value};

use super::message::{message, open_enum};

open_enum! {
    /// `Value.Type`: which of the value fields is meant.
    ValueType {
        /// One number.
        Scalar = "SCALAR",
        /// Inclusive ranges of whole numbers.
        Ranges = "RANGES",
        /// A set of texts.
        Set = "SET",
        /// One text (attributes only).
        Text = "TEXT",
    }
}

message! {
    /// `Value.Scalar`. The master counts in thousandths.
    Scalar {
        /// The number.
        #[serde(with = "super::tolerant::double")]
        required value: f64,
    }
}

message! {
    /// `Value.Range`, both ends included.
    #[derive(Copy, Eq, Hash, PartialOrd, Ord)]
    Range {
        /// The first number.
        #[serde(deserialize_with = "super::tolerant::integer")]
        required begin: u64,
        /// The last number.
        #[serde(deserialize_with = "super::tolerant::integer")]
        required end: u64,
    }
}

message! {
    /// `Value.Ranges`.
    Ranges {
        /// The ranges.
        repeated range: Range,
    }
}

message! {
    /// `Value.Set`.
    Set {
        /// The members.
        repeated item: String,
    }
}

message! {
    /// `Value.Text`.
    Text {
        /// The text.
        required value: String,
    }
}

message! {
    /// `AllocationInfo`: the role that an offer, and each resource in it, is allocated to.
    AllocationInfo {
        /// The role.
        optional role: String,
    }
}

message! {
    /// `ReservationInfo`: of `Resource.reservation` (without a role) and of each level of
    /// `Resource.reservations`.
    ReservationInfo {
        /// `STATIC` or `DYNAMIC`.
        #[serde(rename = "type")]
        optional kind: String,
        /// Whose it is.
        optional role: String,
        /// Who reserved it.
        optional principal: String,
        /// What the one who reserved it wrote to it.
        optional labels: Value,
    }
}

message! {
    /// `Resource.DiskInfo`: a disk that is more than space on the agent's root disk.
    DiskInfo {
        /// A persistent volume's id.
        optional persistence: Value,
        /// Where a persistent volume is mounted.
        optional volume: Value,
        /// A disk of its own: `PATH`, `MOUNT`, `BLOCK` or `RAW`.
        optional source: Value,
    }
}

message! {
    /// `Resource`. What is launched on an offer has to repeat the offered object, with less in
    /// it; fields that are not known here are therefore kept in `other`.
    Resource {
        /// `cpus`, `mem`, `disk`, `gpus`, `ports`, or the agent's own.
        required name: String,
        /// Which value field is set.
        #[serde(rename = "type")]
        required kind: ValueType,
        /// The amount of a scalar.
        optional scalar: Scalar,
        /// The numbers of a range.
        optional ranges: Ranges,
        /// The members of a set.
        optional set: Set,
        /// The role before reservation refinement: `*` is unreserved.
        optional role: String,
        /// The role it is allocated to (`MULTI_ROLE`).
        optional allocation_info: AllocationInfo,
        /// A dynamic reservation before reservation refinement.
        optional reservation: ReservationInfo,
        /// The levels of reservation (`RESERVATION_REFINEMENT`); the last is in force.
        repeated reservations: ReservationInfo,
        /// A disk of its own, or a persistent volume.
        optional disk: DiskInfo,
        /// Present if it can be taken away at any time.
        optional revocable: Value,
        /// Present if several tasks may use it at once.
        optional shared: Value,
        /// The resource provider it comes from.
        optional provider_id: Value,
        /// Fields that newer masters send.
        #[serde(flatten)]
        required other: Map<String, Value>,
    }
}

message! {
    /// `Attribute` of an agent.
    Attribute {
        /// Its name; not unique.
        required name: String,
        /// Which value field is set.
        #[serde(rename = "type")]
        required kind: ValueType,
        /// A number.
        optional scalar: Scalar,
        /// Ranges.
        optional ranges: Ranges,
        /// A set.
        optional set: Set,
        /// A text.
        optional text: Text,
    }
}
