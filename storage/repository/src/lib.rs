//! The repository: what is stored, byte by byte, and what is done to it.
//!
//! `DESIGN.md` beside this crate is the format. The pure part ([`chunking`], [`codec`], [`compressor`], [`decompressor`], [`pack`], [`index`],
//! [`manifest`], [`record`], [`mark`], [`config`], [`layout`], [`read_plan`], [`retention`]) turns values into bytes and back and
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
pub mod compressor;
pub mod config;
mod contradiction;
pub mod copy;
pub mod decompressor;
mod error;
mod hashed;
pub mod hold;
mod id;
pub mod index;
pub mod layout;
mod malformed;
pub mod manifest;
pub mod mark;
pub mod pack;
mod period;
pub mod prune;
pub mod read_plan;
pub mod record;
pub mod record_copy;
pub mod repair;
mod repository;
pub mod retention;
mod seal;
mod timestamp;

pub use error::{Damage, DamagedObject, Error, ErrorKind, Fault, Result};
pub use id::{
    ChunkId, IndexId, Label, LabelError, MarkId, PackId, ParseIdError, RepositoryId, SlotId,
};
pub use malformed::Malformed;
pub use repository::{CheckpointId, FoundCheckpoint, ListedSlot, ListedSnapshot, Repository};
pub use seal::{KeyError, RepositorySecret, Sealer, SecretKind, SlotLabel};
pub use timestamp::{ParseTimestampError, Timestamp};
