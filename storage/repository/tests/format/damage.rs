//! Copies of the golden repository, each damaged in one way, and exactly what a check says of each.

use std::collections::HashSet;

use bytes::Bytes;
use cairn_repository::check::affected_by;
use cairn_repository::manifest::{
    Database, Object, ObjectList, Partition, Root, Segment, Tablet, TabletList,
};
use cairn_repository::pack::{ChunkKind, entries_of_pack};
use cairn_repository::{ChunkId, Sealer, layout};
use cairn_storage::{MemoryStorage, ObjectPath};

use crate::check::check;
use crate::golden::golden;
use crate::sample;

/// Findings as text: each damage, then what it touches.
async fn findings(memory: &MemoryStorage) -> Vec<String> {
    let report = check(&sample::open(memory).await).await;
    let lines = report.findings.iter().flat_map(|finding| {
        let affected = finding.affected.iter().map(|affected| format!("  {affected}"));
        std::iter::once(finding.damage.to_string()).chain(affected)
    });
    lines.collect()
}

fn damage(memory: &MemoryStorage, path: &ObjectPath, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = memory.objects()[path].to_vec();
    change(&mut bytes);
    memory.insert(path.clone(), bytes.into());
}

/// The four packs by what they hold: segments and documents of `first`, what is new of each in `second`.
struct Packs {
    segments: ObjectPath,
    documents: ObjectPath,
    new_segments: ObjectPath,
    new_documents: ObjectPath,
}

fn packs(memory: &MemoryStorage) -> Packs {
    let (mut segments, mut documents): (Vec<_>, Vec<_>) = memory
        .objects()
        .into_iter()
        .filter_map(|(path, bytes)| Some((layout::parse_pack_path(&path)?, path, bytes)))
        .map(|(id, path, bytes)| {
            (entries_of_pack(&Sealer::plain(), &id, &bytes).unwrap(), path, bytes.len())
        })
        .partition(|(entries, _, _)| entries[0].location.kind == ChunkKind::Segment);
    segments.sort_by_key(|(_, _, length)| *length);
    documents.sort_by_key(|(entries, _, _)| entries.len());
    let [new_segments, segments] = segments.try_into().unwrap();
    let [new_documents, documents] = documents.try_into().unwrap();
    Packs {
        segments: segments.1,
        documents: documents.1,
        new_segments: new_segments.1,
        new_documents: new_documents.1,
    }
}

/// The run that lists a pack, and the bytes of it.
fn run_of(memory: &MemoryStorage, pack: &ObjectPath) -> (ObjectPath, Bytes) {
    let id = layout::parse_pack_path(pack).unwrap();
    memory
        .objects()
        .into_iter()
        .find(|(path, bytes)| {
            layout::parse_index_path(path).is_some() && bytes[16..48] == id.as_bytes()[..]
        })
        .unwrap()
}

fn snapshot(label: &str) -> ObjectPath {
    layout::snapshot_path(&label.parse().unwrap())
}

const PEOPLE: &str = r#"database "hr", table "people", partition "", tablet "20001": 1 segment"#;
const FEBRUARY: [&str; 3] = [
    r#"database "sales", table "orders", partition "2026-02", tablet "10001" of index "base": 1 segment"#,
    r#"database "sales", table "orders", partition "2026-02", tablet "10002" of index "base": 1 segment"#,
    r#"database "sales", table "orders", partition "2026-02", tablet "10003" of index "rollup": 1 segment"#,
];
const MARCH: &str = r#"database "sales", table "orders", partition "2026-03", tablet "10004" of index "base": 1 segment"#;

/// The lines below a damage of all segments that both snapshots share, and of the one that is in `first` only.
fn all_first_segments() -> Vec<String> {
    let of = |label: &str, part: &str| format!("  snapshot {label}, {part}");
    let mut lines = vec![of("first", PEOPLE)];
    lines.extend(FEBRUARY.map(|part| of("first", part)));
    lines.push(of("first", MARCH));
    lines.push(of("second", PEOPLE));
    lines.extend(FEBRUARY.map(|part| of("second", part)));
    lines
}

