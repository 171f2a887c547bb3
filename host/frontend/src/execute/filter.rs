//! `LIKE` and `WHERE` of the SHOW statements, over the rows that would be shown. Pure.
//!
//! As in MySQL: text compares without case, a number compares with a text that is one, and NULL with nothing.

use std::cmp::Ordering;

use cairn_sql::statement::ShowFilter;
use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr, UnaryOperator, Value};

use super::like::is_like;
use crate::mysql::{ResultSet, SqlError, SqlType};

/// Leaves the rows that a filter means; its LIKE is about the column at `named`.
pub(super) fn apply(
    mut shown: ResultSet,
    filter: &ShowFilter,
    named: usize,
) -> Result<ResultSet, SqlError> {
    if let Some(pattern) = &filter.like {
        let is_wanted = |row: &Vec<Option<String>>| {
            let name = row.get(named).and_then(Option::as_deref);
            name.is_some_and(|name| is_like(name, pattern))
        };
        shown.rows.retain(is_wanted);
    }
    if let Some(condition) = &filter.condition {
        let condition = Condition::of(condition, &shown.columns)?;
        shown.rows.retain(|row| condition.holds(row) == Some(true));
    }
    Ok(shown)
}

/// A condition whose columns are found. What it says of a row may be unknown, which is none.
#[derive(Debug)]
enum Condition {
    All(Vec<Self>),
    Any(Vec<Self>),
    Not(Box<Self>),
    Compare(Term, fn(Ordering) -> bool, Term),
    Like(Term, Term),
    In(Term, Vec<Term>),
    IsNull(Term),
}

/// A side of a comparison.
#[derive(Debug)]
enum Term {
    Column { place: usize, is_number: bool },
    Text(String),
    Number(String),
    Null,
}

/// A side of a comparison in one row.
#[derive(Debug, Clone, Copy)]
struct Cell<'a> {
    text: &'a str,
    is_number: bool,
}

type Columns = [(String, SqlType)];

impl Condition {
    fn of(expr: &Expr, columns: &Columns) -> Result<Self, SqlError> {
        let term = |expr: &Expr| Term::of(expr, columns);
        let negated = |is_negated: bool, condition: Self| {
            if is_negated { Self::Not(Box::new(condition)) } else { condition }
        };
        Ok(match expr {
            Expr::Nested(inner) => Self::of(inner, columns)?,
            Expr::UnaryOp { op: UnaryOperator::Not, expr } => {
                Self::Not(Box::new(Self::of(expr, columns)?))
            }
            Expr::BinaryOp { op: BinaryOperator::And, .. } => {
                Self::All(chain(expr, &BinaryOperator::And, columns)?)
            }
            Expr::BinaryOp { op: BinaryOperator::Or, .. } => {
                Self::Any(chain(expr, &BinaryOperator::Or, columns)?)
            }
            Expr::BinaryOp { left, op, right } => {
                let holds = comparison(op).ok_or_else(|| unsupported(expr))?;
                Self::Compare(term(left)?, holds, term(right)?)
            }
            Expr::Like { negated: not, any: false, expr, pattern, escape_char: None }
            | Expr::ILike { negated: not, any: false, expr, pattern, escape_char: None } => {
                negated(*not, Self::Like(term(expr)?, term(pattern)?))
            }
            Expr::InList { expr, list, negated: not } => {
                let list = list.iter().map(term).collect::<Result<_, _>>()?;
                negated(*not, Self::In(term(expr)?, list))
            }
            Expr::Between { expr, negated: not, low, high } => {
                let from = Self::Compare(term(expr)?, Ordering::is_ge, term(low)?);
                let to = Self::Compare(term(expr)?, Ordering::is_le, term(high)?);
                negated(*not, Self::All(vec![from, to]))
            }
            Expr::IsNull(expr) => Self::IsNull(term(expr)?),
            Expr::IsNotNull(expr) => Self::Not(Box::new(Self::IsNull(term(expr)?))),
            other => return Err(unsupported(other)),
        })
    }

    fn holds(&self, row: &[Option<String>]) -> Option<bool> {
        match self {
            Self::All(parts) => all(parts.iter().map(|part| part.holds(row))),
            Self::Any(parts) => any(parts.iter().map(|part| part.holds(row))),
            Self::Not(part) => part.holds(row).map(|holds| !holds),
            Self::Compare(left, holds, right) => {
                compare(left.cell(row)?, right.cell(row)?).map(holds)
            }
            Self::Like(text, pattern) => {
                Some(is_like(text.cell(row)?.text, pattern.cell(row)?.text))
            }
            Self::In(wanted, list) => {
                let wanted = wanted.cell(row)?;
                any(list.iter().map(|one| compare(wanted, one.cell(row)?).map(Ordering::is_eq)))
            }
            Self::IsNull(term) => Some(term.cell(row).is_none()),
        }
    }
}

