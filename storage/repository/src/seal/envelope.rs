//! The sealed form of every object that is no chunk: a header, then pages, each with its tag.
//!
//! Invariants: a key belongs to one salt, and within it the number of the page is the nonce (`DESIGN.md`, section 12); any
//! range can be opened by the pages around it, so memory is what is read.

use cairn_storage::ObjectPath;
use ring::aead::{Aad, LessSafeKey, Nonce};

use super::keys::{Keys, aes_key};
use super::kind::ObjectKind;
use crate::Malformed;

const MAGIC: [u8; 8] = *b"CAIRNSL1";
/// Length of what stands before the pages.
const HEADER_BYTES: usize = 48;
/// Plaintext of a page.
const PAGE: usize = 16 << 10;
const PAGE_BYTES: u64 = PAGE as u64;
const TAG_BYTES: u64 = 16;
const SEALED_PAGE: usize = PAGE + 16;
const SEALED_PAGE_BYTES: u64 = SEALED_PAGE as u64;
/// Length of a salt.
const SALT_BYTES: usize = 32;

/// Length of the sealed form of so many bytes.
pub(crate) fn sealed_len(plain_len: u64) -> u64 {
    HEADER_BYTES as u64 + plain_len + plain_len.div_ceil(PAGE_BYTES) * TAG_BYTES
}

/// Plaintext in a sealed form of so many bytes; `None` when no sealed form has this length.
fn plain_len(sealed_len: u64) -> Option<u64> {
    let pages = sealed_len.checked_sub(HEADER_BYTES as u64)?;
    let last = pages % SEALED_PAGE_BYTES;
    let is_possible = pages > 0 && (last == 0 || last > TAG_BYTES);
    is_possible.then(|| pages - pages.div_ceil(SEALED_PAGE_BYTES) * TAG_BYTES)
}

/// A sealed object of which the header was read.
#[derive(Debug)]
pub(crate) struct Envelope {
    key: LessSafeKey,
    associated: Vec<u8>,
    plain_len: u64,
}

/// Seals `plain` with the newest key, or with the master key where that is the only one (`generation` 0).
pub(super) fn seal(
    keys: &Keys,
    (kind, path): (ObjectKind, &ObjectPath),
    generation: u32,
    salt: &[u8; SALT_BYTES],
    plain: &[u8],
) -> Option<Vec<u8>> {
    let plain_len = plain.len() as u64;
    let key = aes_key(&keys.objects_of(generation)?.key_for(salt));
    let envelope = Envelope { key, associated: associated(keys, kind, path), plain_len };
    let mut sealed = Vec::with_capacity(usize::try_from(sealed_len(plain_len)).ok()?);
    sealed.extend_from_slice(&MAGIC);
    sealed.extend_from_slice(&generation.to_le_bytes());
    sealed.extend_from_slice(&[0; 4]);
    sealed.extend_from_slice(salt);
    for (number, page) in (0..).zip(plain.chunks(PAGE)) {
        let start = sealed.len();
        sealed.extend_from_slice(page);
        let (_, page) = sealed.split_at_mut(start);
        let (nonce, aad) = (envelope.nonce(number)?, Aad::from(&envelope.associated));
        let tag = envelope.key.seal_in_place_separate_tag(nonce, aad, page).ok()?;
        sealed.extend_from_slice(tag.as_ref());
    }
    Some(sealed)
}

impl Envelope {
    /// What must be read to know a sealed object and its first page.
    pub(crate) const FIRST_BYTES: u64 = HEADER_BYTES as u64 + SEALED_PAGE_BYTES;

    /// The object of `sealed_bytes` that begins so. Says nothing about authenticity yet.
    pub(crate) fn parse(
        keys: &Keys,
        kind: ObjectKind,
        path: &ObjectPath,
        first_bytes: &[u8],
        sealed_bytes: u64,
    ) -> Result<Self, Malformed> {
        let Some(&[ref magic @ .., g0, g1, g2, g3, r0, r1, r2, r3]) =
            first_bytes.first_chunk::<16>()
        else {
            return Err(Malformed::new("no room for what seals an object"));
        };
        let salt = first_bytes.get(16..HEADER_BYTES);
        let salt = salt.ok_or(Malformed::new("no room for what seals an object"))?;
        if *magic != MAGIC {
            return Err(Malformed::new("not sealed, in an encrypted repository"));
        }
        if [r0, r1, r2, r3] != [0; 4] {
            return Err(Malformed::new("reserved bytes of a sealed object are not zero"));
        }
        let plain_len =
            plain_len(sealed_bytes).ok_or(Malformed::new("not the length of a sealed object"))?;
        let root = keys.objects_of(u32::from_le_bytes([g0, g1, g2, g3]));
        let root = root.ok_or(Malformed::UNKNOWN_KEY)?;
        let key = aes_key(&root.key_for(salt));
        Ok(Self { key, associated: associated(keys, kind, path), plain_len })
    }

    /// Length of the plaintext.
    pub(crate) fn plain_len(&self) -> u64 {
        self.plain_len
    }

