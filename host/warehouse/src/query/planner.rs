//! What the planner decides once it knows the types of both sides: division, truth as a number, and names of types.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, FieldRef, TimeUnit};
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::functions::core::expr_fn::nullif;
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr, TypePlanner};
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, LogicalPlan, Operator, cast, lit};
use datafusion::sql::sqlparser::ast::{self, BinaryOperator, ExactNumberInfo};

/// Operators as MySQL means them.
#[derive(Debug)]
pub(super) struct MySqlOperators;

impl ExprPlanner for MySqlOperators {
    fn plan_binary_op(
        &self,
        expr: RawBinaryExpr,
        schema: &DFSchema,
    ) -> Result<PlannerResult<RawBinaryExpr>> {
        let RawBinaryExpr { op, left, right } = expr;
        Ok(match op {
            BinaryOperator::Divide => {
                let left =
                    if is_whole(&left, schema) { cast(left, DataType::Float64) } else { left };
                planned(left, Operator::Divide, not_zero(right))
            }
            BinaryOperator::MyIntegerDivide => {
                let is_whole = is_whole(&left, schema) && is_whole(&right, schema);
                let operand = |expr: Expr| match expr.get_type(schema) {
                    _ if is_whole => cast(expr, DataType::Int64),
                    Ok(data_type) if data_type.is_numeric() => expr,
                    _ => cast(expr, DataType::Float64),
                };
                let (left, right) = (Box::new(operand(left)), Box::new(not_zero(operand(right))));
                let quotient = BinaryExpr { left, op: Operator::Divide, right };
                // Cut off, not rounded.
                PlannerResult::Planned(cast(Expr::BinaryExpr(quotient), DataType::Int64))
            }
            BinaryOperator::Modulo => planned(left, Operator::Modulo, not_zero(right)),
            BinaryOperator::Eq
            | BinaryOperator::NotEq
            | BinaryOperator::Lt
            | BinaryOperator::LtEq
            | BinaryOperator::Gt
            | BinaryOperator::GtEq => {
                let (left, right) = comparable(left, right, schema);
                PlannerResult::Original(RawBinaryExpr { op, left, right })
            }
            BinaryOperator::Plus | BinaryOperator::Minus | BinaryOperator::Multiply => {
                let (left, right) = (as_number(left, schema), as_number(right, schema));
                PlannerResult::Original(RawBinaryExpr { op, left, right })
            }
            _ => PlannerResult::Original(RawBinaryExpr { op, left, right }),
        })
    }
}

fn planned(left: Expr, op: Operator, right: Expr) -> PlannerResult<RawBinaryExpr> {
    let (left, right) = (Box::new(left), Box::new(right));
    PlannerResult::Planned(Expr::BinaryExpr(BinaryExpr { left, op, right }))
}

fn is_whole(expr: &Expr, schema: &DFSchema) -> bool {
    expr.get_type(schema).is_ok_and(|data_type| data_type.is_integer() || data_type.is_null())
}

/// A division by zero is NULL.
fn not_zero(divisor: Expr) -> Expr {
    let is_zero = |literal: &ScalarValue| {
        ScalarValue::new_zero(&literal.data_type()).is_ok_and(|zero| zero == *literal)
    };
    match &divisor {
        Expr::Literal(literal, _) if !literal.is_null() && !is_zero(literal) => divisor,
        _ => nullif(divisor, lit(0_i64)),
    }
}

fn is_truth(expr: &Expr, schema: &DFSchema) -> bool {
    expr.get_type(schema).is_ok_and(|data_type| data_type == DataType::Boolean)
}

/// A truth is 1 or 0.
fn as_number(expr: Expr, schema: &DFSchema) -> Expr {
    if is_truth(&expr, schema) { cast(expr, DataType::Int64) } else { expr }
}

/// Beside a literal 1 or 0 a truth stays, and the literal becomes one; beside another number it is 1 or 0.
fn comparable(left: Expr, right: Expr, schema: &DFSchema) -> (Expr, Expr) {
    let is_number =
        |expr: &Expr| expr.get_type(schema).is_ok_and(|data_type| data_type.is_numeric());
    let meet = |truth: Expr, number: Expr| match &number {
        Expr::Literal(ScalarValue::Int64(Some(0)), _) => (truth, lit(false)),
        Expr::Literal(ScalarValue::Int64(Some(1)), _) => (truth, lit(true)),
        _ => (cast(truth, DataType::Int64), number),
    };
    if is_truth(&left, schema) && is_number(&right) {
        meet(left, right)
    } else if is_truth(&right, schema) && is_number(&left) {
        let (right, left) = meet(right, left);
        (left, right)
    } else {
        (left, right)
    }
}

/// Types that MySQL and StarRocks name and standard SQL does not.
#[derive(Debug)]
pub(super) struct MySqlTypes;

impl TypePlanner for MySqlTypes {
    fn plan_type_field(&self, sql_type: &ast::DataType) -> Result<Option<FieldRef>> {
        use ast::DataType as Sql;
        let planned = match sql_type {
            Sql::Signed | Sql::SignedInteger => DataType::Int64,
            Sql::Unsigned | Sql::UnsignedInteger => DataType::UInt64,
            Sql::MediumInt(_) => DataType::Int32,
            Sql::Decimal(ExactNumberInfo::None)
            | Sql::Dec(ExactNumberInfo::None)
            | Sql::Numeric(ExactNumberInfo::None) => DataType::Decimal128(10, 0),
            Sql::Datetime(_) | Sql::Timestamp(..) => {
                DataType::Timestamp(TimeUnit::Microsecond, None)
            }
            Sql::JSON | Sql::Nvarchar(_) | Sql::Character(_) | Sql::CharacterVarying(_) => {
                DataType::Utf8View
            }
            Sql::Binary(_) | Sql::Varbinary(_) | Sql::Blob(_) => DataType::BinaryView,
            Sql::Custom(name, _) if name.to_string().eq_ignore_ascii_case("largeint") => {
                DataType::Decimal128(38, 0)
            }
            _ => return Ok(None),
        };
        Ok(Some(Arc::new(Field::new("", planned, true))))
    }
}

/// Whether a plan only reads: a query never changes anything.
pub(super) fn is_read_only(plan: &LogicalPlan) -> bool {
    !matches!(
        plan,
        LogicalPlan::Ddl(_)
            | LogicalPlan::Dml(_)
            | LogicalPlan::Copy(_)
            | LogicalPlan::Statement(_)
    )
}