/// The parts of a chain of one operator. The chain may be long, and its tree as deep, so it is walked without recursion.
fn chain(
    expr: &Expr,
    operator: &BinaryOperator,
    columns: &Columns,
) -> Result<Vec<Condition>, SqlError> {
    let mut parts = Vec::new();
    let mut rest = expr;
    while let Expr::BinaryOp { left, op, right } = rest
        && op == operator
    {
        parts.push(right.as_ref());
        rest = left;
    }
    parts.push(rest);
    parts.into_iter().rev().map(|part| Condition::of(part, columns)).collect()
}

fn comparison(operator: &BinaryOperator) -> Option<fn(Ordering) -> bool> {
    Some(match operator {
        BinaryOperator::Eq => Ordering::is_eq,
        BinaryOperator::NotEq => Ordering::is_ne,
        BinaryOperator::Lt => Ordering::is_lt,
        BinaryOperator::LtEq => Ordering::is_le,
        BinaryOperator::Gt => Ordering::is_gt,
        BinaryOperator::GtEq => Ordering::is_ge,
        _ => return None,
    })
}

impl Term {
    fn of(expr: &Expr, columns: &Columns) -> Result<Self, SqlError> {
        let column = |name: &str| {
            let place = columns.iter().position(|(shown, _)| shown.eq_ignore_ascii_case(name));
            let place = place.ok_or_else(|| unknown_column(name))?;
            let is_number = columns.get(place).is_some_and(|(_, kind)| is_number(*kind));
            Ok(Self::Column { place, is_number })
        };
        match expr {
            Expr::Nested(inner) => Self::of(inner, columns),
            Expr::Identifier(name) => column(&name.value),
            Expr::CompoundIdentifier(parts) => match parts.last() {
                Some(name) => column(&name.value),
                None => Err(unsupported(expr)),
            },
            Expr::UnaryOp { op: UnaryOperator::Minus, expr: number } => match &**number {
                Expr::Value(value) => match &value.value {
                    Value::Number(digits, _) => Ok(Self::Number(format!("-{digits}"))),
                    _ => Err(unsupported(expr)),
                },
                _ => Err(unsupported(expr)),
            },
            Expr::Value(value) => match &value.value {
                Value::Null => Ok(Self::Null),
                Value::Number(digits, _) => Ok(Self::Number(digits.to_string())),
                Value::Boolean(truth) => Ok(Self::Text(truth.to_string())),
                Value::SingleQuotedString(text) | Value::DoubleQuotedString(text) => {
                    Ok(Self::Text(text.clone()))
                }
                _ => Err(unsupported(expr)),
            },
            _ => Err(unsupported(expr)),
        }
    }

    fn cell<'a>(&'a self, row: &'a [Option<String>]) -> Option<Cell<'a>> {
        let (text, is_number) = match self {
            Self::Column { place, is_number } => (row.get(*place)?.as_deref()?, *is_number),
            Self::Text(text) => (text.as_str(), false),
            Self::Number(digits) => (digits.as_str(), true),
            Self::Null => return None,
        };
        Some(Cell { text, is_number })
    }
}

fn compare(left: Cell<'_>, right: Cell<'_>) -> Option<Ordering> {
    if left.is_number || right.is_number {
        let number = |cell: Cell<'_>| cell.text.trim().parse::<f64>().ok();
        // Ids are longer than what a float tells apart.
        let whole = |cell: Cell<'_>| cell.text.trim().parse::<i128>().ok();
        return match (whole(left), whole(right)) {
            (Some(left), Some(right)) => Some(left.cmp(&right)),
            _ => number(left)?.partial_cmp(&number(right)?),
        };
    }
    Some(left.text.to_lowercase().cmp(&right.text.to_lowercase()))
}

fn is_number(kind: SqlType) -> bool {
    matches!(
        kind,
        SqlType::Boolean
            | SqlType::TinyInt
            | SqlType::SmallInt
            | SqlType::Int
            | SqlType::BigInt
            | SqlType::UnsignedBigInt
            | SqlType::Float
            | SqlType::Double
            | SqlType::Decimal { .. }
    )
}

fn all(parts: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    any(parts.map(|part| part.map(|holds| !holds))).map(|fails| !fails)
}

/// True when one is, unknown when one could be.
fn any(parts: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let mut answer = Some(false);
    for part in parts {
        match part {
            Some(true) => return Some(true),
            Some(false) => {}
            None => answer = None,
        }
    }
    answer
}

fn unknown_column(name: &str) -> SqlError {
    SqlError::new(1054, "42S22", format!("Unknown column '{name}' in 'where clause'"))
}

