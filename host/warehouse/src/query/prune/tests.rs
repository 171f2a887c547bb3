use datafusion::prelude::{Expr, cast, col, lit};
use proptest::prelude::*;

use super::*;

fn day(text: &str) -> PartitionValue {
    PartitionValue::Date(civil::parse_date(text).expect("a day"))
}

fn date(text: &str) -> Expr {
    lit(ScalarValue::Date32(civil::parse_date(text)))
}

fn time(text: &str) -> Expr {
    lit(ScalarValue::TimestampMicrosecond(civil::parse_datetime(text), None))
}

fn range(from: PartitionValue, to: PartitionValue) -> PartitionBounds {
    PartitionBounds::Range { from: vec![from], to: vec![to] }
}

fn january() -> PartitionBounds {
    range(day("2024-01-01"), day("2024-02-01"))
}

fn matches(bounds: &PartitionBounds, filter: Expr) -> bool {
    may_match(bounds, &["a".to_owned(), "b".to_owned()], &[filter])
}

#[test]
fn a_range_is_closed_below_and_open_above() {
    let january = january();
    for (filter, expected) in [
        (col("a").eq(date("2024-01-01")), true),
        (col("a").eq(date("2024-02-01")), false),
        (col("a").eq(date("2023-12-31")), false),
        (col("a").gt_eq(date("2024-02-01")), false),
        (col("a").gt(date("2024-01-31")), true),
        (col("a").lt(date("2024-01-01")), false),
        (col("a").lt_eq(date("2024-01-01")), true),
        (date("2024-02-01").lt_eq(col("a")), false),
        (date("2024-01-15").gt(col("a")), true),
        (col("a").not_eq(date("2024-01-01")), true),
        (col("a").between(date("2024-02-01"), date("2024-03-01")), false),
        (col("a").between(date("2023-02-01"), date("2024-01-01")), true),
        (col("a").not_between(date("2023-02-01"), date("2025-01-01")), false),
        (col("a").in_list(vec![date("2023-01-01"), date("2024-01-09")], false), true),
        (col("a").in_list(vec![date("2023-01-01"), date("2025-01-09")], false), false),
        (col("a").in_list(vec![date("2024-01-09")], true), true),
    ] {
        assert_eq!(matches(&january, filter.clone()), expected, "{filter}");
    }
}

#[test]
fn connectives_and_negation_reach_the_comparisons() {
    let january = january();
    let inside = col("a").eq(date("2024-01-05"));
    let outside = col("a").eq(date("2024-05-05"));
    assert!(matches(&january, inside.clone().or(outside.clone())));
    assert!(!matches(&january, inside.clone().and(outside.clone())));
    assert!(!matches(&january, outside.clone().or(outside.clone())));
    assert!(!matches(&january, Expr::Not(Box::new(col("a").lt(date("2024-02-01"))))));
    assert!(matches(&january, Expr::Not(Box::new(outside.clone().or(outside)))));
    assert!(!matches(&january, lit(false)));
    assert!(matches(&january, inside.is_true()));
}

#[test]
fn what_is_not_understood_can_match() {
    let january = january();
    for filter in [
        col("c").eq(lit(1)),
        col("a").eq(col("b")),
        col("a").eq(lit("2024-05-05")),
        col("a").like(lit("x%")),
        cast(col("a"), DataType::Utf8).eq(lit("2024-05-05")),
    ] {
        assert!(matches(&january, filter.clone()), "{filter}");
    }
}

#[test]
fn days_and_times_compare_through_casts() {
    let january = january();
    let to_time = DataType::Timestamp(datafusion::arrow::datatypes::TimeUnit::Nanosecond, None);
    assert!(!matches(&january, cast(col("a"), to_time.clone()).gt_eq(time("2024-02-01 00:00:00"))));
    assert!(matches(&january, cast(col("a"), to_time).gt_eq(time("2024-01-31 00:00:00"))));

    let at = |text: &str| PartitionValue::DateTime(civil::parse_datetime(text).expect("a time"));
    let morning = range(at("2024-01-01 00:00:00"), at("2024-01-01 12:00:00"));
    let as_day = || cast(col("a"), DataType::Date32);
    assert!(matches(&morning, as_day().eq(date("2024-01-01"))));
    assert!(!matches(&morning, as_day().eq(date("2024-01-02"))));
    let whole = range(at("2024-01-01 00:00:00"), at("2024-01-02 00:00:00"));
    assert!(!matches(&whole, as_day().eq(date("2024-01-02"))));
}

