//! Passing faults are tried again by the layers, and an unknown outcome is found out.

use std::sync::Arc;
use std::time::Duration;

use cairn_pipeline::storage::layer::{LayerConfig, stack};
use cairn_pipeline::storage::{ErrorKind, MemoryStorage, Operation};
use cairn_testkit::{Fault, FaultStorage};

use crate::place::rig::Rig;

/// A rig on a storage that fails as planned, inside the layers that a location gets.
fn layered_rig() -> (Rig, Arc<FaultStorage>) {
    let mut config = LayerConfig::default();
    config.retry.first_backoff = Duration::from_millis(1);
    let memory = MemoryStorage::new();
    let faults = Arc::new(FaultStorage::new(Arc::new(memory.clone())));
    let rig = Rig::on(memory, |_| stack(Arc::clone(&faults) as _, &config));
    (rig, faults)
}

#[test]
fn a_record_of_unknown_outcome_that_was_put_is_a_success() {
    let (rig, faults) = layered_rig();
    let fault = Fault::fail_after_effect(ErrorKind::UnknownOutcome)
        .on(Operation::Put)
        .at(|path| path.as_str().starts_with("snapshots"));
    faults.plan(fault);
    rig.backup("a").unwrap();
    assert_eq!(rig.labels(), ["a"]);
    assert_eq!(rig.restored("a"), rig.source.contents());
}

#[test]
fn every_kind_of_object_survives_passing_faults() {
    for kind in [ErrorKind::Transient, ErrorKind::UnknownOutcome] {
        let (rig, faults) = layered_rig();
        for prefix in ["packs", "indexes", "snapshots"] {
            let is_below =
                move |path: &cairn_pipeline::storage::ObjectPath| path.as_str().starts_with(prefix);
            faults.plan(Fault::fail(kind).on(Operation::Put).at(is_below).times(2));
            faults.plan(Fault::fail_after_effect(kind).on(Operation::Put).at(is_below));
            faults.plan(Fault::fail(kind).on(Operation::Get).at(is_below).times(2));
        }
        rig.works();
        rig.works();
    }
}
