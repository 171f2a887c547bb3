//! [`Statements`]: runs statements of one session, one at a time, until they end or somebody presses Ctrl-C.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use cairn_frontend::mysql::{Done, ResultSet, SqlError, SqlSession, SqlType, TextAnswer, TextRow};
use cairn_frontend::{Frontend, Session};
use thiserror::Error;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::host::Host;
use crate::exit::QUERY_INTERRUPTED;
use crate::signals::{Signals, Watch};

/// Takes the rows of a statement.
pub(crate) trait Sink {
    /// Names and types, before any row.
    fn columns(&mut self, columns: &[(String, SqlType)]) -> io::Result<()>;
    /// The next rows.
    fn rows(&mut self, rows: Vec<TextRow>) -> io::Result<()>;
    /// All rows were there.
    fn end(&mut self) -> io::Result<()>;
}

impl Sink for ResultSet {
    fn columns(&mut self, columns: &[(String, SqlType)]) -> io::Result<()> {
        columns.clone_into(&mut self.columns);
        Ok(())
    }

    fn rows(&mut self, rows: Vec<TextRow>) -> io::Result<()> {
        self.rows.extend(rows);
        Ok(())
    }

    fn end(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// How a statement ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ran {
    /// It has no rows.
    Done(Done),
    /// So many rows went to the sink.
    Rows(u64),
}

/// Why a statement did not end well.
#[derive(Debug, Error)]
pub(crate) enum Failure {
    /// What it says, or what became of it.
    #[error(transparent)]
    Sql(#[from] SqlError),
    /// Its rows could not be written down.
    #[error("cannot write rows")]
    Output(#[from] io::Error),
}

/// A session and what runs it.
pub(crate) struct Statements<'a> {
    host: &'a Host,
    signals: &'a Signals,
    session: Session,
}

impl<'a> Statements<'a> {
    /// A session of the operator.
    pub(crate) fn new(host: &'a Host, signals: &'a Signals) -> Self {
        let session = Session::of_operator(Arc::clone(host.frontend()));
        Self { host, signals, session }
    }

    pub(crate) fn frontend(&self) -> &Arc<Frontend> {
        self.host.frontend()
    }

    /// The current database.
    pub(crate) fn database(&self) -> Option<&str> {
        self.session.database()
    }

    /// Makes a database the current one.
    pub(crate) fn use_database(&mut self, name: &str) -> Result<(), SqlError> {
        self.session.use_database(name)
    }

    /// Runs a statement; its rows go to the sink as they come.
    pub(crate) fn run(
        &mut self,
        sql: &str,
        sink: &mut dyn Sink,
    ) -> Result<(Ran, Duration), Failure> {
        let begun = Instant::now();
        let (pressed, _watch) = pressed(self.signals);
        let session = &mut self.session;
        let ran = self.host.block_on(async {
            tokio::select! {
                biased;
                ran = run(session, sql, sink) => ran,
                () = pressed.notified() => {
                    Err(SqlError::new(QUERY_INTERRUPTED, "70100", "Query execution was interrupted").into())
                }
            }
        })?;
        Ok((ran, begun.elapsed()))
    }

    /// Waits for something, or for Ctrl-C: then there is no answer.
    pub(crate) fn wait<T>(&self, until: impl Future<Output = T>) -> Option<T> {
        let (pressed, _watch) = pressed(self.signals);
        self.host.block_on(async {
            tokio::select! {
                biased;
                done = until => Some(done),
                () = pressed.notified() => None,
            }
        })
    }
}

/// Told of the next signal as long as the watch is kept.
fn pressed(signals: &Signals) -> (Arc<Notify>, Watch) {
    let pressed = Arc::new(Notify::new());
    let told = Arc::clone(&pressed);
    (pressed, signals.watch(move || told.notify_one()))
}

async fn run(session: &mut Session, sql: &str, sink: &mut dyn Sink) -> Result<Ran, Failure> {
    let mut rows = match session.execute(sql).await?.into_text() {
        TextAnswer::Done(done) => return Ok(Ran::Done(done)),
        TextAnswer::Rows(rows) => rows,
    };
    sink.columns(rows.columns())?;
    let mut count = 0;
    while let Some(batch) = rows.next().await? {
        count += batch.len() as u64;
        sink.rows(batch)?;
    }
    sink.end()?;
    Ok(Ran::Rows(count))
}
