//! The HDFS backend on a real HDFS, which the tests start themselves ([`cairn_testkit::servers`]).
//!
//! Without Java or Python they are skipped, and say so; with `hdfs` in `CAIRN_REQUIRE` that is a failure.

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

mod cluster;
mod conformance;
mod data_nodes;
mod kerberos;
mod name_nodes;
mod refusals;
mod settings;
mod staging;
mod unreachable;
