//! A server with a database `d`, in a directory that goes with it, and short forms of what tests say to it.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use cairn_frontend::mysql::{Answer, Done, Interrupt, Login, Service, SqlError, SqlSession};
use cairn_frontend::{Frontend, FrontendService, JobSettings, Parts, Session};
use cairn_pipeline::storage::Properties;
use cairn_pipeline::{Engine, RepositorySettings};
use cairn_warehouse::Warehouse;
use cairn_warehouse::catalog::model::{GrantRow, GrantScope, TableRow, UserRow};
use cairn_warehouse::load::LoadConfig;
use cairn_warehouse::query::QueryConfig;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use futures::StreamExt;
use tempfile::TempDir;
use tokio::runtime::Handle;

/// A server, and a session of its operator in `d`.
pub(crate) struct Rig {
    pub(crate) frontend: Arc<Frontend>,
    pub(crate) warehouse: Warehouse,
    pub(crate) root: Client,
    directory: Arc<TempDir>,
}

impl Rig {
    pub(crate) async fn new() -> Self {
        Self::within(Arc::new(tempfile::tempdir().unwrap()), "data").await
    }

    /// A second server that shares the places of another.
    pub(crate) async fn beside(other: &Self) -> Self {
        Self::within(Arc::clone(&other.directory), "more data").await
    }

    /// The same data served again, after a server that has ended.
    pub(crate) async fn restarted(self) -> Self {
        let Self { directory, frontend, warehouse, root } = self;
        let ended = Arc::downgrade(&frontend);
        drop((root, frontend, warehouse));
        assert_eq!(ended.strong_count(), 0, "the server has not ended");
        // The engine lets go of a job's source a moment after the job is told to have ended.
        let data = directory.path().join("data");
        cairn_testkit::wait_until("the data is let go of", Duration::from_secs(60), || {
            Warehouse::open(&data).is_ok()
        });
        Self::within(directory, "data").await
    }

    async fn within(directory: Arc<TempDir>, data: &str) -> Self {
        let warehouse = Warehouse::open(&directory.path().join(data)).unwrap();
        let files = directory.path().join("files");
        std::fs::create_dir_all(&files).unwrap();
        let frontend = start(&warehouse, files);
        let mut root = Client { session: Session::of_operator(Arc::clone(&frontend)) };
        root.done("CREATE DATABASE IF NOT EXISTS d").await;
        root.done("USE d").await;
        Self { frontend, warehouse, root, directory }
    }

    /// The next life of the server, after a crash that left its journal as it is.
    pub(crate) async fn again(&mut self) {
        self.frontend = start(&self.warehouse, self.files());
        self.root = Client { session: Session::of_operator(Arc::clone(&self.frontend)) };
        self.root.done("USE d").await;
        self.frontend.jobs().idle().await;
    }

    /// A repository of this name, below the server's directory.
    pub(crate) async fn repository(&mut self, name: &str) {
        let place = self.directory.path().join("backups");
        let sql = format!(
            "CREATE REPOSITORY {name} WITH BROKER ON LOCATION 'file://{}'",
            place.display()
        );
        self.root.done(&sql).await;
    }

    /// A directory for repositories.
    pub(crate) fn place(&self, name: &str) -> String {
        self.directory.path().join(name).to_str().unwrap().to_owned()
    }

    /// Where `FILES()` may read.
    pub(crate) fn files(&self) -> PathBuf {
        self.directory.path().join("files")
    }

    /// A session of a new user with these privileges, in no database.
    pub(crate) fn user(&self, name: &str, grants: &[(&str, GrantScope)]) -> Client {
        let grant = |(privilege, scope): &(&str, GrantScope)| GrantRow {
            privilege: (*privilege).to_owned(),
            scope: scope.clone(),
        };
        let row = UserRow {
            name: name.to_owned(),
            host: "%".to_owned(),
            proofs: Default::default(),
            roles: Vec::new(),
            grants: grants.iter().map(grant).collect(),
        };
        self.warehouse.store().transact(|tx| tx.put_user(row)).unwrap();
        self.login(name)
    }

