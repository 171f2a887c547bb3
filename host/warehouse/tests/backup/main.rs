//! The warehouse as source and sink of the engine: what is backed up comes back, beside live data or over it.
//!
//! Segments hold arbitrary bytes here: neither side looks into them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod rig;
mod round_trip;
mod rules;
