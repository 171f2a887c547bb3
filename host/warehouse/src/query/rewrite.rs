//! From MySQL's spelling to what the planner knows: a pure change of the syntax tree.
//!
//! Names of columns become lower case, so that they are found whatever case was typed; names of tables stay. Variables and
//! functions of the session become literals. What MySQL spells its own way (`IFNULL`, `<=>`, `RLIKE`, `+ INTERVAL`) is
//! spelled with functions that the planner has. Relations that are more than a name (`FILES(...)`, `t PARTITION (p)`)
//! become names in [`SPECIAL_SCHEMA`], and their meaning goes with the query.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CastKind, DataType, Expr, Function, FunctionArg, FunctionArgExpr,
    FunctionArgumentList, FunctionArguments, Ident, JoinConstraint, JoinOperator, ObjectName,
    Query, Select, SelectItem, TableAlias, TableFactor, UnaryOperator, Value, VisitMut, VisitorMut,
    WildcardAdditionalOptions,
};

use super::session::QuerySession;
use crate::{Error, ErrorKind, Result, Subject};

mod balance;
mod functions;

/// Columns of one SELECT, as MySQL: the planner compares each with all others.
const MAX_COLUMNS: usize = 4096;

/// The one catalog.
pub(crate) const CATALOG: &str = "default_catalog";
/// Where the relations are that a query brings along. No database can have this name.
pub(crate) const SPECIAL_SCHEMA: &str = "<query>";
/// The database of the catalog's own tables, in any case.
pub(crate) const INFORMATION_SCHEMA: &str = "information_schema";

/// A relation of a query that is more than a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SpecialRelation {
    /// `FILES("key" = "value", ...)`
    Files(Vec<(String, String)>),
    /// `table PARTITION (p, ...)`
    Partitions {
        /// The database, where one was typed.
        database: Option<String>,
        /// The table.
        table: String,
        /// The partitions.
        partitions: Vec<String>,
    },
}

/// Rewrites a query in place. The place of a special relation in the answer is its name in [`SPECIAL_SCHEMA`].
pub(crate) fn rewrite(query: &mut Query, session: &QuerySession) -> Result<Vec<SpecialRelation>> {
    let mut rewriter = Rewriter { session, special: Vec::new() };
    match query.visit(&mut rewriter) {
        ControlFlow::Continue(()) => Ok(rewriter.special),
        ControlFlow::Break(error) => Err(error),
    }
}

struct Rewriter<'a> {
    session: &'a QuerySession,
    special: Vec<SpecialRelation>,
}