#[test]
fn null_is_in_the_lowest_range_and_compares_with_nothing() {
    let lowest = range(PartitionValue::Min, PartitionValue::Int(10));
    let next = range(PartitionValue::Int(10), PartitionValue::Max);
    assert!(matches(&lowest, col("a").is_null()));
    assert!(!matches(&next, col("a").is_null()));
    assert!(matches(&next, col("a").is_not_null()));
    assert!(!matches(&lowest, col("a").eq(lit(ScalarValue::Int64(None)))));

    let only_null = PartitionBounds::List(vec![vec![PartitionValue::Null]]);
    assert!(matches(&only_null, col("a").is_null()));
    assert!(!matches(&only_null, col("a").is_not_null()));
    assert!(!matches(&only_null, col("a").not_eq(lit(1))));
}

#[test]
fn tuples_of_a_range_compare_in_their_first_column_that_differs() {
    let int = PartitionValue::Int;
    let bounds = PartitionBounds::Range { from: vec![int(1), int(5)], to: vec![int(3), int(7)] };
    assert!(matches(&bounds, col("a").eq(lit(3))));
    assert!(!matches(&bounds, col("a").eq(lit(4))));
    assert!(matches(&bounds, col("b").eq(lit(100))));

    let same = PartitionBounds::Range { from: vec![int(1), int(5)], to: vec![int(1), int(7)] };
    assert!(!matches(&same, col("b").eq(lit(100))));
    assert!(matches(&same, col("a").eq(lit(1)).and(col("b").eq(lit(6)))));

    let aligned = PartitionBounds::Range {
        from: vec![int(1), PartitionValue::Min],
        to: vec![int(3), PartitionValue::Min],
    };
    assert!(!matches(&aligned, col("a").eq(lit(3))));
}

#[test]
fn a_list_matches_by_its_tuples() {
    let text = |text: &str| PartitionValue::Text(text.to_owned());
    let bounds = PartitionBounds::List(vec![
        vec![text("de"), PartitionValue::Int(1)],
        vec![text("fr"), PartitionValue::Int(2)],
    ]);
    assert!(matches(&bounds, col("a").eq(lit("fr"))));
    assert!(!matches(&bounds, col("a").eq(lit("fr")).and(col("b").eq(lit(1)))));
    assert!(!matches(&bounds, col("a").eq(lit("us"))));
    assert!(!matches(&bounds, col("a").in_list(vec![lit("de"), lit("fr")], true)));
    assert!(matches(&bounds, col("b").gt(lit(1))));
    assert!(!matches(&bounds, col("b").gt(lit(ScalarValue::Decimal128(Some(20), 10, 1)))));
}

#[test]
fn one_partition_always_matches() {
    assert!(matches(&PartitionBounds::All, lit(false)));
}

/// A condition on `a`, as the planner has it and as SQL means it.
#[derive(Debug, Clone)]
enum Condition {
    Compare(Operator, Option<i64>),
    Between(bool, i64, i64),
    In(bool, Vec<Option<i64>>),
    IsNull(bool),
    Not(Box<Self>),
    And(Box<Self>, Box<Self>),
    Or(Box<Self>, Box<Self>),
}

impl Condition {
    fn expr(&self) -> Expr {
        match self {
            Self::Compare(operator, value) => {
                let value = lit(ScalarValue::Int64(*value));
                datafusion::logical_expr::binary_expr(col("a"), *operator, value)
            }
            Self::Between(false, low, high) => col("a").between(lit(*low), lit(*high)),
            Self::Between(true, low, high) => col("a").not_between(lit(*low), lit(*high)),
            Self::In(negated, list) => {
                let list = list.iter().map(|value| lit(ScalarValue::Int64(*value)));
                col("a").in_list(list.collect(), *negated)
            }
            Self::IsNull(true) => col("a").is_null(),
            Self::IsNull(false) => col("a").is_not_null(),
            Self::Not(inner) => Expr::Not(Box::new(inner.expr())),
            Self::And(left, right) => left.expr().and(right.expr()),
            Self::Or(left, right) => left.expr().or(right.expr()),
        }
    }

