//! Damage in the repository: a restore refuses and names what it cannot restore, a check names what is affected.

use cairn_pipeline::storage::ObjectPath;
use cairn_pipeline::{BackupReport, Error, ErrorKind};
use cairn_repository::pack::{ChunkKind, entries_of_pack};
use cairn_repository::{PackId, Sealer};

use crate::place::rig::{Rig, chain};
use crate::place::source::{Ends, ToySink};

const VICTIM: &str = "shop/orders/p2/t7/victim.dat";

/// A repository of two snapshots, the second of which added one pack with one segment and one with manifests.
struct Damaged {
    rig: Rig,
    packs_before: Vec<ObjectPath>,
}

impl Damaged {
    fn new() -> Self {
        let rig = Rig::new();
        rig.backup("before").unwrap();
        let packs_before = rig.paths_below("packs");
        rig.source.put(VICTIM, "rows that matter");
        let _: BackupReport = rig.backup("after").unwrap();
        Self { rig, packs_before }
    }

    /// The pack that the second backup added for this kind.
    fn pack(&self, kind: ChunkKind) -> ObjectPath {
        let objects = self.rig.memory.objects();
        let added = self.rig.paths_below("packs");
        let added = added.into_iter().filter(|path| !self.packs_before.contains(path));
        let is_of_kind = |path: &ObjectPath| {
            let id: PackId = path.name().parse().unwrap();
            let entries = entries_of_pack(&Sealer::plain(), &id, &objects[path]).unwrap();
            // Behind documents there may be a copy of a record.
            entries[0].location.kind == kind
        };
        let found: Vec<_> = added.filter(is_of_kind).collect();
        assert_eq!(found.len(), 1);
        found[0].clone()
    }

    fn object(&self, prefix: &str) -> ObjectPath {
        self.rig.paths_below(prefix).pop().unwrap()
    }

    fn flip(&self, path: &ObjectPath, at: usize) {
        let mut bytes = self.rig.memory.remove(path).unwrap().to_vec();
        bytes[at] ^= 0xff;
        self.rig.memory.insert(path.clone(), bytes.into());
    }

    /// The restore of the damaged snapshot fails and leaves the sink as it was.
    fn fails(&self, aborted: usize) -> Error {
        let sink = ToySink::new();
        let error = self.rig.restore_into("after", &sink).unwrap_err();
        assert_eq!(sink.ends(), Ends { installed: 0, aborted }, "{error}");
        assert_eq!(sink.contents().len(), 0);
        error
    }

    fn names_the_victim(&self) {
        let error = self.fails(1);
        assert_eq!((error.kind(), error.code()), (ErrorKind::Repository, "CAIRN-A001"), "{error}");
        let text = error.to_string();
        assert_eq!(text, "segment shop.orders/p2/t7/victim.dat cannot be restored");
        assert!(chain(&error).contains("packs/"), "{}", chain(&error));
        let findings = self.rig.check();
        assert_eq!(findings.len(), 1, "{findings:?}");
        let affected =
            "[snapshot after, database \"shop\", table \"orders\", partition \"p2\", tablet \"t7\"";
        assert!(findings[0].contains(affected), "{findings:?}");
        assert!(!findings[0].contains("snapshot before"), "{findings:?}");
    }
}

#[test]
fn a_flipped_byte_of_a_chunk() {
    let damaged = Damaged::new();
    damaged.flip(&damaged.pack(ChunkKind::Segment), 10);
    damaged.names_the_victim();
}

#[test]
fn a_pack_cut_short() {
    let damaged = Damaged::new();
    let path = damaged.pack(ChunkKind::Segment);
    let bytes = damaged.rig.memory.remove(&path).unwrap();
    damaged.rig.memory.insert(path, bytes.slice(..10));
    damaged.names_the_victim();
}

#[test]
fn a_pack_that_is_gone() {
    let damaged = Damaged::new();
    damaged.rig.memory.remove(&damaged.pack(ChunkKind::Segment)).unwrap();
    damaged.names_the_victim();
}

#[test]
fn other_snapshots_and_what_is_intact_stay_restorable() {
    let damaged = Damaged::new();
    damaged.rig.memory.remove(&damaged.pack(ChunkKind::Segment)).unwrap();
    let mut before = damaged.rig.source.contents();
    before.remove(VICTIM);
    assert_eq!(damaged.rig.restored("before"), before);
}

#[test]
fn a_flipped_manifest() {
    let damaged = Damaged::new();
    damaged.flip(&damaged.pack(ChunkKind::Document), 30);
    // Which document it hits decides whether the restore comes to a reservation.
    let sink = ToySink::new();
    let error = damaged.rig.restore_into("after", &sink).unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Repository, "CAIRN-R007"), "{error}");
    assert!(chain(&error).contains("packs/"), "{}", chain(&error));
    assert_eq!((sink.ends().installed, sink.contents().len()), (0, 0));
    damaged.rig.restore_into("before", &sink).unwrap();
    let findings = damaged.rig.check();
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert!(findings[0].contains("[snapshot after"), "{findings:?}");
    // The next backup does not need what is lost, and writes its own manifests.
    damaged.rig.backup("healed").unwrap();
    assert_eq!(damaged.rig.restored("healed"), damaged.rig.source.contents());
}

#[test]
fn index_runs_that_are_damaged() {
    let damaged = Damaged::new();
    for path in damaged.rig.paths_below("indexes") {
        damaged.flip(&path, 60);
    }
    let error = damaged.fails(0);
    assert_eq!((error.kind(), error.code()), (ErrorKind::Repository, "CAIRN-R007"), "{error}");
    assert!(chain(&error).contains("not listed in any index run"), "{}", chain(&error));
    assert!(damaged.rig.check().iter().any(|finding| finding.starts_with("indexes/")));
}

#[test]
fn a_flipped_record() {
    let damaged = Damaged::new();
    damaged.flip(&damaged.object("snapshots/after"), 20);
    let error = damaged.fails(0);
    assert_eq!((error.kind(), error.code()), (ErrorKind::Repository, "CAIRN-R007"), "{error}");
    assert!(chain(&error).contains("snapshots/after"), "{}", chain(&error));
    let findings = damaged.rig.check();
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert!(findings[0].starts_with("snapshots/after: "), "{findings:?}");
    // The label stays taken: whoever frees it decides that.
    assert_eq!(damaged.rig.backup("after").unwrap_err().kind(), ErrorKind::Repository);
    damaged.rig.backup("another").unwrap();
}
