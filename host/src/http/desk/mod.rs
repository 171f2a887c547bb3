//! [`Desk`]: who knows the accounts, the jobs and the repositories of a warehouse. Without SQL there is none.

#[cfg(not(feature = "sql"))]
mod closed;
#[cfg(feature = "sql")]
mod open;

#[cfg(not(feature = "sql"))]
pub(crate) use self::closed::{Desk, Operator};
#[cfg(feature = "sql")]
pub(crate) use self::open::{Desk, Operator};

/// A repository that the warehouse knows.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    pub(crate) name: String,
    pub(crate) location: String,
    /// Why it could not be reached the last time.
    pub(crate) error: Option<String>,
}

/// Why somebody was not let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    /// Whether it was not even looked at.
    pub(crate) is_crowded: bool,
    pub(crate) why: String,
}