    /// What it is for a value: true, false or NULL.
    fn of(&self, value: Option<i64>) -> Option<bool> {
        let compare = |operator, other: Option<i64>| {
            let (value, other) = (value?, other?);
            Some(match operator {
                Operator::Eq => value == other,
                Operator::NotEq => value != other,
                Operator::Lt => value < other,
                Operator::LtEq => value <= other,
                Operator::Gt => value > other,
                _ => value >= other,
            })
        };
        let and = |left: Option<bool>, right: Option<bool>| match (left, right) {
            (Some(false), _) | (_, Some(false)) => Some(false),
            (Some(true), Some(true)) => Some(true),
            _ => None,
        };
        let not = |truth: Option<bool>| truth.map(|truth| !truth);
        match self {
            Self::Compare(operator, other) => compare(*operator, *other),
            Self::Between(negated, low, high) => {
                let inside =
                    and(compare(Operator::GtEq, Some(*low)), compare(Operator::LtEq, Some(*high)));
                if *negated { not(inside) } else { inside }
            }
            Self::In(negated, list) => {
                let none = list.iter().map(|other| compare(Operator::NotEq, *other));
                let none = none.fold(Some(true), and);
                if *negated { none } else { not(none) }
            }
            Self::IsNull(wanted) => Some(value.is_none() == *wanted),
            Self::Not(inner) => not(inner.of(value)),
            Self::And(left, right) => and(left.of(value), right.of(value)),
            Self::Or(left, right) => not(and(not(left.of(value)), not(right.of(value)))),
        }
    }
}

fn conditions() -> impl Strategy<Value = Condition> {
    let value = -5..=5_i64;
    let literal = proptest::option::weighted(0.9, value.clone());
    let operator = proptest::sample::select(vec![
        Operator::Eq,
        Operator::NotEq,
        Operator::Lt,
        Operator::LtEq,
        Operator::Gt,
        Operator::GtEq,
    ]);
    let leaf = prop_oneof![
        (operator, literal.clone())
            .prop_map(|(operator, value)| Condition::Compare(operator, value)),
        (any::<bool>(), value.clone(), value)
            .prop_map(|(negated, low, high)| Condition::Between(negated, low, high)),
        (any::<bool>(), proptest::collection::vec(literal, 1..4))
            .prop_map(|(negated, list)| Condition::In(negated, list)),
        any::<bool>().prop_map(Condition::IsNull),
    ];
    leaf.prop_recursive(4, 16, 2, |inner| {
        let pair = || (inner.clone(), inner.clone());
        let boxed = |(left, right)| (Box::new(left), Box::new(right));
        prop_oneof![
            inner.clone().prop_map(|inner| Condition::Not(Box::new(inner))),
            pair().prop_map(move |pair| {
                let (left, right) = boxed(pair);
                Condition::And(left, right)
            }),
            pair().prop_map(move |pair| {
                let (left, right) = boxed(pair);
                Condition::Or(left, right)
            }),
        ]
    })
}

fn bounds() -> impl Strategy<Value = PartitionBounds> {
    let int = || (-5..=5_i128).prop_map(PartitionValue::Int);
    let low = prop_oneof![Just(PartitionValue::Min), int()];
    let high = prop_oneof![int(), Just(PartitionValue::Max)];
    let member = prop_oneof![Just(PartitionValue::Null), int()];
    prop_oneof![
        (low, high).prop_map(|(low, high)| range(low, high)),
        proptest::collection::vec(member.prop_map(|member| vec![member]), 1..4)
            .prop_map(PartitionBounds::List),
    ]
}

proptest! {
    #[test]
    fn a_partition_with_a_matching_row_is_never_left_out(
        condition in conditions(),
        bounds in bounds(),
    ) {
        let values = (-6..=6).map(Some).chain([None]);
        let holds = |value: Option<i64>| {
            let value = value.map_or(PartitionValue::Null, |value| PartitionValue::Int(value.into()));
            bounds.contains(&[value])
        };
        let mut inside = values.filter(|value| holds(*value));
        if let Some(value) = inside.find(|value| condition.of(*value) == Some(true)) {
            let filter = condition.expr();
            prop_assert!(matches(&bounds, filter), "{value:?} is {condition:?} in {bounds:?}");
        }
    }
}
