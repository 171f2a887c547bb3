//! Prunes as jobs, and backups that meet them.

use std::time::Duration;

use cairn_pipeline::storage::{ObjectPath, Operation};
use cairn_pipeline::{JobKind, PruneReport, PruneRequest};
use cairn_repository::layout;
use cairn_repository::mark::Mark;

use crate::place::hooked::HookedStorage;
use crate::place::rig::{Rig, small_config};
use crate::place::{DEADLINE, ends_within};

fn prune_at_once(rig: &Rig) -> PruneReport {
    let request = PruneRequest::new().grace(Duration::ZERO);
    let job = rig.engine.prune(&rig.repository, request);
    assert_eq!((job.kind(), job.label()), (JobKind::Prune, ""));
    ends_within(DEADLINE, job).unwrap()
}

#[test]
fn what_no_snapshot_needs_goes_and_the_rest_is_whole() {
    let rig = Rig::new();
    rig.backup("first").unwrap();
    rig.source.put("shop/orders/p1/t1/more.dat", "rows of more");
    rig.backup("second").unwrap();
    assert_eq!(prune_at_once(&rig).pruned.freed_packs, 0, "everything is needed");
    rig.repository.forget(&"second".parse().unwrap(), None).unwrap();
    let report = prune_at_once(&rig);
    assert!(report.pruned.freed_packs > 0 && report.pruned.freed_bytes > 0, "{report:?}");
    assert_eq!(rig.check(), [""; 0]);
    rig.restored("first");
    rig.repository.forget(&"first".parse().unwrap(), None).unwrap();
    prune_at_once(&rig);
    assert_eq!((rig.paths_below("packs").len(), rig.paths_below("indexes").len()), (0, 0));
}

/// What a prune elsewhere does while the backup `second` runs that counts on all of `first`: marks all of it, as if `first`
/// had been forgotten for long.
#[test]
fn a_backup_that_a_prune_comes_into_begins_again_by_itself() {
    for at in ["indexes", "snapshots"] {
        let memory = cairn_pipeline::storage::MemoryStorage::new();
        let mut hooked = None;
        let rig = Rig::with_config(small_config(), memory, |memory| {
            let storage = HookedStorage::new(memory);
            hooked = Some(std::sync::Arc::clone(&storage));
            storage
        });
        rig.backup("first").unwrap();
        let packs = rig.paths_below("packs");
        let mark = Mark {
            packs: packs.iter().filter_map(layout::parse_pack_path).collect(),
            runs: rig.paths_below("indexes").iter().filter_map(layout::parse_index_path).collect(),
            bytes: 0,
        };
        rig.source.put("shop/orders/p1/t1/more.dat", "rows of more");
        let (memory, bytes) = (rig.memory.clone(), mark.encode());
        let put = layout::prune_prefix().join(&format!("{:032x}", 7)).unwrap();
        let put = put.join("mark").unwrap();
        // With the first run, before the commit looks; with the record, after it has.
        hooked.unwrap().set(move |operation, path| {
            let is_there = operation == Operation::Put && path.as_str().starts_with(at);
            if is_there && !memory.objects().contains_key(&put) {
                memory.insert(put.clone(), bytes.clone().into());
            }
            None
        });
        rig.backup("second").unwrap();
        let is_named = |path: &ObjectPath| packs.contains(path);
        assert!(rig.memory.objects().keys().any(is_named));
        for path in &packs {
            rig.memory.remove(path);
        }
        assert_eq!(rig.restored("second"), rig.source.contents(), "with the mark at {at}");
    }
}
