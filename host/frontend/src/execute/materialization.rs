//! What the clauses of CREATE MATERIALIZED VIEW mean to the warehouse. Pure.

use cairn_sql::Statement;
use cairn_sql::statement::Refresh as Asked;
use cairn_warehouse::catalog::model::{Column, ColumnType, Refresh};
use cairn_warehouse::ddl::PartitionBy;
use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Query, SelectItem, SetExpr, Value,
};
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

use crate::clock::Millis;
use crate::mysql::SqlError;
use crate::refusal;

/// When a view is refreshed. One that says no start is refreshed a period after it was made for the first time.
pub(super) fn refresh(asked: Asked, now: Millis) -> Result<Refresh, SqlError> {
    let (start, step, unit) = match asked {
        Asked::Manual => return Ok(Refresh::Manual),
        Asked::OnLoad => return Ok(Refresh::OnLoad),
        Asked::Every { start, step, unit } => (start, step, unit),
    };
    let seconds = u64::from(step) * seconds_of(&unit)?;
    let start = match start {
        Some(typed) => parse_start(&typed)?,
        None => now.saturating_add(Millis::try_from(seconds * 1000).unwrap_or(Millis::MAX)),
    };
    Ok(Refresh::Every { seconds, start: Some(start) })
}

fn seconds_of(unit: &str) -> Result<u64, SqlError> {
    match unit {
        "second" => Ok(1),
        "minute" => Ok(60),
        "hour" => Ok(3600),
        "day" => Ok(24 * 3600),
        "week" => Ok(7 * 24 * 3600),
        _ => Err(refusal::unsupported(format!(
            "REFRESH ASYNC EVERY (INTERVAL n {}) (use SECOND, MINUTE, HOUR, DAY or WEEK)",
            unit.to_uppercase()
        ))),
    }
}

/// A time of the server's clock, which is UTC.
fn parse_start(typed: &str) -> Result<Millis, SqlError> {
    let text = typed.trim();
    let time = text.parse::<DateTime>().or_else(|_| text.parse::<Date>().map(Into::into));
    let time = time.and_then(|time| time.to_zoned(TimeZone::UTC));
    let time = time.map_err(|_| {
        refusal::analysis(format_args!("Invalid START '{typed}': use 'yyyy-MM-dd HH:mm:ss'"))
    })?;
    Ok(time.timestamp().as_millisecond())
}

/// How rows of a view find their partition: `date_trunc('unit', column)`, a column, or several.
pub(super) fn partition_by(typed: &str, columns: &[Column]) -> Result<PartitionBy, SqlError> {
    let refused = || {
        refusal::analysis(format_args!(
            "PARTITION BY {typed}: a materialized view is partitioned by columns of its own, or by date_trunc('unit', column)"
        ))
    };
    let exprs = parse_exprs(typed).ok_or_else(refused)?;
    if let [Expr::Function(function)] = exprs.as_slice() {
        let name = function.name.to_string();
        let (unit, column) = truncation(&function.args).ok_or_else(refused)?;
        if !name.eq_ignore_ascii_case("date_trunc") {
            return Err(refused());
        }
        return Ok(PartitionBy::Automatic { unit: Some(unit), columns: vec![column] });
    }
    let names: Option<Vec<String>> = exprs.iter().map(column_name).collect();
    let names = names.ok_or_else(refused)?;
    // A partition for each second is of no use to anybody.
    let is_time = |name: &String| {
        let column = columns.iter().find(|column| column.is_named(name));
        column.is_some_and(|column| column.column_type == ColumnType::DateTime)
    };
    let unit = (names.len() == 1 && names.iter().all(is_time)).then(|| "day".to_owned());
    Ok(PartitionBy::Automatic { unit, columns: names })
}

fn parse_exprs(typed: &str) -> Option<Vec<Expr>> {
    let Ok(Statement::Query(query)) = cairn_sql::parse_one(&format!("SELECT {typed}")) else {
        return None;
    };
    let SetExpr::Select(select) = *query.body else { return None };
    let exprs = select.projection.into_iter().map(|item| match item {
        SelectItem::UnnamedExpr(expr) => Some(expr),
        _ => None,
    });
    let exprs: Vec<Expr> = exprs.collect::<Option<_>>()?;
    match <[Expr; 1]>::try_from(exprs) {
        Ok([Expr::Tuple(exprs)]) => Some(exprs),
        Ok([Expr::Nested(expr)]) => Some(vec![*expr]),
        Ok([expr]) => Some(vec![expr]),
        Err(exprs) => Some(exprs),
    }
}

