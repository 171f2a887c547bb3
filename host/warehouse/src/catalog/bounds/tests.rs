use proptest::collection::{btree_set, vec};
use proptest::prelude::*;

use super::*;

fn partition(id: u64, bounds: PartitionBounds) -> Arc<PartitionRow> {
    let name = format!("p{id}");
    Arc::new(PartitionRow { id, name, bounds, replication_num: 1, version: 1, indexes: Vec::new() })
}

/// Few values, so that bounds and rows meet; MIN and MAX as well, which only bounds have.
fn value() -> impl Strategy<Value = PartitionValue> {
    prop_oneof![
        Just(PartitionValue::Min),
        Just(PartitionValue::Null),
        (0..12_i128).prop_map(PartitionValue::Int),
        Just(PartitionValue::Max),
    ]
}

fn row_value() -> impl Strategy<Value = PartitionValue> {
    prop_oneof![Just(PartitionValue::Null), (-1..13_i128).prop_map(PartitionValue::Int)]
}

/// Ranges of two columns that do not overlap: every other piece between sorted bounds.
fn ranges() -> impl Strategy<Value = Vec<Arc<PartitionRow>>> {
    (btree_set(vec(value(), 2), 0..12), vec(any::<bool>(), 12)).prop_map(|(bounds, kept)| {
        let bounds: Vec<_> = bounds.into_iter().collect();
        let pieces = bounds.windows(2).zip(kept).enumerate();
        let kept = pieces.filter(|(_, (_, kept))| *kept).map(|(id, (piece, _))| {
            let (from, to) = (piece[0].clone(), piece[1].clone());
            partition(id as u64, PartitionBounds::Range { from, to })
        });
        kept.collect()
    })
}

/// Lists of one column that share no value.
fn lists() -> impl Strategy<Value = Vec<Arc<PartitionRow>>> {
    btree_set(row_value(), 0..10).prop_map(|values| {
        let values: Vec<_> = values.into_iter().map(|value| vec![value]).collect();
        let pieces = values.chunks(2).enumerate();
        let list = |tuples: &[Vec<_>]| PartitionBounds::List(tuples.to_vec());
        pieces.map(|(id, tuples)| partition(id as u64, list(tuples))).collect()
    })
}

fn naive<'a>(
    partitions: &'a [Arc<PartitionRow>],
    values: &[PartitionValue],
) -> Option<&'a Arc<PartitionRow>> {
    let mut found = partitions.iter().filter(|partition| partition.bounds.contains(values));
    let first = found.next();
    assert!(found.next().is_none(), "two partitions hold {values:?}");
    first
}

proptest! {
    #[test]
    fn the_index_finds_what_a_search_finds_in_ranges(
        partitions in ranges(),
        row in vec(row_value(), 2),
    ) {
        let index = PartitionIndex::new(partitions.clone());
        prop_assert_eq!(index.find(&row), naive(&partitions, &row));
    }

    #[test]
    fn the_index_finds_what_a_search_finds_in_lists(partitions in lists(), row in row_value()) {
        let index = PartitionIndex::new(partitions.clone());
        let row = [row];
        prop_assert_eq!(index.find(&row), naive(&partitions, &row));
    }

    #[test]
    fn a_set_refuses_exactly_what_overlaps(
        partitions in ranges(),
        mut bound in vec(vec(value(), 2), 2),
    ) {
        bound.sort();
        prop_assume!(bound[0] < bound[1]);
        let new = PartitionBounds::Range { from: bound[0].clone(), to: bound[1].clone() };
        let mut set = PartitionSet::of(partitions.clone()).unwrap();
        let is_free = !partitions.iter().any(|other| overlap(&other.bounds, &new));
        prop_assert_eq!(set.insert("new", &new).is_ok(), is_free);
    }

    #[test]
    fn ranges_overlap_when_a_row_could_be_in_both(
        a in vec(vec(value(), 1), 2),
        b in vec(vec(value(), 1), 2),
    ) {
        let range = |mut bounds: Vec<Vec<PartitionValue>>| {
            bounds.sort();
            (bounds[0] < bounds[1])
                .then(|| PartitionBounds::Range { from: bounds[0].clone(), to: bounds[1].clone() })
        };
        let (Some(a), Some(b)) = (range(a), range(b)) else { return Ok(()) };
        // Below every value there is a bound, and so is between any two.
        let rows = (-1..13).map(|number| vec![PartitionValue::Int(number)]);
        let rows = rows.chain([vec![PartitionValue::Min], vec![PartitionValue::Null]]);
        let meet = rows.into_iter().any(|row| a.contains(&row) && b.contains(&row));
        prop_assert!(!meet || overlap(&a, &b));
        prop_assert_eq!(overlap(&a, &b), overlap(&b, &a));
    }
}

fn range(from: i128, to: i128) -> PartitionBounds {
    let bound = |value| vec![PartitionValue::Int(value)];
    PartitionBounds::Range { from: bound(from), to: bound(to) }
}

#[test]
fn null_is_below_every_value_and_above_min() {
    let below = PartitionBounds::Range {
        from: vec![PartitionValue::Min],
        to: vec![PartitionValue::Int(0)],
    };
    assert!(below.contains(&[PartitionValue::Null]));
    assert!(!range(0, 5).contains(&[PartitionValue::Null]));
    let list = PartitionBounds::List(vec![vec![PartitionValue::Null]]);
    assert!(list.contains(&[PartitionValue::Null]));
}

#[test]
fn a_set_knows_names_ends_and_lists() {
    let mut set = PartitionSet::default();
    set.insert("a", &range(0, 10)).unwrap();
    set.insert("b", &range(20, 30)).unwrap();
    let end = |bound| set.end_below(&[PartitionValue::Int(bound)]).map(<[_]>::to_vec);
    assert_eq!(end(0), None);
    assert_eq!(end(10), Some(vec![PartitionValue::Int(10)]));
    assert_eq!(end(25), Some(vec![PartitionValue::Int(10)]));
    assert_eq!(end(99), Some(vec![PartitionValue::Int(30)]));
    assert_eq!(set.insert("a", &range(50, 60)).unwrap_err().kind(), ErrorKind::AlreadyExists);
    assert_eq!(
        set.insert("c", &range(5, 20)).unwrap_err().to_string(),
        r#"Range [("5"), ("20")) is intersected with range: [("0"), ("10")) of partition a"#
    );

    let list = |values: &[i128]| {
        PartitionBounds::List(
            values.iter().map(|&value| vec![PartitionValue::Int(value)]).collect(),
        )
    };
    let mut set = PartitionSet::default();
    set.insert("a", &list(&[1, 2])).unwrap();
    let error = set.insert("b", &list(&[3, 2])).unwrap_err();
    assert_eq!(error.to_string(), r#"Values (("3"), ("2")) are also in partition a"#);
}
