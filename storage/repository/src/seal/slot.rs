//! [`Slot`]: the master key, wrapped by a secret.
//!
//! Invariants: a wrapping key is used once, for its salt is random; a slot opens only under its own name, in its own repository,
//! with its own numbers; what it asks for is bounded before it is given (`DESIGN.md`, section 12).

use std::fmt;

use argon2::{Algorithm, Argon2, Params, Version};
use ring::aead::{Aad, Nonce};
use zeroize::Zeroizing;

use super::error::{KeyError, MAX_NOTE_BYTES};
use super::keys::{KEY_BYTES, Key, Keys, aes_key, random_key};
use super::kind::SecretKind;
use super::secret::RepositorySecret;
use crate::cbor::{Reader, Writer};
use crate::{Malformed, RepositoryId, SlotId, Timestamp, hashed};

const MAGIC: [u8; 8] = *b"CAIRNKY1";
const FORMAT_VERSION: u64 = 1;
const SALT_BYTES: usize = 32;
const SEALED_BYTES: usize = KEY_BYTES + 16;

/// Longest slot in bytes.
pub(crate) const MAX_SLOT_BYTES: u64 = 4 << 10;

/// What a key slot says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotLabel {
    /// What opens it.
    pub kind: SecretKind,
    /// What its maker wrote beside it.
    pub note: String,
    /// When it was made.
    pub created: Timestamp,
}

impl SlotLabel {
    /// What the slot of these bytes says, which its own hash proves to be whole.
    pub fn decode(slot: &[u8]) -> Result<Self, Malformed> {
        Ok(Slot::decode(slot)?.label())
    }
}

/// What Argon2id of a passphrase costs: all zero for a key file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cost {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

/// The second recommendation of RFC 9106: some 0.2 s and 64 MiB.
const PASSPHRASE_COST: Cost = Cost { memory_kib: 64 << 10, passes: 3, lanes: 4 };
const KEY_COST: Cost = Cost { memory_kib: 0, passes: 0, lanes: 0 };

impl Cost {
    /// Whether a reader pays it.
    fn is_bounded(self, kind: SecretKind) -> bool {
        match kind {
            SecretKind::Key => self == KEY_COST,
            SecretKind::Passphrase => {
                (1..=8).contains(&self.lanes)
                    && (1..=16).contains(&self.passes)
                    && (8 * self.lanes..=256 << 10).contains(&self.memory_kib)
            }
        }
    }
}

/// A key slot as it is stored.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Slot {
    kind: SecretKind,
    note: String,
    created: Timestamp,
    cost: Cost,
    salt: [u8; SALT_BYTES],
    sealed: [u8; SEALED_BYTES],
}

impl Slot {
    /// A slot that wraps nothing yet, and the key that will. Takes a while for a passphrase.
    pub(crate) fn prepare(secret: &RepositorySecret, note: &str) -> Result<(Self, Key), KeyError> {
        let (kind, cost) = match secret.kind() {
            kind @ SecretKind::Passphrase => (kind, PASSPHRASE_COST),
            kind @ SecretKind::Key => (kind, KEY_COST),
        };
        if note.len() > MAX_NOTE_BYTES {
            return Err(KeyError::LongNote);
        }
        let (note, created) = (note.to_owned(), Timestamp::now());
        let sealed = [0; SEALED_BYTES];
        let slot = Self { kind, note, created, cost, salt: *random_key()?, sealed };
        let wrapping = slot.wrapping_key(secret)?;
        Ok((slot, wrapping))
    }

    /// Wraps the master key, under a new name: a prepared slot does it once.
    pub(crate) fn wrap(mut self, keys: &Keys, id: SlotId, wrapping: &Key) -> Self {
        let mut master = keys.master().clone();
        let nonce = Nonce::assume_unique_for_key([0; 12]);
        let aad = Aad::from(self.associated(keys.repository(), id));
        #[expect(clippy::expect_used, reason = "AES-GCM refuses only what is longer than 64 GiB")]
        let tag = aes_key(wrapping)
            .seal_in_place_separate_tag(nonce, aad, master.as_mut_slice())
            .expect("a key has 32 bytes");
        let (key_part, tag_part) = self.sealed.split_at_mut(KEY_BYTES);
        key_part.copy_from_slice(master.as_slice());
        tag_part.copy_from_slice(tag.as_ref());
        self
    }

