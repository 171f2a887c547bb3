//! What a job does, whatever befalls it: a property of the topology a file.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod anew;
mod cancel;
mod consistency;
mod copy;
mod drain;
mod encryption;
mod faults;
mod forget;
mod healing;
mod hosts;
mod identity;
mod panic;
mod parallel;
mod prune;
mod random_damage;
mod repair;
mod restore_damage;
mod resume;
mod round_trip;
mod scope;
mod transient;
mod workers;

#[path = "../place/mod.rs"]
mod place;