fn expect(damage: &str, mut affected: Vec<String>) -> Vec<String> {
    affected.insert(0, damage.to_owned());
    affected
}

#[tokio::test]
async fn a_missing_pack_of_segments() {
    let memory = golden("v1");
    let pack = packs(&memory).segments;
    memory.remove(&pack);
    assert_eq!(findings(&memory).await, expect(&format!("{pack}: missing"), all_first_segments()));
}

#[tokio::test]
async fn a_truncated_pack_of_segments() {
    let memory = golden("v1");
    let pack = packs(&memory).new_segments;
    let length = memory.objects()[&pack].len();
    damage(&memory, &pack, |bytes| bytes.truncate(length - 1));
    let damage = format!("{pack}: has {} bytes, at least {length} are needed", length - 1);
    assert_eq!(findings(&memory).await, [damage, format!("  snapshot second, {MARCH}")]);
}

#[tokio::test]
async fn a_flipped_bit_in_a_directory() {
    let memory = golden("v1");
    let pack = packs(&memory).new_segments;
    damage(&memory, &pack, |bytes| {
        let last_entry = bytes.len() - 32 - 44;
        bytes[last_entry] ^= 1;
    });
    let damage = format!("{pack}: directory and trailer are not those of the pack's name");
    assert_eq!(findings(&memory).await, [damage, format!("  snapshot second, {MARCH}")]);
}

#[tokio::test]
async fn two_packs_that_were_swapped() {
    let memory = golden("v1");
    let Packs { new_segments, segments, .. } = packs(&memory);
    let small = memory.remove(&new_segments).unwrap();
    let large = memory.objects()[&segments].clone();
    let needed = large.len();
    damage(&memory, &segments, |bytes| *bytes = small.to_vec());
    memory.insert(new_segments.clone(), large);
    let foreign = format!("{new_segments}: directory and trailer are not those of the pack's name");
    let short = format!("{segments}: has {} bytes, at least {needed} are needed", small.len());
    let mut expected = [
        (new_segments, vec![foreign, format!("  snapshot second, {MARCH}")]),
        (segments, expect(&short, all_first_segments())),
    ];
    expected.sort();
    assert_eq!(findings(&memory).await, expected.map(|(_, lines)| lines).concat());
}

#[tokio::test]
async fn a_rotten_chunk_of_a_segment_is_found_by_reading_and_named_by_affected_by() {
    let memory = golden("v1");
    let Packs { segments: pack, .. } = packs(&memory);
    let id = layout::parse_pack_path(&pack).unwrap();
    let entries = entries_of_pack(&Sealer::plain(), &id, &memory.objects()[&pack]).unwrap();
    damage(&memory, &pack, |bytes| bytes[8] ^= 1);
    assert_eq!(findings(&memory).await, [""; 0], "structure does not read chunks of segments");
    let repository = sample::open(&memory).await;
    let index = sample::index(&repository).await;
    let mut lost: HashSet<ChunkId> = HashSet::new();
    for entry in entries {
        if let Err(error) = repository.read_chunk(&index, &entry.id).await {
            let chunk = entry.id;
            let damage = format!("{pack}: chunk {chunk}: its content does not match its hash");
            assert_eq!(error.damage().unwrap().to_string(), damage);
            lost.insert(entry.id);
        }
    }
    assert_eq!(lost.len(), 1);
    let affected = affected_by(&repository, &index, &lost).await.unwrap();
    let affected: Vec<String> = affected.iter().map(ToString::to_string).collect();
    assert_eq!(
        affected,
        [format!("snapshot first, {PEOPLE}"), format!("snapshot second, {PEOPLE}")]
    );
}

#[tokio::test]
async fn a_missing_pack_of_documents() {
    let memory = golden("v1");
    let pack = packs(&memory).new_documents;
    memory.remove(&pack);
    assert_eq!(
        findings(&memory).await,
        [format!("{pack}: missing"), "  snapshot second: 6 segments".to_owned()]
    );
}

