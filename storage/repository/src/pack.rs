//! Packs: objects that hold chunks, with a directory and a trailer at their end.
//!
//! [`PackBuilder`] fills one; [`parse_trailer`], [`parse_directory`] and [`entries_of_pack`] read one
//! and check every length, the tiling and the name. Nothing here does input or output.

use bytes::Bytes;
use cairn_storage::ObjectPath;

use crate::chunking::MAX_CHUNK_BYTES;
use crate::codec::Codec;
use crate::seal::{CHUNK_OVERHEAD_BYTES, ObjectKind, Sealer, sealed_len};
use crate::{ChunkId, Error, Malformed, PackId, Result};

/// At both ends of a pack.
pub const MAGIC: [u8; 8] = *b"CAIRNPK1";
/// Length of the trailer in bytes.
pub const TRAILER_BYTES: usize = 32;
/// Length of one entry of the directory in bytes.
pub const DIRECTORY_ENTRY_BYTES: usize = 44;
/// Longest pack in bytes.
pub const MAX_PACK_BYTES: u32 = 1 << 30;

/// Most chunks of a pack: its directory is read whole.
pub const MAX_PACK_CHUNKS: u32 = 1 << 16;

/// Bytes of a pack's end that are read first where nobody knows how many chunks it has: enough for 1400.
pub(crate) const USUAL_TAIL_BYTES: u64 = 64 << 10;

const FORMAT_VERSION: u32 = 1;

const SALT_BYTES: usize = 16;

/// What a chunk is a slice of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ChunkKind {
    /// A segment.
    Segment = 0,
    /// A document of a manifest.
    Document = 1,
    /// Nothing: it is a copy of a record, from which a repository can be recovered.
    RecordCopy = 2,
}

impl ChunkKind {
    /// The kind of this number in the format.
    pub fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Segment),
            1 => Some(Self::Document),
            2 => Some(Self::RecordCopy),
            _ => None,
        }
    }
}

/// Where the stored form of a chunk lies, and what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ChunkLocation {
    /// The pack that holds it.
    pub pack: PackId,
    /// First byte in the pack.
    pub offset: u32,
    /// Length of the stored form in bytes.
    pub stored_len: u32,
    /// Length of the plaintext in bytes.
    pub raw_len: u32,
    /// How the stored form was made.
    pub codec: Codec,
    /// What the chunk is a slice of.
    pub kind: ChunkKind,
}

impl ChunkLocation {
    /// First byte of the pack behind the stored form.
    pub fn end(&self) -> u64 {
        u64::from(self.offset) + u64::from(self.stored_len)
    }

    /// Whether lengths and position are ones that the format allows.
    pub(crate) fn check(&self) -> Result<(), &'static str> {
        let encoded_len = match self.codec.unsealed() {
            Some(_) => self.stored_len.saturating_sub(CHUNK_OVERHEAD_BYTES),
            None => self.stored_len,
        };
        let is_stored_len_right = match self.codec {
            Codec::Raw | Codec::SealedRaw => encoded_len == self.raw_len,
            Codec::Zstd | Codec::SealedZstd => (1..self.raw_len).contains(&encoded_len),
        };
        if !(1..=MAX_CHUNK_BYTES).contains(&self.raw_len) {
            Err("a chunk has 1 byte to 16 MiB - 1")
        } else if !is_stored_len_right {
            Err("the stored length does not fit the codec")
        } else if (self.offset as usize) < MAGIC.len() || self.end() > u64::from(MAX_PACK_BYTES) {
            Err("the chunk lies outside of any pack")
        } else {
            Ok(())
        }
    }
}

/// A chunk and where it lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct IndexEntry {
    /// The chunk.
    pub id: ChunkId,
    /// Its place.
    pub location: ChunkLocation,
}

/// A pack in memory, ready to be put.
#[derive(Debug, Clone)]
pub struct FinishedPack {
    /// Its name.
    pub id: PackId,
    /// The object.
    pub bytes: Bytes,
    /// What it holds, in the order in which the chunks lie; for an index run, once the pack is durable.
    pub entries: Vec<IndexEntry>,
}

/// A chunk in a pack whose id is not known yet.
#[derive(Debug, Clone, Copy)]
struct Placed {
    id: ChunkId,
    offset: u32,
    stored_len: u32,
    raw_len: u32,
    codec: Codec,
    kind: ChunkKind,
}