fn unsupported(expr: &Expr) -> SqlError {
    let message = format!(
        "'{expr}' is not supported in WHERE of SHOW: compare columns with values by =, <>, <, >, LIKE, IN, BETWEEN or IS NULL, and join with AND, OR and NOT"
    );
    SqlError::new(1235, "42000", message)
}

#[cfg(test)]
mod tests {
    use cairn_sql::statement::{Show, Statement};

    use super::*;

    fn jobs() -> ResultSet {
        let columns = [
            ("JobId", SqlType::BigInt),
            ("Label", SqlType::Varchar),
            ("State", SqlType::Varchar),
            ("Error", SqlType::Varchar),
        ];
        let columns = columns.map(|(name, kind)| (name.to_owned(), kind)).to_vec();
        let row = |id: &str, label: &str, state: &str, error: Option<&str>| {
            let texts = [Some(id), Some(label), Some(state), error];
            texts.map(|text| text.map(str::to_owned)).to_vec()
        };
        let rows = vec![
            row("9", "nightly_1", "FINISHED", None),
            row("10", "nightly_2", "CANCELLED", Some("no space")),
            row("11", "10", "PENDING", Some("")),
        ];
        ResultSet { columns, rows }
    }

    fn filter(typed: &str) -> ShowFilter {
        match cairn_sql::parse_one(&format!("SHOW VARIABLES {typed}")) {
            Ok(Statement::Show(Show::Variables(filter))) => filter,
            other => panic!("{typed}: {other:?}"),
        }
    }

    fn ids(typed: &str) -> Vec<String> {
        let shown = apply(jobs(), &filter(typed), 1).unwrap_or_else(|error| panic!("{error}"));
        shown.rows.into_iter().filter_map(|mut row| row.swap_remove(0)).collect()
    }

    #[test]
    fn conditions_choose_rows() {
        for (typed, expected) in [
            ("", &["9", "10", "11"][..]),
            ("LIKE 'NIGHTLY%'", &["9", "10"]),
            ("WHERE State = 'finished'", &["9"]),
            ("WHERE state <> \"FINISHED\"", &["10", "11"]),
            ("WHERE `State` != 'FINISHED' AND Label LIKE 'nightly%'", &["10"]),
            ("WHERE x.State IN ('FINISHED', 'PENDING')", &["9", "11"]),
            ("WHERE State NOT IN ('FINISHED', 'PENDING')", &["10"]),
            ("WHERE NOT (State = 'FINISHED' OR State = 'PENDING')", &["10"]),
            ("WHERE Label NOT LIKE 'nightly%'", &["11"]),
            ("WHERE JobId > 9", &["10", "11"]),
            ("WHERE JobId >= '10'", &["10", "11"]),
            ("WHERE JobId < 1e1", &["9"]),
            ("WHERE JobId BETWEEN 10 AND 10.5", &["10"]),
            ("WHERE JobId > -1 AND JobId NOT BETWEEN 9 AND 10", &["11"]),
            ("WHERE Label = 10", &["11"]),
            ("WHERE 'CANCELLED' = State", &["10"]),
            ("WHERE (JobId) IN (9, NULL)", &["9"]),
        ] {
            assert_eq!(ids(typed), expected, "{typed}");
        }
    }

    #[test]
    fn null_is_equal_to_nothing() {
        for (typed, expected) in [
            ("WHERE Error IS NULL", &["9"][..]),
            ("WHERE Error IS NOT NULL", &["10", "11"]),
            ("WHERE Error = NULL", &[]),
            ("WHERE NOT Error = 'no space'", &["11"]),
            ("WHERE Error = 'no space' OR JobId = 9", &["9", "10"]),
            ("WHERE JobId NOT IN (9, NULL)", &[]),
        ] {
            assert_eq!(ids(typed), expected, "{typed}");
        }
    }

    #[test]
    fn what_is_not_understood_is_said_even_where_there_are_no_rows() {
        let refused = |typed: &str| {
            let shown = ResultSet { rows: Vec::new(), ..jobs() };
            apply(shown, &filter(typed), 0).unwrap_err()
        };
        assert_eq!(refused("WHERE Colour = 'red'").code, 1054);
        for typed in [
            "WHERE lower(State) = 'x'",
            "WHERE State",
            "WHERE JobId + 1 = 2",
            "WHERE State = (SELECT 1)",
            "WHERE State LIKE 'a' ESCAPE 'b'",
        ] {
            let error = refused(typed);
            assert_eq!(error.code, 1235, "{error}");
        }
    }

    #[test]
    fn a_long_chain_takes_no_stack() {
        let chain = vec!["State = 'PENDING'"; 2400].join(" OR ");
        assert_eq!(ids(&format!("WHERE {chain}")), ["11"]);
    }
}
