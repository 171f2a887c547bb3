//! What an operator sees from outside: a real Prometheus scrapes a real `cairn serve`, with the dashboard and the rules of
//! `grafana/`. A Prometheus that is not installed is said loudly, and fails where `CAIRN_REQUIRE` names `prometheus`.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "../place/mod.rs"]
#[expect(dead_code, reason = "others use the rest")]
mod place;
#[path = "../../frontend/tests/mysql/raw.rs"]
#[expect(dead_code, reason = "others use the rest")]
mod raw;

#[path = "../sqlserver/client.rs"]
#[expect(dead_code, reason = "others use the rest")]
mod client;

mod alerts;
mod files;
mod live;
mod names;
mod process;
mod rules;
mod server;
