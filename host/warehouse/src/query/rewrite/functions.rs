//! Functions that MySQL spells its own way: those of the session become literals, others get the planner's name.

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CaseWhen, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentClause,
    FunctionArguments, Ident, Interval, ObjectName, UnaryOperator,
    helpers::attached_token::AttachedToken,
};

use super::{call, name_parts, null, number, text};
use crate::query::session::QuerySession;
use crate::{Error, Result, civil};

/// The planner's name of a function, where it has another one.
const RENAMED: &[(&str, &str)] = &[
    ("any_value", "first_value"),
    ("approx_count_distinct", "approx_distinct"),
    ("ceiling", "ceil"),
    ("char", "chr"),
    ("date_format", "mysql_date_format"),
    ("date_trunc", "mysql_date_trunc"),
    ("instr", "strpos"),
    ("lcase", "lower"),
    ("length", "octet_length"),
    ("mid", "mysql_substring"),
    ("ndv", "approx_distinct"),
    ("rand", "random"),
    ("regexp", "regexp_like"),
    ("sign", "signum"),
    ("std", "stddev_pop"),
    ("stddev", "stddev_pop"),
    ("strleft", "left"),
    ("strright", "right"),
    ("substr", "mysql_substring"),
    ("substring", "mysql_substring"),
    ("truncate", "trunc"),
    ("ucase", "upper"),
    ("variance", "var_pop"),
];

/// `days_add(time, n)` and its like, by unit.
const SHIFTS: &[(&str, &str)] = &[
    ("microseconds", "microsecond"),
    ("seconds", "second"),
    ("minutes", "minute"),
    ("hours", "hour"),
    ("days", "day"),
    ("weeks", "week"),
    ("months", "month"),
    ("quarters", "quarter"),
    ("years", "year"),
];

/// What a call means to the planner.
pub(super) fn rewrite(mut function: Function, session: &QuerySession) -> Result<Expr> {
    let parts = name_parts(&function.name);
    let [name] = parts.as_slice() else { return Ok(Expr::Function(function)) };
    let name = name.to_lowercase();
    if let Some(literal) = of_session(&name, &function, session) {
        return Ok(literal);
    }
    if name == "group_concat" {
        return group_concat(function);
    }
    if let Some(arguments) = plain_arguments(&function)
        && let Some(expr) = in_zone(&name, arguments, session)
    {
        return Ok(expr);
    }
    if let Some(arguments) = plain_arguments(&function)
        && let Some(expr) = by_arguments(&name, arguments)
    {
        return Ok(expr);
    }
    let renamed =
        RENAMED.iter().find(|(from, _)| *from == name).map_or(name.as_str(), |(_, to)| to);
    function.name = ObjectName::from(Ident::new(renamed));
    Ok(Expr::Function(function))
}

/// `time ± INTERVAL n unit`
pub(super) fn shift(time: Expr, interval: Interval, is_minus: bool) -> Expr {
    let unit =
        interval.leading_field.as_ref().map_or_else(|| "day".to_owned(), ToString::to_string);
    shift_by(time, *interval.value, &unit, is_minus)
}

fn shift_by(time: Expr, amount: Expr, unit: &str, is_minus: bool) -> Expr {
    let amount = match is_minus {
        false => amount,
        true => Expr::UnaryOp {
            op: UnaryOperator::Minus,
            expr: Box::new(Expr::Nested(Box::new(integer(amount)))),
        },
    };
    call("date_shift", vec![time, amount, text(&unit.to_lowercase())])
}

/// `INTERVAL '3' DAY` means the number.
fn integer(amount: Expr) -> Expr {
    match &amount {
        Expr::Value(value) => match value.value.clone().into_string() {
            Some(digits) if digits.trim().parse::<i64>().is_ok() => {
                number(digits.trim().to_owned())
            }
            _ => amount,
        },
        _ => amount,
    }
}

/// The version of StarRocks whose statements are spoken here.
const STARROCKS: &str = "3.4.0";

/// What the session knows without a query.
fn of_session(name: &str, function: &Function, session: &QuerySession) -> Option<Expr> {
    let has_arguments = match &function.args {
        FunctionArguments::List(list) => !list.args.is_empty(),
        FunctionArguments::Subquery(_) => true,
        FunctionArguments::None => false,
    };
    let variable = |name: &str| session.variables.get(name).map_or_else(null, |value| text(value));
    let time = || civil::format_datetime(session.now_micros);
    match name {
        "now" | "current_timestamp" | "localtime" | "localtimestamp" | "sysdate" => {
            // Its argument says how many digits of a second to show.
            let seconds = session.now_micros.div_euclid(civil::MICROS_PER_SECOND);
            let now = civil::format_datetime(seconds * civil::MICROS_PER_SECOND)?;
            return Some(call("cast_datetime", vec![text(&now)]));
        }
        _ if has_arguments => return None,
        _ => {}
    }
    Some(match name {
        "curdate" | "current_date" => {
            call("cast_date", vec![text(time()?.get(..10).unwrap_or_default())])
        }
        "curtime" | "current_time" => text(time()?.get(11..19).unwrap_or_default()),
        "unix_timestamp" => {
            let micros = session.now_micros - session.zone_micros;
            number(micros.div_euclid(civil::MICROS_PER_SECOND).to_string())
        }
        "database" | "schema" => session.database.as_deref().map_or_else(null, text),
        "catalog" | "current_catalog" => text(super::CATALOG),
        "user" | "current_user" | "session_user" | "system_user" => text(&session.user),
        "connection_id" => number(session.connection_id.to_string()),
        "version" => variable("version"),
        // Clients read the numbers of StarRocks' version off its begin.
        "current_version" => {
            let comment = session.variables.get("version_comment");
            text(&format!("{STARROCKS} {}", comment.map_or("", String::as_str)))
        }
        "last_insert_id" | "row_count" | "found_rows" => number("0".to_owned()),
        _ => return None,
    })
}