#[tokio::test]
async fn a_missing_pack_of_documents_that_are_shared() {
    let memory = golden("v1");
    let pack = packs(&memory).documents;
    memory.remove(&pack);
    assert_eq!(
        findings(&memory).await,
        [
            format!("{pack}: missing"),
            "  snapshot first: 6 segments".to_owned(),
            r#"  snapshot second, database "hr""#.to_owned(),
            r#"  snapshot second, database "sales", table "orders", partition "2026-02": 4 segments"#
                .to_owned(),
        ]
    );
}

#[tokio::test]
async fn a_rotten_document() {
    let memory = golden("v1");
    let pack = packs(&memory).documents;
    let id = layout::parse_pack_path(&pack).unwrap();
    // The first document that the sample writes is the list of tablets of hr.people.
    let chunk = entries_of_pack(&Sealer::plain(), &id, &memory.objects()[&pack]).unwrap()[0];
    damage(&memory, &pack, |bytes| bytes[chunk.location.offset as usize + 20] ^= 1);
    let lines = findings(&memory).await;
    assert!(lines[0].starts_with(&format!("{pack}: chunk {}: ", chunk.id)), "{}", lines[0]);
    let part = r#"database "hr", table "people", partition "": 1 segment"#;
    assert_eq!(
        lines[1..],
        [format!("  snapshot first, {part}"), format!("  snapshot second, {part}")]
    );
}

#[tokio::test]
async fn a_missing_run() {
    let memory = golden("v1");
    let (run, _) = run_of(&memory, &packs(&memory).segments);
    memory.remove(&run);
    let damage = "indexes: not listed in any index run";
    assert_eq!(findings(&memory).await, expect(damage, all_first_segments()));
}

#[tokio::test]
async fn a_run_with_a_flipped_bit() {
    let memory = golden("v1");
    let (run, _) = run_of(&memory, &packs(&memory).new_segments);
    damage(&memory, &run, |bytes| bytes[16] ^= 1);
    let lines = check_resident(&memory).await;
    assert_eq!(
        lines,
        [
            format!("{run}: its content does not match its hash"),
            "indexes: not listed in any index run".to_owned(),
            format!("  snapshot second, {MARCH}"),
        ]
    );
}

#[tokio::test]
async fn a_truncated_run() {
    let memory = golden("v1");
    let (run, _) = run_of(&memory, &packs(&memory).new_segments);
    damage(&memory, &run, |bytes| bytes.truncate(40));
    assert_eq!(
        findings(&memory).await,
        [
            format!("{run}: its content does not match its hash"),
            "indexes: not listed in any index run".to_owned(),
            format!("  snapshot second, {MARCH}"),
        ]
    );
}

/// A paged run is believed page by page, so only a resident one shows what a flipped bit costs.
async fn check_resident(memory: &MemoryStorage) -> Vec<String> {
    let repository = sample::open(memory).await;
    let options = cairn_repository::check::CheckOptions::default();
    let runtime = tokio::runtime::Handle::current();
    let report =
        cairn_repository::check::check_structure(&repository, runtime, &options, &|_| ()).await;
    let lines = report.unwrap().findings.into_iter().flat_map(|finding| {
        let affected: Vec<_> =
            finding.affected.iter().map(|affected| format!("  {affected}")).collect();
        std::iter::once(finding.damage.to_string()).chain(affected)
    });
    lines.collect()
}

/// Puts a run of a pack instead of the one that lists it, in which one chunk lies a byte further, and says which.
async fn list_elsewhere(memory: &MemoryStorage, pack: &ObjectPath) -> ObjectPath {
    let (run, _) = run_of(memory, pack);
    memory.remove(&run);
    let id = layout::parse_pack_path(pack).unwrap();
    let mut entries = entries_of_pack(&Sealer::plain(), &id, &memory.objects()[pack]).unwrap();
    entries[0].location.offset += 1;
    let run = sample::open(memory).await.put_index_run(entries).await.unwrap();
    layout::index_path(&run)
}

