//! [`Conversation`]: a connection after its login. Commands are answered one after the other.
//!
//! - A statement ends with its client: while it runs, and between its batches, the wire is watched.
//! - What is answered is sent as it is written; no more than a row and a little is held back.
//! - An error inside rows takes the place of the next row, and the connection goes on.

use std::sync::Arc;

use datafusion::arrow::datatypes::Schema;
use datafusion::execution::SendableRecordBatchStream;
use futures::StreamExt;

use super::batch::{self, Rows};
use super::capability::Capabilities;
use super::command::Command;
use super::error::{self, WireError};
use super::gate::Admitted;
use super::interrupt::{Interrupt, StatementEnd};
use super::packet::{OK, Put};
use super::prepared::PreparedStatements;
use super::result::{self, AUTOCOMMIT, Form, MORE_RESULTS};
use super::service::{Answer, Done, ResultSet, SqlError, SqlSession, SqlType};
use super::statistics::Statistics;
use super::wire::Wire;

/// A connection, and the session that answers it.
pub(super) struct Conversation<T> {
    wire: Wire,
    capabilities: Capabilities,
    session: T,
    prepared: PreparedStatements,
    interrupt: Interrupt,
    statistics: Arc<Statistics>,
    max_packet: usize,
}

/// Why a command is not answered as it should be.
enum Failure {
    /// The client is told, and the connection goes on.
    Told(SqlError),
    /// There is nobody to tell.
    Broken(WireError),
}

impl From<SqlError> for Failure {
    fn from(error: SqlError) -> Self {
        Self::Told(error)
    }
}

impl From<WireError> for Failure {
    fn from(error: WireError) -> Self {
        Self::Broken(error)
    }
}

/// Whether there is more to say.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    Listen,
    End,
}

impl<T: SqlSession> Conversation<T> {
    pub(super) fn new(
        admitted: Admitted<T>,
        interrupt: Interrupt,
        statistics: Arc<Statistics>,
        max_packet: usize,
    ) -> Self {
        let Admitted { wire, capabilities, session, .. } = admitted;
        let prepared = PreparedStatements::new(max_packet);
        Self { wire, capabilities, session, prepared, interrupt, statistics, max_packet }
    }

    /// Says that the login is done.
    pub(super) async fn welcome(&mut self) -> Result<(), WireError> {
        self.put_ok(&Done::default(), 0);
        self.wire.flush().await
    }

    /// Waits for a command; the inner error is for the client. May be dropped only to end the connection.
    pub(super) async fn listen(&mut self) -> Result<Result<Vec<u8>, SqlError>, WireError> {
        self.wire.rest();
        match self.wire.read_command(self.max_packet).await {
            Err(WireError::TooLarge { limit }) => Ok(Err(error::packet_too_large(limit))),
            read => read.map(Ok),
        }
    }

    /// Answers a command.
    pub(super) async fn answer(
        &mut self,
        heard: Result<Vec<u8>, SqlError>,
    ) -> Result<Next, WireError> {
        let next = match self.obey(heard).await {
            Ok(next) => next,
            Err(Failure::Told(error)) => {
                self.wire.write(|out| result::put_error(out, &error));
                Next::Listen
            }
            Err(Failure::Broken(error)) => return Err(error),
        };
        self.wire.flush().await?;
        Ok(next)
    }

    /// Ends the connection in good order.
    pub(super) async fn end(self) {
        drop(self.session);
        self.wire.farewell().await;
    }

    async fn obey(&mut self, heard: Result<Vec<u8>, SqlError>) -> Result<Next, Failure> {
        let payload = heard?;
        self.statistics.count_command();
        match Command::parse(&payload).map_err(|why| error::malformed(&why))? {
            Command::Quit => return Ok(Next::End),
            Command::Query(sql) => self.query(text(sql)?).await?,
            Command::Prepare(sql) => self.prepare(text(sql)?)?,
            Command::Execute { statement, parameters } => {
                let sql = self.prepared.bind(statement, parameters)?;
                self.run(&sql, Form::Binary, 0).await?;
            }
            // These two are not answered.
            Command::SendLongData { statement, parameter, data } => {
                self.prepared.add_long_data(statement, parameter, data);
            }
            Command::CloseStatement(id) => self.prepared.close(id),
            Command::ResetStatement(id) => {
                self.prepared.reset(id)?;
                self.put_ok(&Done::default(), 0);
            }
            Command::InitDb(name) => {
                self.session.use_database(text(name)?)?;
                self.put_ok(&Done::default(), 0);
            }
            Command::FieldList(table) => self.list_fields(text(table)?).await?,
            Command::ResetConnection => {
                self.session.reset();
                self.prepared = PreparedStatements::new(self.max_packet);
                self.put_ok(&Done::default(), 0);
            }
            Command::SetMultiStatements(on) => {
                self.capabilities = self.capabilities.with(Capabilities::MULTI_STATEMENTS, on);
                self.put_end(0);
            }
            Command::Ping => self.put_ok(&Done::default(), 0),
            Command::Statistics => {
                let text = self.statistics.to_string();
                self.wire.write(|out| out.put(text.as_bytes()));
            }
            Command::ChangeUser => return Err(error::cannot_change_user().into()),
            Command::Unknown(_) => return Err(error::unknown_command().into()),
        }
        Ok(Next::Listen)
    }