impl VisitorMut for Rewriter<'_> {
    type Break = Error;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Error> {
        for cte in query.with.iter_mut().flat_map(|with| &mut with.cte_tables) {
            lower_alias_columns(&mut cte.alias);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Error> {
        if select.projection.len() > MAX_COLUMNS {
            let message = format!("Too many columns: a SELECT has at most {MAX_COLUMNS}");
            return ControlFlow::Break(Error::invalid(message).about(Subject::Select));
        }
        if is_from_dual(select) {
            select.from.clear();
        }
        for item in &mut select.projection {
            match item {
                SelectItem::ExprWithAlias { alias, .. } => lower(alias),
                SelectItem::Wildcard(options) | SelectItem::QualifiedWildcard(_, options) => {
                    lower_wildcard(options);
                }
                _ => {}
            }
        }
        for join in select.from.iter_mut().flat_map(|table| &mut table.joins) {
            if let Some(JoinConstraint::Using(columns)) = constraint_mut(&mut join.join_operator) {
                columns.iter_mut().for_each(lower_last);
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Error> {
        match self.rewrite_relation(factor) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        }
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
        match balance::balance(expr) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        }
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
        let old = std::mem::replace(expr, null());
        match self.rewrite_expr(old) {
            Ok(new) => {
                *expr = new;
                ControlFlow::Continue(())
            }
            Err(error) => ControlFlow::Break(error),
        }
    }
}

impl Rewriter<'_> {
    fn rewrite_relation(&mut self, factor: &mut TableFactor) -> Result<()> {
        let TableFactor::Table { name, alias, args, partitions, .. } = factor else {
            if let TableFactor::Derived { alias: Some(alias), .. } = factor {
                lower_alias_columns(alias);
            }
            return Ok(());
        };
        alias.iter_mut().for_each(lower_alias_columns);
        drop_catalog(name);
        let parts = name_parts(name);
        let special = match (args.take(), parts.as_slice()) {
            (Some(args), [function]) if function.eq_ignore_ascii_case("files") => {
                SpecialRelation::Files(file_options(&args.args)?)
            }
            (Some(_), _) => {
                return Err(Error::unsupported(format!("Unknown table function '{name}'")));
            }
            (None, [.., table]) if !partitions.is_empty() => SpecialRelation::Partitions {
                database: (parts.len() > 1).then(|| parts.first().cloned()).flatten(),
                table: table.clone(),
                partitions: partitions.drain(..).map(|partition| partition.value).collect(),
            },
            (None, [database, table]) if database.eq_ignore_ascii_case(INFORMATION_SCHEMA) => {
                *name = ObjectName::from(vec![
                    Ident::new(INFORMATION_SCHEMA),
                    Ident::new(table.to_lowercase()),
                ]);
                return Ok(());
            }
            _ => return Ok(()),
        };
        if alias.is_none() {
            *alias = parts.last().map(|table| table_alias(table));
        }
        let place = self.special.len().to_string();
        *name = ObjectName::from(vec![quoted(SPECIAL_SCHEMA), quoted(&place)]);
        self.special.push(special);
        Ok(())
    }

    fn rewrite_expr(&self, expr: Expr) -> Result<Expr> {
        Ok(match expr {
            Expr::Identifier(mut name) => {
                if name.quote_style.is_none() && name.value.starts_with('@') {
                    return self.variable(&name.value);
                }
                lower(&mut name);
                Expr::Identifier(name)
            }
            Expr::CompoundIdentifier(parts) => return self.rewrite_compound(parts),
            Expr::Function(function) => return functions::rewrite(function, self.session),
            Expr::BinaryOp { left, op, right } => rewrite_binary(*left, op, *right),
            Expr::UnaryOp { op: UnaryOperator::BangNot, expr } => {
                Expr::UnaryOp { op: UnaryOperator::Not, expr }
            }
            Expr::RLike { negated, expr, pattern, .. } => {
                let matches = call("regexp_like", vec![*expr, *pattern]);
                if negated { not(matches) } else { matches }
            }
            Expr::Cast { kind: CastKind::Cast, expr, data_type, .. } => cast(*expr, data_type),
            Expr::Convert { expr, data_type: Some(data_type), .. } => cast(*expr, data_type),
            Expr::Convert { expr, data_type: None, .. } | Expr::Collate { expr, .. } => *expr,
            Expr::Prefixed { value, .. } => *value,
            Expr::Substring { expr, substring_from, substring_for, .. } => {
                let arguments = [Some(expr), substring_from, substring_for];
                call(
                    "mysql_substring",
                    arguments.into_iter().flatten().map(|argument| *argument).collect(),
                )
            }
            Expr::Value(mut value) => {
                if let Value::NationalStringLiteral(text) = value.value {
                    value.value = Value::SingleQuotedString(text);
                }
                Expr::Value(value)
            }
            other => other,
        })
    }

    fn rewrite_compound(&self, mut parts: Vec<Ident>) -> Result<Expr> {
        if let [scope, .., name] = parts.as_slice()
            && scope.value.starts_with("@@")
        {
            return self.variable(&name.value);
        }
        if parts.len() == 4 && parts.first().is_some_and(|first| first.value == CATALOG) {
            parts.remove(0);
        }
        if let [database, _, _] = parts.as_mut_slice()
            && database.value.eq_ignore_ascii_case(INFORMATION_SCHEMA)
        {
            *database = Ident::new(INFORMATION_SCHEMA);
        }
        parts.last_mut().into_iter().for_each(lower);
        Ok(Expr::CompoundIdentifier(parts))
    }

    /// The value of `@@name`, or of `@name`, which is the user's own.
    fn variable(&self, name: &str) -> Result<Expr> {
        let key = name.strip_prefix("@@").unwrap_or(name).to_lowercase();
        match self.session.variables.get(&key) {
            Some(value) if value.parse::<i64>().is_ok() => Ok(number(value.clone())),
            Some(value) => Ok(text(value)),
            // It was never set.
            None if key.starts_with('@') => Ok(null()),
            None => {
                let message = format!("Unknown system variable '{key}'");
                Err(Error::new(ErrorKind::NotFound, message))
            }
        }
    }
}

fn rewrite_binary(left: Expr, op: BinaryOperator, right: Expr) -> Expr {
    let (left, right) = (Box::new(left), Box::new(right));
    match op {
        BinaryOperator::Spaceship => Expr::IsNotDistinctFrom(left, right),
        BinaryOperator::StringConcat => Expr::BinaryOp { left, op: BinaryOperator::Or, right },
        BinaryOperator::Xor => differ(differ(*left, zero()), differ(*right, zero())),
        BinaryOperator::Plus | BinaryOperator::Minus => {
            let is_minus = op == BinaryOperator::Minus;
            match (*left, *right) {
                (time, Expr::Interval(interval)) => functions::shift(time, interval, is_minus),
                (Expr::Interval(interval), time) if !is_minus => {
                    functions::shift(time, interval, false)
                }
                (left, right) => {
                    Expr::BinaryOp { left: Box::new(left), op, right: Box::new(right) }
                }
            }
        }
        _ => Expr::BinaryOp { left, op, right },
    }
}

/// `(left <> right)`
fn differ(left: Expr, right: Expr) -> Expr {
    let (left, right) = (Box::new(left), Box::new(right));
    Expr::Nested(Box::new(Expr::BinaryOp { left, op: BinaryOperator::NotEq, right }))
}

fn zero() -> Expr {
    number("0".to_owned())
}

/// A cast gives NULL where MySQL does, and text as MySQL prints it.
fn cast(expr: Expr, data_type: DataType) -> Expr {
    match data_type {
        DataType::Char(_)
        | DataType::Character(_)
        | DataType::Varchar(_)
        | DataType::Nvarchar(_)
        | DataType::String(_)
        | DataType::Text => call("cast_text", vec![expr]),
        DataType::Date => call("cast_date", vec![expr]),
        DataType::Datetime(_) | DataType::Timestamp(..) => call("cast_datetime", vec![expr]),
        data_type => Expr::Cast {
            kind: CastKind::TryCast,
            expr: Box::new(expr),
            data_type,
            array: false,
            format: None,
        },
    }
}

/// `"path" = "/a/*.parquet"` and `path => '/a/*.parquet'`.
fn file_options(arguments: &[FunctionArg]) -> Result<Vec<(String, String)>> {
    let wrong = |argument: &FunctionArg| {
        Error::invalid(format!("FILES() takes \"key\" = \"value\", not {argument}"))
    };
    let pair = |argument: &FunctionArg| {
        let (key, value) = match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::BinaryOp {
                left,
                op: BinaryOperator::Eq,
                right,
            })) => (dotted_text(left), right.as_ref()),
            FunctionArg::Named { name, arg: FunctionArgExpr::Expr(value), .. } => {
                (Some(name.value.clone()), value)
            }
            FunctionArg::ExprNamed { name, arg: FunctionArgExpr::Expr(value), .. } => {
                (dotted_text(name), value)
            }
            _ => return Err(wrong(argument)),
        };
        let key = key.ok_or_else(|| wrong(argument))?;
        let value = literal_text(value).ok_or_else(|| wrong(argument))?;
        Ok((key.to_lowercase(), value))
    };
    arguments.iter().map(pair).collect()
}