    /// Where in the sealed form the pages lie that hold a range of the plaintext: offset and length.
    pub(crate) fn pages_around(&self, offset: u64, length: u64) -> (u64, u64) {
        let end = offset.saturating_add(length).min(self.plain_len);
        let (first, behind) = (offset / PAGE_BYTES, end.div_ceil(PAGE_BYTES));
        let start = first * SEALED_PAGE_BYTES;
        let pages = self.plain_len + self.plain_len.div_ceil(PAGE_BYTES) * TAG_BYTES;
        let end = (behind * SEALED_PAGE_BYTES).min(pages);
        (HEADER_BYTES as u64 + start, end.saturating_sub(start))
    }

    /// A range of the plaintext, from the pages that [`Envelope::pages_around`] names.
    pub(crate) fn open_range(
        &self,
        offset: u64,
        length: u64,
        pages: &[u8],
    ) -> Result<Vec<u8>, Malformed> {
        let (_, expected) = self.pages_around(offset, length);
        if pages.len() as u64 != expected || offset.saturating_add(length) > self.plain_len {
            return Err(Malformed::new("not the length of a sealed object"));
        }
        let first = offset / PAGE_BYTES;
        let mut opened = Vec::with_capacity(pages.len());
        for (number, page) in (first..).zip(pages.chunks(SEALED_PAGE)) {
            let start = opened.len();
            opened.extend_from_slice(page);
            let (_, page) = opened.split_at_mut(start);
            let nonce = self.nonce(number).ok_or(NOT_AUTHENTIC)?;
            let aad = Aad::from(&self.associated);
            let plain = self.key.open_in_place(nonce, aad, page).map_err(|_| NOT_AUTHENTIC)?;
            let end = start + plain.len();
            opened.truncate(end);
        }
        let skipped = usize::try_from(offset % PAGE_BYTES).unwrap_or(usize::MAX);
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        opened.drain(..skipped.min(opened.len()));
        opened.truncate(length);
        Ok(opened)
    }

    /// The beginning of the plaintext, not longer than a page, from the beginning of the sealed form.
    pub(crate) fn open_first(&self, length: u64, first_bytes: &[u8]) -> Result<Vec<u8>, Malformed> {
        let (start, stored) = self.pages_around(0, length);
        let range = usize::try_from(start).ok().zip(usize::try_from(start + stored).ok());
        let pages = range.and_then(|(start, end)| first_bytes.get(start..end));
        self.open_range(0, length, pages.unwrap_or_default())
    }

    /// The whole plaintext.
    pub(crate) fn open(&self, sealed: &[u8]) -> Result<Vec<u8>, Malformed> {
        let pages = sealed.get(HEADER_BYTES..).unwrap_or_default();
        self.open_range(0, self.plain_len, pages)
    }

    /// `None` behind 64 TiB.
    fn nonce(&self, page: u64) -> Option<Nonce> {
        let [a, b, c, d] = u32::try_from(page).ok()?.to_le_bytes();
        let is_last = page + 1 == self.plain_len.div_ceil(PAGE_BYTES);
        let nonce = [a, b, c, d, is_last.into(), 0, 0, 0, 0, 0, 0, 0];
        Some(Nonce::assume_unique_for_key(nonce))
    }
}

impl Keys {
    /// The sealed form of an object; equal content has an equal one.
    pub(super) fn seal(&self, kind: ObjectKind, path: &ObjectPath, plain: &[u8]) -> Vec<u8> {
        self.seal_as(kind, path, self.generation(), plain)
    }

    /// The same with the data key of a generation; 0 is what follows from the master key.
    pub(super) fn seal_as(
        &self,
        kind: ObjectKind,
        path: &ObjectPath,
        generation: u32,
        plain: &[u8],
    ) -> Vec<u8> {
        let mut salt = self.salts().hasher();
        let path_bytes = u32::try_from(path.as_str().len()).unwrap_or(u32::MAX);
        salt.update(&generation.to_le_bytes()).update(&[kind as u8]);
        salt.update(&path_bytes.to_le_bytes()).update(path.as_str().as_bytes()).update(plain);
        self.seal_salted((kind, path), generation, salt.finalize().as_bytes(), plain)
    }

    /// The sealed form of an object named by content that is to be like no other.
    pub(crate) fn seal_uniquely(&self, kind: ObjectKind, plain: &[u8]) -> Vec<u8> {
        let salt = rand::random();
        self.seal_salted((kind, &ObjectPath::root()), self.generation(), &salt, plain)
    }

    #[expect(clippy::expect_used, reason = "what is sealed here lies in memory, far below 64 TiB")]
    fn seal_salted(
        &self,
        place: (ObjectKind, &ObjectPath),
        generation: u32,
        salt: &[u8; SALT_BYTES],
        plain: &[u8],
    ) -> Vec<u8> {
        seal(self, place, generation, salt, plain)
            .expect("the generation is one of this ring, the length that of an object")
    }

    /// What was sealed for this place.
    pub(crate) fn open(
        &self,
        kind: ObjectKind,
        path: &ObjectPath,
        sealed: &[u8],
    ) -> Result<Vec<u8>, Malformed> {
        Envelope::parse(self, kind, path, sealed, sealed.len() as u64)?.open(sealed)
    }
}

const NOT_AUTHENTIC: Malformed = Malformed::new("not what was sealed for this place");

fn associated(keys: &Keys, kind: ObjectKind, path: &ObjectPath) -> Vec<u8> {
    [keys.repository().as_bytes(), &[kind as u8][..], path.as_str().as_bytes()].concat()
}