/// Fills one pack. Holds the whole object in memory: at most its capacity, or one chunk when that is longer.
#[derive(Debug)]
pub struct PackBuilder {
    sealer: Sealer,
    buffer: Vec<u8>,
    capacity: usize,
    placed: Vec<Placed>,
    /// Makes the name of the pack one that no other ever had.
    salt: [u8; SALT_BYTES],
}

impl PackBuilder {
    /// An empty pack that grows to `capacity_bytes` (at most [`MAX_PACK_BYTES`]); the directory is sealed as the repository
    /// wants it.
    pub fn new(sealer: &Sealer, capacity_bytes: u32) -> Self {
        Self::with_buffer(sealer, Vec::new(), capacity_bytes)
    }

    /// The same, built in a buffer that was used before; its content is discarded.
    pub fn with_buffer(sealer: &Sealer, mut buffer: Vec<u8>, capacity_bytes: u32) -> Self {
        buffer.clear();
        buffer.extend_from_slice(&MAGIC);
        let capacity = capacity_bytes.min(MAX_PACK_BYTES) as usize;
        Self { sealer: sealer.clone(), buffer, capacity, placed: Vec::new(), salt: rand::random() }
    }

    /// Whether a stored form of this length fits. An empty pack takes any chunk.
    pub fn has_room_for(&self, stored_len: usize) -> bool {
        let tail = tail_bytes(&self.sealer, self.placed.len() as u64 + 1);
        self.placed.is_empty()
            || self.placed.len() < MAX_PACK_CHUNKS as usize
                && (self.buffer.len() + stored_len) as u64 + tail <= self.capacity as u64
    }

    /// Appends the stored form of a chunk.
    ///
    /// [`crate::ErrorKind::Invalid`], and the pack unchanged, when there is no room (ask
    /// [`PackBuilder::has_room_for`]) or the lengths are not ones that the format allows.
    pub fn push(
        &mut self,
        id: ChunkId,
        kind: ChunkKind,
        codec: Codec,
        raw_len: u32,
        stored: &[u8],
    ) -> Result<()> {
        let too_long = || Error::invalid("a pack with no room for the chunk");
        if !self.has_room_for(stored.len()) {
            return Err(too_long());
        }
        let offset = u32::try_from(self.buffer.len()).map_err(|_| too_long())?;
        let stored_len = u32::try_from(stored.len()).map_err(|_| too_long())?;
        let placed = Placed { id, offset, stored_len, raw_len, codec, kind };
        placed.located(PackId::from_bytes([0; 32])).location.check().map_err(Error::invalid)?;
        self.buffer.extend_from_slice(stored);
        self.placed.push(placed);
        Ok(())
    }

    /// Bytes of stored forms so far.
    pub fn stored_bytes(&self) -> u64 {
        (self.buffer.len() - MAGIC.len()) as u64
    }

    /// Chunks so far.
    pub fn num_chunks(&self) -> usize {
        self.placed.len()
    }

    /// Closes the pack; `None` when it is empty.
    pub fn finish(self) -> Option<FinishedPack> {
        let Self { sealer, mut buffer, placed, salt, .. } = self;
        let num_chunks = u32::try_from(placed.len()).ok().filter(|&number| number > 0)?;
        let directory = buffer.len();
        buffer.reserve_exact(usize::try_from(tail_bytes(&sealer, num_chunks.into())).ok()?);
        match sealer.keys() {
            None => placed.iter().for_each(|chunk| chunk.write_directory_entry(&mut buffer)),
            Some(keys) => {
                let mut plain = Vec::with_capacity(placed.len() * DIRECTORY_ENTRY_BYTES);
                placed.iter().for_each(|chunk| chunk.write_directory_entry(&mut plain));
                buffer.extend_from_slice(&keys.seal_uniquely(ObjectKind::Directory, &plain));
            }
        }
        buffer.extend_from_slice(&salt);
        buffer.extend_from_slice(&num_chunks.to_le_bytes());
        buffer.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
        buffer.extend_from_slice(&MAGIC);
        let id = PackId::of(buffer.get(directory..)?);
        let entries = placed.iter().map(|chunk| chunk.located(id)).collect();
        Some(FinishedPack { id, bytes: buffer.into(), entries })
    }
}

impl Placed {
    fn located(&self, pack: PackId) -> IndexEntry {
        let Self { id, offset, stored_len, raw_len, codec, kind } = *self;
        IndexEntry {
            id,
            location: ChunkLocation { pack, offset, stored_len, raw_len, codec, kind },
        }
    }