/// A key, with or without quotes.
fn dotted_text(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Identifier(name) => Some(name.value.clone()),
        Expr::CompoundIdentifier(parts) => {
            Some(parts.iter().map(|part| part.value.as_str()).collect::<Vec<_>>().join("."))
        }
        other => literal_text(other),
    }
}

fn literal_text(expr: &Expr) -> Option<String> {
    let Expr::Value(value) = expr else { return None };
    match &value.value {
        Value::Number(digits, _) => Some(digits.clone()),
        Value::Boolean(value) => Some(value.to_string()),
        other => other.clone().into_string(),
    }
}

fn is_from_dual(select: &Select) -> bool {
    match select.from.as_slice() {
        [one] if one.joins.is_empty() => match &one.relation {
            TableFactor::Table { name, args: None, .. } => {
                matches!(name_parts(name).as_slice(), [dual] if dual.eq_ignore_ascii_case("dual"))
            }
            _ => false,
        },
        _ => false,
    }
}

fn constraint_mut(operator: &mut JoinOperator) -> Option<&mut JoinConstraint> {
    match operator {
        JoinOperator::Join(constraint)
        | JoinOperator::Inner(constraint)
        | JoinOperator::Left(constraint)
        | JoinOperator::LeftOuter(constraint)
        | JoinOperator::Right(constraint)
        | JoinOperator::RightOuter(constraint)
        | JoinOperator::FullOuter(constraint)
        | JoinOperator::CrossJoin(constraint)
        | JoinOperator::LeftSemi(constraint)
        | JoinOperator::RightSemi(constraint)
        | JoinOperator::LeftAnti(constraint)
        | JoinOperator::RightAnti(constraint) => Some(constraint),
        _ => None,
    }
}

