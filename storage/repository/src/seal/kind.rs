//! Kinds of sealed objects, and of the secrets that open key slots. Their numbers are part of the format.

use std::fmt;

/// What an object is; bound to its sealed form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub(crate) enum ObjectKind {
    /// Directory of a pack; named by content.
    Directory = 1,
    /// Body of an index run; named by content.
    Run = 2,
    /// Record of a snapshot.
    Record = 3,
    /// Key ring.
    Ring = 4,
    /// Checkpoint of a backup.
    Checkpoint = 5,
    /// What a hold says.
    Hold = 6,
    /// Mark of a prune.
    Mark = 7,
}

/// What opens a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum SecretKind {
    /// A passphrase.
    Passphrase = 0,
    /// A key file.
    Key = 1,
}

impl fmt::Display for SecretKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Passphrase => "passphrase",
            Self::Key => "key file",
        })
    }
}