    /// Runs the statements of a query, up to the first that fails.
    async fn query(&mut self, sql: &str) -> Result<(), Failure> {
        let statements = cairn_sql::split(sql);
        let several = self.capabilities.has(Capabilities::MULTI_STATEMENTS);
        let (last, others) = match statements.split_last() {
            None => return Err(error::empty_query().into()),
            Some((last, others)) if several || others.is_empty() => (last.text, others),
            // The session says what is wrong with the second one.
            Some(_) => (sql, &[][..]),
        };
        for statement in others {
            self.run(statement.text, Form::Text, MORE_RESULTS).await?;
        }
        self.run(last, Form::Text, 0).await
    }

    /// Runs one statement and writes its answer.
    async fn run(&mut self, sql: &str, form: Form, status: u16) -> Result<(), Failure> {
        let end = self.interrupt.statement();
        match self.execute(sql, &end).await? {
            Answer::Done(done) => {
                self.put_ok(&done, status);
                Ok(())
            }
            Answer::Rows(rows) => self.send_rows(&rows, &end, form, status).await,
            Answer::Batches { schema, stream } => {
                self.send_batches(&schema, stream, &end, form, status).await
            }
        }
    }

    async fn execute(&mut self, sql: &str, end: &StatementEnd) -> Result<Answer, Failure> {
        tokio::select! {
            biased;
            answer = self.session.execute(sql) => Ok(answer?),
            () = end.wait() => Err(error::interrupted().into()),
            () = self.wire.gone() => Err(WireError::Closed.into()),
        }
    }

    async fn send_rows(
        &mut self,
        rows: &ResultSet,
        end: &StatementEnd,
        form: Form,
        status: u16,
    ) -> Result<(), Failure> {
        let kinds: Vec<SqlType> = rows.columns.iter().map(|(_, kind)| *kind).collect();
        self.put_columns(&rows.columns);
        for row in &rows.rows {
            self.wire.try_write(|out| result::put_text_row(out, form, rows, &kinds, row))?;
            self.flush_if_full(end).await?;
        }
        self.put_end(status);
        Ok(())
    }

    async fn send_batches(
        &mut self,
        schema: &Schema,
        mut stream: SendableRecordBatchStream,
        end: &StatementEnd,
        form: Form,
        status: u16,
    ) -> Result<(), Failure> {
        let columns = batch::columns(schema);
        let kinds: Vec<SqlType> = columns.iter().map(|(_, kind)| *kind).collect();
        self.put_columns(&columns);
        while let Some(batch) = self.next(&mut stream, end).await? {
            for row in 0..batch.count() {
                self.wire.try_write(|out| batch.put(out, form, &kinds, row))?;
                self.flush_if_full(end).await?;
            }
        }
        self.put_end(status);
        Ok(())
    }

    /// Sends what is written when it is worth it. A statement that was ended meanwhile ends behind the row that was sent.
    async fn flush_if_full(&mut self, end: &StatementEnd) -> Result<(), Failure> {
        if self.wire.flush_if_full().await? && end.has_come() {
            return Err(error::interrupted().into());
        }
        Ok(())
    }

    /// The next batch, which the client may not live to see.
    async fn next(
        &mut self,
        stream: &mut SendableRecordBatchStream,
        end: &StatementEnd,
    ) -> Result<Option<Rows>, Failure> {
        let batch = tokio::select! {
            biased;
            () = end.wait() => return Err(error::interrupted().into()),
            batch = stream.next() => batch,
            () = self.wire.gone() => return Err(WireError::Closed.into()),
        };
        let batch = batch.transpose().map_err(SqlError::from)?;
        Ok(batch.as_ref().map(Rows::new).transpose()?)
    }

    fn prepare(&mut self, sql: &str) -> Result<(), SqlError> {
        let (id, parameters) = self.prepared.prepare(sql)?;
        self.wire.write(|out| {
            out.put_u8(OK);
            out.put_u32(id);
            // Columns are told with the rows: what they are is known to who runs the statement.
            out.put_u16(0);
            out.put_u16(parameters);
            out.put_u8(0);
            out.put_u16(0);
        });
        for _ in 0..parameters {
            self.wire.write(|out| result::put_column(out, "?", SqlType::Varchar));
        }
        if parameters > 0 {
            self.end_columns();
        }
        Ok(())
    }

    /// What `mysql` asks for each table, to complete names. The session answers it like any other query.
    async fn list_fields(&mut self, table: &str) -> Result<(), Failure> {
        let query = format!("SELECT * FROM `{}` LIMIT 0", table.replace('`', "``"));
        let columns = match self.execute(&query, &self.interrupt.statement()).await? {
            Answer::Batches { schema, .. } => batch::columns(&schema),
            Answer::Rows(rows) => rows.columns,
            Answer::Done(_) => Vec::new(),
        };
        for (name, kind) in &columns {
            self.wire.write(|out| result::put_column_of_table(out, name, *kind));
        }
        self.put_end(0);
        Ok(())
    }

    fn put_columns(&mut self, columns: &[(String, SqlType)]) {
        self.wire.write(|out| out.put_length(columns.len() as u64));
        for (name, kind) in columns {
            self.wire.write(|out| result::put_column(out, name, *kind));
        }
        self.end_columns();
    }

    fn end_columns(&mut self) {
        if !self.capabilities.has(Capabilities::DEPRECATE_EOF) {
            self.wire.write(|out| result::put_eof(out, AUTOCOMMIT));
        }
    }

    fn put_ok(&mut self, done: &Done, status: u16) {
        self.wire.write(|out| result::put_ok(out, done, AUTOCOMMIT | status));
    }

    fn put_end(&mut self, status: u16) {
        let capabilities = self.capabilities;
        self.wire.write(|out| result::put_end(out, capabilities, AUTOCOMMIT | status));
    }
}

fn text(bytes: &[u8]) -> Result<&str, SqlError> {
    str::from_utf8(bytes).map_err(|_| error::not_utf8())
}
