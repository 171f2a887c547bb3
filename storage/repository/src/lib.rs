//! The repository: what is stored, byte by byte, and what is done to it.
//!
//! `DESIGN.md` beside this crate is the format. The pure part ([`chunking`], [`codec`], [`pack`], [`index`],
//! [`manifest`], [`record`], [`config`], [`layout`], [`read_plan`], [`retention`]) turns values into bytes and back and
//! does no input or output; [`Sealer`] is how all of it is encrypted or not; [`Repository`] opens a storage, finds and reads chunks and documents,
//! publishes records; [`browse`] looks into a snapshot, [`compare`] at what two differ in; [`check`] proves that what snapshots need is there; [`copy`](mod@copy) makes the same repository
//! elsewhere; [`prune`](mod@prune) frees what no snapshot needs.

mod bounded;
pub mod browse;
mod carrier;
mod cbor;
pub mod check;
pub mod chunking;
pub mod codec;
pub mod compare;
mod compressor;
pub mod config;
mod contradiction;
pub mod copy;
mod error;
mod hashed;
pub mod hold;
mod id;
pub mod index;
pub mod layout;
pub mod manifest;
pub mod pack;
pub mod prune;
pub mod read_plan;
pub mod record;
pub mod record_copy;
pub mod repair;
mod repository;
pub mod retention;
mod seal;
mod timestamp;

pub use error::{Damage, DamagedObject, Error, ErrorKind, Fault, Malformed, Result};
pub use id::{ChunkId, IndexId, Label, LabelError, PackId, ParseIdError, RepositoryId};
pub use repository::{CheckpointId, FoundCheckpoint, ListedSlot, ListedSnapshot, Repository};
pub use seal::{KeyError, RepositorySecret, Sealer, SecretKind, SlotId, SlotLabel};
pub use timestamp::{ParseTimestampError, Timestamp};
