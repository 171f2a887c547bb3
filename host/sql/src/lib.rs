//! StarRocks' statements, parsed: text to [`Statement`], and nothing else.
//!
//! Names stay as typed and nothing is looked up. Statements that only StarRocks has are parsed here; queries and
//! expressions by sqlparser, whose types stand in the [`statement`]s. What does not parse is a [`SyntaxError`] that says
//! what was expected where. [`split`] cuts a script, [`mask()`] hides secrets, both also in texts that do not parse.
//!
//! ```
//! use cairn_sql::statement::Statement;
//!
//! let text = "BACKUP SNAPSHOT sr_hub.sr_member_backup TO test_repo ON (sr_member);";
//! let Statement::Backup(backup) = cairn_sql::parse_one(text)? else { unreachable!() };
//! assert_eq!(backup.database.as_deref(), Some("sr_hub"));
//!
//! let error = cairn_sql::parse_one("BACKUP SNAPSHOT nightly INTO test_repo").unwrap_err();
//! assert_eq!(error.to_string(), "expected TO, found INTO at line 1, column 25");
//! # Ok::<(), cairn_sql::SyntaxError>(())
//! ```

mod cursor;
mod dialect;
mod error;
mod lex;
mod mask;
mod parse;
mod placeholder;
mod query;
mod scan;
mod script;
mod split;
pub mod statement;
#[cfg(test)]
mod testing;

pub use error::{Problem, SyntaxError};
pub use mask::mask;
pub use placeholder::placeholders;
pub use query::files_properties;
pub use script::{parse_one, parse_script};
pub use split::{Fragment, split};
pub use statement::Statement;
