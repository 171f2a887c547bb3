//! The contract between the protocol and what answers it: who may log in, and what a statement says.
//!
//! The protocol knows no SQL but where a statement ends and where its placeholders are. A service knows no packets.

use std::fmt;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use thiserror::Error;

use super::auth::Proofs;
use super::interrupt::Interrupt;

/// What connections are answered by.
pub trait Service: Send + Sync + 'static {
    /// What holds the state of one connection.
    type Session: SqlSession;

    /// The account of `user` when it comes from `peer`; none where there is no such account. The time it takes should not
    /// tell one from the other.
    fn account(&self, user: &str, peer: IpAddr) -> Option<Account>;

    /// Begins the session of an account that has shown its password, which may be another one by now: then the login comes
    /// too late. An error ends the connection.
    fn open(&self, login: Login) -> Result<Self::Session, SqlError>;
}

/// The state of one connection: its user, its database, its variables. It is dropped when the connection ends.
pub trait SqlSession: Send + 'static {
    /// Runs one statement, without the semicolon that may end it. It is ended by dropping the future, and after that by
    /// dropping the stream of its answer.
    fn execute(&mut self, sql: &str) -> impl Future<Output = Result<Answer, SqlError>> + Send;

    /// Does what `USE database` does.
    fn use_database(&mut self, database: &str) -> Result<(), SqlError>;

    /// Puts variables back to what they were at the login; user and database stay.
    fn reset(&mut self);
}

/// An account: which one it is, and what it proves itself with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The name of the user.
    pub name: String,
    /// The host, as a pattern.
    pub host: String,
    /// Of its password.
    pub proofs: Proofs,
}

/// Who has logged in, and how.
#[derive(Debug, Clone)]
pub struct Login {
    /// As whom: the account that was asked for the proof, as it was then.
    pub account: Account,
    /// The database that the login names.
    pub database: Option<String>,
    /// From where.
    pub peer: SocketAddr,
    /// The number of the connection: what `SHOW PROCESSLIST` shows and `KILL` names.
    pub connection_id: u32,
    /// Whether the connection is inside TLS.
    pub tls: bool,
    /// Ends the connection or its statement.
    pub interrupt: Interrupt,
}

/// What a statement answers.
pub enum Answer {
    /// It was done.
    Done(Done),
    /// Rows that are at hand.
    Rows(ResultSet),
    /// Rows of a query, as they come.
    Batches {
        /// Their columns, which bear these names.
        schema: SchemaRef,
        /// The rows.
        stream: SendableRecordBatchStream,
    },
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done(done) => f.debug_tuple("Done").field(done).finish(),
            Self::Rows(rows) => f.debug_tuple("Rows").field(rows).finish(),
            Self::Batches { schema, .. } => f.debug_tuple("Batches").field(schema).finish(),
        }
    }
}

/// What a statement without rows answers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Done {
    /// Rows that it added, changed or removed.
    pub affected: u64,
    /// The first value that was counted up for it.
    pub last_insert_id: u64,
    /// How many warnings `SHOW WARNINGS` would show.
    pub warnings: u16,
    /// For people.
    pub info: String,
}

/// Rows as text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ResultSet {
    /// Names and types. The text of a value must be one of its type.
    pub columns: Vec<(String, SqlType)>,
    /// A value for each column; none is NULL.
    pub rows: Vec<Vec<Option<String>>>,
}

impl ResultSet {
    /// Without rows yet, every column a text.
    pub fn of_text<N: Into<String>>(names: impl IntoIterator<Item = N>) -> Self {
        let columns = names.into_iter().map(|name| (name.into(), SqlType::Varchar)).collect();
        Self { columns, rows: Vec::new() }
    }
}

/// The type of a column, as clients know them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SqlType {
    /// Nothing but NULL.
    Null,
    /// 0 or 1: `TINYINT(1)`.
    Boolean,
    /// 8 bits.
    TinyInt,
    /// 16 bits.
    SmallInt,
    /// 32 bits.
    Int,
    /// 64 bits.
    BigInt,
    /// 64 bits without a sign.
    UnsignedBigInt,
    /// 32 bits.
    Float,
    /// 64 bits.
    Double,
    /// Exact; LARGEINT is one without digits behind the point.
    Decimal {
        /// All digits.
        precision: u8,
        /// Digits behind the point.
        scale: u8,
    },
    /// A day.
    Date,
    /// A time without zone, in microseconds.
    DateTime,
    /// Text.
    Varchar,
    /// Bytes.
    Varbinary,
}

/// An error as clients see it: the number that MySQL gave to its kind, the five letters of the standard, a message.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct SqlError {
    /// MySQL's number.
    pub code: u16,
    /// Five letters and digits.
    pub sqlstate: &'static str,
    /// For people.
    pub message: String,
}

impl SqlError {
    /// Of its parts.
    pub fn new(code: u16, sqlstate: &'static str, message: impl Into<String>) -> Self {
        Self { code, sqlstate, message: message.into() }
    }
}

/// StarRocks answers whatever goes wrong in a query with this number.
impl From<DataFusionError> for SqlError {
    fn from(error: DataFusionError) -> Self {
        match error {
            // What the service says itself of its rows.
            DataFusionError::External(inner) => match inner.downcast::<Self>() {
                Ok(error) => *error,
                Err(other) => Self::new(1064, "HY000", other.to_string()),
            },
            error => Self::new(1064, "HY000", error.strip_backtrace()),
        }
    }
}
