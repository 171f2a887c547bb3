//! A backup stores again what it finds lost, and so heals the snapshots that need it.

use cairn_pipeline::BackupRequest;
use cairn_pipeline::storage::ObjectPath;
use cairn_repository::index::encode_run;
use cairn_repository::pack::{ChunkKind, PackBuilder, entries_of_pack};
use cairn_repository::{PackId, Sealer, layout};

use crate::place::rig::Rig;

/// The packs of a repository that hold chunks of this kind.
fn packs(rig: &Rig, kind: ChunkKind) -> Vec<ObjectPath> {
    let objects = rig.memory.objects();
    let is_of_kind = |path: &ObjectPath| {
        let id: PackId = path.name().parse().unwrap();
        let entries = entries_of_pack(&Sealer::plain(), &id, &objects[path]).unwrap();
        // Behind documents there may be a copy of a record.
        entries[0].location.kind == kind
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

/// Stores the chunks of a pack a second time, in another order, as a second writer would have.
fn store_twice(rig: &Rig, path: &ObjectPath) -> ObjectPath {
    let bytes = rig.memory.objects()[path].clone();
    let id: PackId = path.name().parse().unwrap();
    let mut copy = PackBuilder::new(&Sealer::plain(), 1 << 20);
    for entry in entries_of_pack(&Sealer::plain(), &id, &bytes).unwrap().iter().rev() {
        let at = entry.location;
        let stored = &bytes[at.offset as usize..][..at.stored_len as usize];
        copy.push(entry.id, at.kind, at.codec, at.raw_len, stored).unwrap();
    }
    let copy = copy.finish().unwrap();
    let (copied, run) = (layout::pack_path(&copy.id), encode_run(&Sealer::plain(), copy.entries));
    rig.memory.insert(copied.clone(), copy.bytes);
    rig.memory.insert(layout::index_path(&run.id), run.bytes);
    copied
}

#[test]
fn a_restore_takes_the_good_one_of_two_copies_and_a_check_knows_when_there_is_none() {
    let rig = filled();
    let first = packs(&rig, ChunkKind::Segment);
    let second: Vec<_> = first.iter().map(|path| store_twice(&rig, path)).collect();
    assert!(first.iter().any(|path| !second.contains(path)), "some pack has a real copy");
    let damage = |path: &ObjectPath| {
        let mut bytes = rig.memory.remove(path).unwrap().to_vec();
        let id: PackId = path.name().parse().unwrap();
        for entry in entries_of_pack(&Sealer::plain(), &id, &bytes).unwrap() {
            bytes[entry.location.offset as usize] ^= 0xff;
        }
        rig.memory.insert(path.clone(), bytes.into());
    };
    // A pack of one chunk is its own copy under the same name.
    let copied = first.iter().zip(&second).filter(|(one, other)| one != other);
    let objects = rig.memory.objects();
    for (one, other) in copied {
        for only in [one, other] {
            damage(only);
            assert_eq!(rig.restored("first"), rig.source.contents());
            let is_about_data = |finding: &String| finding.contains("snapshot first");
            assert!(!rig.check().iter().any(is_about_data), "nothing is lost");
            rig.memory.insert(only.clone(), objects[only].clone());
        }
        damage(one);
        damage(other);
        assert!(
            rig.check().iter().any(|finding| finding.contains("snapshot first")),
            "all is lost"
        );
        for path in [one, other] {
            rig.memory.insert(path.clone(), objects[path].clone());
        }
    }
}