/// `('unit', column)`
fn truncation(arguments: &FunctionArguments) -> Option<(String, String)> {
    let FunctionArguments::List(list) = arguments else { return None };
    let [
        FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(unit))),
        FunctionArg::Unnamed(FunctionArgExpr::Expr(column)),
    ] = list.args.as_slice()
    else {
        return None;
    };
    let Value::SingleQuotedString(unit) = &unit.value else { return None };
    Some((unit.to_lowercase(), column_name(column)?))
}

fn column_name(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Identifier(name) => Some(name.value.clone()),
        Expr::CompoundIdentifier(parts) => parts.last().map(|name| name.value.clone()),
        _ => None,
    }
}

/// The columns of a rollup: a call that got no name is `mv_sum_amount`, as StarRocks calls it.
pub(super) fn rollup_columns(query: &Query, mut columns: Vec<Column>) -> Vec<Column> {
    let SetExpr::Select(select) = query.body.as_ref() else { return columns };
    for (column, item) in columns.iter_mut().zip(&select.projection) {
        if let SelectItem::UnnamedExpr(call @ Expr::Function(_)) = item {
            let text = call.to_string().to_lowercase();
            let words = text.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
            let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
            column.name = format!("mv_{}", words.join("_"));
        }
    }
    columns
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = 1_700_000_000_000;

    fn column(name: &str, column_type: ColumnType) -> Column {
        Column {
            name: name.to_owned(),
            column_type,
            nullable: true,
            default: None,
            auto_increment: false,
            comment: String::new(),
            stored_as: None,
            initial: None,
        }
    }

    #[test]
    fn the_clock_begins_a_period_from_now_or_when_it_is_told() {
        let every = |start: Option<&str>, step, unit: &str| {
            let start = start.map(str::to_owned);
            refresh(Asked::Every { start, step, unit: unit.to_owned() }, NOW)
        };
        let quarter = Refresh::Every { seconds: 900, start: Some(NOW + 900_000) };
        assert_eq!(every(None, 15, "minute"), Ok(quarter));
        let day = |start| Ok(Refresh::Every { seconds: 86_400, start: Some(start) });
        assert_eq!(every(Some("1970-01-02 00:00:01"), 1, "day"), day(86_401_000));
        assert_eq!(every(Some("1970-01-02"), 1, "day"), day(86_400_000));
        assert!(every(Some("tomorrow"), 1, "day").unwrap_err().message.contains("'tomorrow'"));
        assert_eq!(every(None, 1, "month").unwrap_err().code, 1235);
        let longest = Refresh::Every {
            seconds: u64::from(u32::MAX) * 604_800,
            start: Some(NOW + i64::from(u32::MAX) * 604_800_000),
        };
        assert_eq!(every(None, u32::MAX, "week"), Ok(longest));
    }

    #[test]
    fn partitions_are_of_columns_or_of_units_of_time() {
        let columns = [column("d", ColumnType::Date), column("at", ColumnType::DateTime)];
        let by = |typed: &str| partition_by(typed, &columns);
        let automatic = |unit: Option<&str>, names: &[&str]| {
            let columns = names.iter().map(|&name| name.to_owned()).collect();
            Ok(PartitionBy::Automatic { unit: unit.map(str::to_owned), columns })
        };
        assert_eq!(by("date_trunc('MONTH', `d`)"), automatic(Some("month"), &["d"]));
        assert_eq!(by("d"), automatic(None, &["d"]));
        assert_eq!(by("(d)"), automatic(None, &["d"]));
        assert_eq!(by("at"), automatic(Some("day"), &["at"]));
        assert_eq!(by("(d, t.k)"), automatic(None, &["d", "k"]));
        for typed in
            ["d + 1", "str2date(d, '%Y')", "date_trunc(d)", "date_trunc('day', d + 1)", ")"]
        {
            assert!(
                by(typed).unwrap_err().message.contains("date_trunc('unit', column)"),
                "{typed}"
            );
        }
    }

    #[test]
    fn calls_get_names_that_columns_can_have() {
        let sql = "SELECT k, SUM(`v`), COUNT(*), MAX(v) AS most, ABS(k - 1) FROM t GROUP BY k";
        let Ok(Statement::Query(query)) = cairn_sql::parse_one(sql) else { panic!() };
        let described = ["k", "SUM(v)", "COUNT(*)", "most", "ABS(k - 1)"];
        let described = described.map(|name| column(name, ColumnType::BigInt)).to_vec();
        let names = rollup_columns(&query, described).into_iter().map(|column| column.name);
        assert_eq!(names.collect::<Vec<_>>(), ["k", "mv_sum_v", "mv_count", "most", "mv_abs_k_1"]);
    }
}
