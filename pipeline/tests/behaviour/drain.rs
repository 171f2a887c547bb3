//! A drained backup keeps what it has read and makes no snapshot.

use std::collections::BTreeSet;
use std::sync::Arc;

use cairn_pipeline::storage::Operation;
use cairn_pipeline::{ErrorKind, JobState};
use cairn_repository::index::decode_run;
use cairn_repository::pack::ChunkKind;
use cairn_repository::{ChunkId, Sealer, layout};
use tokio::sync::watch;

use crate::place::content::Content;
use crate::place::hooked::{Halt, HookedStorage};
use crate::place::rig::Rig;
use crate::place::script::{Deed, Gate, Point};
use crate::place::{DEADLINE, ends_within, observe, wait_until};

/// More partitions, of one segment each, than the planner can tell while nothing is read: seven batches of
/// at most 128 segments (four wait, each of the two readers has one, the planner has one in hand) are 896.
const NUM_PARTITIONS: u64 = 2000;

pub(crate) fn wide(rig: &Rig) {
    for number in 0..NUM_PARTITIONS {
        let key = format!("wide/table/p{number:04}/t1/a.dat");
        rig.source.put(&key, Content::noise(number, 500));
    }
}

/// Chunks of segments that index runs list.
pub(crate) fn listed_chunks(rig: &Rig) -> BTreeSet<ChunkId> {
    let mut chunks = BTreeSet::new();
    for (path, bytes) in rig.memory.objects() {
        let Some(id) = layout::parse_index_path(&path) else { continue };
        let run = decode_run(&Sealer::plain(), &id, &bytes).unwrap();
        let segments = run.entries().filter(|entry| entry.location.kind == ChunkKind::Segment);
        chunks.extend(segments.map(|entry| entry.id));
    }
    chunks
}

#[test]
fn what_was_read_is_findable_and_the_next_backup_stores_only_the_rest() {
    let rig = Rig::new();
    wide(&rig);
    let gate = Gate::default();
    rig.source.script.plan_times(Point::Open, 2, Deed::Block(gate.clone()));
    let job = rig.start("a");
    gate.wait_for_arrival();
    job.drain();
    assert!(observe(&job).iter().all(|stage| stage.working > 0), "nothing has ended yet");
    gate.open();
    let error = ends_within(DEADLINE, job).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    assert_eq!(rig.labels(), [""; 0]);
    let num_read = rig.source.script.calls(Point::Finish);
    assert!((1..NUM_PARTITIONS).contains(&num_read), "{num_read} segments were read");
    let kept = listed_chunks(&rig);
    assert!(kept.len() as u64 >= num_read, "{} chunks of {num_read} segments", kept.len());
    assert_eq!(rig.check(), [""; 0]);

    let report = rig.backup("a").unwrap();
    let read = report.progress.segments_read;
    assert!(read <= NUM_PARTITIONS + 4 - num_read, "{read} read, and {num_read} before");
    let all = listed_chunks(&rig);
    assert!(kept.is_subset(&all));
    assert_eq!(report.progress.new_chunks, (all.len() - kept.len()) as u64);
    assert_eq!(rig.restored("a"), rig.source.contents());
}

#[test]
fn a_drain_that_comes_before_the_pipeline_is_not_forgotten() {
    let (go, told) = watch::channel(false);
    let mut hooked = None;
    let rig = Rig::on(Default::default(), |memory| {
        Arc::clone(hooked.insert(HookedStorage::new(memory))) as _
    });
    let hooked = hooked.unwrap();
    hooked
        .set(move |operation, _| (operation == Operation::List).then(|| Halt::Wait(told.clone())));
    let job = rig.start("a");
    wait_until("the list waits", || go.receiver_count() > 1);
    assert_eq!(job.state(), JobState::Pending);
    job.drain();
    go.send(true).unwrap();
    let error = ends_within(DEADLINE, job).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    assert_eq!(rig.labels(), [""; 0]);
    rig.works();
}
