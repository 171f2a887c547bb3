//! Loads and queries on a warehouse in a directory of its own.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod atomic;
mod delete;
mod evolution;
mod files;
mod given_up;
mod materialized_view;
mod model;
mod mysql;
mod partitions;
mod place;
mod primary_key;
mod readers;
mod restored;
mod rollup;
mod types;
