//! A cancelled job ends within a second wherever it is at work, makes nothing visible, and hurts nobody.

use std::sync::Arc;
use std::time::Duration;

use cairn_pipeline::storage::{MemoryStorage, ObjectPath, Operation};
use cairn_pipeline::{
    BackupRequest, CheckRequest, EngineConfig, Error, ErrorKind, JobHandle, JobState,
};
use cairn_testkit::Fault;
use tokio::sync::watch;

use crate::place::content::Content;
use crate::place::hooked::{Halt, HookedStorage};
use crate::place::rig::{Rig, small_config};
use crate::place::script::{Deed, Gate, Point};
use crate::place::source::{Ends, ToySink};
use crate::place::{ends_within, observe, wait_until};

/// What a cancel may take.
const PROMPT: Duration = Duration::from_secs(1);
const ABORTED: Ends = Ends { installed: 0, aborted: 1 };

fn cancel<R: Send + 'static>(job: JobHandle<R>) -> Result<R, Error> {
    job.cancel();
    ends_within(PROMPT, job)
}

#[track_caller]
fn assert_cancelled<R>(outcome: Result<R, Error>) {
    let error = outcome.err().unwrap();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Cancelled, "CAIRN-P003"), "{error}");
}

fn below(prefix: &'static str) -> impl Fn(&ObjectPath) -> bool + Send + Sync {
    move |path| path.as_str().starts_with(prefix)
}

/// A call of an operation on these paths stalls.
fn stall(operation: Operation, prefix: &'static str) -> Fault {
    Fault::stall().on(operation).at(below(prefix))
}

#[test]
fn while_the_storage_does_not_even_list() {
    let (rig, faults) = Rig::with_faults();
    let fault = faults.plan(stall(Operation::List, "indexes"));
    let job = rig.start("a");
    wait_until("the list stalls", || fault.hits() == 1);
    assert_eq!(job.state(), JobState::Pending);
    assert_cancelled(cancel(job));
    assert_eq!(rig.labels(), [""; 0]);
}

#[test]
fn while_the_planner_reads_the_snapshot_before() {
    let (rig, faults) = Rig::with_faults();
    rig.backup("before").unwrap();
    // The root and the objects are read before there is a pipeline, the partitions by its planner.
    let fault = faults.plan(stall(Operation::Get, "packs").nth(3));
    let job = rig.start("a");
    wait_until("the planner stalls", || fault.hits() == 1);
    assert_cancelled(cancel(job));
    rig.works();
}

#[test]
fn while_the_planner_looks_chunks_up_in_an_index_that_is_not_in_memory() {
    let config = EngineConfig { index_memory_bytes: 0, ..small_config() };
    let mut hooked = None;
    let rig = Rig::with_config(config, MemoryStorage::new(), |memory| {
        Arc::clone(hooked.insert(HookedStorage::new(memory))) as _
    });
    // More chunks than the pages that are read for the manifests can list.
    for number in 0..20_000_u64 {
        rig.source.put(&format!("wide/table/p/t/{number}"), Content::noise(number, 100));
    }
    rig.backup("before").unwrap();
    let (release, told) = watch::channel(false);
    let script = Arc::clone(&rig.source.script);
    let num_views = script.calls(Point::Snapshot);
    hooked.unwrap().set(move |operation, path| {
        let is_planning = script.calls(Point::Snapshot) > num_views;
        let waits = is_planning && operation == Operation::Get && below("indexes")(path);
        waits.then(|| Halt::Wait(told.clone()))
    });
    let job = rig.start("a");
    wait_until("a lookup waits", || release.receiver_count() > 1);
    assert_cancelled(cancel(job));
}

#[test]
fn while_segments_without_end_are_read() {
    let rig = Rig::new();
    rig.source.put("shop/orders/p9/t1/endless.dat", Content::noise(9, 1 << 40));
    let job = rig.start("a");
    wait_until("much was read", || rig.source.bytes_read() > 8 << 20);
    assert_cancelled(cancel(job));
    assert_eq!(rig.labels(), [""; 0]);
    rig.source.remove("shop/orders/p9/t1/endless.dat");
    rig.works();
}

#[test]
fn while_the_uploader_waits_for_packs() {
    let (rig, faults) = Rig::with_faults();
    rig.source.put("shop/orders/p9/t1/long.dat", Content::noise(9, 16 << 20));
    let fault = faults.plan(stall(Operation::Put, "packs").times(2));
    let job = rig.start("a");
    wait_until("both uploads stall", || fault.hits() == 2);
    assert_cancelled(cancel(job));
    assert_eq!(rig.labels(), [""; 0]);
    wait_until("the puts are dropped", || faults.in_flight() == 0);
    rig.works();
}

