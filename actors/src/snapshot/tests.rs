use cairn_repository::ChunkId;

use super::*;

fn spec(name: &str, identity: &[u8]) -> SegmentSpec {
    SegmentSpec { name: name.into(), len: 4, identity: identity.into(), attributes: Box::default() }
}

fn tablets(segments: Vec<SegmentSpec>) -> Vec<TabletSpec> {
    vec![TabletSpec { index: String::new(), name: "t".into(), segments }]
}

fn before(segments: &[(&str, &[u8])]) -> TabletList {
    let segments = segments
        .iter()
        .map(|(name, identity)| Segment {
            name: (*name).into(),
            len: 4,
            identity: identity.to_vec(),
            attributes: Vec::new(),
            chunks: [ChunkId::of(name.as_bytes())].into_iter().collect(),
        })
        .collect();
    TabletList::new(vec![Tablet { index: String::new(), name: "t".into(), segments }]).unwrap()
}

/// How many segments a comparison reads; `None` when nothing changed at all.
fn reads(now: Vec<SegmentSpec>, before: &TabletList, has_chunks: bool) -> Option<usize> {
    match compare((0, 0), tablets(now), before, |_| Ok(has_chunks)).unwrap() {
        Comparison::Unchanged { .. } => None,
        Comparison::Changed { reads, .. } => Some(reads.len()),
    }
}

#[test]
fn equal_identities_are_not_read() {
    let before = before(&[("a", b"1"), ("b", b"2")]);
    assert_eq!(reads(vec![spec("a", b"1"), spec("b", b"2")], &before, true), None);
    assert_eq!(reads(vec![spec("b", b"2"), spec("a", b"1")], &before, true), None);
}

#[test]
fn another_or_no_identity_and_a_lost_chunk_are_read() {
    let before = before(&[("a", b"1"), ("b", b"")]);
    assert_eq!(reads(vec![spec("a", b"x"), spec("b", b"2")], &before, true), Some(2));
    assert_eq!(reads(vec![spec("a", b"1"), spec("b", b"")], &before, true), Some(1));
    assert_eq!(reads(vec![spec("a", b"1")], &before, false), Some(1));
}

#[test]
fn a_segment_or_tablet_that_went_away_changes_the_partition_but_reads_nothing() {
    let before = before(&[("a", b"1"), ("b", b"2")]);
    assert_eq!(reads(vec![spec("a", b"1")], &before, true), Some(0));
    let comparison = compare((0, 0), Vec::new(), &before, |_| Ok(true)).unwrap();
    assert!(matches!(comparison, Comparison::Changed { reads, .. } if reads.is_empty()));
}

#[test]
fn an_empty_tablet_more_is_a_change() {
    let before = before(&[("a", b"1")]);
    let mut now = tablets(vec![spec("a", b"1")]);
    now.push(TabletSpec { index: String::new(), name: "u".into(), segments: Vec::new() });
    let comparison = compare((0, 0), now, &before, |_| Ok(true)).unwrap();
    assert!(matches!(comparison, Comparison::Changed { .. }));
}

#[test]
fn an_empty_segment_is_never_read() {
    let mut empty = spec("e", b"1");
    empty.len = 0;
    assert_eq!(reads(vec![empty], &TabletList::default(), true), Some(0));
}

/// The numbers of segments of the batches that segments of these lengths make.
fn batches_of(lengths: impl Iterator<Item = u64>) -> Vec<usize> {
    let (mut batch, mut full) = (OpenBatch::default(), Vec::new());
    for (position, len) in (0..).zip(lengths) {
        let address = SegmentAddress { object: 0, partition: 0, tablet: 0, segment: position };
        batch.push(ReadTask { slot: SegmentSlot { plan: 0, position }, address, len });
        if batch.is_full() {
            full.push(std::mem::take(&mut batch).tasks.len());
        }
    }
    full.push(batch.tasks.len());
    full
}

#[test]
fn a_batch_has_so_many_bytes_or_so_many_segments_and_a_long_segment_none_behind_it() {
    assert_eq!(batches_of(std::iter::repeat_n(1, 2 * BATCH_SEGMENTS + 1)), [128, 128, 1]);
    assert_eq!(batches_of(std::iter::repeat_n(BATCH_BYTES / 4, 9)), [4, 4, 1]);
    assert_eq!(batches_of([BATCH_BYTES * 100, 1].into_iter()), [1, 1]);
}
