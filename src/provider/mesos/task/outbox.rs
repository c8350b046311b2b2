//! What has to be served before a task is launched.

use std::sync::{Arc, Mutex, PoisonError};

use flugs_base::Sha256Digest;
use flugs_mesos::wire::TaskId;

/// The launch manifest of one task.
#[derive(Clone, PartialEq, Eq)]
pub struct TaskDocument {
    /// The task. Once it runs, nobody needs the document any more
    /// ([`flugs_artifact::Store::withdraw`]).
    pub task: TaskId,
    /// The digest under which the task asks for it.
    pub digest: Sha256Digest,
    /// Whether a setting in it is a secret.
    pub is_secret: bool,
    /// The document.
    pub bytes: Vec<u8>,
}

/// Without the bytes: they may hold secrets, and capabilities they do hold.
impl std::fmt::Debug for TaskDocument {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("TaskDocument")
            .field("task", &self.task)
            .field("digest", &self.digest)
            .finish_non_exhaustive()
    }
}

/// Holds documents from when tasks are described until they are served. Clones are one box.
#[derive(Debug, Clone, Default)]
pub struct Outbox {
    documents: Arc<Mutex<Vec<TaskDocument>>>,
}

impl Outbox {
    /// Everything that was put in since the last time.
    pub fn take(&self) -> Vec<TaskDocument> {
        let mut documents = self
            .documents
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *documents)
    }

    /// Puts one in.
    pub fn put(&self, document: TaskDocument) {
        let mut documents = self
            .documents
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        documents.push(document);
    }
}
