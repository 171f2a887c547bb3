use super::*;
use crate::message::PlannedTablet;
use crate::tablet::ObjectKey;

fn catalog() -> Vec<(ObjectSpec, bool)> {
    let spec = ObjectSpec {
        key: ObjectKey::table("shop", "orders"),
        depends_on: Vec::new(),
        fingerprint: Vec::new(),
        definition: Vec::new(),
        partitions: vec!["p1".into()],
    };
    vec![(spec, false)]
}

fn entry(name: &str, len: u64) -> Segment {
    Segment { name: name.into(), len, ..Segment::default() }
}

fn plan(reads: &[(&str, u64)]) -> PartitionPlan {
    let segments: Vec<_> =
        reads.iter().map(|(name, len)| PlannedSegment::Read(entry(name, *len))).collect();
    PartitionPlan {
        number: 0,
        object: 0,
        name: "p1".into(),
        num_reads: u32::try_from(segments.len()).unwrap(),
        tablets: vec![PlannedTablet { index: String::new(), name: "t1".into(), segments }],
    }
}

fn placed(segment: u32, position: u32, content: &str) -> PlacedChunk {
    let slot = SegmentSlot { plan: 0, position: segment };
    PlacedChunk { slot, position, id: ChunkId::of(content.as_bytes()) }
}

fn cut(segment: u32, num_chunks: u32, len: u64) -> SegmentCut {
    let slot = SegmentSlot { plan: 0, position: segment };
    SegmentCut { slot, num_chunks, len, identity: Box::from(*b"id") }
}

fn assembly(reads: &[(&str, u64)]) -> Assembly {
    let mut assembly = Assembly::default();
    assembly.add_catalog(catalog());
    assert!(assembly.add_plan(plan(reads)).unwrap().is_none());
    assembly
}

#[test]
fn news_in_any_order_make_the_same_manifest() {
    let mut assembly = assembly(&[("b", 20), ("a", 10)]);
    assert!(assembly.add_chunks(vec![placed(0, 1, "y")], vec![cut(1, 1, 10)]).unwrap().is_empty());
    assert!(assembly.add_chunks(Vec::new(), vec![cut(0, 2, 20)]).unwrap().is_empty());
    assert!(assembly.add_chunks(vec![placed(0, 0, "x")], Vec::new()).unwrap().is_empty());
    let complete = assembly.add_chunks(vec![placed(1, 0, "z")], Vec::new()).unwrap();
    let [partition] = &complete[..] else { panic!("one partition is complete") };
    let segments = &partition.manifest.tablets()[0].segments;
    assert_eq!(segments[0].name, "a");
    let ids: Vec<_> = segments[1].chunks.iter().collect();
    assert_eq!(ids, [ChunkId::of(b"x"), ChunkId::of(b"y")]);
    assert_eq!(segments[1].identity, b"id");
}

#[test]
fn a_partition_that_is_open_shows_the_segments_that_are_complete() {
    let mut assembly = assembly(&[("b", 20), ("a", 10), ("c", 5)]);
    assembly.add_chunks(vec![placed(1, 0, "z"), placed(0, 0, "x")], vec![cut(1, 1, 10)]).unwrap();
    let [open] = &assembly.open_manifests().unwrap()[..] else { panic!("one partition is open") };
    let segments = &open.manifest.tablets()[0].segments;
    assert_eq!(segments.iter().map(|it| &*it.name).collect::<Vec<_>>(), ["a"]);
    assert!(assembly.so_far(Vec::new()).is_empty());
    let partition = Partition {
        name: "p1".into(),
        tablets: cairn_repository::manifest::DocumentRef::of(b"-"),
        segments: 1,
        bytes: 10,
    };
    let so_far = assembly.so_far(vec![(0, partition.clone())]);
    assert_eq!(so_far[0].1[0].partitions, [partition]);
}

#[test]
fn an_open_segment_is_never_committed() {
    let mut assembly = assembly(&[("a", 10)]);
    assembly.add_chunks(vec![placed(0, 0, "x")], Vec::new()).unwrap();
    assert!(assembly.finish().is_err());
}

#[test]
fn a_missing_partition_is_never_committed() {
    let mut assembly = Assembly::default();
    assembly.add_catalog(catalog());
    assert!(assembly.finish().is_err());
}

#[test]
fn a_segment_of_another_length_is_refused() {
    let mut assembly = assembly(&[("a", 10)]);
    let error = assembly.add_chunks(vec![placed(0, 0, "x")], vec![cut(0, 1, 9)]).unwrap_err();
    assert!(error.to_string().contains("another length"), "{error}");
}

#[test]
fn a_chunk_that_arrives_twice_is_a_defect() {
    let mut assembly = assembly(&[("a", 10)]);
    assembly.add_chunks(vec![placed(0, 0, "x")], Vec::new()).unwrap();
    assert!(assembly.add_chunks(vec![placed(0, 0, "x")], Vec::new()).is_err());
}
