//! Objects that are longer than the format allows, as whoever may only append can put them: damaged, and not read.

use std::time::Duration;

use cairn_repository::check::{CheckOptions, check_structure};
use cairn_repository::codec::Codec;
use cairn_repository::hold::Hold;
use cairn_repository::pack::{ChunkKind, MAX_PACK_CHUNKS, PackBuilder};
use cairn_repository::prune::{PruneOptions, prune};
use cairn_repository::repair::{RepairOptions, Suspects, repair};
use cairn_repository::{ChunkId, ErrorKind, IndexId, Repository, Sealer, Timestamp, layout};
use cairn_storage::{MemoryStorage, ObjectPath};
use tokio::runtime::Handle;

use crate::sample;

const LONG: &str = "longer than the format allows: it is not read";

fn put(memory: &MemoryStorage, path: &ObjectPath, length: usize) {
    memory.insert(path.clone(), vec![0; length].into());
}

async fn findings(repository: &Repository) -> Vec<String> {
    let (options, runtime) = (CheckOptions::default(), Handle::current());
    let report = check_structure(repository, runtime, &options, &|_| ()).await.unwrap();
    report.findings.into_iter().map(|finding| finding.damage.to_string()).collect()
}

#[tokio::test]
async fn records_and_holds() {
    let memory = sample::sample().await;
    let repository = sample::open(&memory).await;
    let label = "second".parse().unwrap();
    let record = layout::snapshot_path(&label);
    let hold = Hold {
        label: "first".parse().unwrap(),
        taken: Timestamp::from_unix_millis(0),
        name: "audit".parse().unwrap(),
        note: None,
    };
    put(&memory, &record, (1 << 20) + 1);
    put(&memory, &layout::hold_path(&hold), (4 << 10) + 1);
    assert_eq!(
        findings(&repository).await,
        [format!("{record}: {LONG}"), format!("{}: {LONG}", layout::hold_path(&hold))]
    );
    let error = repository.record(&label).await.unwrap_err();
    assert_eq!(error.damage().unwrap().to_string(), format!("{record}: {LONG}"));
    let listed = repository.snapshots().await.unwrap();
    assert_eq!(listed.iter().filter(|snapshot| snapshot.record.is_ok()).count(), 1);
    assert_eq!(repository.holds(None).await.unwrap(), [hold], "it holds all the same");
    // One that is as long as it may be is only damaged.
    put(&memory, &record, 1 << 20);
    let error = repository.record(&label).await.unwrap_err();
    assert!(!error.damage().unwrap().to_string().contains(LONG), "{error}");
}

#[tokio::test]
async fn marks() {
    let memory = sample::sample().await;
    let repository = sample::open(&memory).await;
    let mark = ObjectPath::parse(&format!("prune/{:032x}/mark", 7)).unwrap();
    put(&memory, &mark, (72 << 20) + 1);
    assert_eq!(findings(&repository).await, [format!("{mark}: {LONG}")]);
    let refused = repository.load_index_to_count_on(1 << 20, Handle::current()).await.unwrap_err();
    assert_eq!(refused.damage().unwrap().to_string(), format!("{mark}: {LONG}"));
    let options = RepairOptions { index_budget_bytes: 1 << 20, missing_records: false };
    let repaired = repair(&repository, Handle::current(), Suspects::default(), &options, &|_| ());
    assert_eq!(repaired.await.unwrap().replaced_marks, 1);
    assert_eq!(findings(&repository).await, [""; 0]);
}

#[tokio::test]
async fn runs() {
    let memory = sample::sample().await;
    let repository = sample::open(&memory).await;
    let run = layout::index_path(&IndexId::from_bytes([7; 32]));
    put(&memory, &run, (96 << 20) + 1);
    let damage = format!("{run}: {LONG}");
    assert_eq!(findings(&repository).await, std::slice::from_ref(&damage));
    let index = sample::index(&repository).await;
    assert_eq!(index.damages()[0].to_string(), damage);
    let prune_now = || {
        let options = PruneOptions { grace: Duration::ZERO, ..PruneOptions::default() };
        let repository = repository.clone();
        async move { prune(&repository, Handle::current(), &options, &|_| ()).await }
    };
    assert_eq!(prune_now().await.unwrap_err().damage().unwrap().to_string(), damage);
    let options = RepairOptions { index_budget_bytes: 1 << 20, missing_records: false };
    let repaired = repair(&repository, Handle::current(), Suspects::default(), &options, &|_| ());
    assert_eq!(repaired.await.unwrap().superseded_runs, 1);
    prune_now().await.unwrap();
    assert!(!memory.objects().contains_key(&run));
}

#[tokio::test]
async fn the_config() {
    let memory = sample::sample().await;
    let mut config = memory.objects()[&layout::config_path()].to_vec();
    config.resize((64 << 10) + 1, b' ');
    memory.insert(layout::config_path(), config.into());
    let error = Repository::open(std::sync::Arc::new(memory)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Damaged);
    assert_eq!(error.damage().unwrap().to_string(), format!("cairn.json: {LONG}"));
}

#[test]
fn a_pack_is_full_when_its_directory_is() {
    let mut pack = PackBuilder::new(&Sealer::plain(), 512 << 20);
    for number in 0..MAX_PACK_CHUNKS {
        let plain = number.to_le_bytes();
        pack.push(ChunkId::of(&plain), ChunkKind::Segment, Codec::Raw, 4, &plain).unwrap();
    }
    assert!(!pack.has_room_for(1));
    assert!(pack.push(ChunkId::of(b"x"), ChunkKind::Segment, Codec::Raw, 1, b"x").is_err());
    let pack = pack.finish().unwrap();
    assert_eq!(pack.entries.len(), MAX_PACK_CHUNKS as usize);
    cairn_repository::pack::entries_of_pack(&Sealer::plain(), &pack.id, &pack.bytes).unwrap();
    let mut more = pack.bytes.to_vec();
    let count = more.len() - 16;
    more[count] = 1;
    let refused = cairn_repository::pack::parse_trailer(&Sealer::plain(), &more, 1 << 30);
    assert_eq!(refused.unwrap_err().to_string(), "a pack of more than 65536 chunks");
}
