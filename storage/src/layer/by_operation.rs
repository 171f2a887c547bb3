//! One value for each operation of a storage.

use crate::Operation;

/// Handles that a layer resolves once for each operation.
#[derive(Debug)]
pub(super) struct ByOperation<T> {
    pub(super) put: T,
    pub(super) get: T,
    pub(super) head: T,
    pub(super) list: T,
    pub(super) delete: T,
}

impl<T> ByOperation<T> {
    pub(super) fn new(mut make: impl FnMut(Operation) -> T) -> Self {
        Self {
            put: make(Operation::Put),
            get: make(Operation::Get),
            head: make(Operation::Head),
            list: make(Operation::List),
            delete: make(Operation::Delete),
        }
    }
}
