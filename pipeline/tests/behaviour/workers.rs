//! Counts of workers are those of the jobs that start after they were set.

use cairn_pipeline::WorkerCounts;
use cairn_pipeline::storage::{ObjectPath, Operation};
use cairn_testkit::Fault;

use crate::place::content::Content;
use crate::place::rig::Rig;
use crate::place::{DEADLINE, ends_within, wait_until};

#[test]
fn counts_of_workers_change_or_stay_as_they_were() {
    let rig = Rig::new();
    let counts = WorkerCounts { upload: 1, download: 3 };
    rig.engine.set_worker_counts(counts).unwrap();
    assert_eq!(rig.engine.worker_counts(), counts);
    let wrong = WorkerCounts { download: 0, ..counts };
    let error = rig.engine.set_worker_counts(wrong).unwrap_err();
    assert_eq!(error.to_string(), "download_worker_count = 0: must be 1 to 256");
    assert_eq!(rig.engine.worker_counts(), counts);
    rig.works();
}

#[test]
fn a_backup_has_as_many_packs_on_their_way_as_it_was_told_at_its_start() {
    let (rig, faults) = Rig::with_faults();
    rig.engine.set_worker_counts(WorkerCounts { upload: 5, download: 1 }).unwrap();
    for number in 0..24 {
        let key = format!("shop/orders/p/t{number}/s.dat");
        rig.source.put(&key, Content::noise(number, 1 << 20));
    }
    let packs = ObjectPath::parse("packs").unwrap();
    let stalled = Fault::stall().on(Operation::Put).always();
    faults.plan(stalled.at(move |path| path.starts_with(&packs)));
    let job = rig.start("first");
    wait_until("five packs are on their way", || faults.in_flight() == 5);
    job.cancel();
    assert!(ends_within(DEADLINE, job).unwrap_err().is_cancelled());
}