#[tokio::test]
async fn a_run_that_a_pack_contradicts_is_named_and_lists_nothing() {
    let memory = golden("v1");
    let Packs { segments, new_segments, .. } = packs(&memory);
    for (pack, affected) in [
        // Its only chunk would end behind the pack.
        (new_segments, vec![format!("  snapshot second, {MARCH}")]),
        (segments, all_first_segments()),
    ] {
        let memory = memory.fork();
        let run = list_elsewhere(&memory, &pack).await;
        let damage = format!(
            "{run}: lists chunks that {pack} does not have there: a repair lists the others anew"
        );
        let mut lines = vec![damage, "indexes: not listed in any index run".to_owned()];
        lines.extend(affected);
        assert_eq!(findings(&memory).await, lines);
    }
}

#[tokio::test]
async fn a_pack_that_is_shorter_than_a_run_says_is_asked_without_directories_too() {
    let memory = golden("v1");
    let run = list_elsewhere(&memory, &packs(&memory).new_segments).await;
    let lines = check_resident(&memory).await;
    assert!(lines[0].starts_with(run.as_str()), "{lines:?}");
}

#[tokio::test]
async fn a_rotten_record_does_not_hide_the_other_snapshot() {
    let memory = golden("v1");
    damage(&memory, &snapshot("first"), |bytes| bytes[20] ^= 1);
    memory.remove(&packs(&memory).new_segments);
    let pack = packs_missing(&memory);
    assert_eq!(
        findings(&memory).await,
        [
            "snapshots/first: its content does not match its hash".to_owned(),
            "  snapshot first".to_owned(),
            format!("{pack}: missing"),
            format!("  snapshot second, {MARCH}"),
        ]
    );
}

/// The pack of the golden repository that a copy lacks.
fn packs_missing(memory: &MemoryStorage) -> ObjectPath {
    let here = memory.objects();
    golden("v1").objects().into_keys().find(|path| !here.contains_key(path)).unwrap()
}

#[tokio::test]
async fn records_that_were_swapped() {
    let memory = golden("v1");
    let objects = memory.objects();
    memory.insert(snapshot("first"), objects[&snapshot("second")].clone());
    memory.insert(snapshot("second"), objects[&snapshot("first")].clone());
    assert_eq!(
        findings(&memory).await,
        [
            "snapshots/first: the record of another label",
            "  snapshot first",
            "snapshots/second: the record of another label",
            "  snapshot second",
        ]
    );
}

#[tokio::test]
async fn a_damaged_config() {
    let memory = golden("v1");
    damage(&memory, &layout::config_path(), |bytes| bytes.truncate(30));
    let damaged = cairn_repository::Repository::open(std::sync::Arc::new(memory)).await;
    let error = damaged.unwrap_err();
    assert_eq!(error.code(), "CAIRN-R007");
    assert_eq!(error.damage().unwrap().to_string(), "cairn.json: not the config of a repository");
}

#[tokio::test]
async fn a_segment_whose_chunks_have_another_length() {
    let memory = MemoryStorage::new();
    let storage = std::sync::Arc::new(memory.clone());
    let repository = cairn_repository::Repository::create(storage, &sample::settings()).await;
    let repository = repository.unwrap();
    let mut writer = sample::Writer::new(&repository);
    let chunks = writer.segment(b"stones");
    let chunk = chunks.first().unwrap();
    let segment = Segment { name: "0.dat".to_owned(), len: 7, chunks, ..Segment::default() };
    let tablet = Tablet { name: "1".to_owned(), segments: vec![segment], ..Tablet::default() };
    let tablets = writer.document(&TabletList::new(vec![tablet]).unwrap());
    let document = tablets.chunks.first().unwrap();
    let partition = Partition { name: String::new(), tablets, segments: 1, bytes: 7 };
    let object = Object { partitions: vec![partition], ..Object::default() };
    let objects = writer.document(&ObjectList::new(vec![object]).unwrap());
    let database = Database { name: String::new(), objects };
    let root = writer.document(&Root::new(vec![database]).unwrap());
    writer.flush().await;
    repository.commit(&sample::record("first", root)).await.unwrap();
    assert_eq!(
        findings(&memory).await,
        [
            format!("document {document}: chunk {chunk}: 6 bytes instead of 7"),
            r#"  snapshot first, database "",  "", partition "", tablet "1": 1 segment"#.to_owned(),
        ]
    );
}
