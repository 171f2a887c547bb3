//! Encryption: [`Sealer`], through which everything passes that is stored or read.
//!
//! `DESIGN.md`, section 12, has forms, keys, the argument for nonces, and the threat model. In a repository that is not
//! encrypted a sealer leaves everything as it is, so who stores or reads needs no second path:
//!
//! ```ignore
//! let stored = sealer.seal(ObjectKind::Record, &path, plain);
//! let plain = sealer.open(ObjectKind::Record, &path, &stored)?;
//! ```
//!
//! Invariants: nothing that is no chunk's, directory's or run's own form is stored but through [`Sealer::seal`]; what does not
//! open is [`Malformed`] and never data; a plain object in an encrypted repository is malformed too.

mod chunk;
mod envelope;
mod error;
mod keys;
mod kind;
mod ring;
mod secret;
mod slot;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use cairn_storage::ObjectPath;

pub(crate) use self::chunk::{OVERHEAD_BYTES as CHUNK_OVERHEAD_BYTES, open as open_chunk};
pub(crate) use self::envelope::{Envelope, sealed_len};
pub use self::error::KeyError;
pub(crate) use self::error::MAX_SLOTS;
pub(crate) use self::keys::Keys;
pub(crate) use self::kind::ObjectKind;
pub use self::kind::SecretKind;
pub(crate) use self::ring::MAX_RING_BYTES;
pub use self::secret::RepositorySecret;
pub use self::slot::SlotLabel;
pub(crate) use self::slot::{MAX_SLOT_BYTES, Slot};
use crate::codec::Codec;
use crate::{ChunkId, Malformed};

/// Seals and opens what a repository stores. Cheap to clone; clones share the keys.
#[derive(Clone, Default)]
pub struct Sealer(Option<Arc<Keys>>);

impl Sealer {
    /// Leaves everything as it is: for repositories that are not encrypted.
    pub fn plain() -> Self {
        Self(None)
    }

    pub(crate) fn with_keys(keys: Keys) -> Self {
        Self(Some(Arc::new(keys)))
    }

    pub(crate) fn keys(&self) -> Option<&Keys> {
        self.0.as_deref()
    }

    /// Whether what it leaves is sealed.
    pub fn is_sealing(&self) -> bool {
        self.0.is_some()
    }

    /// The newest generation of data keys; 0 where there is none.
    pub fn generation(&self) -> u32 {
        self.keys().map(Keys::generation).unwrap_or_default()
    }

    /// The name of a chunk with this plaintext (R2).
    pub fn chunk_id(&self, plaintext: &[u8]) -> ChunkId {
        match self.keys() {
            Some(keys) => keys.chunk_id(plaintext),
            None => ChunkId::of(plaintext),
        }
    }

    /// The sealed form of an encoded chunk, with its codec; `None` when nothing is sealed here.
    pub fn seal_chunk(
        &self,
        id: &ChunkId,
        codec: Codec,
        raw_len: u32,
        encoded: &[u8],
    ) -> Option<(Codec, Vec<u8>)> {
        let keys = self.keys()?;
        Some((codec.sealed(), chunk::seal(keys, id, codec, raw_len, encoded)))
    }

    /// What is stored at `path`, which is the root for an object named by content. Equal content has equal form.
    pub(crate) fn seal(&self, kind: ObjectKind, path: &ObjectPath, plain: Vec<u8>) -> Bytes {
        match self.keys() {
            Some(keys) => keys.seal(kind, path, &plain).into(),
            None => plain.into(),
        }
    }

    /// What was given to [`Sealer::seal`].
    pub(crate) fn open(
        &self,
        kind: ObjectKind,
        path: &ObjectPath,
        stored: &Bytes,
    ) -> Result<Bytes, Malformed> {
        match self.keys() {
            Some(keys) => Ok(keys.open(kind, path, stored)?.into()),
            None => Ok(stored.clone()),
        }
    }
}

/// Whether, never how.
impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_sealing() { "Sealer(sealing)" } else { "Sealer(plain)" })
    }
}

#[cfg(test)]
pub(crate) mod tests;
