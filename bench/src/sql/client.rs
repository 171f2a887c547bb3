//! [`Client`]: one connection to the server, with the statements that more than one part needs.

use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use mysql::prelude::Queryable;
use mysql::{Conn, OptsBuilder, Row, Value};

/// Between two looks at a job: seldom enough that looking is no load.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A connection of `root`.
pub(super) struct Client(Conn);

/// A row as text.
pub(super) type Texts = Vec<String>;

impl Client {
    pub(super) fn connect(address: SocketAddr) -> Result<Self> {
        let options = OptsBuilder::new()
            .ip_or_hostname(Some(address.ip().to_string()))
            .tcp_port(address.port())
            .user(Some("root"))
            .prefer_socket(false)
            .max_allowed_packet(Some(16 << 20));
        Ok(Self(Conn::new(options).with_context(|| format!("connect to {address}"))?))
    }

    /// Runs a statement and reads all of its answer.
    pub(super) fn run(&mut self, sql: &str) -> Result<usize> {
        let rows: Vec<Row> = self.0.query(sql).with_context(|| sql.to_owned())?;
        Ok(rows.len())
    }

    /// The rows that a statement answers.
    pub(super) fn rows(&mut self, sql: &str) -> Result<Vec<Texts>> {
        let rows: Vec<Row> = self.0.query(sql).with_context(|| sql.to_owned())?;
        Ok(rows.into_iter().map(|row| row.unwrap().into_iter().map(text).collect()).collect())
    }

    /// A column of the first row.
    pub(super) fn first(&mut self, sql: &str, column: &str) -> Result<Option<String>> {
        let row: Option<Row> = self.0.query_first(sql).with_context(|| sql.to_owned())?;
        Ok(row.and_then(|row| row.get::<Value, _>(column)).map(text))
    }

    /// Waits for the newest job of a database, `BACKUP` or `RESTORE`, to end; false when it was cancelled.
    pub(super) fn job_finished(&mut self, kind: &str, database: &str) -> Result<bool> {
        let show = format!("SHOW {kind} FROM {database}");
        loop {
            let rows: Vec<Row> = self.0.query(&show)?;
            let job = rows.first().with_context(|| format!("{show}: no job"))?;
            let column = |name: &str| job.get::<Value, _>(name).map(text).unwrap_or_default();
            match column("State").as_str() {
                "FINISHED" => return Ok(true),
                "CANCELLED" => return Ok(false),
                _ => thread::park_timeout(LOOK_EVERY),
            }
        }
    }

    /// Waits for a job that must not fail.
    pub(super) fn job_done(&mut self, kind: &str, database: &str) -> Result<()> {
        if self.job_finished(kind, database)? {
            return Ok(());
        }
        let show = format!("SHOW {kind} FROM {database}");
        bail!("{kind} was cancelled: {}", self.first(&show, "Status")?.unwrap_or_default())
    }
}

fn text(value: Value) -> String {
    match value {
        Value::Bytes(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Value::NULL => "NULL".to_owned(),
        other => other.as_sql(false),
    }
}
