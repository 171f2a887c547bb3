//! Stored forms: decoding is total and gives exactly the stated length. The first four bytes state it.
#![no_main]

use cairn_repository::{ChunkId, PackId, Sealer};
use cairn_repository::codec::Codec;
use cairn_repository::decompressor::Decompressor;
use cairn_repository::pack::{ChunkKind, ChunkLocation};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((&raw_len, stored)) = bytes.split_first_chunk() else { return };
    let id = ChunkId::of(stored);
    let location = ChunkLocation {
        pack: PackId::from_bytes([0; 32]),
        offset: 8,
        stored_len: u32::try_from(stored.len()).unwrap(),
        raw_len: u32::from_le_bytes(raw_len),
        codec: Codec::Zstd,
        kind: ChunkKind::Segment,
    };
    if let Ok(plain) = Decompressor::new(&Sealer::plain()).decode(&id, &location, &stored.to_vec().into()) {
        assert_eq!(plain.len(), location.raw_len as usize);
    }
});
