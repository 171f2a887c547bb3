//! The form of small objects that no hash names: a magic, CBOR, and the BLAKE3 of both, by which they prove to be whole.

use crate::Malformed;
use crate::cbor::Writer;

const HASH_BYTES: usize = 32;

/// The object with this content.
pub(crate) fn encode(magic: &[u8; 8], content: Writer) -> Vec<u8> {
    let mut bytes = [&magic[..], &content.finish()].concat();
    let hash = blake3::hash(&bytes);
    bytes.extend_from_slice(hash.as_bytes());
    bytes
}

/// The CBOR in an object that is whole.
pub(crate) fn content<'a>(magic: &[u8; 8], bytes: &'a [u8]) -> Result<&'a [u8], Malformed> {
    let Some((signed, hash)) = bytes.split_last_chunk::<HASH_BYTES>() else {
        return Err(Malformed::new("no room for its hash"));
    };
    let Some(content) = signed.strip_prefix(magic) else {
        return Err(Malformed::new("another magic at its start"));
    };
    if blake3::hash(signed) != *hash {
        return Err(Malformed::new("its content does not match its hash"));
    }
    Ok(content)
}
