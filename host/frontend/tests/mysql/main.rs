//! The MySQL protocol, spoken by real clients to a service that is a toy, and by rude ones to the bytes themselves.
//!
//! Needs what `CAIRN_REQUIRE=mysql` insists on: Debian's `mariadb-client` and `libmariadb-java`, a Java development kit,
//! `openssl`, Python 3 and a way to PyPI, whence drivers and a jar are fetched once. What is missing is said.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod clients;
mod limits;
mod login;
mod programs;
mod raw;
mod rude;
mod serve;
mod sqlalchemy;
mod statements;
mod toy;
