//! `cairn serve --data` as it is met by those who do not behave, by accident or on purpose: logins, limits, wrong statements,
//! full disks, damaged files, the status page and its login. Each time an error that names the thing, nothing lost, and the server goes on.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "../place/mod.rs"]
#[expect(dead_code, reason = "others use the rest")]
mod place;
#[path = "../../frontend/tests/mysql/raw.rs"]
#[expect(dead_code, reason = "others use the rest")]
mod raw;

mod browser;
mod client;
mod damage;
mod full_disk;
mod job;
mod login;
mod page;
mod retention;
mod rude;
mod secret;
mod server;
mod settings;
mod statement;
