//! [`Decompressor`]: from the stored form of a chunk to its plaintext.
//!
//! Decoding trusts nothing: it allocates `raw_len` bytes, which the directory or index has bounded,
//! and no more, whatever the frame claims.

use bytes::Bytes;
use zstd::zstd_safe;

use crate::chunking::MAX_CHUNK_BYTES;
use crate::codec::Codec;
use crate::error::DamagedObject;
use crate::pack::ChunkLocation;
use crate::seal::{self, Sealer};
use crate::{ChunkId, Damage, Malformed};

/// Makes plaintext of stored forms. One per worker thread: it owns a zstd context, and a buffer that grows to the longest
/// sealed frame seen.
pub struct Decompressor {
    context: zstd_safe::DCtx<'static>,
    sealer: Sealer,
    opened: Vec<u8>,
}

impl Decompressor {
    /// A decompressor for every codec of a repository with this sealer.
    pub fn new(sealer: &Sealer) -> Self {
        let (context, sealer) = (zstd_safe::DCtx::create(), sealer.clone());
        Self { context, sealer, opened: Vec::new() }
    }

    /// The plaintext of the stored form of a chunk, of exactly `location.raw_len` bytes. It is `stored` itself,
    /// not copied, when the codec is raw. Whether it is the right plaintext is not known yet: see
    /// [`open_chunk`].
    pub fn decode(
        &mut self,
        id: &ChunkId,
        location: &ChunkLocation,
        stored: &Bytes,
    ) -> Result<Bytes, Malformed> {
        if stored.len() != location.stored_len as usize || location.raw_len > MAX_CHUNK_BYTES {
            return Err(Malformed::new("not the stored length of the chunk"));
        }
        let raw_len = location.raw_len;
        match (self.sealer.keys(), location.codec.unsealed()) {
            (None, None) if location.codec == Codec::Zstd => {
                self.decompress(stored, raw_len as usize)
            }
            (None, None) if stored.len() == raw_len as usize => Ok(stored.clone()),
            (None, None) => Err(Malformed::new("not the length of the chunk")),
            (Some(keys), Some(Codec::Raw)) => {
                let mut plain = Vec::new();
                seal::open_chunk(keys, id, Codec::Raw, raw_len, stored, &mut plain)?;
                match plain.len() == raw_len as usize {
                    true => Ok(plain.into()),
                    false => Err(Malformed::new("not the length of the chunk")),
                }
            }
            (Some(keys), Some(codec)) => {
                let mut frame = std::mem::take(&mut self.opened);
                let opened = seal::open_chunk(keys, id, codec, raw_len, stored, &mut frame);
                let plain = opened.and_then(|()| self.decompress(&frame, raw_len as usize));
                self.opened = frame;
                plain
            }
            (None, Some(_)) => Err(Malformed::new("sealed, in a repository that is not encrypted")),
            (Some(_), None) => Err(Malformed::new("not sealed, in an encrypted repository")),
        }
    }

    fn decompress(&mut self, stored: &[u8], raw_len: usize) -> Result<Bytes, Malformed> {
        let is_one_frame = stored.starts_with(&zstd_safe::MAGICNUMBER.to_le_bytes())
            && zstd_safe::find_frame_compressed_size(stored) == Ok(stored.len());
        if !is_one_frame {
            return Err(Malformed::new("not one zstd frame"));
        }
        let mut plain = Vec::with_capacity(raw_len);
        match self.context.decompress(&mut plain, stored) {
            Ok(length) if length == raw_len => Ok(plain.into()),
            Ok(_) => Err(Malformed::new("not the length of the chunk")),
            Err(_) => Err(Malformed::new("zstd cannot decompress it into its length")),
        }
    }
}

impl std::fmt::Debug for Decompressor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decompressor").finish_non_exhaustive()
    }
}

