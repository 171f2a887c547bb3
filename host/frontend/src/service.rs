//! [`FrontendService`]: what answers the protocol. Who logs in gets a session; what is typed there is parsed, executed and answered.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use cairn_sql::Statement;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::StreamExt;

use crate::blocking::blocking;
use crate::connections::Running;
use crate::frontend::Frontend;
use crate::mysql::{Account, Answer, Login, Service, SqlError, SqlSession};
use crate::session::Session;
use crate::{account, execute};

/// The server as the protocol asks it.
#[derive(Debug, Clone)]
pub struct FrontendService(pub Arc<Frontend>);

impl Service for FrontendService {
    type Session = Session;

    fn account(&self, user: &str, peer: IpAddr) -> Option<Account> {
        account::account(&self.0.warehouse.catalog(), user, peer)
    }

    fn open(&self, login: Login) -> Result<Session, SqlError> {
        let catalog = self.0.warehouse.catalog();
        let Account { name, host, proofs } = &login.account;
        // A password that was changed while the login waited opens nothing.
        let row = catalog.user(name, host);
        if row.and_then(|row| account::proofs(row)) != Some(*proofs) {
            let peer = login.peer.ip();
            let message = format!("Access denied for user '{name}'@'{peer}'");
            return Err(SqlError::new(1045, "28000", message));
        }
        let user = (name.clone(), host.clone());
        let mut session = Session {
            frontend: Arc::clone(&self.0),
            user: user.clone(),
            database: None,
            variables: BTreeMap::new(),
            connection_id: login.connection_id,
            connection: Some(self.0.connections.enter(&login, user)),
        };
        if let Some(database) = &login.database {
            session.choose_database(database)?;
        }
        Ok(session)
    }
}

impl SqlSession for Session {
    async fn execute(&mut self, sql: &str) -> Result<Answer, SqlError> {
        let running = self.connection.as_ref().map(|connection| connection.show_statement(sql));
        let statement = parse(sql.to_owned()).await?;
        tracing::debug!(user = self.user.0, sql = %cairn_sql::mask(sql), "statement");
        let answer = execute::run(self, statement).await?;
        Ok(shown_to_the_end(answer, running))
    }

    fn use_database(&mut self, database: &str) -> Result<(), SqlError> {
        self.choose_database(database)
    }

    fn reset(&mut self) {
        self.variables.clear();
    }
}

/// Parses away from the threads of connections: a statement may have megabytes.
async fn parse(sql: String) -> Result<Statement, SqlError> {
    let parse = move || {
        cairn_sql::parse_one(&sql).map_err(|error| SqlError::new(1064, "42000", error.to_string()))
    };
    blocking(parse).await
}

/// A statement runs, for others to see, until the last of its rows was fetched.
fn shown_to_the_end(answer: Answer, running: Option<Running>) -> Answer {
    let Answer::Batches { schema, stream } = answer else { return answer };
    let rows = stream.inspect(move |_| {
        // Dropped with the stream.
        let _ = &running;
    });
    let stream = Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&schema), rows));
    Answer::Batches { schema, stream }
}
