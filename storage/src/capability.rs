//! What a backend declares it can do.

/// The promises of a [`crate::Storage`] that not every backend can give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capabilities {
    /// [`crate::PutMode::Create`] has exactly one winner among concurrent puts.
    pub atomic_create: bool,
    /// Deleting is possible; a read-only or append-only storage says no.
    pub delete: bool,
    /// Putting is possible.
    pub put: bool,
    /// Largest object in bytes.
    pub max_object_bytes: u64,
}

impl Capabilities {
    /// Everything is possible.
    pub const FULL: Self =
        Self { atomic_create: true, delete: true, put: true, max_object_bytes: u64::MAX };
}
