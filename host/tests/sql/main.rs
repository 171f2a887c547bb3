//! The host as its users meet it: a real server process, statements typed into the real `mariadb` client, real storages,
//! real kills.
//!
//! Needs what `CAIRN_REQUIRE=mysql,s3,hdfs,seed` insists on; what is missing is said.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../place/mod.rs"]
mod place;
#[path = "../running/mod.rs"]
mod running;

mod client;
mod guide;
mod kill;
mod member;
mod random_kill;
mod seed;
mod server;
mod two_servers;
mod usage;
