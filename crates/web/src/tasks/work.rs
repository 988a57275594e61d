//! What a task is told at its beginning.

use std::sync::Arc;

use crate::api::{TaskKind, Unit};

/// Told about progress by the work of a task; may be called as often as it likes.
pub(crate) type Reporter = Arc<dyn Fn(u64, u64, Unit) + Send + Sync>;

/// What a task is.
#[derive(Debug)]
pub(crate) struct Work {
    pub(super) kind: TaskKind,
    pub(super) object: Option<String>,
    pub(super) can_cancel: bool,
}

impl Work {
    /// A task that can be cancelled.
    pub(crate) fn new(kind: TaskKind) -> Self {
        Self {
            kind,
            object: None,
            can_cancel: true,
        }
    }

    /// What it is done to.
    pub(crate) fn about(mut self, object: Option<&str>) -> Self {
        self.object = object.map(str::to_owned);
        self
    }

    /// Cannot be cancelled: half of it would be worse than all or nothing.
    pub(crate) fn uncancellable(mut self) -> Self {
        self.can_cancel = false;
        self
    }
}