/// Seconds since 1970-01-01 UTC of a time that the session reads off its clock, and back.
fn in_zone(name: &str, mut arguments: Vec<Expr>, session: &QuerySession) -> Option<Expr> {
    let ahead = session.zone_micros / civil::MICROS_PER_SECOND;
    if ahead == 0 {
        return None;
    }
    let shifted = |expr: Expr, op| {
        let (left, right) = (Box::new(expr), Box::new(number(ahead.unsigned_abs().to_string())));
        Expr::Nested(Box::new(Expr::BinaryOp { left, op, right }))
    };
    let (forward, back) = match ahead > 0 {
        true => (BinaryOperator::Plus, BinaryOperator::Minus),
        false => (BinaryOperator::Minus, BinaryOperator::Plus),
    };
    match (name, arguments.as_mut_slice()) {
        ("unix_timestamp", [_]) => Some(shifted(call(name, arguments), back)),
        ("from_unixtime", [seconds, ..]) => {
            *seconds = shifted(std::mem::replace(seconds, null()), forward);
            Some(call(name, arguments))
        }
        _ => None,
    }
}

/// The arguments of a call that is nothing but a name and arguments.
fn plain_arguments(function: &Function) -> Option<Vec<Expr>> {
    let FunctionArguments::List(list) = &function.args else { return None };
    let is_plain = list.clauses.is_empty()
        && list.duplicate_treatment.is_none()
        && function.over.is_none()
        && function.filter.is_none();
    let argument = |argument: &FunctionArg| match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
        _ => None,
    };
    if is_plain { list.args.iter().map(argument).collect() } else { None }
}

/// Calls whose arguments are in other places.
fn by_arguments(name: &str, arguments: Vec<Expr>) -> Option<Expr> {
    let mut arguments = arguments.into_iter();
    let mut next = || arguments.next();
    let expr = match name {
        "if" => {
            let (condition, result, otherwise) = (next()?, next()?, next()?);
            Expr::Case {
                case_token: AttachedToken::empty(),
                end_token: AttachedToken::empty(),
                operand: None,
                conditions: vec![CaseWhen { condition, result }],
                else_result: Some(Box::new(otherwise)),
            }
        }
        "isnull" => Expr::IsNull(Box::new(next()?)),
        "mod" => Expr::BinaryOp {
            left: Box::new(next()?),
            op: BinaryOperator::Modulo,
            right: Box::new(next()?),
        },
        "locate" => {
            let (part, whole) = (next()?, next()?);
            call("strpos", vec![whole, part])
        }
        "date_add" | "adddate" | "date_sub" | "subdate" => {
            let (time, amount) = (next()?, next()?);
            let is_minus = matches!(name, "date_sub" | "subdate");
            match amount {
                Expr::Interval(interval) => shift(time, interval, is_minus),
                days => shift_by(time, days, "day", is_minus),
            }
        }
        "timestampadd" => {
            let (unit, amount, time) = (unit_name(&next()?)?, next()?, next()?);
            shift_by(time, amount, &unit, false)
        }
        "timestampdiff" => {
            let (unit, from, to) = (unit_name(&next()?)?, next()?, next()?);
            call("date_difference", vec![from, to, text(&unit)])
        }
        "date_diff" => {
            let (unit, to, from) = (next()?, next()?, next()?);
            call("date_difference", vec![from, to, unit])
        }
        _ => {
            let (prefix, is_minus) = match name.strip_suffix("_add") {
                Some(prefix) => (prefix, false),
                None => (name.strip_suffix("_sub")?, true),
            };
            let (_, unit) = SHIFTS.iter().find(|(units, _)| *units == prefix)?;
            let (time, amount) = (next()?, next()?);
            shift_by(time, amount, unit, is_minus)
        }
    };
    // One argument too many is for the planner to refuse.
    if next().is_some() { None } else { Some(expr) }
}

/// A unit is a bare word here.
fn unit_name(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Identifier(name) => Some(name.value.to_lowercase()),
        Expr::Value(value) => value.value.clone().into_string(),
        _ => None,
    }
}

/// `GROUP_CONCAT(x ORDER BY y SEPARATOR ';')` and `GROUP_CONCAT(x, ';')`.
fn group_concat(mut function: Function) -> Result<Expr> {
    let wrong = || Error::invalid("GROUP_CONCAT() takes one value and a separator");
    let FunctionArguments::List(list) = &mut function.args else { return Err(wrong()) };
    let mut separator = text(",");
    list.clauses.retain(|clause| match clause {
        FunctionArgumentClause::Separator(value) => {
            if let Some(value) = value.value.clone().into_string() {
                separator = text(&value);
            }
            false
        }
        _ => true,
    });
    let mut arguments = std::mem::take(&mut list.args).into_iter();
    let value = match arguments.next() {
        Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(value))) => call("cast_text", vec![value]),
        _ => return Err(wrong()),
    };
    match arguments.next() {
        Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(value)))) => {
            separator = Expr::Value(value);
        }
        None => {}
        Some(_) => return Err(wrong()),
    }
    let argument = |expr| FunctionArg::Unnamed(FunctionArgExpr::Expr(expr));
    list.args = vec![argument(value), argument(separator)];
    function.name = ObjectName::from(Ident::new("string_agg"));
    Ok(Expr::Function(function))
}
