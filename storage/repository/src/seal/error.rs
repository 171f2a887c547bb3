//! [`KeyError`]: what is wrong with keys, apart from damage; and the limits of key slots that it tells of.

use super::kind::SecretKind;
use crate::SlotId;

/// Slots that are tried, and that a repository may have.
pub(crate) const MAX_SLOTS: usize = 32;
/// Longest note of a slot in bytes.
pub(super) const MAX_NOTE_BYTES: usize = 256;

/// Why keys do not serve.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// An encrypted repository was opened without a key.
    #[error(
        "the repository at {location} is encrypted: give its passphrase, its key file or the command that fetches one"
    )]
    Needed {
        /// The storage, for humans.
        location: String,
    },
    /// A key was given for a repository that is not encrypted.
    #[error(
        "the repository at {location} is not encrypted, and a key was given for it: what is stored there would be in clear"
    )]
    NotEncrypted {
        /// The storage, for humans.
        location: String,
    },
    /// No intact slot opens with the secret.
    #[error("the repository at {location} does not open with this {kind}")]
    Wrong {
        /// The storage, for humans.
        location: String,
        /// What was given.
        kind: SecretKind,
    },
    /// Every slot is gone or damaged.
    #[error(
        "no key slot of the repository at {location} is intact: put the objects below keys/ back from a copy of it"
    )]
    NoSlot {
        /// The storage, for humans.
        location: String,
    },
    /// Every key ring is gone or damaged.
    #[error(
        "no key ring of the repository at {location} is intact: put the objects below keyring/ back from a copy of it"
    )]
    NoRing {
        /// The storage, for humans.
        location: String,
    },
    /// Something was sealed with a data key that the newest ring does not have.
    #[error(
        "{object} is sealed with a key that the key ring lacks: if keys were rotated just now, try again; else a key ring \
         was lost or taken away"
    )]
    Outdated {
        /// Its path.
        object: String,
    },
    /// There is no such slot.
    #[error("there is no key slot {slot}")]
    NoSuchSlot {
        /// Its name.
        slot: SlotId,
    },
    /// The slot that was to be removed is the last one that is intact.
    #[error("{slot} is the last key slot: add another before it is removed")]
    LastSlot {
        /// Its name.
        slot: SlotId,
    },
    /// A repository has as many slots as are tried.
    #[error("a repository has at most {} key slots: remove one first", MAX_SLOTS)]
    TooManySlots,
    /// A passphrase of no character.
    #[error("a passphrase is not empty")]
    EmptyPassphrase,
    /// Bytes that are no text, given as a passphrase.
    #[error("a passphrase is text in UTF-8")]
    NotText,
    /// A key that could be guessed.
    #[error("a key file has at least 32 random bytes: `head -c 64 /dev/urandom` makes them")]
    ShortKey,
    /// A note longer than a slot keeps.
    #[error("the note of a key slot has at most {} bytes", MAX_NOTE_BYTES)]
    LongNote,
    /// More rotations than a ring keeps.
    #[error("the key ring is full")]
    TooManyGenerations,
    /// The system gives no random bytes.
    #[error("the system gives no random bytes for a key")]
    NoRandomness,
    /// A key could not be made of a passphrase.
    #[error("a key could not be made of the passphrase: no memory for it")]
    NoMemory,
}
