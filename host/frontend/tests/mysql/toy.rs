//! [`Toy`]: a service that understands a few words, and chatter of drivers.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use cairn_frontend::mysql::{
    Account, Answer, Done, Interrupt, Login, Proofs, ResultSet, Service, SqlError, SqlSession,
    SqlType,
};
use datafusion::arrow::array::{
    ArrayRef, BinaryViewArray, BooleanArray, Date32Array, Decimal128Array, Float32Array,
    Float64Array, Int8Array, Int16Array, Int32Array, Int64Array, NullArray, RecordBatch,
    StringViewArray, TimestampMicrosecondArray,
};
use datafusion::error::DataFusionError;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::{Stream, StreamExt, stream};

/// 2024-02-29 01:02:03, in microseconds since 1970.
const LEAP_SECOND: i64 = 1_709_168_523_000_000;

#[derive(Default)]
pub(crate) struct Toy {
    /// Statements and streams that have begun and not ended.
    pub(crate) running: Arc<AtomicUsize>,
    /// Sessions that are open.
    pub(crate) sessions: Arc<AtomicUsize>,
    interrupts: Arc<Mutex<BTreeMap<u32, Interrupt>>>,
}

impl Toy {
    pub(crate) fn running(&self) -> usize {
        self.running.load(Ordering::SeqCst)
    }

    pub(crate) fn sessions(&self) -> usize {
        self.sessions.load(Ordering::SeqCst)
    }
}

/// Counts what lives.
struct Alive(Arc<AtomicUsize>);

impl Alive {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(count))
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Service for Toy {
    type Session = ToySession;

    fn account(&self, user: &str, _peer: IpAddr) -> Option<Account> {
        let proofs = match user {
            "ann" => Proofs::of_password("secret"),
            "native" => Proofs { sha2: None, ..Proofs::of_password("secret") },
            "open" => Proofs::default(),
            _ => return None,
        };
        Some(Account { name: user.to_owned(), host: "%".to_owned(), proofs })
    }

    fn open(&self, login: Login) -> Result<ToySession, SqlError> {
        let mut session = ToySession {
            running: Arc::clone(&self.running),
            interrupts: Arc::clone(&self.interrupts),
            database: None,
            variable: 0,
            login,
            _alive: Alive::new(&self.sessions),
        };
        if let Some(database) = session.login.database.clone() {
            session.use_database(&database)?;
        }
        let login = &session.login;
        self.interrupts.lock().unwrap().insert(login.connection_id, login.interrupt.clone());
        Ok(session)
    }
}

pub(crate) struct ToySession {
    running: Arc<AtomicUsize>,
    interrupts: Arc<Mutex<BTreeMap<u32, Interrupt>>>,
    login: Login,
    database: Option<String>,
    variable: usize,
    _alive: Alive,
}

impl SqlSession for ToySession {
    async fn execute(&mut self, sql: &str) -> Result<Answer, SqlError> {
        let sql = without_select(without_comments(sql));
        let (word, rest) = sql.split_once(char::is_whitespace).unwrap_or((sql, ""));
        let number = || rest.trim().parse::<usize>().unwrap_or(1);
        match word.to_uppercase().as_str() {
            "ECHO" => Ok(text("said", rest)),
            "LENGTH" => Ok(one("bytes", SqlType::BigInt, sql.len())),
            "WHOAMI" => Ok(self.who()),
            "COUNT" => {
                self.variable += 1;
                Ok(one("n", SqlType::Int, self.variable))
            }
            "TYPES" => Ok(batches(types())),
            "ROWS" => Ok(rows(number(), Alive::new(&self.running))),
            "WIDE" => Ok(text("wide", &"w".repeat(number()))),
            "BREAK" => Ok(broken()),
            "SLEEP" => {
                let _alive = Alive::new(&self.running);
                std::future::pending().await
            }
            "STALL" => Ok(stalled(Alive::new(&self.running))),
            "PANIC" => panic!("as was asked"),
            "FAIL" => Err(SqlError::new(1064, "42000", rest)),
            "INSERT" => Ok(Answer::Done(Done {
                affected: 3,
                last_insert_id: 7,
                warnings: 2,
                info: "Records: 3".to_owned(),
            })),
            "USE" => {
                self.use_database(rest.trim_matches('`')).map(|()| Answer::Done(Done::default()))
            }
            "KILL" => self.kill(rest),
            "SHOW" if rest.eq_ignore_ascii_case("tables") => Ok(text("Tables_in_shop", "types")),
            "SHOW" => Ok(Answer::Rows(ResultSet::of_text(["Level", "Code", "Message"]))),
            "SET" | "COMMIT" | "ROLLBACK" | "BEGIN" | "START" => Ok(Answer::Done(Done::default())),
            "SELECT" if rest.contains("FROM `types` LIMIT 0") => Ok(batches(types().slice(0, 0))),
            "SELECT" if rest.contains("FROM") => {
                Err(SqlError::new(5502, "42S02", format!("no such table: {rest}")))
            }
            "SELECT" => Ok(select(rest)),
            _ => Err(SqlError::new(1064, "42000", format!("the toy does not know {sql}"))),
        }
    }