/// The plaintext of a chunk, proved to be that of `id` (R2). The damage names pack and chunk.
pub fn open_chunk(
    decompressor: &mut Decompressor,
    id: &ChunkId,
    location: &ChunkLocation,
    stored: &Bytes,
) -> Result<Bytes, Damage> {
    let object = DamagedObject::Pack(location.pack);
    match decompressor.decode(id, location, stored) {
        Ok(plain) if decompressor.sealer.chunk_id(&plain) == *id => Ok(plain),
        Ok(_) => Err(Damage::of_chunk(object, *id, crate::Fault::Hash)),
        Err(malformed) => Err(Damage::of_chunk(object, *id, malformed)),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::compressor::Compressor;
    use crate::config::Compression;
    use crate::pack::ChunkKind;
    use crate::{Fault, PackId};

    /// Nothing that is not sealed asks for it.
    const ANY: ChunkId = ChunkId::from_bytes([0; 32]);

    fn location(codec: Codec, raw_len: usize, stored_len: usize) -> ChunkLocation {
        ChunkLocation {
            pack: PackId::from_bytes([1; 32]),
            offset: 8,
            stored_len: u32::try_from(stored_len).unwrap(),
            raw_len: u32::try_from(raw_len).unwrap(),
            codec,
            kind: ChunkKind::Segment,
        }
    }

    pub(crate) fn noise(length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        blake3::Hasher::new().finalize_xof().fill(&mut bytes);
        bytes
    }

    fn encode(plain: &[u8], compression: Compression) -> (Codec, Bytes) {
        let mut compressor = Compressor::new(compression);
        let (codec, stored) = compressor.encode(plain).unwrap();
        (codec, Bytes::copy_from_slice(stored))
    }

    pub(crate) fn text(length: usize) -> Vec<u8> {
        b"the quick brown fox jumps over the lazy dog. "
            .iter()
            .copied()
            .cycle()
            .take(length)
            .collect()
    }

    #[test]
    fn raw_is_not_copied() {
        let stored = Bytes::from(noise(100));
        let plain = Decompressor::new(&Sealer::plain())
            .decode(&ANY, &location(Codec::Raw, 100, 100), &stored)
            .unwrap();
        assert_eq!(plain.as_ptr(), stored.as_ptr());
    }

    #[test]
    fn a_frame_that_claims_another_length_is_refused() {
        let plain = text(50_000);
        let (codec, stored) = encode(&plain, Compression::Auto);
        assert_eq!(codec, Codec::Zstd);
        let mut decompressor = Decompressor::new(&Sealer::plain());
        for raw_len in [1, 49_999, 50_001, MAX_CHUNK_BYTES as usize] {
            assert!(
                decompressor
                    .decode(&ANY, &location(codec, raw_len, stored.len()), &stored)
                    .is_err()
            );
        }
        let twice = Bytes::from([&stored[..], &stored[..]].concat());
        let two_frames = decompressor.decode(&ANY, &location(codec, 100_000, twice.len()), &twice);
        assert_eq!(two_frames.unwrap_err().what(), "not one zstd frame");
    }

    #[test]
    fn another_chunk_is_not_accepted() {
        let stored = Bytes::from_static(b"one");
        let at = location(Codec::Raw, 3, 3);
        let id = ChunkId::of(b"two");
        let damage =
            open_chunk(&mut Decompressor::new(&Sealer::plain()), &id, &at, &stored).unwrap_err();
        assert_eq!((damage.chunk, damage.fault), (Some(id), Fault::Hash));
        let id = ChunkId::of(b"one");
        assert!(open_chunk(&mut Decompressor::new(&Sealer::plain()), &id, &at, &stored).is_ok());
    }

    proptest! {
        #[test]
        fn round_trips(length in 1_usize..300_000, compresses: bool, level in 0_u8..6) {
            let plain = if compresses { text(length) } else { noise(length) };
            let compression = Compression::level(level).unwrap_or_default();
            let (codec, stored) = encode(&plain, compression);
            let at = location(codec, length, stored.len());
            let opened = open_chunk(&mut Decompressor::new(&Sealer::plain()), &ChunkId::of(&plain), &at, &stored);
            prop_assert_eq!(opened, Ok(Bytes::from(plain)));
        }

        #[test]
        fn decoding_is_total(
            bytes: Vec<u8>,
            raw_len in 0_usize..100_000,
            at: prop::sample::Index,
            with: u8,
        ) {
            let mut decompressor = Decompressor::new(&Sealer::plain());
            let _ = decompressor
                .decode(&ANY, &location(Codec::Zstd, raw_len, bytes.len()), &bytes.clone().into());
            let (codec, stored) = encode(&text(10_000), Compression::Auto);
            let mut mutated = stored.to_vec();
            let at = at.index(mutated.len());
            mutated[at] = with;
            let _ = decompressor.decode(&ANY, &location(codec, 10_000, mutated.len()), &mutated.into());
        }
    }
}