fn lower(name: &mut Ident) {
    name.value = name.value.to_lowercase();
}

fn lower_last(name: &mut ObjectName) {
    if let Some(part) = name.0.last_mut()
        && let Some(ident) = part.as_ident()
    {
        *part = ObjectName::from(Ident::new(ident.value.to_lowercase())).0.remove(0);
    }
}

fn lower_alias_columns(alias: &mut TableAlias) {
    alias.columns.iter_mut().for_each(|column| lower(&mut column.name));
}

fn lower_wildcard(options: &mut WildcardAdditionalOptions) {
    if let Some(except) = &mut options.opt_except {
        lower(&mut except.first_element);
        except.additional_elements.iter_mut().for_each(lower);
    }
}

pub(super) fn drop_catalog(name: &mut ObjectName) {
    if name.0.len() == 3 && name_parts(name).first().is_some_and(|first| first == CATALOG) {
        name.0.remove(0);
    }
}

/// The parts of a name, as typed.
pub(crate) fn name_parts(name: &ObjectName) -> Vec<String> {
    name.0.iter().filter_map(|part| part.as_ident().map(|ident| ident.value.clone())).collect()
}

pub(super) fn table_alias(name: &str) -> TableAlias {
    TableAlias { explicit: true, name: quoted(name), columns: vec![], at: None }
}

pub(super) fn quoted(name: &str) -> Ident {
    Ident::with_quote('`', name)
}

/// `NULL`
fn null() -> Expr {
    Expr::Value(Value::Null.into())
}

fn number(digits: String) -> Expr {
    Expr::Value(Value::Number(digits, false).into())
}

fn text(value: &str) -> Expr {
    Expr::Value(Value::SingleQuotedString(value.to_owned()).into())
}

fn not(expr: Expr) -> Expr {
    Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(Expr::Nested(Box::new(expr))) }
}

/// A call of a function.
fn call(name: &str, arguments: Vec<Expr>) -> Expr {
    let argument = |expr| FunctionArg::Unnamed(FunctionArgExpr::Expr(expr));
    Expr::Function(Function {
        name: ObjectName::from(Ident::new(name)),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args: arguments.into_iter().map(argument).collect(),
            clauses: vec![],
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: vec![],
    })
}

#[cfg(test)]
mod tests;
