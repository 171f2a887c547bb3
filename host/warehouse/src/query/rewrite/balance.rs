//! Long chains of operators. The parser makes a chain a list that leans to the left, and whatever walks it afterwards uses
//! stack for each link: AND and OR become balanced trees, which mean the same, and other chains have a bound.

use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr};

use super::null;
use crate::{Error, Result};

/// Chains of AND or OR up to this length stay as they were typed.
const SHORT: usize = 8;

/// Links of any other chain.
const MAX_LINKS: usize = 500;

/// Balances a chain that begins at this expression, or refuses it.
pub(super) fn balance(expr: &mut Expr) -> Result<()> {
    let chained = match &*expr {
        Expr::BinaryOp { op: op @ (BinaryOperator::And | BinaryOperator::Or), .. } => op.clone(),
        _ if links(expr) > MAX_LINKS => {
            return Err(Error::unsupported(format!(
                "an expression has more than {MAX_LINKS} operators in a row; use parentheses or IN"
            )));
        }
        _ => return Ok(()),
    };
    let terms = take_chain(expr, &chained);
    *expr = rebuild(terms, &chained);
    Ok(())
}

fn links(mut expr: &Expr) -> usize {
    let mut links = 0;
    while let Some(operand) = operand(expr) {
        links += 1;
        expr = operand;
    }
    links
}

/// What an operator is applied to that may be a chain of its own, without brackets.
fn operand(expr: &Expr) -> Option<&Expr> {
    match expr {
        Expr::BinaryOp { op: BinaryOperator::And | BinaryOperator::Or, .. } => None,
        Expr::BinaryOp { left: expr, .. }
        | Expr::UnaryOp { expr, .. }
        | Expr::IsNull(expr)
        | Expr::IsNotNull(expr)
        | Expr::IsTrue(expr)
        | Expr::IsNotTrue(expr)
        | Expr::IsFalse(expr)
        | Expr::IsNotFalse(expr)
        | Expr::IsUnknown(expr)
        | Expr::IsNotUnknown(expr)
        | Expr::IsDistinctFrom(expr, _)
        | Expr::IsNotDistinctFrom(expr, _)
        | Expr::InList { expr, .. }
        | Expr::InSubquery { expr, .. }
        | Expr::Between { expr, .. }
        | Expr::Like { expr, .. }
        | Expr::ILike { expr, .. }
        | Expr::RLike { expr, .. }
        | Expr::Collate { expr, .. }
        | Expr::Cast { expr, .. }
        | Expr::CompoundFieldAccess { root: expr, .. } => Some(expr),
        Expr::AtTimeZone { timestamp, .. } => Some(timestamp),
        _ => None,
    }
}

/// What a chain of one operator combines, in order.
fn take_chain(expr: &mut Expr, chained: &BinaryOperator) -> Vec<Expr> {
    let mut terms = Vec::new();
    let mut rest = std::mem::replace(expr, null());
    loop {
        match rest {
            Expr::BinaryOp { left, op, right } if op == *chained => {
                terms.push(*right);
                rest = *left;
            }
            first => {
                terms.push(first);
                break;
            }
        }
    }
    terms.reverse();
    terms
}

fn rebuild(mut terms: Vec<Expr>, op: &BinaryOperator) -> Expr {
    let join = |left: Expr, right: Expr| Expr::BinaryOp {
        left: Box::new(left),
        op: op.clone(),
        right: Box::new(right),
    };
    if terms.len() <= SHORT {
        return terms.into_iter().reduce(join).unwrap_or_else(null);
    }
    let second = terms.split_off(terms.len() / 2);
    join(rebuild(terms, op), rebuild(second, op))
}

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::ast::{SelectItem, SetExpr};

    use super::*;
    use crate::query::text_query;

    fn depth(expr: &Expr) -> usize {
        match expr {
            Expr::BinaryOp { left, right, .. } => 1 + depth(left).max(depth(right)),
            _ => 0,
        }
    }

    fn condition(joined: &str) -> Expr {
        let query = text_query(&format!("SELECT {joined}")).expect("is a query");
        // By value: a copy of a long chain needs as much stack as it has links.
        let SetExpr::Select(select) = *query.body else { panic!("no SELECT") };
        match select.projection.into_iter().next() {
            Some(SelectItem::UnnamedExpr(expr)) => expr,
            _ => panic!("no expression"),
        }
    }

    fn chain(count: usize, separator: &str) -> String {
        let terms: Vec<_> = (0..count).map(|number| format!("c{number}")).collect();
        terms.join(separator)
    }

    #[test]
    fn a_long_chain_becomes_a_tree_of_the_same_terms_in_the_same_order() {
        for separator in [" OR ", " AND "] {
            let text = chain(1000, separator);
            let mut expr = condition(&text);
            balance(&mut expr).expect("can be balanced");
            assert!(depth(&expr) <= SHORT + 10, "{}", depth(&expr));
            assert_eq!(expr.to_string(), text);
        }
    }

    #[test]
    fn a_short_chain_stays() {
        let mut expr = condition("a OR b OR c");
        let before = expr.clone();
        balance(&mut expr).expect("is fine");
        assert_eq!(expr, before);
    }

    #[test]
    fn another_long_chain_is_refused() {
        assert!(balance(&mut condition(&chain(400, " + "))).is_ok());
        assert!(balance(&mut condition(&chain(600, " + "))).is_err());
        for link in [" IS NULL", " BETWEEN 1 AND 2", " IN (1)", " LIKE 'x'", " + 1 IS NULL"] {
            let text = |links: usize| format!("c{}", link.repeat(links));
            assert!(balance(&mut condition(&text(200))).is_ok(), "{link}");
            assert!(balance(&mut condition(&text(600))).is_err(), "{link}");
        }
    }
}