    fn write_directory_entry(&self, buffer: &mut Vec<u8>) {
        buffer.extend_from_slice(self.id.as_bytes());
        buffer.extend_from_slice(&self.raw_len.to_le_bytes());
        buffer.extend_from_slice(&self.stored_len.to_le_bytes());
        buffer.extend_from_slice(&[self.codec as u8, self.kind as u8, 0, 0]);
    }
}

/// Length of the directory of so many chunks, as it is stored, and the trailer.
pub(crate) fn tail_bytes(sealer: &Sealer, num_chunks: u64) -> u64 {
    let directory = num_chunks.saturating_mul(DIRECTORY_ENTRY_BYTES as u64);
    let directory = if sealer.is_sealing() { sealed_len(directory) } else { directory };
    directory + TRAILER_BYTES as u64
}

/// What the last [`TRAILER_BYTES`] of a pack say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trailer {
    num_chunks: u32,
    tail_bytes: u64,
}

impl Trailer {
    /// Chunks in the pack, at least one.
    pub fn num_chunks(self) -> u32 {
        self.num_chunks
    }

    /// Length of directory and trailer together in bytes.
    pub fn tail_bytes(self) -> u64 {
        self.tail_bytes
    }
}

/// Reads the trailer from the last bytes of a pack of `pack_bytes`; more than the trailer may be given.
pub fn parse_trailer(
    sealer: &Sealer,
    last_bytes: &[u8],
    pack_bytes: u64,
) -> Result<Trailer, Malformed> {
    let fields = last_bytes.last_chunk::<TRAILER_BYTES>();
    let Some(&[a, b, c, d, v0, v1, v2, v3, ref magic @ ..]) =
        fields.and_then(|fields| fields.last_chunk::<{ TRAILER_BYTES - SALT_BYTES }>())
    else {
        return Err(Malformed::new("no room for a pack's trailer"));
    };
    if *magic != MAGIC {
        return Err(Malformed::new("no pack's magic at the end"));
    }
    if u32::from_le_bytes([v0, v1, v2, v3]) != FORMAT_VERSION {
        return Err(Malformed::new("unknown version of packs"));
    }
    let num_chunks = u32::from_le_bytes([a, b, c, d]);
    let trailer = Trailer { num_chunks, tail_bytes: tail_bytes(sealer, num_chunks.into()) };
    // Each chunk takes a byte at least.
    let least = MAGIC.len() as u64 + u64::from(trailer.num_chunks) + trailer.tail_bytes();
    if trailer.num_chunks == 0 {
        Err(Malformed::new("a pack without chunks"))
    } else if num_chunks > MAX_PACK_CHUNKS {
        Err(Malformed::new("a pack of more than 65536 chunks"))
    } else if pack_bytes < least || pack_bytes > u64::from(MAX_PACK_BYTES) {
        Err(Malformed::new("the number of chunks does not fit the length of the pack"))
    } else {
        Ok(trailer)
    }
}

/// Reads directory and trailer, `tail`, of a pack of `pack_bytes`, and proves that they are those of `pack`
/// and tile it exactly. The chunks themselves are not looked at.
pub fn parse_directory(
    sealer: &Sealer,
    pack: &PackId,
    pack_bytes: u64,
    tail: &[u8],
) -> Result<Vec<IndexEntry>, Malformed> {
    let trailer = parse_trailer(sealer, tail, pack_bytes)?;
    if tail.len() as u64 != trailer.tail_bytes() {
        return Err(Malformed::new("not the length of directory and trailer"));
    }
    if PackId::of(tail) != *pack {
        return Err(Malformed::new("directory and trailer are not those of the pack's name"));
    }
    let stored = tail.get(..tail.len() - TRAILER_BYTES).unwrap_or_default();
    let opened;
    let directory = match sealer.keys() {
        None => stored,
        Some(keys) => {
            opened = keys.open(ObjectKind::Directory, &ObjectPath::root(), stored)?;
            opened.as_slice()
        }
    };
    let (directory, _) = directory.as_chunks::<DIRECTORY_ENTRY_BYTES>();
    let mut entries = Vec::with_capacity(directory.len());
    let mut offset = MAGIC.len() as u64;
    for bytes in directory {
        let entry = parse_directory_entry(bytes, *pack, offset)?;
        offset = entry.location.end();
        entries.push(entry);
    }
    if offset + trailer.tail_bytes() != pack_bytes {
        return Err(Malformed::new("the chunks do not fill the pack"));
    }
    Ok(entries)
}

