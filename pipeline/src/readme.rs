//! Compiles the code of the README, so that it cannot rot.
#![doc = include_str!("../../README.md")]