    fn use_database(&mut self, database: &str) -> Result<(), SqlError> {
        if database == "missing" {
            return Err(SqlError::new(1049, "42000", "Unknown database 'missing'"));
        }
        self.database = Some(database.to_owned());
        Ok(())
    }

    fn reset(&mut self) {
        self.variable = 0;
    }
}

impl ToySession {
    fn who(&self) -> Answer {
        let Login { account, connection_id, tls, .. } = &self.login;
        let mut rows = ResultSet::of_text(["user", "database", "tls", "id"]);
        rows.rows.push(vec![
            Some(account.name.clone()),
            self.database.clone(),
            Some(tls.to_string()),
            Some(connection_id.to_string()),
        ]);
        Answer::Rows(rows)
    }

    fn kill(&self, what: &str) -> Result<Answer, SqlError> {
        let id = what.rsplit(' ').next().unwrap_or_default();
        let interrupts = self.interrupts.lock().unwrap();
        let interrupt = id.parse().ok().and_then(|id: u32| interrupts.get(&id));
        let interrupt =
            interrupt.ok_or_else(|| SqlError::new(1094, "HY000", "Unknown thread id"))?;
        if what.to_uppercase().contains("QUERY") {
            interrupt.end_statement();
        } else {
            interrupt.end_connection();
        }
        Ok(Answer::Done(Done::default()))
    }
}

/// Without the comment in which a driver says its name.
fn without_comments(sql: &str) -> &str {
    let sql = sql.trim();
    match sql.strip_prefix("/*").and_then(|rest| rest.split_once("*/")) {
        Some((_, rest)) => without_comments(rest),
        None => sql,
    }
}

/// For drivers that take rows from what begins with `SELECT` only.
fn without_select(sql: &str) -> &str {
    const WORDS: [&str; 6] = ["ECHO", "WHOAMI", "TYPES", "ROWS", "BREAK", "FAIL"];
    let rest = sql.strip_prefix("SELECT ").unwrap_or_default();
    if WORDS.iter().any(|word| rest.starts_with(word)) { rest } else { sql }
}

fn one(name: &str, kind: SqlType, value: impl ToString) -> Answer {
    let columns = vec![(name.to_owned(), kind)];
    Answer::Rows(ResultSet { columns, rows: vec![vec![Some(value.to_string())]] })
}

fn text(name: &str, value: &str) -> Answer {
    one(name, SqlType::Varchar, value)
}

/// `1`, or variables such as `@@session.max_allowed_packet AS x`.
fn select(items: &str) -> Answer {
    let mut answer = ResultSet { columns: Vec::new(), rows: vec![Vec::new()] };
    for item in items.split(',') {
        let (value, name) = item.trim().split_once(" AS ").unwrap_or((item.trim(), item.trim()));
        let (kind, value) = match value.rsplit(['@', '.']).next().unwrap_or_default() {
            "1" => (SqlType::Int, Some("1")),
            "max_allowed_packet" | "net_buffer_length" => (SqlType::BigInt, Some("67108864")),
            "auto_increment_increment" | "autocommit" => (SqlType::BigInt, Some("1")),
            "net_write_timeout" | "wait_timeout" | "interactive_timeout" => {
                (SqlType::BigInt, Some("28800"))
            }
            "lower_case_table_names" | "performance_schema" => (SqlType::BigInt, Some("0")),
            "transaction_isolation" | "tx_isolation" => (SqlType::Varchar, Some("REPEATABLE-READ")),
            "system_time_zone" => (SqlType::Varchar, Some("UTC")),
            "time_zone" => (SqlType::Varchar, Some("SYSTEM")),
            "version_comment" => (SqlType::Varchar, Some("a toy")),
            "sql_mode" | "init_connect" | "license" => (SqlType::Varchar, Some("")),
            name if name.starts_with("character_set") => (SqlType::Varchar, Some("utf8mb4")),
            name if name.starts_with("collation") => (SqlType::Varchar, Some("utf8mb4_general_ci")),
            _ => (SqlType::Varchar, None),
        };
        answer.columns.push((name.to_owned(), kind));
        answer.rows[0].push(value.map(str::to_owned));
    }
    Answer::Rows(answer)
}