    /// The master key with what follows from it, without data keys; `None` when the secret is another. Takes a while for a
    /// passphrase.
    pub(crate) fn unwrap(
        &self,
        repository: RepositoryId,
        id: SlotId,
        secret: &RepositorySecret,
    ) -> Result<Option<Keys>, KeyError> {
        if secret.kind() != self.kind {
            return Ok(None);
        }
        let wrapping = self.wrapping_key(secret)?;
        let mut sealed = Zeroizing::new(self.sealed);
        let (nonce, aad) =
            (Nonce::assume_unique_for_key([0; 12]), self.associated(&repository, id));
        let opened = aes_key(&wrapping).open_in_place(nonce, Aad::from(aad), sealed.as_mut_slice());
        let master = opened.ok().and_then(|master| <[u8; KEY_BYTES]>::try_from(&*master).ok());
        Ok(master.map(|master| Keys::of_master(repository, Zeroizing::new(master))))
    }

    /// What it says of itself.
    pub(crate) fn label(&self) -> SlotLabel {
        SlotLabel { kind: self.kind, note: self.note.clone(), created: self.created }
    }

    fn wrapping_key(&self, secret: &RepositorySecret) -> Result<Key, KeyError> {
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        match self.kind {
            SecretKind::Key => {
                let material = Zeroizing::new([self.salt.as_slice(), secret.bytes()].concat());
                *key = blake3::derive_key("cairn 2026 key file", &material);
            }
            SecretKind::Passphrase => {
                let Cost { memory_kib, passes, lanes } = self.cost;
                let params = Params::new(memory_kib, passes, lanes, Some(KEY_BYTES));
                let params = params.map_err(|_| KeyError::NoMemory)?;
                Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
                    .hash_password_into(secret.bytes(), &self.salt, key.as_mut_slice())
                    .map_err(|_| KeyError::NoMemory)?;
            }
        }
        Ok(key)
    }

    fn associated(&self, repository: &RepositoryId, id: SlotId) -> Vec<u8> {
        [repository.as_bytes(), &id.as_bytes()[..], &MAGIC, &self.head().finish()].concat()
    }

    /// Everything but what is sealed.
    fn head(&self) -> Writer {
        let mut writer = Writer::new();
        writer.array(7).uint(FORMAT_VERSION).uint(self.kind as u64).text(&self.note);
        writer.text(&self.created.to_string()).array(3);
        for number in [self.cost.memory_kib, self.cost.passes, self.cost.lanes] {
            writer.uint(number.into());
        }
        writer.bytes(&self.salt);
        writer
    }

    /// The bytes of the object.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut writer = self.head();
        writer.bytes(&self.sealed);
        hashed::encode(&MAGIC, writer)
    }

    /// The slot of these bytes, which its own hash proves to be whole, and asks for no more than a reader gives.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        if bytes.len() as u64 > MAX_SLOT_BYTES {
            return Err(Malformed::new("a key slot of more than 4 KiB"));
        }
        let mut reader = Reader::new(hashed::content(&MAGIC, bytes)?);
        let slot = reader.tuple(7, Self::decode_fields)?;
        reader.finish()?;
        Ok(slot)
    }

    fn decode_fields(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        if reader.uint()? != FORMAT_VERSION {
            return Err(reader.malformed("unknown version of key slots"));
        }
        let kind = match reader.uint()? {
            0 => SecretKind::Passphrase,
            1 => SecretKind::Key,
            _ => return Err(reader.malformed("unknown kind of key slot")),
        };
        let note = reader.text()?.to_owned();
        if note.len() > MAX_NOTE_BYTES {
            return Err(reader.malformed("a note of more than 256 bytes"));
        }
        let created = reader.text()?.parse();
        let created = created.map_err(|_| reader.malformed("not a timestamp"))?;
        let number = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        let cost = reader.tuple(3, |reader| {
            let memory_kib = number(reader.uint()?);
            let (passes, lanes) = (number(reader.uint()?), number(reader.uint()?));
            Ok(Cost { memory_kib, passes, lanes })
        })?;
        if !cost.is_bounded(kind) {
            return Err(reader.malformed("it asks for more than a reader gives"));
        }
        let salt = reader.bytes()?.try_into();
        let salt = salt.map_err(|_| reader.malformed("not the length of a salt"))?;
        let sealed = reader.bytes()?.try_into();
        let sealed = sealed.map_err(|_| reader.malformed("not the length of a sealed key"))?;
        Ok(Self { kind, note, created, cost, salt, sealed })
    }
}

/// No secret is in it, but nobody needs more.
impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot")
            .field("kind", &self.kind)
            .field("note", &self.note)
            .finish_non_exhaustive()
    }
}
