//! The sealed form of a chunk: `hint | nonce | ciphertext | tag`.
//!
//! Invariants: the key is one of this chunk alone and the nonce is random, so no pair comes twice (`DESIGN.md`, section 12); the
//! form says nothing without the key, not even where it begins, and depends on no pack.

use ring::aead::{Aad, LessSafeKey, Nonce};

use super::keys::{Keys, Root, aes_key};
use crate::codec::Codec;
use crate::{ChunkId, Malformed};

const HINT_BYTES: usize = 4;
const NONCE_BYTES: usize = 12;
const TAG_BYTES: usize = 16;
const AAD_BYTES: usize = 16 + ChunkId::BYTES + 1 + 4;

/// What sealing adds to the length of a chunk.
pub(crate) const OVERHEAD_BYTES: u32 = 4 + 12 + 16;

/// Seals an encoded chunk with the newest key.
pub(super) fn seal(
    keys: &Keys,
    id: &ChunkId,
    codec: Codec,
    raw_len: u32,
    encoded: &[u8],
) -> Vec<u8> {
    let generation = keys.generation();
    let nonce: [u8; NONCE_BYTES] = rand::random();
    let hint = generation ^ mask(keys, &nonce, id);
    let mut sealed = Vec::with_capacity(encoded.len() + OVERHEAD_BYTES as usize);
    sealed.extend_from_slice(&hint.to_le_bytes());
    sealed.extend_from_slice(&nonce);
    sealed.extend_from_slice(encoded);
    let key = key_of(keys.newest_chunks(), id);
    let aad = Aad::from(associated(keys, id, codec, raw_len));
    let (_, body) = sealed.split_at_mut(HINT_BYTES + NONCE_BYTES);
    #[expect(clippy::expect_used, reason = "AES-GCM refuses only what is longer than 64 GiB")]
    let tag = key
        .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), aad, body)
        .expect("a chunk has at most 16 MiB");
    sealed.extend_from_slice(tag.as_ref());
    sealed
}

/// Opens a sealed chunk into `opened`, which then holds its encoded form and nothing else.
pub(crate) fn open(
    keys: &Keys,
    id: &ChunkId,
    codec: Codec,
    raw_len: u32,
    stored: &[u8],
    opened: &mut Vec<u8>,
) -> Result<(), Malformed> {
    let short = Malformed::new("no room for what seals a chunk");
    let (hint, rest) = stored.split_first_chunk::<HINT_BYTES>().ok_or(short)?;
    let (nonce, sealed) = rest.split_first_chunk::<NONCE_BYTES>().ok_or(short)?;
    let length = sealed.len().checked_sub(TAG_BYTES).ok_or(short)?;
    let generation = u32::from_le_bytes(*hint) ^ mask(keys, nonce, id);
    // A hint that was tampered with names a generation that there never was, or a wrong one.
    let root = keys.chunks_of(generation).ok_or(NOT_AUTHENTIC)?;
    opened.clear();
    opened.extend_from_slice(sealed);
    let aad = Aad::from(associated(keys, id, codec, raw_len));
    key_of(root, id)
        .open_in_place(Nonce::assume_unique_for_key(*nonce), aad, opened)
        .map_err(|_| NOT_AUTHENTIC)?;
    opened.truncate(length);
    Ok(())
}

const NOT_AUTHENTIC: Malformed =
    Malformed::new("not what was sealed, or sealed with a key that the key ring lacks");

fn key_of(root: &Root, id: &ChunkId) -> LessSafeKey {
    aes_key(&root.key_for(id.as_bytes()))
}

fn mask(keys: &Keys, nonce: &[u8; NONCE_BYTES], id: &ChunkId) -> u32 {
    let mut named = [0; NONCE_BYTES + ChunkId::BYTES];
    let (nonce_part, id_part) = named.split_at_mut(NONCE_BYTES);
    nonce_part.copy_from_slice(nonce);
    id_part.copy_from_slice(id.as_bytes());
    let [a, b, c, d, ..] = *keys.hints().key_for(&named);
    u32::from_le_bytes([a, b, c, d])
}

fn associated(keys: &Keys, id: &ChunkId, codec: Codec, raw_len: u32) -> [u8; AAD_BYTES] {
    let mut bytes = [0; AAD_BYTES];
    let parts: [&[u8]; 4] =
        [keys.repository().as_bytes(), id.as_bytes(), &[codec as u8], &raw_len.to_le_bytes()];
    for (to, from) in bytes.iter_mut().zip(parts.into_iter().flatten()) {
        *to = *from;
    }
    bytes
}
