//! Many hosts on one repository, and hosts that may only append.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cairn_pipeline::storage::{ObjectPath, Storage};
use cairn_pipeline::{CheckRequest, Engine, ErrorKind, Label, PruneRequest};
use cairn_testkit::AppendOnlyStorage;

use crate::place::content::Content;
use crate::place::rig::{Rig, small_config};
use crate::place::source::ToySource;
use crate::place::{DEADLINE, ends_within};

/// What each host has of its own, in bytes that do not compress.
const OWN_BYTES: u64 = 300_000;

/// Another host on the storage of a rig, with the same tablets and some of its own.
fn host(rig: &Rig, number: u64) -> Rig {
    let engine = Engine::builder().config(small_config()).start().unwrap();
    let repository = engine.open_repository_on(Arc::new(rig.memory.clone())).unwrap();
    let source = ToySource::filled_of(&format!("toy of host {number}"));
    source.put("own/rows/p1/t1/own.dat", Content::noise(1000 + number, OWN_BYTES));
    Rig { source, repository, engine, memory: rig.memory.clone() }
}

#[test]
fn ten_hosts_at_once_share_what_they_have_in_common() {
    let rig = Rig::new();
    rig.backup("common").unwrap();
    let hosts: Vec<Rig> = (0..10).map(|number| host(&rig, number)).collect();
    let jobs: Vec<_> =
        (0..).zip(&hosts).map(|(number, host)| host.start(&format!("of-{number}"))).collect();
    // An eleventh prunes meanwhile.
    let prune = PruneRequest::new().grace(Duration::from_secs(600));
    ends_within(DEADLINE, rig.engine.prune(&rig.repository, prune)).unwrap();
    for job in jobs {
        let report = ends_within(DEADLINE, job).unwrap();
        // Less where the prune came in its midst: what it had stored before it began again is not new any more.
        assert!(report.record.stats.new_raw_bytes <= OWN_BYTES, "{}", report.label);
    }
    for (number, host) in (0..).zip(&hosts) {
        assert_eq!(rig.restored(&format!("of-{number}")), host.source.contents());
    }
    assert_eq!(rig.check(), [""; 0]);
}

#[test]
fn of_ten_hosts_that_take_one_label_at_once_one_wins_and_the_others_say_so() {
    let rig = Rig::new();
    let hosts: Vec<Rig> = (0..10).map(|number| host(&rig, number)).collect();
    let jobs: Vec<_> = hosts.iter().map(|host| host.start("same")).collect();
    let outcomes: Vec<_> = jobs.into_iter().map(|job| ends_within(DEADLINE, job)).collect();
    let winner = outcomes.iter().position(Result::is_ok).unwrap();
    for (number, outcome) in outcomes.into_iter().enumerate() {
        match outcome {
            Ok(report) => assert_eq!(report.record, rig.repository.snapshot("same").unwrap()),
            Err(error) => assert_eq!(error.code(), "CAIRN-R004", "host {number}: {error}"),
        }
    }
    assert_eq!(rig.restored("same"), hosts[winner].source.contents());
    assert_eq!(rig.check(), [""; 0]);
}

/// A host on the storage of a rig whose credentials can neither delete nor overwrite.
fn appending(rig: &Rig) -> Rig {
    let engine = Engine::builder().config(small_config()).start().unwrap();
    let storage: Arc<dyn Storage> = Arc::new(AppendOnlyStorage::new(Arc::new(rig.memory.clone())));
    let repository = engine.open_repository_on(storage).unwrap();
    Rig { source: ToySource::filled(), repository, engine, memory: rig.memory.clone() }
}

fn changed(before: &BTreeMap<ObjectPath, Bytes>, rig: &Rig) -> Vec<ObjectPath> {
    let after = rig.memory.objects();
    let is_changed = |(path, bytes): &(&ObjectPath, &Bytes)| after.get(*path) != Some(*bytes);
    before.iter().filter(is_changed).map(|(path, _)| path.clone()).collect()
}

#[test]
fn a_host_that_may_only_append_does_all_but_forget_and_prune_and_changes_nothing_that_was_there() {
    let rig = Rig::new();
    rig.backup("old").unwrap();
    let old = rig.source.contents();
    let before: BTreeMap<_, _> = rig.memory.objects().into_iter().collect();
    let host = appending(&rig);
    for (number, label) in (0..).zip(["one", "two"]) {
        // Longer than a checkpoint.
        host.source.put("shop/orders/p1/t1/new.dat", Content::noise(number, 3 << 20));
        host.backup(label).unwrap();
        assert_eq!(host.restored(label), host.source.contents());
    }
    assert_eq!(host.check(), [""; 0]);
    host.backup("old").unwrap_err();
    let label: Label = "old".parse().unwrap();
    host.repository.hold(&label, &"audit".parse().unwrap(), "an audit", "the auditor").unwrap();
    let denied = |error: cairn_pipeline::Error| {
        assert_eq!(error.kind(), ErrorKind::Storage, "{error}");
    };
    denied(host.repository.forget(&"one".parse().unwrap(), None).unwrap_err());
    let prune = PruneRequest::new().grace(Duration::ZERO);
    denied(ends_within(DEADLINE, host.engine.prune(&host.repository, prune)).unwrap_err());
    assert_eq!(changed(&before, &rig), []);
    assert_eq!(rig.restored("old"), old);
    let left = rig.paths_below("prune").len() + rig.paths_below("forgetting").len();
    assert_eq!(left, 0, "what was refused has written nothing");
    // Who may delete takes away what it could not.
    let prune = PruneRequest::new().grace(Duration::ZERO);
    ends_within(DEADLINE, rig.engine.prune(&rig.repository, prune)).unwrap();
    assert_eq!(rig.paths_below("checkpoints"), []);
    for label in ["one", "two", "old"] {
        rig.restored(label);
    }
    let check = rig.engine.check(&rig.repository, CheckRequest::read_data());
    assert!(ends_within(DEADLINE, check).unwrap().is_clean());
}