#[test]
fn while_the_committer_puts_an_index_run() {
    let (rig, faults) = Rig::with_faults();
    let fault = faults.plan(Fault::stall().on(Operation::Put).at(below("indexes")));
    let job = rig.start("a");
    wait_until("the run stalls", || fault.hits() == 1);
    assert_cancelled(cancel(job));
    assert_eq!((rig.labels(), rig.paths_below("indexes")), (vec![], vec![]));
    rig.works();
}

#[test]
fn during_the_put_of_the_record_the_answer_is_that_nobody_knows() {
    for fault in [Fault::stall(), Fault::stall_after_effect()] {
        let (rig, faults) = Rig::with_faults();
        let fault = faults.plan(fault.on(Operation::Put).at(below("snapshots")));
        let job = rig.start("a");
        wait_until("the record stalls", || fault.hits() == 1);
        let error = cancel(job).unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::Storage, "CAIRN-A005"));
        assert_eq!(error.to_string(), "cancelled during the commit: snapshot a may exist or not");
        for label in rig.labels() {
            assert_eq!(rig.restored(&label), rig.source.contents());
        }
        rig.works();
    }
}

#[test]
fn a_record_that_is_put_in_time_makes_a_finished_job() {
    let (rig, faults) = Rig::with_faults();
    // Long enough that the cancel comes first, short enough that the committer waits for it.
    let slow = Fault::slow(Duration::from_millis(100)).on(Operation::Put).at(below("snapshots"));
    let fault = faults.plan(slow);
    let job = rig.start("a");
    wait_until("the record is on its way", || fault.hits() == 1);
    cancel(job).unwrap();
    assert_eq!(rig.labels(), ["a"]);
}

#[test]
fn while_the_fetcher_waits_for_packs() {
    let (rig, faults) = Rig::with_faults();
    rig.backup("a").unwrap();
    let sink = ToySink::new();
    // Root, objects and two partitions are documents.
    let fault = faults.plan(stall(Operation::Get, "packs").nth(5));
    let job = rig.start_restore("a", &sink);
    wait_until("a read stalls", || fault.hits() > 0);
    assert_cancelled(cancel(job));
    assert_eq!((sink.ends(), sink.contents().len()), (ABORTED, 0));
    wait_until("the reads are dropped", || faults.in_flight() == 0);
    rig.works();
}

#[test]
fn while_the_installer_writes() {
    let rig = Rig::new();
    rig.backup("a").unwrap();
    let (sink, gate) = (ToySink::new(), Gate::default());
    sink.script.plan_times(Point::WriteAt, 2, Deed::Block(gate.clone()));
    let job = rig.start_restore("a", &sink);
    gate.wait_for_arrival();
    job.cancel();
    observe(&job);
    // A write of the sink cannot be interrupted; what comes after it is not waited for.
    gate.open();
    assert_cancelled(ends_within(PROMPT, job));
    assert_eq!(sink.script.calls(Point::Install), 0);
    assert_eq!((sink.ends(), sink.contents().len()), (ABORTED, 0));
    rig.works();
}

#[test]
fn while_a_check_reads_packs() {
    let (rig, faults) = Rig::with_faults();
    rig.backup("a").unwrap();
    let num_structure = {
        let before = faults.calls(Operation::Get);
        let check = rig.engine.check(&rig.repository, CheckRequest::structure());
        check.wait().unwrap();
        faults.calls(Operation::Get) - before
    };
    let nth = u32::try_from(num_structure).unwrap() + 1;
    let fault = faults.plan(Fault::stall().on(Operation::Get).nth(nth));
    let job = rig.engine.check(&rig.repository, CheckRequest::read_data());
    wait_until("a read stalls", || fault.hits() > 0);
    assert_cancelled(cancel(job));
    rig.works();
}

#[test]
fn a_canceller_works_from_anywhere_and_after_the_end() {
    let rig = Rig::new();
    let job = rig.start("a");
    let canceller = job.canceller();
    job.wait().unwrap();
    canceller.cancel();
    rig.works();
}

#[test]
fn an_engine_that_is_dropped_ends_its_jobs() {
    let rig = Rig::new();
    rig.source.put("shop/orders/p9/t1/endless.dat", Content::noise(9, 1 << 40));
    let Rig { source, repository, engine, memory } = rig;
    let request = BackupRequest::new("a").unwrap();
    let job = engine.backup(&repository, Arc::clone(&source) as _, request);
    wait_until("much was read", || source.bytes_read() > 4 << 20);
    let (tell, told) = std::sync::mpsc::sync_channel(1);
    let dropper = std::thread::spawn(move || {
        drop((job, repository, engine));
        tell.send(()).unwrap();
    });
    told.recv_timeout(PROMPT).unwrap();
    dropper.join().unwrap();
    assert_eq!(source.num_views(), 0, "no thread of the job is left");
    let records = memory.objects().into_keys().filter(below("snapshots"));
    assert_eq!(records.count(), 0);
}
