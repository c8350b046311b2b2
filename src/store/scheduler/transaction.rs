//! What a step changes among the nodes of ZooKeeper, in transactions that it takes.
//!
//! Owns the names of the nodes, what is in them, and how a step is cut. Pure.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::document::SCHEDULER_VERSION;
use flugs_mesos::scheduler::{Change, TaskRecord};
use flugs_mesos::wire::{FrameworkId, TaskId};

/// How much a transaction may hold: a server takes a request of a megabyte, and no more
/// (`jute.maxbuffer`).
const MOST_BYTES: usize = 400_000;

/// How many nodes a transaction may touch.
const MOST_NODES: usize = 500;

/// The node that every transaction writes: whose the state is, and what is no task's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Header {
    pub(super) version: u32,
    /// Who wrote last; a name that nobody else has.
    pub(super) writer: String,
    /// The number of its last transaction.
    pub(super) transaction: u64,
    pub(super) framework: Option<FrameworkId>,
    pub(super) serial: u64,
}

impl Header {
    pub(super) fn new(writer: &str) -> Self {
        Self {
            version: SCHEDULER_VERSION,
            writer: writer.to_owned(),
            transaction: 0,
            framework: None,
            serial: 0,
        }
    }
}

/// A task's node.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct TaskNode<T> {
    pub(super) version: u32,
    pub(super) task: T,
}

/// A task's number as a node's name: short, so that the names of many fit into one answer.
pub(super) fn name(serial: u64) -> String {
    format!("{serial:010}")
}

/// What happens to a task's node.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Operation {
    Create(u64, Vec<u8>),
    Set(u64, Vec<u8>),
    Delete(u64),
}

impl Operation {
    fn length(&self) -> usize {
        match self {
            Self::Create(_, data) | Self::Set(_, data) => data.len() + 200,
            Self::Delete(_) => 100,
        }
    }
}

/// Operations that happen together.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Transaction {
    pub(super) operations: Vec<Operation>,
    pub(super) header: Header,
    /// What is known of tasks when it is done: those that are new, and those that are gone.
    pub(super) known: Vec<(TaskId, Option<u64>)>,
}

impl Transaction {
    /// Transactions that do no more than this, after the one with this header.
    pub(super) fn of(operations: &[Operation], header: &Header) -> Vec<Self> {
        let chunks = operations.chunks(MOST_NODES).zip(1..);
        let one = |(operations, number): (&[Operation], u64)| Self {
            operations: operations.to_vec(),
            header: Header {
                transaction: header.transaction + number,
                ..header.clone()
            },
            known: Vec::new(),
        };
        chunks.map(one).collect()
    }
}

/// What deletes the nodes of tasks with these names; fails with one that is no task's.
pub(super) fn deletions(names: &[String]) -> Result<Vec<Operation>, String> {
    let one = |node: &String| match node.parse() {
        Ok(serial) if name(serial) == *node => Ok(Operation::Delete(serial)),
        _ => Err(format!("{node} is no task's")),
    };
    names.iter().map(one).collect()
}

/// Cuts a step into transactions, in the order of its changes. Only the last one has the
/// framework's new id: a step that was cut short has lost nothing of the old one's.
pub(super) fn plan(
    changes: &[Change],
    header: &Header,
    known: &BTreeMap<TaskId, u64>,
) -> serde_json::Result<Vec<Transaction>> {
    let mut last = header.clone();
    // What becomes of each task in the end, in the order in which they are first named.
    let mut order: Vec<&TaskId> = Vec::new();
    let mut becomes: BTreeMap<&TaskId, Option<&TaskRecord>> = BTreeMap::new();
    for change in changes {
        let (task, record) = match change {
            Change::Framework(id) => {
                last.framework.clone_from(id);
                continue;
            }
            Change::Task(record) => {
                last.serial = last.serial.max(record.serial);
                (&record.task, Some(&**record))
            }
            Change::Forget(task) => (task, None),
        };
        if becomes.insert(task, record).is_none() {
            order.push(task);
        }
    }
    let mut cut = Cut {
        header: Header {
            framework: header.framework.clone(),
            ..last.clone()
        },
        done: Vec::new(),
        open: None,
        bytes: 0,
    };
    for task in order {
        let before = known.get(task).copied();
        match (before, becomes.get(task).copied().flatten()) {
            (None, None) => {}
            (Some(serial), None) => cut.add(vec![Operation::Delete(serial)], task, None),
            (before, Some(record)) => {
                let data = serde_json::to_vec(&TaskNode {
                    version: SCHEDULER_VERSION,
                    task: record,
                })?;
                let serial = record.serial;
                let operations = match before {
                    Some(old) if old == serial => vec![Operation::Set(serial, data)],
                    Some(old) => vec![Operation::Delete(old), Operation::Create(serial, data)],
                    None => vec![Operation::Create(serial, data)],
                };
                cut.add(operations, task, Some(serial));
            }
        }
    }
    Ok(cut.end(last))
}

