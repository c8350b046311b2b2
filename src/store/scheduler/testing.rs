//! Changes for the tests of this room.

use proptest::prelude::*;

use flugs_mesos::constraint::Host;
use flugs_mesos::scheduler::{Change, Goal, TaskRecord};
use flugs_mesos::wire::{AgentId, FrameworkId, TaskId, TaskState};
use flugs_model::WorkerId;

pub(super) fn task(serial: u64, state: Option<TaskState>) -> Change {
    let worker: WorkerId = format!("w-{serial}").parse().unwrap();
    Change::Task(Box::new(TaskRecord {
        task: TaskId::new(format!("{worker}-{serial}")),
        serial,
        worker,
        profile: "default".into(),
        agent: AgentId::new("S0"),
        host: Host {
            hostname: "h".into(),
            ..Host::default()
        }
        .into(),
        ports: vec![("rpc".into(), 31000)],
        goal: Goal::Run,
        state,
    }))
}

pub(super) fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        prop::option::of("[a-z]{1,3}").prop_map(|id| Change::Framework(id.map(FrameworkId::new))),
        (1u64..6, prop::option::of(Just(TaskState::Running)))
            .prop_map(|(serial, state)| task(serial, state)),
        (1u64..6).prop_map(|serial| Change::Forget(TaskId::new(format!("w-{serial}-{serial}")))),
    ]
}
