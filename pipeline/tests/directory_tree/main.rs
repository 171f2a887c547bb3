//! The warehouse that is a directory tree: what goes in comes back, and nothing that happens on the way
//! leaves anything but the old or the new state.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod crash;
mod leftover;
mod round_trip;
mod sink;
mod source;
mod support;
