//! [`Client`]: a person at the `mariadb` client, who types statements and reads what is printed.

use std::process::Output;
use std::time::Duration;

use cairn_testkit::{mariadb, mariadb_reads, wait_until};

/// Longer than any job of these tests.
const PATIENCE: Duration = Duration::from_secs(60);

/// Whether there is a client to type into; where not, that is said.
pub(crate) fn is_there() -> bool {
    mariadb("0", &["--version"]).is_some()
}

/// Somebody who knows where the server listens.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    port: String,
    user: String,
}

/// A result as it is printed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Table {
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
}

impl Client {
    pub(crate) fn new(port: &str, user: &str) -> Self {
        Self { port: port.to_owned(), user: user.to_owned() }
    }

    /// Another user on the same server.
    pub(crate) fn of(&self, user: &str) -> Self {
        Self::new(&self.port, user)
    }

    fn say(&self, options: &[&str], statements: &str) -> Output {
        let user = format!("--user={}", self.user);
        mariadb_reads(&self.port, &[&[user.as_str()], options].concat(), statements).unwrap()
    }

    /// What statements print, without names of columns; nothing when one failed or the server was gone.
    pub(crate) fn attempt(&self, statements: &str) -> Result<String, String> {
        let output = self.say(&["--skip-column-names"], statements);
        match output.status.success() {
            true => Ok(text(output.stdout)),
            false => Err(text(output.stderr)),
        }
    }

    /// What statements print, which must succeed.
    #[track_caller]
    pub(crate) fn run(&self, statements: &str) -> String {
        self.attempt(statements).unwrap_or_else(|error| panic!("{statements}\n{error}"))
    }

    /// The error of a statement that must fail.
    #[track_caller]
    pub(crate) fn refused(&self, statement: &str) -> String {
        match self.attempt(statement) {
            Ok(printed) => panic!("{statement}\nwas not refused and printed\n{printed}"),
            Err(error) => error,
        }
    }

    /// The result of one statement.
    #[track_caller]
    pub(crate) fn table(&self, statement: &str) -> Table {
        let output = self.say(&[], statement);
        let told = format!("{statement}\n{}", text(output.stderr));
        assert!(output.status.success(), "{told}");
        let printed = text(output.stdout);
        let mut lines = printed.lines().map(|line| line.split('\t').map(str::to_owned).collect());
        Table { columns: lines.next().unwrap_or_default(), rows: lines.collect() }
    }

    /// What the terminal shows of one statement: a frame around the rows, and how many there are.
    #[track_caller]
    pub(crate) fn framed(&self, statement: &str) -> String {
        let output = self.say(&["--table", "-vv"], statement);
        assert!(output.status.success(), "{statement}\n{}", text(output.stderr));
        text(output.stdout)
    }

    /// The newest job that a SHOW statement has, when it has ended; every state that was seen on the way.
    #[track_caller]
    pub(crate) fn ended(&self, show: &str) -> (Table, Vec<String>) {
        let mut states: Vec<String> = Vec::new();
        let mut shown = None;
        wait_until(show, PATIENCE, || {
            let table = self.table(show);
            let state = table.get("State");
            if states.last() != Some(&state) {
                states.push(state.clone());
            }
            shown = Some(table);
            matches!(state.as_str(), "FINISHED" | "CANCELLED")
        });
        (shown.unwrap(), states)
    }

    /// Waits until the newest job of this SHOW statement has finished.
    #[track_caller]
    pub(crate) fn finished(&self, show: &str) -> Table {
        let (table, states) = self.ended(show);
        assert_eq!(table.get("State"), "FINISHED", "{states:?} {table:?}");
        assert_eq!(table.get("Status"), "[OK]", "{table:?}");
        table
    }

    /// Waits until the newest job of this SHOW statement is in a state.
    #[track_caller]
    pub(crate) fn reaches(&self, show: &str, state: &str) {
        wait_until(&format!("{state} in {show}"), PATIENCE, || {
            let table = self.table(show);
            let now = table.get("State");
            let is_over = matches!(now.as_str(), "FINISHED" | "CANCELLED");
            assert!(now == state || !is_over, "ended before {state}: {table:?}");
            now == state
        });
    }

    /// The timestamp of a snapshot.
    #[track_caller]
    pub(crate) fn timestamp(&self, repository: &str, label: &str) -> String {
        let show = format!("SHOW SNAPSHOT ON {repository} WHERE SNAPSHOT = '{label}'");
        let table = self.table(&show);
        assert_eq!(table.get("Status"), "OK", "{table:?}");
        table.get("Timestamp")
    }
}

impl Table {
    /// A value of the first row.
    #[track_caller]
    pub(crate) fn get(&self, column: &str) -> String {
        let row = self.rows.first().unwrap_or_else(|| panic!("no row: {self:?}"));
        self.of(row, column)
    }

    /// A value of a row.
    #[track_caller]
    pub(crate) fn of(&self, row: &[String], column: &str) -> String {
        let at = self.columns.iter().position(|name| name == column);
        row[at.unwrap_or_else(|| panic!("no {column} in {self:?}"))].clone()
    }

    /// All values of a column.
    #[track_caller]
    pub(crate) fn column(&self, column: &str) -> Vec<String> {
        self.rows.iter().map(|row| self.of(row, column)).collect()
    }
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}
