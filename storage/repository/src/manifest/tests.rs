use proptest::prelude::*;

use super::*;

fn chunk_list(number: u64) -> ChunkList {
    (0..number).map(|n| ChunkId::of(&n.to_le_bytes())).collect()
}

fn reference(number: u64) -> DocumentRef {
    DocumentRef { len: number.max(1) * 100, chunks: chunk_list(number.max(1)) }
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z]{0,3}", ".{0,3}"]
}

fn opaque() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..40)
}

fn segment() -> impl Strategy<Value = Segment> {
    (name(), 0_u64..4, opaque(), opaque()).prop_map(|(name, chunks, identity, attributes)| {
        let len = chunks * 1000;
        Segment { name, len, identity, attributes, chunks: chunk_list(chunks) }
    })
}

/// Removes the items that a document would refuse as twins.
fn unique<T, K: Ord>(mut items: Vec<T>, key: impl Fn(&T) -> K) -> Vec<T> {
    items.sort_by_key(&key);
    items.dedup_by_key(|item| key(item));
    items
}

fn tablet_list() -> impl Strategy<Value = TabletList> {
    let tablet = (name(), name(), prop::collection::vec(segment(), 0..5)).prop_map(
        |(index, name, segments)| {
            let segments = unique(segments, |segment| segment.name.clone());
            Tablet { index, name, segments }
        },
    );
    prop::collection::vec(tablet, 0..5).prop_map(|tablets| {
        let tablets = unique(tablets, |tablet| (tablet.index.clone(), tablet.name.clone()));
        TabletList::new(tablets).unwrap()
    })
}

fn object_list() -> impl Strategy<Value = ObjectList> {
    let partition = (name(), 0_u64..3, any::<u64>(), any::<u64>()).prop_map(
        |(name, chunks, segments, bytes)| Partition {
            name,
            tablets: reference(chunks),
            segments,
            bytes,
        },
    );
    let names = || prop::collection::vec(name(), 0..3);
    let partitions = prop::collection::vec(partition, 0..4);
    let object = (name(), name(), names(), opaque(), opaque(), partitions, any::<bool>()).prop_map(
        |(kind, name, depends_on, fingerprint, definition, partitions, is_partial)| {
            let partitions = unique(partitions, |partition| partition.name.clone());
            Object { kind, name, depends_on, fingerprint, definition, partitions, is_partial }
        },
    );
    prop::collection::vec(object, 0..4).prop_map(|objects| {
        let objects = unique(objects, |object| (object.kind.clone(), object.name.clone()));
        ObjectList::new(objects).unwrap()
    })
}

fn root() -> impl Strategy<Value = Root> {
    let database =
        (name(), 0_u64..3).prop_map(|(name, n)| Database { name, objects: reference(n) });
    prop::collection::vec(database, 0..5).prop_map(|databases| {
        Root::new(unique(databases, |database| database.name.clone())).unwrap()
    })
}

/// Whatever decodes at all must be a value that encodes and decodes to itself.
fn decode_totally<D: Document + PartialEq + std::fmt::Debug>(bytes: &[u8]) {
    if let Ok(document) = D::decode(bytes) {
        assert_eq!(D::decode(&document.encode()), Ok(document));
    }
}

fn decode_all(bytes: &[u8]) {
    decode_totally::<Root>(bytes);
    decode_totally::<ObjectList>(bytes);
    decode_totally::<TabletList>(bytes);
}

#[test]
fn the_bytes_are_those_of_the_design() {
    let id = ChunkId::from_bytes([7; 32]);
    let objects = DocumentRef { len: 300, chunks: vec![id].into() };
    let root = Root::new(vec![Database { name: "db".into(), objects }]).unwrap();
    let mut expected = vec![0x81, 0x81, 0x82, 0x62, b'd', b'b', 0x82, 0x19, 1, 44, 0x81, 0x58, 32];
    expected.extend([7; 32]);
    assert_eq!(root.encode(), expected);

    let segment = Segment {
        name: "s".into(),
        len: 9,
        identity: vec![1],
        attributes: vec![],
        chunks: vec![id].into(),
    };
    let tablet = Tablet { index: String::new(), name: "t".into(), segments: vec![segment] };
    let list = TabletList::new(vec![tablet]).unwrap();
    let mut expected = vec![0x81, 0x81, 0x83, 0x60, 0x61, b't', 0x81];
    expected.extend([0x85, 0x61, b's', 9, 0x41, 1, 0x40, 0x58, 32]);
    expected.extend([7; 32]);
    assert_eq!(list.encode(), expected);
}

#[test]
fn elements_of_a_newer_version_are_ignored() {
    let newer = [0x82, 0x81, 0x84, 0x60, 0x61, b't', 0x80, 0xa1, 1, 2, 0x82, 1, 0x81, 0];
    let list = TabletList::decode(&newer).unwrap();
    assert_eq!(list.tablets(), [Tablet { name: "t".into(), ..Tablet::default() }]);
}

#[test]
fn twins_are_refused_with_their_name() {
    let database = || Database { name: "db".into(), objects: reference(1) };
    let refused = Root::new(vec![database(), database()]).unwrap_err();
    assert_eq!(refused.to_string(), "two databases are named \"db\"");
    let object = || Object { kind: "table".into(), name: "t".into(), ..Object::default() };
    let refused = ObjectList::new(vec![object(), object()]).unwrap_err();
    assert_eq!(refused.to_string(), "two objects are named \"table\" \"t\"");
    let segment = Segment { name: "s".into(), len: 5, ..Segment::default() };
    let tablet = Tablet { segments: vec![segment], ..Tablet::default() };
    let refused = TabletList::new(vec![tablet]).unwrap_err();
    assert_eq!(refused.to_string(), "a segment \"s\" of 5 bytes in 0 chunks");
}

#[test]
fn order_and_twins_are_checked_by_readers() {
    for names in [["b", "a"], ["a", "a"]] {
        let databases = names.map(|name| Database { name: name.into(), objects: reference(1) });
        let bytes = Root { databases: databases.into() }.encode();
        assert_eq!(Root::decode(&bytes).unwrap_err().what(), "a list is out of order");
    }
}

#[test]
fn trailing_bytes_are_refused() {
    let bytes = [Root::default().encode(), vec![0]].concat();
    assert_eq!(Root::decode(&bytes).unwrap_err().to_string(), "bytes behind the end at byte 2");
}

#[test]
fn a_reference_is_that_of_its_chunks() {
    let document = vec![9; 600_000];
    let reference = DocumentRef::of(&document);
    assert_eq!(reference.len, 600_000);
    assert_eq!(reference.chunks.len(), DocumentRef::chunks_of(&document).count());
    assert!(reference.chunks.len() > 1);
}

proptest! {
    #[test]
    fn documents_round_trip(root in root(), objects in object_list(), tablets in tablet_list()) {
        prop_assert_eq!(Root::decode(&root.encode()), Ok(root));
        prop_assert_eq!(ObjectList::decode(&objects.encode()), Ok(objects));
        prop_assert_eq!(TabletList::decode(&tablets.encode()), Ok(tablets));
    }

    #[test]
    fn decoding_is_total(bytes: Vec<u8>) {
        decode_all(&bytes);
    }

    #[test]
    fn decoding_changed_documents_is_total(
        tablets in tablet_list(),
        objects in object_list(),
        at: prop::sample::Index,
        with: u8,
    ) {
        for mut bytes in [tablets.encode(), objects.encode()] {
            let at = at.index(bytes.len());
            bytes[at] = with;
            decode_all(&bytes);
            decode_all(&bytes[..at]);
        }
    }
}
