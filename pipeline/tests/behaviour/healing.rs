//! A backup stores again what it finds lost, and so heals the snapshots that need it.

use cairn_pipeline::BackupRequest;
use cairn_pipeline::storage::ObjectPath;
use cairn_repository::PackId;
use cairn_repository::pack::{ChunkKind, entries_of_pack};

use crate::place::rig::Rig;

/// The packs of a repository that hold chunks of this kind.
fn packs(rig: &Rig, kind: ChunkKind) -> Vec<ObjectPath> {
    let objects = rig.memory.objects();
    let is_of_kind = |path: &ObjectPath| {
        let id: PackId = path.name().parse().unwrap();
        let entries = entries_of_pack(&id, &objects[path]).unwrap();
        entries.iter().all(|entry| entry.location.kind == kind)
    };
    rig.paths_below("packs").into_iter().filter(is_of_kind).collect()
}

fn filled() -> Rig {
    let rig = Rig::new();
    rig.source.put("shop/orders/p1/t1/a.dat", "rows of a");
    rig.source.put("shop/orders/p2/t1/b.dat", "rows of b");
    rig.backup("first").unwrap();
    rig
}

#[test]
fn a_damaged_manifest_is_stored_again() {
    let rig = filled();
    for path in packs(&rig, ChunkKind::Document) {
        let mut bytes = rig.memory.remove(&path).unwrap().to_vec();
        bytes[20] ^= 0xff;
        rig.memory.insert(path, bytes.into());
    }
    assert_ne!(rig.check(), [""; 0], "the damage is seen");
    rig.backup("second").unwrap();
    assert_eq!(rig.restored("second"), rig.source.contents());
    assert_eq!(rig.restored("first"), rig.source.contents(), "the older snapshot is healed too");
}

#[test]
fn a_damaged_index_run_is_written_again() {
    let rig = filled();
    for path in rig.paths_below("indexes") {
        let mut bytes = rig.memory.remove(&path).unwrap().to_vec();
        let last = bytes.len() - 40;
        bytes[last] ^= 0xff;
        rig.memory.insert(path, bytes.into());
    }
    rig.backup("second").unwrap();
    assert_eq!(rig.restored("second"), rig.source.contents());
}

#[test]
fn a_rescan_stores_again_what_lay_in_a_lost_pack() {
    let rig = filled();
    for path in packs(&rig, ChunkKind::Segment) {
        rig.memory.remove(&path);
    }
    rig.start_with(BackupRequest::new("second").unwrap().rescan()).wait().unwrap();
    assert_eq!(rig.restored("second"), rig.source.contents());
    assert_eq!(rig.restored("first"), rig.source.contents(), "the older snapshot is healed too");
}
