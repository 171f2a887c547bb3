//! Variables: the one table of what there is, SET, SHOW VARIABLES, and what `@@x` is in queries.
//!
//! Drivers read many variables before anything else and set some; few mean anything here. A session keeps what was set, and
//! a name that nobody knows may be set as well. Each statement is a transaction of its own, whatever is set.

use std::collections::BTreeMap;

use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, FunctionArguments, UnaryOperator, Value,
};

use super::done;
use crate::mysql::{Answer, ResultSet, SqlError};
use crate::refusal;
use crate::session::Session;

mod known;

use known::{KNOWN, Kind, Known};

/// Variables that a session keeps, those of the user's own included.
const MAX_KEPT: usize = 1000;
/// Bytes of the name and the value of one.
const MAX_BYTES: usize = 64 * 1024;

/// `SET name = value, ...`: all of them or none.
pub(super) fn set(
    session: &mut Session,
    assignments: Vec<(String, Expr)>,
) -> Result<Answer, SqlError> {
    session.variables = changed(&session.variables, assignments)?;
    Ok(done())
}

/// What a session has set after these assignments.
fn changed(
    set: &BTreeMap<String, String>,
    assignments: Vec<(String, Expr)>,
) -> Result<BTreeMap<String, String>, SqlError> {
    let mut variables = set.clone();
    for (name, value) in assignments {
        let name = name.to_ascii_lowercase();
        let known = known(&name);
        if known.is_some_and(|known| known.kind == Kind::ReadOnly) {
            return Err(read_only(&name));
        }
        match evaluate(&value, &variables)? {
            Evaluated::Default => {
                variables.remove(&name);
            }
            Evaluated::Null if name.starts_with('@') => {
                variables.remove(&name);
            }
            Evaluated::Null => keep(&mut variables, name, String::new())?,
            Evaluated::Text(text) => {
                let text = known.map_or(Ok(text.clone()), |known| known.check(&text))?;
                keep(&mut variables, name, text)?;
            }
        }
    }
    Ok(variables)
}

/// SHOW VARIABLES.
pub(super) fn show(session: &Session) -> ResultSet {
    let mut shown = ResultSet::of_text(["Variable_name", "Value"]);
    let values = session_variables(session);
    let of_system = values.into_iter().filter(|(name, _)| !name.starts_with('@'));
    shown.rows = of_system
        .map(|(name, value)| {
            let is_switch = known(&name).is_some_and(|known| known.kind == Kind::Switch);
            let value = match value.as_str() {
                "1" if is_switch => "ON".to_owned(),
                "0" if is_switch => "OFF".to_owned(),
                _ => value,
            };
            vec![Some(name), Some(value)]
        })
        .collect();
    shown
}

/// What `@@x` and `@x` are for a session, by names in lower case; those of the user's own have their `@`. A switch is 0 or 1.
pub(crate) fn session_variables(session: &Session) -> BTreeMap<String, String> {
    let known = KNOWN.iter().map(|known| (known.name.to_owned(), known.value.to_owned()));
    let set = session.variables.iter().map(|(name, value)| (name.clone(), value.clone()));
    known.chain(set).collect()
}

fn known(name: &str) -> Option<&'static Known> {
    KNOWN.iter().find(|known| known.name == name)
}

fn keep(
    variables: &mut BTreeMap<String, String>,
    name: String,
    value: String,
) -> Result<(), SqlError> {
    if name.len() + value.len() > MAX_BYTES {
        return Err(refusal::general(format!(
            "Variable '{}' is too long: a name and its value have at most {MAX_BYTES} bytes",
            name.get(..name.floor_char_boundary(64)).unwrap_or_default()
        )));
    }
    if variables.len() >= MAX_KEPT && !variables.contains_key(&name) {
        let message = format!("A session keeps at most {MAX_KEPT} variables");
        return Err(refusal::general(message));
    }
    variables.insert(name, value);
    Ok(())
}

/// What is to be set.
enum Evaluated {
    Text(String),
    Null,
    Default,
}

