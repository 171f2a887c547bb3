//! Prunes and repairs: what they free, what they keep, and the claims of `DESIGN.md`, section 9, on every interleaving that proptest
//! thinks of.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod lies;
mod model;
mod operations;
mod place;
mod repairs;
mod world;