    /// One more session of the operator, in no database.
    pub(crate) fn operator(&self) -> Client {
        Client { session: Session::of_operator(Arc::clone(&self.frontend)) }
    }

    /// A session of a user, as after a login.
    pub(crate) fn login(&self, user: &str) -> Client {
        let peer = Ipv4Addr::LOCALHOST.into();
        let service = FrontendService(Arc::clone(&self.frontend));
        let login = Login {
            account: service.account(user, peer).unwrap(),
            database: None,
            peer: SocketAddr::from((Ipv4Addr::LOCALHOST, 40_000)),
            connection_id: 7,
            tls: false,
            interrupt: Interrupt::default(),
        };
        Client { session: service.open(login).unwrap() }
    }

    /// A table of `d` as the catalog has it.
    pub(crate) fn table(&self, name: &str) -> Arc<TableRow> {
        Arc::clone(self.warehouse.catalog().table("d", name).unwrap().row())
    }
}

fn start(warehouse: &Warehouse, files: PathBuf) -> Arc<Frontend> {
    let parts = Parts {
        warehouse: warehouse.clone(),
        queries: QueryConfig { allowed_paths: vec![files], ..QueryConfig::default() },
        loads: LoadConfig::default(),
        engine: Engine::start().unwrap(),
        job_settings: JobSettings::default(),
        repository_settings: RepositorySettings::default(),
        repository_secret: None,
        storage_properties: Properties::default(),
        local_repositories: vec!["/".into()],
        runtime: Handle::current(),
    };
    Frontend::start(parts).unwrap()
}

/// A session.
pub(crate) struct Client {
    session: Session,
}

impl Client {
    pub(crate) async fn run(&mut self, sql: &str) -> Result<Answer, SqlError> {
        self.session.execute(sql).await
    }

    /// Runs what answers no rows.
    pub(crate) async fn done(&mut self, sql: &str) -> Done {
        match self.run(sql).await {
            Ok(Answer::Done(done)) => done,
            Ok(other) => panic!("{sql}: {other:?}"),
            Err(error) => panic!("{sql}: {error}"),
        }
    }

    /// Rows as text, values separated by `|`.
    pub(crate) async fn try_rows(&mut self, sql: &str) -> Result<Vec<String>, SqlError> {
        match self.run(sql).await? {
            Answer::Rows(result) => {
                let shown = |value: Option<String>| value.unwrap_or_else(|| "NULL".to_owned());
                let row = |row: Vec<Option<String>>| {
                    row.into_iter().map(shown).collect::<Vec<_>>().join("|")
                };
                Ok(result.rows.into_iter().map(row).collect())
            }
            Answer::Batches { mut stream, .. } => {
                let mut rows = Vec::new();
                while let Some(batch) = stream.next().await {
                    let batch = batch.map_err(SqlError::from)?;
                    let options = FormatOptions::default().with_null("NULL");
                    let columns: Vec<_> = batch
                        .columns()
                        .iter()
                        .map(|column| ArrayFormatter::try_new(column, &options).unwrap())
                        .collect();
                    rows.extend((0..batch.num_rows()).map(|row| {
                        let values = columns.iter().map(|column| column.value(row).to_string());
                        values.collect::<Vec<_>>().join("|")
                    }));
                }
                Ok(rows)
            }
            Answer::Done(done) => panic!("{sql}: {done:?}"),
        }
    }

    pub(crate) async fn rows(&mut self, sql: &str) -> Vec<String> {
        self.try_rows(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// The error of what must fail, at once or while its rows are read.
    pub(crate) async fn refusal(&mut self, sql: &str) -> SqlError {
        match self.run(sql).await {
            Err(error) => error,
            Ok(Answer::Batches { mut stream, .. }) => {
                while let Some(batch) = stream.next().await {
                    if let Err(error) = batch {
                        return error.into();
                    }
                }
                panic!("{sql} gave all its rows")
            }
            Ok(answer) => panic!("{sql}: {answer:?}"),
        }
    }

    /// The number of the error of what must fail.
    pub(crate) async fn code(&mut self, sql: &str) -> u16 {
        self.refusal(sql).await.code
    }
}
