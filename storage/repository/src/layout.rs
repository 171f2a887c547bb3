//! Where objects lie: the only place that knows their names.

use cairn_storage::ObjectPath;

use crate::hold::Hold;
use crate::{ChunkId, IndexId, Label, MarkId, PackId, RepositoryId, SlotId};

/// Name of the object that holds what a mark names.
pub(crate) const MARK: &str = "mark";
/// Name of the object that says that nothing that is needed lies in what it names alone.
pub(crate) const SETTLED: &str = "settled";
/// Name of the object that says that nothing is left of what it names.
pub(crate) const SWEPT: &str = "swept";
/// Name of the object that is put to learn what time the storage has.
pub(crate) const NOW: &str = "now";

const CONFIG: &str = "cairn.json";
const PACKS: &str = "packs";
const INDEXES: &str = "indexes";
const SNAPSHOTS: &str = "snapshots";
const ARBITRATION: &str = "arbitration";
const FORGETTING: &str = "forgetting";
const CHECKPOINTS: &str = "checkpoints";
const HOLDS: &str = "holds";
/// One of the names that [`cairn_storage::is_trace_of_probe`] knows.
const WITNESS: &str = "probe-clock-";
const PRUNE: &str = "prune";
const KEYS: &str = "keys";
const KEYRING: &str = "keyring";

/// The config.
pub fn config_path() -> ObjectPath {
    path(CONFIG)
}

/// The prefix of all packs.
pub fn packs_prefix() -> ObjectPath {
    path(PACKS)
}

/// The prefix of all index runs.
pub fn indexes_prefix() -> ObjectPath {
    path(INDEXES)
}

/// The prefix of all records.
pub fn snapshots_prefix() -> ObjectPath {
    path(SNAPSHOTS)
}

/// Whether what lies at a path is a trace of a probe, of an arbitration or of forgetting: nothing refers to it.
pub fn is_trace(path: &ObjectPath) -> bool {
    [ARBITRATION, FORGETTING].iter().any(|prefix| path.starts_with(&self::path(prefix)))
        || cairn_storage::is_trace_of_probe(path)
}

/// The prefix of what prunes announce.
pub fn prune_prefix() -> ObjectPath {
    path(PRUNE)
}

/// An object of a mark.
pub(crate) fn mark_path(id: MarkId, name: &str) -> ObjectPath {
    path(&format!("{PRUNE}/{id}/{name}"))
}

/// The mark and the name of an object below [`prune_prefix`]; `None` when it is no mark's.
pub(crate) fn parse_mark_path(path: &ObjectPath) -> Option<(MarkId, &str)> {
    let (folder, name) = path.as_str().strip_prefix(PRUNE)?.strip_prefix('/')?.split_once('/')?;
    let id: MarkId = folder.parse().ok()?;
    (id.to_string() == folder).then_some((id, name))
}

/// The prefixes of what passes: what hosts leave on their way to a decision, and checkpoints.
pub(crate) fn passing_prefixes() -> [ObjectPath; 3] {
    [path(ARBITRATION), path(FORGETTING), path(CHECKPOINTS)]
}

/// The label that a vote below the traces is about; `None` when it is no vote for a record.
pub(crate) fn parse_vote_path(path: &ObjectPath) -> Option<Label> {
    let place = path.as_str().strip_prefix(ARBITRATION)?.strip_prefix('/')?;
    let (object, ballot) = place.rsplit_once('/')?;
    let label = object.strip_prefix(SNAPSHOTS)?.strip_prefix('/')?.parse().ok()?;
    ballot.ends_with("-vote").then_some(label)
}

/// The prefix of the traces of the arbitration about one object.
pub(crate) fn arbitration_of(object: &ObjectPath) -> ObjectPath {
    path(&format!("{ARBITRATION}/{object}"))
}

/// The prefix of the notices of hosts that forget a snapshot.
pub(crate) fn forgetting_of(label: &Label) -> ObjectPath {
    path(&format!("{FORGETTING}/{label}"))
}

/// The prefix of the checkpoints of backups of one origin, by the name that its text would have as a chunk.
pub(crate) fn checkpoints_of(origin: &ChunkId) -> ObjectPath {
    path(&format!("{CHECKPOINTS}/{origin}"))
}

/// The prefix of all holds.
pub fn holds_prefix() -> ObjectPath {
    path(HOLDS)
}

/// The prefix of the holds on the snapshots of a label.
pub(crate) fn holds_of(label: &Label) -> ObjectPath {
    path(&format!("{HOLDS}/{label}"))
}

/// A hold.
pub fn hold_path(hold: &Hold) -> ObjectPath {
    path(&format!("{HOLDS}/{}/{}/{}", hold.label, hold.taken, hold.name))
}

/// An object that is put only to learn when that was.
pub(crate) fn witness_path(name: u128) -> ObjectPath {
    path(&format!("{WITNESS}{name:032x}"))
}

/// The prefix of all key slots.
pub fn key_slots_prefix() -> ObjectPath {
    path(KEYS)
}

/// A key slot.
pub fn key_slot_path(slot: &SlotId) -> ObjectPath {
    path(&format!("{KEYS}/{slot}"))
}

/// The prefix of the key rings of whatever repository.
pub(crate) fn all_key_rings_prefix() -> ObjectPath {
    path(KEYRING)
}

/// The prefix of the key rings of a repository.
pub fn key_rings_prefix(repository: &RepositoryId) -> ObjectPath {
    path(&format!("{KEYRING}/{repository}"))
}

