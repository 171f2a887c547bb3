//! Reads of whole objects whose length their kind bounds (`DESIGN.md`, section 11): whoever may only append could have put
//! anything under any name.

use cairn_storage::ByteRange;

use crate::Malformed;

/// The whole of an object of at most so many bytes. Of a longer one a byte more is read, by which [`refuse_longer`] knows it.
pub(crate) const fn at_most(max_bytes: u64) -> ByteRange {
    ByteRange::Suffix { length: max_bytes + 1 }
}

/// Refuses what is longer than its kind can be.
pub(crate) fn refuse_longer(bytes: &[u8], max_bytes: u64) -> Result<(), Malformed> {
    if bytes.len() as u64 > max_bytes { Err(Malformed::TOO_LONG) } else { Ok(()) }
}