struct Cut {
    header: Header,
    done: Vec<Transaction>,
    open: Option<Transaction>,
    bytes: usize,
}

impl Cut {
    fn add(&mut self, operations: Vec<Operation>, task: &TaskId, serial: Option<u64>) {
        let length: usize = operations.iter().map(Operation::length).sum();
        let full = self.open.as_ref().is_some_and(|open| {
            self.bytes + length > MOST_BYTES || open.operations.len() >= MOST_NODES
        });
        if full {
            self.close();
        }
        let header = &self.header;
        let open = self.open.get_or_insert_with(|| Transaction {
            operations: Vec::new(),
            header: header.clone(),
            known: Vec::new(),
        });
        open.operations.extend(operations);
        open.known.push((task.clone(), serial));
        self.bytes += length;
    }

    fn close(&mut self) {
        self.done.extend(self.open.take());
        self.bytes = 0;
    }

    fn end(mut self, last: Header) -> Vec<Transaction> {
        self.close();
        match self.done.last_mut() {
            Some(transaction) => transaction.header = last,
            None => self.done.push(Transaction {
                operations: Vec::new(),
                header: last,
                known: Vec::new(),
            }),
        }
        for (transaction, number) in self.done.iter_mut().zip(1..) {
            transaction.header.transaction += number;
        }
        self.done
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::{change, task};
    use super::*;
    use flugs_mesos::scheduler::Snapshot;

    /// The nodes, as a server has them.
    #[derive(Default)]
    struct Nodes {
        tasks: BTreeMap<u64, Vec<u8>>,
    }

    impl Nodes {
        fn commit(&mut self, transaction: &Transaction) {
            for operation in &transaction.operations {
                let fits = match operation {
                    Operation::Create(serial, data) => {
                        self.tasks.insert(*serial, data.clone()).is_none()
                    }
                    Operation::Set(serial, data) => {
                        self.tasks.insert(*serial, data.clone()).is_some()
                    }
                    Operation::Delete(serial) => self.tasks.remove(serial).is_some(),
                };
                assert!(fits, "{operation:?}");
            }
        }

        fn snapshot(&self, header: &Header) -> Snapshot {
            let read = |data: &Vec<u8>| {
                let node: TaskNode<TaskRecord> = serde_json::from_slice(data).unwrap();
                (node.task.task.value.clone(), node.task)
            };
            Snapshot {
                framework: header.framework.clone(),
                serial: header.serial,
                tasks: self.tasks.values().map(read).collect(),
            }
        }
    }

    proptest! {
        #[test]
        fn transactions_add_up_to_what_the_changes_do(
            steps in prop::collection::vec(prop::collection::vec(change(), 0..8), 0..8),
        ) {
            let (mut nodes, mut known) = (Nodes::default(), BTreeMap::new());
            let (mut header, mut expected) = (Header::new("w"), Snapshot::default());
            for changes in &steps {
                for transaction in plan(changes, &header, &known).unwrap() {
                    prop_assert_eq!(transaction.header.transaction, header.transaction + 1);
                    nodes.commit(&transaction);
                    header = transaction.header;
                    for (task, serial) in transaction.known {
                        match serial {
                            Some(serial) => known.insert(task, serial),
                            None => known.remove(&task),
                        };
                    }
                }
                for change in changes {
                    expected.apply(change);
                }
                prop_assert_eq!(nodes.snapshot(&header), expected.clone());
            }
        }
    }

    #[test]
    fn what_is_left_of_tasks_is_deleted_and_what_is_no_tasks_is_not() {
        let names: Vec<String> = (1..=1200).map(name).collect();
        let transactions = Transaction::of(&deletions(&names).unwrap(), &Header::new("w"));
        let numbers: Vec<u64> = transactions
            .iter()
            .map(|one| one.header.transaction)
            .collect();
        assert_eq!(numbers, [1, 2, 3]);
        let deleted = transactions.iter().map(|one| one.operations.len());
        assert_eq!(deleted.sum::<usize>(), 1200);
        assert_eq!(
            deletions(&["7".to_owned()]),
            Err("7 is no task's".to_owned())
        );
    }

    #[test]
    fn a_step_of_ten_thousand_tasks_fits_into_what_a_server_takes() {
        let mut changes: Vec<Change> = (1..=10_000).map(|serial| task(serial, None)).collect();
        changes.push(Change::Framework(None));
        let mut header = Header::new("w");
        header.framework = Some(FrameworkId::new("f"));
        let transactions = plan(&changes, &header, &BTreeMap::new()).unwrap();
        let (last, others) = transactions.split_last().unwrap();
        assert!(others.len() >= 19);
        for one in others {
            let bytes: usize = one.operations.iter().map(Operation::length).sum();
            assert!(bytes <= MOST_BYTES && one.operations.len() <= MOST_NODES);
            assert_eq!(one.header.framework, header.framework);
            assert_eq!(one.header.serial, 10_000);
        }
        assert_eq!(last.header.framework, None);
    }
}
