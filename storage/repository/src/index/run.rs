//! The bytes of an index run.

use bytes::Bytes;
use cairn_storage::ObjectPath;

use crate::codec::Codec;
use crate::pack::{ChunkKind, ChunkLocation, IndexEntry};
use crate::seal::{ObjectKind, Sealer};
use crate::{ChunkId, IndexId, Malformed, PackId};

/// At the start of a run.
pub const MAGIC: [u8; 8] = *b"CAIRNIX1";
/// Length of magic and counts in bytes.
pub(super) const HEADER_BYTES: usize = 16;
/// Length of one pack id in bytes.
pub(super) const PACK_BYTES: usize = 32;
/// Length of one entry in bytes.
pub(super) const ENTRY_BYTES: usize = 48;

/// Length of the hash at the end in bytes.
pub(super) const HASH_BYTES: usize = 32;
const RAW_LEN_BITS: u32 = 24;
const CODEC_BITS: u32 = 4;

/// Most entries of a run that is written.
pub const MAX_RUN_ENTRIES: usize = 1 << 20;
/// Longest run that is read: that many entries, each in another pack, sealed.
pub(crate) const MAX_RUN_BYTES: u64 = 96 << 20;

/// A run in memory, ready to be put.
#[derive(Debug, Clone)]
pub struct EncodedRun {
    /// Its name.
    pub id: IndexId,
    /// The object.
    pub bytes: Bytes,
}

/// The run that lists these chunks, given in any order, sealed as the repository wants it. Of several places of one chunk it
/// lists the first given.
pub fn encode_run(sealer: &Sealer, entries: Vec<IndexEntry>) -> EncodedRun {
    encode_run_salted(sealer, entries, None)
}

/// The same under a name that no run had before: `salt` is random, an id of no pack in the table of packs.
pub(crate) fn encode_run_salted(
    sealer: &Sealer,
    mut entries: Vec<IndexEntry>,
    salt: Option<PackId>,
) -> EncodedRun {
    entries.sort_by_key(|entry| entry.id);
    entries.dedup_by_key(|entry| entry.id);
    let named = entries.iter().map(|entry| entry.location.pack);
    let mut packs: Vec<PackId> = named.chain(salt).collect();
    packs.sort_unstable();
    packs.dedup();

    let header = RunHeader { num_packs: count(packs.len()), num_entries: count(entries.len()) };
    let capacity = usize::try_from(header.body_bytes()).unwrap_or_default() + HASH_BYTES;
    let mut bytes = Vec::with_capacity(capacity);
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&header.num_packs.to_le_bytes());
    bytes.extend_from_slice(&header.num_entries.to_le_bytes());
    for pack in &packs {
        bytes.extend_from_slice(pack.as_bytes());
    }
    for entry in &entries {
        // Every pack of an entry is in the table.
        let position = packs.binary_search(&entry.location.pack).unwrap_or_default();
        let packed = PackedEntry::new(entry, count(position));
        bytes.extend_from_slice(&packed.to_bytes());
    }
    let mut bytes = Vec::from(sealer.seal(ObjectKind::Run, &ObjectPath::root(), bytes));
    let id = IndexId::of(&bytes);
    bytes.extend_from_slice(id.as_bytes());
    EncodedRun { id, bytes: bytes.into() }
}

/// As the format keeps counts. More than fit would take 192 GiB of entries in memory.
fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// A run whose bytes have been checked, read in place.
#[derive(Debug, Clone)]
pub struct Run {
    /// Header and tables.
    body: Bytes,
    packs_bytes: usize,
}

/// Checks every byte of a run and proves it to be the one of this name.
pub fn decode_run(sealer: &Sealer, id: &IndexId, bytes: &Bytes) -> Result<Run, Malformed> {
    let Some((stored, hash)) = bytes.split_last_chunk::<HASH_BYTES>() else {
        return Err(Malformed::new("no room for a run's hash"));
    };
    if hash != id.as_bytes() || IndexId::of(stored) != *id {
        return Err(Malformed::new("its content does not match its hash"));
    }
    let body = sealer.open(ObjectKind::Run, &ObjectPath::root(), &bytes.slice(..stored.len()))?;
    let header = RunHeader::parse(&body, body.len() as u64)?;
    let run = Run { body, packs_bytes: header.num_packs as usize * PACK_BYTES };
    let (packs, entries) = run.tables();
    if !packs.is_sorted_by(|a, b| a < b) {
        return Err(Malformed::new("the packs of a run are out of order"));
    }
    check_entries(entries, header.num_packs)?;
    Ok(run)
}

/// Checks entries that lie behind one another in a run.
pub(super) fn check_entries(
    entries: &[[u8; ENTRY_BYTES]],
    num_packs: u32,
) -> Result<(), Malformed> {
    if !entries.is_sorted_by(|a, b| a.first_chunk::<32>() < b.first_chunk::<32>()) {
        return Err(Malformed::new("the entries of a run are out of order"));
    }
    for bytes in entries {
        let packed = PackedEntry::from_bytes(bytes);
        if packed.pack >= num_packs {
            return Err(Malformed::new("an entry names a pack that the run does not"));
        }
        let entry = packed.located(PackId::from_bytes([0; 32]));
        let entry = entry.ok_or(Malformed::new("unknown codec or kind of chunk"))?;
        entry.location.check().map_err(Malformed::new)?;
    }
    Ok(())
}

impl Run {
    fn tables(&self) -> (&[[u8; PACK_BYTES]], &[[u8; ENTRY_BYTES]]) {
        let tables = self.body.get(HEADER_BYTES..).unwrap_or_default();
        let (packs, entries) = tables.split_at_checked(self.packs_bytes).unwrap_or_default();
        (packs.as_chunks().0, entries.as_chunks().0)
    }

