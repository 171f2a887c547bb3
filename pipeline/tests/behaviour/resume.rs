//! A backup that died goes on from its last checkpoint when it is asked for again.

use std::sync::Arc;
use std::time::Duration;

use cairn_pipeline::storage::{ErrorKind, Operation};
use cairn_pipeline::{BackupRequest, PruneRequest};
use cairn_testkit::{Fault, FaultStorage};

use crate::drain::listed_chunks;
use crate::place::content::Content;
use crate::place::rig::Rig;
use crate::place::{DEADLINE, ends_within};

/// Segments of one chunk each, some sixteen of which fill a pack: a checkpoint comes with each pack.
const NUM_SEGMENTS: u64 = 300;
const SEGMENT_BYTES: u64 = 60_000;
/// Segments of a pack: those of the last run may have come after its checkpoint was put together.
const PACK_SEGMENTS: u64 = 17;

/// A rig whose backup `a` has died behind a checkpoint, after at most `packs` packs.
fn died(packs: u32, partitions: u64) -> (Rig, Arc<FaultStorage>) {
    loop {
        let (rig, faults) = dies(packs, partitions);
        // The put that fails may overtake the news of all packs before it.
        if !rig.names_below("checkpoints").is_empty() {
            return (rig, faults);
        }
    }
}

fn dies(packs: u32, partitions: u64) -> (Rig, Arc<FaultStorage>) {
    let (rig, faults) = Rig::with_faults();
    for number in 0..NUM_SEGMENTS {
        let key = format!("wide/table/p{}/t1/{number:04}.dat", number % partitions);
        rig.source.put(&key, Content::noise(number, SEGMENT_BYTES));
    }
    let is_pack = |path: &cairn_pipeline::storage::ObjectPath| path.as_str().starts_with("packs");
    let fault = Fault::fail(ErrorKind::PermissionDenied).on(Operation::Put).at(is_pack);
    faults.plan(fault.nth(packs + 1));
    rig.backup("a").unwrap_err();
    assert_eq!(rig.labels(), [""; 0]);
    (rig, faults)
}

#[test]
fn what_the_last_checkpoint_lists_is_not_read_again() {
    for partitions in [1, 40] {
        let (rig, _faults) = died(12, partitions);
        let listed = listed_chunks(&rig).len() as u64;
        assert_eq!(rig.check(), [""; 0]);
        let report = rig.backup("a").unwrap();
        let read = report.progress.segments_read;
        let most = NUM_SEGMENTS + 4 + PACK_SEGMENTS - listed;
        assert!(read <= most, "{read} of {NUM_SEGMENTS} read, {listed} were listed");
        assert_eq!(rig.restored("a"), rig.source.contents());
        assert_eq!(rig.names_below("checkpoints"), [""; 0], "the commit supersedes them");
        assert_eq!(rig.check(), [""; 0]);
    }
}

#[test]
fn a_backup_under_another_label_goes_on_too_and_leaves_the_checkpoint_to_its_job() {
    let (rig, _faults) = died(12, 3);
    let checkpoints = rig.names_below("checkpoints");
    assert_eq!(checkpoints.len(), 1);
    let report = rig.backup("b").unwrap();
    assert!(report.progress.segments_read < NUM_SEGMENTS);
    assert_eq!(rig.names_below("checkpoints"), checkpoints);
    assert_eq!(rig.restored("b"), rig.source.contents());
}

#[test]
fn what_changed_since_the_checkpoint_is_read_again() {
    let (rig, _faults) = died(12, 1);
    for number in 0..NUM_SEGMENTS / 2 {
        let key = format!("wide/table/p0/t1/{number:04}.dat");
        rig.source.put(&key, Content::noise(NUM_SEGMENTS + number, SEGMENT_BYTES));
    }
    rig.source.remove("wide/table/p0/t1/0200.dat");
    rig.backup("a").unwrap();
    assert_eq!(rig.restored("a"), rig.source.contents());
}

#[test]
fn a_checkpoint_whose_chunks_are_gone_or_which_is_damaged_costs_reading_only() {
    let (rig, _faults) = died(12, 3);
    for path in rig.paths_below("packs").into_iter().chain(rig.paths_below("indexes")) {
        rig.memory.remove(&path);
    }
    assert_eq!(rig.backup("a").unwrap().progress.segments_read, NUM_SEGMENTS + 4);
    assert_eq!(rig.restored("a"), rig.source.contents());
    let (rig, _faults) = died(12, 3);
    for path in rig.paths_below("checkpoints") {
        rig.memory.insert(path, "no checkpoint".into());
    }
    assert_eq!(rig.backup("a").unwrap().progress.segments_read, NUM_SEGMENTS + 4);
    assert_eq!(rig.restored("a"), rig.source.contents());
}

#[test]
fn a_prune_takes_checkpoints_that_are_older_than_its_grace() {
    let (rig, _faults) = died(12, 1);
    let prune = |grace| {
        let request = PruneRequest::new().grace(grace);
        ends_within(DEADLINE, rig.engine.prune(&rig.repository, request)).unwrap();
        rig.names_below("checkpoints").len()
    };
    assert_eq!(prune(Duration::from_secs(3600)), 1);
    assert_eq!(prune(Duration::ZERO), 0);
    rig.backup("a").unwrap();
    assert_eq!(rig.restored("a"), rig.source.contents());
}

#[test]
fn a_rescan_believes_no_checkpoint() {
    let (rig, _faults) = died(12, 1);
    let request = BackupRequest::new("a").unwrap().rescan();
    let report = ends_within(DEADLINE, rig.start_with(request)).unwrap();
    assert_eq!(report.progress.segments_read, NUM_SEGMENTS + 4);
}