/// The key ring of which this generation is the newest.
pub fn key_ring_path(repository: &RepositoryId, generation: u32) -> ObjectPath {
    path(&format!("{KEYRING}/{repository}/{generation:08x}"))
}

/// The key slot at a path; `None` when no slot has this path.
pub fn parse_key_slot_path(path: &ObjectPath) -> Option<SlotId> {
    let slot = path.name().parse().ok()?;
    (key_slot_path(&slot) == *path).then_some(slot)
}

/// The generation of the key ring at a path; `None` when no ring of this repository has it.
pub fn parse_key_ring_path(repository: &RepositoryId, path: &ObjectPath) -> Option<u32> {
    let generation = u32::from_str_radix(path.name(), 16).ok()?;
    (key_ring_path(repository, generation) == *path).then_some(generation)
}

/// Whether what lies at a path is a key slot or a key ring of whatever repository.
pub(crate) fn is_of_keys(path: &ObjectPath) -> bool {
    [KEYS, KEYRING].iter().any(|prefix| path.starts_with(&self::path(prefix)))
}

/// A pack.
pub fn pack_path(id: &PackId) -> ObjectPath {
    let [first, ..] = id.as_bytes();
    path(&format!("{PACKS}/{first:02x}/{id}"))
}

/// An index run.
pub fn index_path(id: &IndexId) -> ObjectPath {
    path(&format!("{INDEXES}/{id}"))
}

/// The record of a snapshot.
pub fn snapshot_path(label: &Label) -> ObjectPath {
    path(&format!("{SNAPSHOTS}/{label}"))
}

/// The pack at a path; `None` when no pack has this path.
pub fn parse_pack_path(path: &ObjectPath) -> Option<PackId> {
    let id = path.name().parse().ok()?;
    (pack_path(&id) == *path).then_some(id)
}

/// The index run at a path; `None` when no run has this path.
pub fn parse_index_path(path: &ObjectPath) -> Option<IndexId> {
    let id = path.name().parse().ok()?;
    (index_path(&id) == *path).then_some(id)
}

/// The label of the record at a path; `None` when no record has this path.
pub fn parse_snapshot_path(path: &ObjectPath) -> Option<Label> {
    // A label has no `/`, and its text is its only form. Listings ask this of ten thousands of paths.
    path.as_str().strip_prefix(SNAPSHOTS)?.strip_prefix('/')?.parse().ok()
}

/// The hold at a path, without what it says; `None` when no hold has this path.
pub fn parse_hold_path(path: &ObjectPath) -> Option<Hold> {
    let mut parts = path.as_str().split('/').skip(1);
    let label = parts.next()?.parse().ok()?;
    let taken = parts.next()?.parse().ok()?;
    let name = parts.next()?.parse().ok()?;
    let hold = Hold { label, taken, name, note: None };
    (hold_path(&hold) == *path).then_some(hold)
}

#[expect(clippy::expect_used, reason = "the names above keep the rules of ObjectPath")]
fn path(text: &str) -> ObjectPath {
    ObjectPath::parse(text)
        .expect("ids are hexadecimal, labels have allowed characters only and at most 128 of them")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_those_of_the_design() {
        let pack = PackId::from_bytes([0xab; 32]);
        assert_eq!(pack_path(&pack).as_str(), format!("packs/ab/{}", "ab".repeat(32)));
        let index = IndexId::from_bytes([1; 32]);
        assert_eq!(index_path(&index).as_str(), format!("indexes/{}", "01".repeat(32)));
        assert_eq!(snapshot_path(&"a:b".parse().unwrap()).as_str(), "snapshots/a:b");
        assert_eq!(config_path().as_str(), "cairn.json");
        let hold = parse_hold_path(&path("holds/a:b/2026-11-23-08-00-00-000/audit")).unwrap();
        assert_eq!(hold_path(&hold).as_str(), "holds/a:b/2026-11-23-08-00-00-000/audit");
        assert!(is_trace(&witness_path(7)));
    }

    #[test]
    fn foreign_paths_are_nobodys() {
        let hex = "ab".repeat(32);
        for foreign in [
            format!("packs/ac/{hex}"),
            format!("packs/{hex}"),
            format!("x/packs/ab/{hex}"),
            format!("packs/ab/{}", hex.to_uppercase()),
        ] {
            assert_eq!(parse_pack_path(&ObjectPath::parse(&foreign).unwrap()), None);
        }
        assert_eq!(parse_snapshot_path(&ObjectPath::parse("snapshots/a/b").unwrap()), None);
        assert_eq!(parse_snapshot_path(&ObjectPath::parse("snapshots/a=b").unwrap()), None);
        assert_eq!(parse_index_path(&ObjectPath::root()), None);
        for foreign in ["holds/a", "holds/a/b/c", "holds/a/2026-11-23-08-00-00-000/b/c", "hold"] {
            assert_eq!(parse_hold_path(&path(foreign)), None, "{foreign}");
        }
    }

    proptest! {
        #[test]
        fn paths_lead_back(bytes: [u8; 32], text in "[A-Za-z0-9_:-][A-Za-z0-9_.:-]{0,127}") {
            let (pack, index) = (PackId::from_bytes(bytes), IndexId::from_bytes(bytes));
            let label: Label = text.parse().unwrap();
            prop_assert_eq!(parse_pack_path(&pack_path(&pack)), Some(pack));
            prop_assert_eq!(parse_index_path(&index_path(&index)), Some(index));
            prop_assert_eq!(parse_snapshot_path(&snapshot_path(&label)), Some(label));
        }
    }
}
