//! The embedded warehouse of Cairn's reference host: `host/DESIGN.md` has its invariants.
//!
//! | module | what it is |
//! |---|---|
//! | [`catalog`] | what there is, as an immutable tree; [`catalog::model`] has the rows |
//! | [`store`] | the catalog on disk: [`store::Transaction`] is the only way to change it |
//! | [`segment`] | the files of tablets, and when they go |
//! | [`ddl`] | definitions, their checks, and the rows they become |
//! | [`load`] | rows that come, change and go |
//! | [`query`] | queries over one catalog |
//! | [`WarehouseSource`], [`WarehouseSink`] | the warehouse as the pipeline sees it |
//! | [`Warehouse`] | all of it together, with the locks of writers |
//!
//! The store blocks its caller for the time of an fsync. Methods of [`Warehouse`] that change something are therefore
//! `async` and leave the thread; what runs on a thread of its own uses [`store::Store`] itself.

pub mod arrow_types;
pub mod catalog;
mod civil;
pub mod ddl;
mod definition;
mod error;
pub mod load;
pub mod query;
mod restore;
pub mod segment;
mod source;
pub mod store;
mod text;
mod warehouse;

pub use definition::{BackupObject, Definition, ObjectKind, SnapshotPartition, SnapshotTable};
pub use error::{Error, ErrorKind, Result, Subject};
pub use restore::{Arrival, Permit, RestoreClaim, RestoreSettings, RestoredNames, WarehouseSink};
pub use source::{WarehouseSource, cluster_of_origin};
pub use warehouse::{TableLock, Warehouse};
