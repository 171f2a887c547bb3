//! [`Script`]: statements of a text, in order, up to the first that fails.

use std::time::Duration;

use cairn_frontend::mysql::{ResultSet, SqlError, SqlType};
use cairn_sql::Fragment;
use serde_json::{Value, json};

use super::layout::Layout;
use super::output::Printer;
use super::statement::{Failure, Ran, Statements};
use super::wait::{Background, Ended, document};
use crate::exit::{Exit, QUERY_INTERRUPTED};
use crate::ui::Ui;

/// How a script runs and what it prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Form {
    pub(crate) layout: Layout,
    pub(crate) has_names: bool,
    /// Whether it goes on behind an error.
    pub(crate) force: bool,
}

/// A script that runs.
pub(crate) struct Script<'a> {
    ui: &'a Ui,
    form: Form,
    /// The code of the first error.
    exit: Exit,
    /// What machines read of each statement.
    results: Vec<Value>,
}

impl<'a> Script<'a> {
    /// Runs all of a text and waits for what it has begun.
    pub(crate) fn run(
        statements: &mut Statements<'_>,
        ui: &'a Ui,
        form: Form,
        text: &str,
    ) -> anyhow::Result<Exit> {
        let background = Background::begin(statements);
        let mut script = Self { ui, form, exit: Exit::Ok, results: Vec::new() };
        for fragment in cairn_sql::split(text) {
            if let Err(error) = script.step(statements, &fragment)? {
                script.tell(&fragment, &error);
                if !form.force || error.code == QUERY_INTERRUPTED {
                    break;
                }
            }
        }
        let ended = background.wait(statements, ui);
        script.end(&ended)
    }

    /// Runs one statement. The outer error is one of the output.
    fn step(
        &mut self,
        statements: &mut Statements<'_>,
        fragment: &Fragment<'_>,
    ) -> anyhow::Result<Result<(), SqlError>> {
        let (sql, is_vertical) = without_vertical(fragment.text);
        let layout = if is_vertical { Layout::Vertical } else { self.form.layout };
        let ran = match self.ui.is_json() {
            true => {
                let mut rows = ResultSet::default();
                let ran = statements.run(sql, &mut rows);
                ran.map(|(ran, took)| {
                    let mut result = result(sql, &ran, took, &rows);
                    result["line"] = fragment.line.into();
                    self.results.push(result);
                })
            }
            false => {
                let mut printer = Printer::new(self.ui, layout, self.form.has_names);
                statements.run(sql, &mut printer).map(drop)
            }
        };
        match ran {
            Ok(()) => Ok(Ok(())),
            Err(Failure::Sql(error)) => Ok(Err(error)),
            Err(failure) => Err(failure.into()),
        }
    }

    fn tell(&mut self, fragment: &Fragment<'_>, error: &SqlError) {
        let SqlError { code, sqlstate, message } = error;
        let line = fragment.line;
        self.ui.complain(format!("ERROR {code} ({sqlstate}) at line {line}: {message}"));
        self.results.push(json!({
            "line": line,
            "sql": cairn_sql::mask(fragment.text),
            "error": { "code": code, "sqlstate": sqlstate, "message": message },
        }));
        if self.exit == Exit::Ok {
            self.exit = Exit::of_sql(error);
        }
    }

    fn end(self, ended: &Ended) -> anyhow::Result<Exit> {
        let has_failed = ended.jobs.iter().any(|job| job.failure.is_some());
        let exit = match self.exit {
            Exit::Ok if !ended.is_idle => Exit::Cancelled,
            Exit::Ok if has_failed => Exit::Failed,
            exit => exit,
        };
        self.ui.document(&json!({
            "verb": "sql",
            "results": self.results,
            "jobs": ended.jobs.iter().map(document).collect::<Vec<_>>(),
            "exit_code": exit as u8,
        }))?;
        Ok(exit)
    }
}

/// A statement without the `\G` of `mysql` at its end, which asks for a line for each value.
pub(super) fn without_vertical(sql: &str) -> (&str, bool) {
    match sql.trim_ascii_end().strip_suffix("\\G") {
        Some(sql) => (sql, true),
        None => (sql, false),
    }
}

/// What machines read of a statement and its answer.
pub(crate) fn result(sql: &str, ran: &Ran, took: Duration, rows: &ResultSet) -> Value {
    let mut result = json!({
        "sql": cairn_sql::mask(sql),
        "duration_seconds": took.as_secs_f64(),
    });
    match ran {
        Ran::Done(done) => result["affected"] = done.affected.into(),
        Ran::Rows(_) => {
            let names = rows.columns.iter().map(|(name, _)| name.as_str());
            result["columns"] = names.collect();
            let row = |row: &Vec<Option<String>>| -> Value {
                let values = row.iter().zip(&rows.columns);
                values.map(|(value, (_, kind))| typed(value.as_deref(), *kind)).collect()
            };
            result["rows"] = rows.rows.iter().map(row).collect();
        }
    }
    result
}

/// Numbers that JSON has are numbers; exact ones with a point are texts, as are all others.
fn typed(value: Option<&str>, kind: SqlType) -> Value {
    let Some(text) = value else { return Value::Null };
    let number = match kind {
        SqlType::Boolean
        | SqlType::TinyInt
        | SqlType::SmallInt
        | SqlType::Int
        | SqlType::BigInt => text.parse::<i64>().ok().map(Value::from),
        SqlType::UnsignedBigInt => text.parse::<u64>().ok().map(Value::from),
        SqlType::Float | SqlType::Double => {
            text.parse::<f64>().ok().filter(|number| number.is_finite()).map(Value::from)
        }
        _ => None,
    };
    number.unwrap_or_else(|| text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_has_numbers_where_they_are_exact() {
        assert_eq!(typed(Some("-3"), SqlType::BigInt), json!(-3));
        assert_eq!(typed(Some("18446744073709551615"), SqlType::UnsignedBigInt), json!(u64::MAX));
        assert_eq!(typed(Some("0.5"), SqlType::Double), json!(0.5));
        assert_eq!(typed(Some("NaN"), SqlType::Double), json!("NaN"));
        let decimal = SqlType::Decimal { precision: 15, scale: 2 };
        assert_eq!(typed(Some("1.50"), decimal), json!("1.50"));
        assert_eq!(typed(None, SqlType::Int), Value::Null);
    }

    #[test]
    fn a_g_at_the_end_asks_for_lines() {
        assert_eq!(without_vertical("SHOW BACKUP\\G"), ("SHOW BACKUP", true));
        assert_eq!(without_vertical("SHOW BACKUP"), ("SHOW BACKUP", false));
    }
}