fn parse_directory_entry(
    bytes: &[u8; DIRECTORY_ENTRY_BYTES],
    pack: PackId,
    offset: u64,
) -> Result<IndexEntry, Malformed> {
    let refuse = |what| Malformed::new(what);
    let (&id, fields) =
        bytes.split_first_chunk::<32>().ok_or_else(|| refuse("directory entry too short"))?;
    let &[r0, r1, r2, r3, s0, s1, s2, s3, codec, kind, 0, 0] = fields else {
        return Err(refuse("reserved bytes of the directory are not zero"));
    };
    let location = ChunkLocation {
        pack,
        offset: u32::try_from(offset).map_err(|_| refuse("the chunks do not fill the pack"))?,
        stored_len: u32::from_le_bytes([s0, s1, s2, s3]),
        raw_len: u32::from_le_bytes([r0, r1, r2, r3]),
        codec: Codec::from_number(codec).ok_or_else(|| refuse("unknown codec"))?,
        kind: ChunkKind::from_number(kind).ok_or_else(|| refuse("unknown kind of chunk"))?,
    };
    location.check().map_err(refuse)?;
    Ok(IndexEntry { id: ChunkId::from_bytes(id), location })
}

/// The entries of a whole pack in memory, as [`parse_directory`] proves them. Chunks are not verified.
pub fn entries_of_pack(
    sealer: &Sealer,
    pack: &PackId,
    bytes: &[u8],
) -> Result<Vec<IndexEntry>, Malformed> {
    if !bytes.starts_with(&MAGIC) {
        return Err(Malformed::new("no pack's magic at the start"));
    }
    let pack_bytes = bytes.len() as u64;
    let trailer = parse_trailer(sealer, bytes, pack_bytes)?;
    let start = pack_bytes - trailer.tail_bytes();
    let tail = usize::try_from(start).ok().and_then(|start| bytes.get(start..));
    parse_directory(sealer, pack, pack_bytes, tail.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pack_of(chunks: &[Vec<u8>]) -> FinishedPack {
        let mut builder = PackBuilder::new(&Sealer::plain(), MAX_PACK_BYTES);
        for chunk in chunks {
            let length = u32::try_from(chunk.len()).unwrap();
            let id = ChunkId::of(chunk);
            builder.push(id, ChunkKind::Segment, Codec::Raw, length, chunk).unwrap();
        }
        builder.finish().unwrap()
    }

    fn chunks() -> impl Strategy<Value = Vec<Vec<u8>>> {
        prop::collection::vec(prop::collection::vec(any::<u8>(), 1..50), 1..20)
    }

    #[test]
    fn the_bytes_are_those_of_the_design() {
        let mut builder = PackBuilder::new(&Sealer::plain(), 1 << 20);
        builder.salt = [7; SALT_BYTES];
        let (one, two) = (ChunkId::of(b"one"), ChunkId::of(b"two"));
        builder.push(one, ChunkKind::Segment, Codec::Raw, 3, b"one").unwrap();
        builder.push(two, ChunkKind::Document, Codec::Zstd, 300, b"zz").unwrap();
        assert_eq!((builder.num_chunks(), builder.stored_bytes()), (2, 5));
        let pack = builder.finish().unwrap();
        let mut expected = b"CAIRNPK1onezz".to_vec();
        expected.extend([one.as_bytes(), &[3, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0][..]].concat());
        expected.extend([two.as_bytes(), &[44, 1, 0, 0, 2, 0, 0, 0, 1, 1, 0, 0][..]].concat());
        expected.extend([7; SALT_BYTES]);
        expected.extend(b"\x02\0\0\0\x01\0\0\0CAIRNPK1");
        assert_eq!(pack.bytes, expected);
        assert_eq!(pack.id.as_bytes(), blake3::hash(&expected[13..]).as_bytes());
        assert_eq!(pack.entries[1].location.offset, 11);
    }

    #[test]
    fn the_capacity_covers_directory_and_trailer() {
        let overhead = MAGIC.len() + TRAILER_BYTES + 2 * DIRECTORY_ENTRY_BYTES;
        let mut builder =
            PackBuilder::new(&Sealer::plain(), u32::try_from(overhead + 200).unwrap());
        let chunk = [7; 100];
        let id = ChunkId::of(&chunk);
        builder.push(id, ChunkKind::Segment, Codec::Raw, 100, &chunk).unwrap();
        assert!(builder.has_room_for(100));
        assert!(!builder.has_room_for(101));
        let mut push = || builder.push(id, ChunkKind::Segment, Codec::Raw, 100, &chunk);
        push().unwrap();
        assert_eq!(push().unwrap_err().to_string(), "a pack with no room for the chunk");
        assert_eq!(builder.finish().unwrap().bytes.len(), overhead + 200);
    }

    #[test]
    fn an_empty_pack_takes_any_chunk_and_is_none_itself() {
        let mut builder = PackBuilder::with_buffer(&Sealer::plain(), vec![1, 2, 3], 10);
        assert!(builder.has_room_for(100));
        builder.push(ChunkId::of(b"x"), ChunkKind::Segment, Codec::Raw, 100, &[0; 100]).unwrap();
        let pack = builder.placed_pack();
        assert!(entries_of_pack(&Sealer::plain(), &pack.id, &pack.bytes).is_ok());
        assert!(PackBuilder::new(&Sealer::plain(), 10).finish().is_none());
    }

    impl PackBuilder {
        fn placed_pack(&self) -> FinishedPack {
            let Self { sealer, buffer, capacity, placed, salt } = self;
            let (sealer, buffer, placed) = (sealer.clone(), buffer.clone(), placed.clone());
            let copy = Self { sealer, buffer, capacity: *capacity, placed, salt: *salt };
            copy.finish().unwrap()
        }
    }

    #[test]
    fn lengths_that_the_format_does_not_allow_are_not_packed() {
        let mut builder = PackBuilder::new(&Sealer::plain(), 1 << 20);
        let id = ChunkId::of(b"");
        for (codec, raw_len, stored_len) in
            [(Codec::Raw, 0, 0), (Codec::Raw, 2, 1), (Codec::Zstd, 5, 5), (Codec::Zstd, 1 << 24, 1)]
        {
            let stored = vec![0; stored_len];
            assert!(builder.push(id, ChunkKind::Segment, codec, raw_len, &stored).is_err());
        }
        assert_eq!(builder.num_chunks(), 0);
    }

    proptest! {
        #[test]
        fn a_pack_reads_as_it_was_built(chunks in chunks()) {
            let pack = pack_of(&chunks);
            let entries = entries_of_pack(&Sealer::plain(), &pack.id, &pack.bytes).unwrap();
            prop_assert_eq!(&entries, &pack.entries);
            for (entry, chunk) in entries.iter().zip(&chunks) {
                let start = entry.location.offset as usize;
                let stored = &pack.bytes[start..start + entry.location.stored_len as usize];
                prop_assert_eq!(stored, &chunk[..]);
            }
        }

        #[test]
        fn no_change_of_length_or_tail_goes_unnoticed(
            chunks in chunks(),
            at: prop::sample::Index,
            flip in 1_u8..,
        ) {
            let pack = pack_of(&chunks);
            let tail = chunks.len() * DIRECTORY_ENTRY_BYTES + TRAILER_BYTES;
            let start = pack.bytes.len() - tail;
            let mut flipped = pack.bytes.to_vec();
            flipped[start + at.index(tail)] ^= flip;
            prop_assert!(entries_of_pack(&Sealer::plain(), &pack.id, &flipped).is_err());
            let cut = at.index(pack.bytes.len());
            prop_assert!(entries_of_pack(&Sealer::plain(), &pack.id, &pack.bytes[..cut]).is_err());
            let longer = [&pack.bytes[..], &[flip]].concat();
            prop_assert!(entries_of_pack(&Sealer::plain(), &pack.id, &longer).is_err());
            let gap = [&pack.bytes[..start], &[flip], &pack.bytes[start..]].concat();
            prop_assert!(entries_of_pack(&Sealer::plain(), &pack.id, &gap).is_err());
        }

        #[test]
        fn reading_is_total(bytes: Vec<u8>, chunks in 0_u32..5) {
            let tail = [&bytes[..], &chunks.to_le_bytes(), &[1, 0, 0, 0], &MAGIC].concat();
            let plain = Sealer::plain();
            let _ = parse_trailer(&plain, &bytes, bytes.len() as u64);
            let _ = parse_directory(&plain, &PackId::of(&tail), tail.len() as u64, &tail);
            let _ = entries_of_pack(&plain, &PackId::of(&bytes), &bytes);
        }
    }
}
