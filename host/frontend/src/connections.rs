//! [`Connections`]: who is connected and what they run, for SHOW PROCESSLIST and KILL.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::clock::{Millis, now_millis};
use crate::mysql::{Interrupt, Login};

/// Bytes of a statement that are kept for others to see.
const MAX_SHOWN_BYTES: usize = 4096;

/// The connections of a server.
#[derive(Debug)]
pub(crate) struct Connections {
    started_at: Millis,
    /// By their numbers. Each entry is changed by its own connection only.
    table: Mutex<BTreeMap<u32, Entry>>,
}

#[derive(Debug)]
struct Entry {
    view: ConnectionView,
    interrupt: Interrupt,
}

/// A connection as others see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ConnectionView {
    /// Its number.
    pub(crate) id: u32,
    /// Name and host of its account.
    pub(crate) user: (String, String),
    /// From where.
    pub(crate) peer: String,
    /// Its current database.
    pub(crate) database: Option<String>,
    /// When it came.
    pub(crate) since: Millis,
    /// What it runs, with secrets hidden, and since when.
    pub(crate) statement: Option<(String, Millis)>,
}

impl Connections {
    /// None yet.
    pub(crate) fn new() -> Self {
        Self { started_at: now_millis(), table: Mutex::default() }
    }

    /// When the server began to take connections.
    pub(crate) fn started_at(&self) -> Millis {
        self.started_at
    }

    /// Adds a connection, which stays until the answer is dropped.
    pub(crate) fn enter(self: &Arc<Self>, login: &Login, user: (String, String)) -> Connection {
        let id = login.connection_id;
        let (peer, since) = (login.peer.to_string(), now_millis());
        let view = ConnectionView { id, user, peer, database: None, since, statement: None };
        self.lock().insert(id, Entry { view, interrupt: login.interrupt.clone() });
        Connection { connections: Arc::clone(self), id }
    }

    /// All of them, by number.
    pub(crate) fn list(&self) -> Vec<ConnectionView> {
        self.lock().values().map(|entry| entry.view.clone()).collect()
    }

    /// A connection and what ends it.
    pub(crate) fn find(&self, id: u64) -> Option<(ConnectionView, Interrupt)> {
        let id = u32::try_from(id).ok()?;
        self.lock().get(&id).map(|entry| (entry.view.clone(), entry.interrupt.clone()))
    }

    fn change(&self, id: u32, change: impl FnOnce(&mut ConnectionView)) {
        if let Some(entry) = self.lock().get_mut(&id) {
            change(&mut entry.view);
        }
    }

    /// What is guarded is changed in single steps.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<u32, Entry>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of one connection in the list.
#[derive(Debug)]
pub(crate) struct Connection {
    connections: Arc<Connections>,
    id: u32,
}

impl Connection {
    /// Shows another current database.
    pub(crate) fn show_database(&self, database: &str) {
        self.connections.change(self.id, |view| view.database = Some(database.to_owned()));
    }

    /// Shows a statement until the answer is dropped.
    pub(crate) fn show_statement(&self, sql: &str) -> Running {
        let end = sql.floor_char_boundary(MAX_SHOWN_BYTES);
        let shown = cairn_sql::mask(sql.get(..end).unwrap_or_default()).into_owned();
        self.connections.change(self.id, |view| view.statement = Some((shown, now_millis())));
        Running { connections: Arc::clone(&self.connections), id: self.id }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.connections.lock().remove(&self.id);
    }
}

/// A statement that runs.
#[derive(Debug)]
pub(crate) struct Running {
    connections: Arc<Connections>,
    id: u32,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.connections.change(self.id, |view| view.statement = None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mysql::{Account, Proofs};

    fn login(connection_id: u32) -> Login {
        Login {
            account: Account {
                name: "u".to_owned(),
                host: "%".to_owned(),
                proofs: Proofs::default(),
            },
            database: None,
            peer: "10.0.0.1:5".parse().unwrap(),
            connection_id,
            tls: false,
            interrupt: Interrupt::default(),
        }
    }

    #[test]
    fn a_connection_is_listed_as_long_as_it_is_there() {
        let connections = Arc::new(Connections::new());
        let user = || ("u".to_owned(), "%".to_owned());
        let first = connections.enter(&login(1), user());
        let second = connections.enter(&login(2), user());
        first.show_database("d");
        let running = first.show_statement("CREATE USER x IDENTIFIED BY 'secret'");
        let view = connections.find(1).unwrap().0;
        assert_eq!((view.peer.as_str(), view.database.as_deref()), ("10.0.0.1:5", Some("d")));
        let shown = view.statement.unwrap().0;
        assert!(shown.starts_with("CREATE USER x") && !shown.contains("secret"), "{shown}");
        drop(running);
        assert_eq!(connections.find(1).unwrap().0.statement, None);
        drop(second);
        assert_eq!(connections.list().len(), 1);
        assert!(connections.find(2).is_none());
        assert!(connections.find(1 << 40).is_none());
    }

    #[test]
    fn of_a_long_statement_the_begin_is_shown() {
        let connections = Arc::new(Connections::new());
        let connection = connections.enter(&login(1), ("u".to_owned(), "%".to_owned()));
        let _running = connection.show_statement(&format!("SELECT '{}'", "ä".repeat(10_000)));
        let shown = connections.find(1).unwrap().0.statement.unwrap().0;
        assert!(shown.len() <= MAX_SHOWN_BYTES && shown.starts_with("SELECT 'ää"));
    }
}