fn batches(batch: RecordBatch) -> Answer {
    let schema = batch.schema();
    let stream = RecordBatchStreamAdapter::new(batch.schema(), stream::iter([Ok(batch)]));
    Answer::Batches { schema, stream: Box::pin(stream) }
}

fn answer_of(
    batch: &RecordBatch,
    stream: impl Stream<Item = Result<RecordBatch, DataFusionError>> + Send + 'static,
) -> Answer {
    let schema = batch.schema();
    let stream = RecordBatchStreamAdapter::new(batch.schema(), stream);
    Answer::Batches { schema, stream: Box::pin(stream) }
}

/// Numbers from 0 on, a thousand in a batch.
fn numbers(from: usize, count: usize) -> RecordBatch {
    let numbers = (from..from + count).map(|number| i64::try_from(number).ok());
    let array: ArrayRef = Arc::new(numbers.collect::<Int64Array>());
    RecordBatch::try_from_iter([("n", array)]).unwrap()
}

fn rows(count: usize, alive: Alive) -> Answer {
    let batches = stream::iter((0..count).step_by(1000)).map(move |from| {
        let _held = &alive;
        Ok(numbers(from, 1000.min(count - from)))
    });
    answer_of(&numbers(0, 0), batches)
}

/// Three rows and an error.
fn broken() -> Answer {
    let error = DataFusionError::Execution("out of luck".to_owned());
    answer_of(&numbers(0, 0), stream::iter([Ok(numbers(0, 3)), Err(error)]))
}

/// Three rows, and nothing after them.
fn stalled(alive: Alive) -> Answer {
    let first = stream::iter([Ok(numbers(0, 3))]);
    let never = stream::pending().map(move |batch| {
        let _held = &alive;
        batch
    });
    answer_of(&numbers(0, 0), first.chain(never))
}

/// A row of every type, and one of NULLs.
fn types() -> RecordBatch {
    let decimal = |value: i128, precision, scale| {
        let array = Decimal128Array::from(vec![Some(value), None]);
        Arc::new(array.with_precision_and_scale(precision, scale).unwrap()) as ArrayRef
    };
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("c_bool", Arc::new(BooleanArray::from(vec![Some(true), None]))),
        ("c_tiny", Arc::new(Int8Array::from(vec![Some(-128), None]))),
        ("c_small", Arc::new(Int16Array::from(vec![Some(-32_768), None]))),
        ("c_int", Arc::new(Int32Array::from(vec![Some(i32::MIN), None]))),
        ("c_big", Arc::new(Int64Array::from(vec![Some(i64::MIN), None]))),
        ("c_large", decimal(-(10_i128.pow(37)), 38, 0)),
        ("c_float", Arc::new(Float32Array::from(vec![Some(1.5), None]))),
        ("c_double", Arc::new(Float64Array::from(vec![Some(-2.5e-7), None]))),
        ("c_decimal", decimal(-123, 10, 2)),
        ("c_date", Arc::new(Date32Array::from(vec![Some(19_782), None]))),
        ("c_datetime", Arc::new(TimestampMicrosecondArray::from(vec![Some(LEAP_SECOND), None]))),
        ("c_micros", Arc::new(TimestampMicrosecondArray::from(vec![Some(LEAP_SECOND + 45), None]))),
        ("c_text", Arc::new(StringViewArray::from(vec![Some("gr\u{fc}n \u{1f511}"), None]))),
        ("c_binary", Arc::new(BinaryViewArray::from(vec![Some(&b"\xff\0a"[..]), None]))),
        ("c_null", Arc::new(NullArray::new(2))),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}
