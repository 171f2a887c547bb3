//! Copies of repositories, and repositories in places that do not decide between two creates.

use std::sync::Arc;

use cairn_pipeline::storage::{ErrorKind as StorageErrorKind, MemoryStorage, Operation};
use cairn_pipeline::{
    CheckRequest, Engine, EngineConfig, ErrorKind, JobKind, JobState, SpeedLimits,
};
use cairn_testkit::{Fault, FaultStorage, Indecision, UndecidedStorage};

use crate::place::rig::Rig;
use crate::place::{DEADLINE, ends_within, wait_until};

#[test]
fn a_copy_is_clean_and_the_same_object_by_object() {
    let rig = Rig::new();
    rig.backup("a").unwrap();
    let to = MemoryStorage::new();
    let job = rig.engine.copy(&rig.repository, Arc::new(to.clone()));
    assert_eq!((job.kind(), job.label()), (JobKind::Copy, ""));
    let report = ends_within(DEADLINE, job).unwrap();
    assert_eq!(to.objects(), rig.memory.objects());
    assert!(report.is_whole());
    assert_eq!(report.progress.bytes_done, report.progress.bytes_total);
    assert_eq!(report.progress.stored_bytes, report.copied.bytes_copied);
    let copy = rig.engine.open_repository_on(Arc::new(to)).unwrap();
    let check = rig.engine.check(&copy, CheckRequest::read_data());
    assert!(ends_within(DEADLINE, check).unwrap().is_clean());
}

#[test]
fn a_copy_is_cancelled_and_taken_up_again() {
    let rig = Rig::new();
    rig.backup("a").unwrap();
    let to = MemoryStorage::new();
    let faults = Arc::new(FaultStorage::new(Arc::new(to.clone())));
    let is_record = |path: &cairn_pipeline::storage::ObjectPath| path.name() == "a";
    let stalled = faults.plan(Fault::stall().on(Operation::Put).at(is_record));
    let job = rig.engine.copy(&rig.repository, Arc::clone(&faults) as _);
    wait_until("the record is on its way", || stalled.hits() == 1);
    assert_eq!(job.state(), JobState::Committing);
    job.cancel();
    let error = ends_within(DEADLINE, job).unwrap_err();
    assert!(error.is_cancelled());
    ends_within(DEADLINE, rig.engine.copy(&rig.repository, Arc::new(to.clone()))).unwrap();
    assert_eq!(to.objects(), rig.memory.objects());
}

#[test]
fn a_storage_that_fails_ends_a_copy_with_its_error() {
    let rig = Rig::new();
    rig.backup("a").unwrap();
    let faults = FaultStorage::new(Arc::new(MemoryStorage::new()));
    faults.plan(Fault::fail(StorageErrorKind::PermissionDenied).on(Operation::List));
    let error = ends_within(DEADLINE, rig.engine.copy(&rig.repository, Arc::new(faults)));
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Storage);
}

#[test]
fn jobs_work_where_writers_must_decide_among_themselves() {
    for way in [Indecision::LooksFirst, Indecision::IgnoresTheCondition] {
        let memory = MemoryStorage::new();
        let rig = Rig::on(memory, |memory| Arc::new(UndecidedStorage::boasting(memory, way)));
        rig.works();
        let taken = rig.backup("a").and_then(|_| rig.backup("a")).unwrap_err();
        assert_eq!(taken.kind(), ErrorKind::Request);
    }
}

#[test]
fn speed_limits_are_settings_and_change_under_way() {
    let config = EngineConfig { max_download_speed_kbps: 50_000, ..EngineConfig::default() };
    let engine = Engine::builder().config(config).start().unwrap();
    let mut limits = engine.speed_limits();
    assert_eq!((limits.max_upload_speed_kbps, limits.max_download_speed_kbps), (0, 50_000));
    limits.max_upload_speed_kbps = 7;
    engine.set_speed_limits(limits);
    assert_eq!(engine.speed_limits(), limits);
    assert_eq!(Engine::start().unwrap().speed_limits(), SpeedLimits::default());
}
