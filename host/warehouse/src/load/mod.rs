//! Loads: everything that writes rows. Inserts, overwrites, deletes, rollups, and refreshes of materialized views.
//!
//! | file | what it is |
//! |---|---|
//! | `input`, `convert`, `literal` | rows of a statement to rows of a table, checked |
//! | `route`, `hash` | which tablet a row belongs to |
//! | `buffer`, `run`, `segment_file` | rows of a tablet to a sorted segment |
//! | `draft` | the table as the change will leave it, and its one transaction |
//! | `loader` | all of it together |
//! | `replace`, `delete` | rows that go away |
//! | `rollup`, `compact`, `refresh` | what follows a change |

mod buffer;
mod compact;
mod convert;
mod delete;
mod draft;
mod hash;
mod input;
mod label;
pub(crate) mod literal;
mod loader;
mod refresh;
mod replace;
mod rollup;
mod route;
mod run;
mod segment_file;

pub use delete::DeleteRequest;
pub use loader::{LoadConfig, LoadReport, LoadRequest, Loader};
pub use refresh::needs_refresh;
