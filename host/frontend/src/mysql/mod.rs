//! The MySQL protocol, for whatever answers SQL.
//!
//! ```text
//!            bytes        packets        commands          SQL
//!   client ───────> wire ─────────> gate ───────────────────────> Service::open
//!                        └────────> conversation ───────────────> SqlSession::execute
//! ```
//!
//! [`MysqlServer`] listens; the gate lets those in who show a password; a conversation answers their commands. The
//! contract with whoever answers is [`Service`]. What is pure lies in files of its own: packets, passwords, prepared
//! statements, results.
//!
//! The commands are written here rather than left to opensrv-mysql: that answers OK to commands that it does not know
//! (a change of the user among them), reads packets without a bound, panics on parameters that do not parse, and has
//! no way to tell warnings, errors of other numbers, digits behind a point, or that results follow. Guarding it would
//! take the framing and the parsing of commands that are half of this folder.

mod auth;
mod batch;
mod capability;
mod cell;
mod command;
mod conversation;
mod error;
mod gate;
mod handshake;
mod interrupt;
mod lobby;
mod packet;
mod parameter;
mod places;
mod prepared;
mod result;
mod server;
mod service;
mod statistics;
mod text;
mod throttle;
mod tls;
mod wire;

pub use self::auth::{BadProof, Proofs};
pub use self::interrupt::Interrupt;
pub use self::server::{MysqlConfig, MysqlServer};
pub use self::service::{
    Account, Answer, Done, Login, ResultSet, Service, SqlError, SqlSession, SqlType,
};
pub use self::text::{TextAnswer, TextRow, TextRows};
pub use self::throttle::Throttle;
pub(crate) use self::throttle::Whence;
pub use self::tls::{TlsError, server_config};
