//! The repository as its users see it: operations, the golden repositories, and what a check says of damage.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod arbitrated;
mod bounds;
mod browse;
mod check;
mod copy;
mod damage;
mod encrypted;
mod forget;
mod golden;
mod hold;
mod operations;
mod repair;
mod sample;
mod seeds;
mod unhurried;
