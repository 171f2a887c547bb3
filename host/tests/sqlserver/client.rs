//! [`Client`]: statements and their rows, over the bytes of [`Raw`].

use std::net::SocketAddr;

use cairn_testkit::wait_until;

use crate::raw::{Raw, Refused};
use crate::server::PATIENCE;

/// COM_QUERY
const QUERY: u8 = 3;

/// A row; none is NULL.
pub(crate) type Row = Vec<Option<String>>;

pub(crate) struct Client {
    pub(crate) raw: Raw,
}

impl Client {
    pub(crate) fn login(address: SocketAddr, user: &str, password: &str) -> Result<Self, Refused> {
        Ok(Self { raw: Raw::login(address, user, password)? })
    }

    /// The rows of a statement; of what answers none, nothing.
    pub(crate) fn run(&mut self, sql: &str) -> Result<Vec<Row>, Refused> {
        let first = self.raw.command(QUERY, sql.as_bytes())?;
        if first.first() == Some(&0) {
            return Ok(Vec::new());
        }
        let columns = length(&mut &first[..]).unwrap();
        for _ in 0..columns {
            self.raw.read_ok()?;
        }
        let mut rows = Vec::new();
        loop {
            let packet = self.raw.read_ok()?;
            // A row does not begin so: its first value would be longer than a packet.
            if packet.first() == Some(&0xfe) {
                return Ok(rows);
            }
            let mut rest = &packet[..];
            rows.push((0..columns).map(|_| value(&mut rest)).collect());
        }
    }

    #[track_caller]
    pub(crate) fn rows(&mut self, sql: &str) -> Vec<Row> {
        self.run(sql).unwrap_or_else(|refused| panic!("{}: {refused:?}", shown(sql)))
    }

    #[track_caller]
    pub(crate) fn done(&mut self, sql: &str) {
        assert_eq!(self.rows(sql), Vec::<Row>::new(), "{}", shown(sql));
    }

    /// The one value of a statement.
    #[track_caller]
    pub(crate) fn value(&mut self, sql: &str) -> String {
        let rows = self.rows(sql);
        let value = rows.first().and_then(|row| row.first()).and_then(Clone::clone);
        value.unwrap_or_else(|| panic!("{}: {rows:?}", shown(sql)))
    }

    /// The error of a statement, after which the connection is as good as before.
    #[track_caller]
    pub(crate) fn refusal(&mut self, sql: &str) -> Refused {
        let refused = match self.run(sql) {
            Err(refused) => refused,
            Ok(rows) => panic!("{}: {rows:?}", shown(sql)),
        };
        assert_eq!(self.value("SELECT 1"), "1", "after {}", shown(sql));
        refused
    }

    /// The columns of the newest backup or restore of a database, when it has ended.
    pub(crate) fn ended(&mut self, show: &str) -> Row {
        let mut last = Vec::new();
        wait_until("the job ends", PATIENCE, || {
            last = self.rows(show).into_iter().next().expect("a job");
            last.iter().flatten().any(|value| value == "FINISHED" || value == "CANCELLED")
        });
        last
    }

    /// Backs a database up, which must succeed; answers the timestamp of the snapshot.
    #[track_caller]
    pub(crate) fn back_up(&mut self, database: &str, label: &str, repository: &str) -> String {
        self.done(&format!("BACKUP SNAPSHOT {database}.{label} TO {repository}"));
        let job = self.ended(&format!("SHOW BACKUP FROM {database}"));
        assert!(job.contains(&Some("FINISHED".to_owned())), "{job:?}");
        let listed = format!("SHOW SNAPSHOT ON {repository} WHERE Snapshot = '{label}'");
        self.rows(&listed)[0][1].clone().unwrap()
    }

    /// Restores a whole snapshot, which must succeed.
    #[track_caller]
    pub(crate) fn restore(&mut self, database: &str, label: &str, repository: &str, time: &str) {
        let properties = format!(r#"PROPERTIES ("backup_timestamp" = "{time}")"#);
        self.done(&format!("RESTORE SNAPSHOT {database}.{label} FROM {repository} {properties}"));
        let job = self.ended(&format!("SHOW RESTORE FROM {database}"));
        assert!(job.contains(&Some("FINISHED".to_owned())), "{job:?}");
    }
}

/// Of a long statement only its begin.
fn shown(sql: &str) -> &str {
    &sql[..sql.floor_char_boundary(200)]
}

/// A number in front of a text; none stands for NULL.
fn length(rest: &mut &[u8]) -> Option<usize> {
    let (first, behind) = rest.split_first().unwrap();
    let bytes = match first {
        0xfb => 0,
        0xfc => 2,
        0xfd => 3,
        0xfe => 8,
        small => {
            *rest = behind;
            return Some(usize::from(*small));
        }
    };
    let (number, behind) = behind.split_at(bytes);
    *rest = behind;
    let number = number.iter().rev().fold(0, |number, byte| number << 8 | usize::from(*byte));
    (*first != 0xfb).then_some(number)
}

fn value(rest: &mut &[u8]) -> Option<String> {
    let length = length(rest)?;
    let (value, behind) = rest.split_at(length);
    *rest = behind;
    Some(String::from_utf8_lossy(value).into_owned())
}