/// A literal, a variable, a word, or CONCAT of them: what drivers and dumps write.
fn evaluate(value: &Expr, set: &BTreeMap<String, String>) -> Result<Evaluated, SqlError> {
    let text = |text: &str| Ok(Evaluated::Text(text.to_owned()));
    match value {
        Expr::Nested(inner) => evaluate(inner, set),
        Expr::Value(literal) => match &literal.value {
            Value::Null => Ok(Evaluated::Null),
            Value::Boolean(truth) => text(if *truth { "1" } else { "0" }),
            Value::Number(digits, _) => text(&digits.to_string()),
            Value::SingleQuotedString(string) | Value::DoubleQuotedString(string) => text(string),
            _ => Err(not_understood(value)),
        },
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => match evaluate(expr, set)? {
            Evaluated::Text(digits) => text(&format!("-{digits}")),
            _ => Err(not_understood(value)),
        },
        Expr::Identifier(name) if name.quote_style.is_none() && name.value.starts_with('@') => {
            variable(&name.value, set)
        }
        Expr::Identifier(name) if name.value.eq_ignore_ascii_case("default") => {
            Ok(Evaluated::Default)
        }
        Expr::Identifier(name) => text(&name.value),
        // `@@session.x`
        Expr::CompoundIdentifier(parts) => match parts.as_slice() {
            [scope, name] if scope.value.starts_with("@@") => {
                variable(&format!("@@{}", name.value), set)
            }
            _ => Err(not_understood(value)),
        },
        Expr::Function(function) if function.name.to_string().eq_ignore_ascii_case("concat") => {
            let FunctionArguments::List(list) = &function.args else {
                return Err(not_understood(value));
            };
            concat(value, &list.args, set)
        }
        _ => Err(not_understood(value)),
    }
}

fn concat(
    whole: &Expr,
    arguments: &[FunctionArg],
    set: &BTreeMap<String, String>,
) -> Result<Evaluated, SqlError> {
    let mut text = String::new();
    for argument in arguments {
        let FunctionArg::Unnamed(FunctionArgExpr::Expr(argument)) = argument else {
            return Err(not_understood(whole));
        };
        match evaluate(argument, set)? {
            Evaluated::Text(part) => text.push_str(&part),
            Evaluated::Null => return Ok(Evaluated::Null),
            Evaluated::Default => return Err(not_understood(whole)),
        }
    }
    Ok(Evaluated::Text(text))
}

/// The value of `@@name` or `@name`; a variable of the user's own that was not set is NULL.
fn variable(typed: &str, set: &BTreeMap<String, String>) -> Result<Evaluated, SqlError> {
    let of_system = typed.strip_prefix("@@");
    let name = of_system.unwrap_or(typed).to_ascii_lowercase();
    let default = || known(&name).map(|known| known.value);
    match set.get(&name).map(String::as_str).or_else(default) {
        Some(value) => Ok(Evaluated::Text(value.to_owned())),
        None if of_system.is_none() => Ok(Evaluated::Null),
        None => {
            let message = format!("Unknown system variable '{name}'");
            Err(SqlError::new(1193, "HY000", message))
        }
    }
}

impl Known {
    /// The value as it is kept, or why it cannot be.
    fn check(&self, value: &str) -> Result<String, SqlError> {
        match self.kind {
            Kind::Switch => {
                switch(value).map(str::to_owned).ok_or_else(|| wrong_value(self.name, value))
            }
            Kind::Number if value.trim().parse::<i64>().is_err() => {
                let message = format!("Incorrect argument type to variable '{}'", self.name);
                Err(SqlError::new(1232, "42000", message))
            }
            Kind::Number => Ok(value.trim().to_owned()),
            // Whoever quotes for such a mode would have its texts read as something else.
            Kind::SqlMode => match value.split(',').map(str::trim).find(|mode| quotes_differ(mode))
            {
                Some(mode) => Err(wrong_value(self.name, mode)),
                None => Ok(value.to_owned()),
            },
            Kind::Text | Kind::ReadOnly => Ok(value.to_owned()),
        }
    }
}

/// Whether texts or names are quoted otherwise in a mode, by its name or as bits of MySQL's: with `"` for names, or with
/// backslashes that escape nothing.
fn quotes_differ(mode: &str) -> bool {
    /// `ANSI_QUOTES` and `NO_BACKSLASH_ESCAPES`.
    const BITS: u64 = 1 << 2 | 1 << 20;
    const MODES: [&str; 9] = [
        "ANSI",
        "ANSI_QUOTES",
        "DB2",
        "MAXDB",
        "MSSQL",
        "NO_BACKSLASH_ESCAPES",
        "ORACLE",
        "POSTGRESQL",
        "SYBASE",
    ];
    let by_bits = mode.parse::<u64>().is_ok_and(|bits| bits & BITS != 0);
    by_bits || MODES.iter().any(|name| name.eq_ignore_ascii_case(mode))
}

fn switch(value: &str) -> Option<&'static str> {
    match value.trim().to_ascii_lowercase().as_str() {
        "on" | "true" | "yes" | "1" => Some("1"),
        "off" | "false" | "no" | "0" => Some("0"),
        _ => None,
    }
}

fn read_only(name: &str) -> SqlError {
    SqlError::new(1238, "HY000", format!("Variable '{name}' is a read only variable"))
}

fn wrong_value(name: &str, value: &str) -> SqlError {
    let message = format!("Variable '{name}' can't be set to the value of '{value}'");
    SqlError::new(1231, "42000", message)
}

fn not_understood(value: &Expr) -> SqlError {
    let message =
        format!("'{value}' is not supported in SET: write a literal, a variable or CONCAT of them");
    SqlError::new(1235, "42000", message)
}

#[cfg(test)]
mod tests;
