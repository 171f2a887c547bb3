//! Measures Cairn beside its peers, as hyperfine would.
//!
//! ```text
//! data sets ─┐
//! tools ─────┼─> plan ──> runner ──(one step)──> measure ──> raw.json ──> report ──> summary.md, *.svg
//! scenarios ─┘              │                                   │
//!                       rounds, interleaved              stats, warning
//! ```
//! [`plan`] says what is run, [`runner`] runs it, [`measure`] times one command, [`results`] keeps every
//! sample as soon as it exists, and [`report`] and [`plot`] can be made from that file again at any time. The
//! command lines of all tools stand in [`tool`], the servers that repositories can be on in [`store`]. [`floor`] is the
//! tool that no backup program can beat: the same bytes through the same kernels, once, on one thread. [`sql`] is another
//! kind of run, with its own lines in raw.json: what clients of the reference host wait for. [`prune`] and [`scrape`] measure one
//! thing each and print it.

pub mod cli;
mod console;
pub mod content;
pub mod dataset;
mod disk;
pub mod floor;
mod generate;
pub mod machine;
pub mod measure;
pub mod plan;
pub mod plot;
pub mod prune;
pub mod report;
pub mod results;
pub mod runner;
pub mod scenario;
pub mod scrape;
mod scratch;
pub mod sql;
pub mod stats;
pub mod store;
mod summary;
pub mod tool;
mod tree;
pub mod warning;