    /// Chunks listed.
    pub fn num_entries(&self) -> usize {
        self.tables().1.len()
    }

    /// The packs that entries name, ascending.
    pub fn packs(&self) -> impl ExactSizeIterator<Item = PackId> + '_ {
        self.tables().0.iter().map(|bytes| PackId::from_bytes(*bytes))
    }

    /// The entries, ascending by chunk id.
    pub fn entries(&self) -> impl Iterator<Item = IndexEntry> + '_ {
        let (packs, _) = self.tables();
        self.packed().filter_map(move |packed| {
            let pack = packs.get(packed.pack as usize)?;
            packed.located(PackId::from_bytes(*pack))
        })
    }

    /// The position in the table of packs of the pack of an entry, and where in that it lies.
    pub(crate) fn place(&self, entry: usize) -> Option<(u32, u32)> {
        let packed = PackedEntry::from_bytes(self.tables().1.get(entry)?);
        Some((packed.pack, packed.offset))
    }

    /// An entry by its position.
    pub(crate) fn entry(&self, position: usize) -> Option<IndexEntry> {
        let (packs, entries) = self.tables();
        let packed = PackedEntry::from_bytes(entries.get(position)?);
        packed.located(PackId::from_bytes(*packs.get(packed.pack as usize)?))
    }

    pub(super) fn packed(&self) -> impl Iterator<Item = PackedEntry> + Clone + '_ {
        self.tables().1.iter().map(PackedEntry::from_bytes)
    }
}

/// An entry as a run keeps it. It may say anything until [`check_entries`] has seen it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PackedEntry {
    pub(super) id: ChunkId,
    /// Position in a table of packs.
    pub(super) pack: u32,
    offset: u32,
    stored_len: u32,
    /// Plaintext length, codec and kind.
    rest: u32,
}

impl PackedEntry {
    fn new(entry: &IndexEntry, pack: u32) -> Self {
        let ChunkLocation { offset, stored_len, raw_len, codec, kind, .. } = entry.location;
        let numbers = (kind as u32) << CODEC_BITS | codec as u32;
        Self { id: entry.id, pack, offset, stored_len, rest: numbers << RAW_LEN_BITS | raw_len }
    }

    pub(super) fn from_bytes(bytes: &[u8; ENTRY_BYTES]) -> Self {
        let (words, _) = bytes.as_chunks::<4>();
        let word = |at: usize| words.get(at).copied().map(u32::from_le_bytes).unwrap_or_default();
        let id = bytes.first_chunk().copied().unwrap_or_default();
        Self {
            id: ChunkId::from_bytes(id),
            pack: word(8),
            offset: word(9),
            stored_len: word(10),
            rest: word(11),
        }
    }

    /// The same with a position in another table of packs.
    pub(super) fn with_pack(self, pack: u32) -> Self {
        Self { pack, ..self }
    }

    fn to_bytes(self) -> [u8; ENTRY_BYTES] {
        let mut bytes = [0; ENTRY_BYTES];
        let (id, fields) = bytes.split_at_mut(ChunkId::BYTES);
        id.copy_from_slice(self.id.as_bytes());
        let words = [self.pack, self.offset, self.stored_len, self.rest];
        for (target, word) in fields.as_chunks_mut::<4>().0.iter_mut().zip(words) {
            *target = word.to_le_bytes();
        }
        bytes
    }

    /// What the chunk is a slice of; `None` when that is unknown.
    pub(super) fn kind(self) -> Option<ChunkKind> {
        let [_, _, _, numbers] = self.rest.to_le_bytes();
        ChunkKind::from_number(numbers >> CODEC_BITS)
    }

    /// The entry with its pack; `None` when codec or kind are unknown.
    pub(super) fn located(self, pack: PackId) -> Option<IndexEntry> {
        let [_, _, _, numbers] = self.rest.to_le_bytes();
        let location = ChunkLocation {
            pack,
            offset: self.offset,
            stored_len: self.stored_len,
            raw_len: self.rest & ((1 << RAW_LEN_BITS) - 1),
            codec: Codec::from_number(numbers & ((1 << CODEC_BITS) - 1))?,
            kind: ChunkKind::from_number(numbers >> CODEC_BITS)?,
        };
        Some(IndexEntry { id: self.id, location })
    }
}

/// What the first bytes of a run say: where its tables lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RunHeader {
    pub(super) num_packs: u32,
    pub(super) num_entries: u32,
}

impl RunHeader {
    /// Reads the header from the first bytes of a run whose header and tables have `body_bytes`.
    pub(super) fn parse(first_bytes: &[u8], body_bytes: u64) -> Result<Self, Malformed> {
        let Some(&[ref magic @ .., p0, p1, p2, p3, n0, n1, n2, n3]) =
            first_bytes.first_chunk::<HEADER_BYTES>()
        else {
            return Err(Malformed::new("no room for a run's header"));
        };
        if *magic != MAGIC {
            return Err(Malformed::new("no run's magic at the start"));
        }
        let header = Self {
            num_packs: u32::from_le_bytes([p0, p1, p2, p3]),
            num_entries: u32::from_le_bytes([n0, n1, n2, n3]),
        };
        if header.body_bytes() != body_bytes {
            return Err(Malformed::new("the counts do not fit the length of the run"));
        }
        Ok(header)
    }

    pub(super) fn pack_offset(self, position: u32) -> u64 {
        HEADER_BYTES as u64 + u64::from(position) * PACK_BYTES as u64
    }

    pub(super) fn entry_offset(self, position: u32) -> u64 {
        self.pack_offset(self.num_packs) + u64::from(position) * ENTRY_BYTES as u64
    }

    pub(super) fn body_bytes(self) -> u64 {
        self.entry_offset(self.num_entries)
    }
}
