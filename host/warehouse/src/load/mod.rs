//! Loads: everything that writes rows. Inserts, overwrites, deletes, rollups, and refreshes of materialized views.
//!
//! | file | what it is |
//! |---|---|
//! | `input`, `convert`, `literal` | rows of a statement to rows of a table, checked |
//! | `route`, `hash` | which tablet a row belongs to |
//! | `buffer`, `run`, `segment_file` | rows of a tablet to a sorted segment |
//! | `draft` | the table as the change will leave it, and its one transaction |
//! | `change` | the loader; a table under its lock, and what all changes of it need |
//! | `insert` | all of it together |
//! | `replace`, `delete` | rows that go away |
//! | `rollup`, `compact` | what follows a change |
//! | `refresh`, `refreshed` | materialized views, and what they have seen |

mod buffer;
mod change;
mod compact;
mod convert;
mod delete;
mod draft;
mod hash;
mod input;
mod insert;
mod label;
pub(crate) mod literal;
mod refresh;
mod refreshed;
mod replace;
mod rollup;
mod route;
mod run;
mod segment_file;

pub use change::{LoadConfig, Loader};
pub use delete::DeleteRequest;
pub use insert::{LoadReport, LoadRequest};
pub use refreshed::needs_refresh;
