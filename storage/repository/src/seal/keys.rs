//! [`Keys`]: the keys of an open encrypted repository.
//!
//! Invariants: the master key and what is derived from it never change; data keys are only ever added; all of them are cleared
//! when they are dropped and shown by nothing.

use std::fmt;

use ring::aead::{AES_256_GCM, LessSafeKey, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

use super::error::KeyError;
use crate::{ChunkId, RepositoryId, Timestamp};

/// Length of every key.
pub(super) const KEY_BYTES: usize = 32;

/// Data keys of a ring at most: a rotation a day for 50 years.
pub(super) const MAX_DATA_KEYS: usize = 20_000;

/// A secret key, cleared when dropped.
pub(super) type Key = Zeroizing<[u8; KEY_BYTES]>;

/// A key from which other keys are made, by BLAKE3 as a PRF.
pub(crate) struct Root(Key);

impl Root {
    fn derive(context: &str, material: &[u8]) -> Self {
        Self(Zeroizing::new(blake3::derive_key(context, material)))
    }

    /// What hashes with this key.
    pub(super) fn hasher(&self) -> blake3::Hasher {
        blake3::Hasher::new_keyed(&self.0)
    }

    /// The key for this name.
    pub(super) fn key_for(&self, name: &[u8]) -> Key {
        Zeroizing::new(*blake3::keyed_hash(&self.0, name).as_bytes())
    }
}

pub(super) struct DataKey {
    pub(super) created_ms: u64,
    pub(super) key: Key,
    chunks: Root,
    objects: Root,
}

impl DataKey {
    pub(super) fn new(created_ms: u64, key: Key) -> Self {
        let chunks = Root::derive("cairn 2026 chunks", key.as_slice());
        let objects = Root::derive("cairn 2026 objects", key.as_slice());
        Self { created_ms, key, chunks, objects }
    }
}

/// Everything that opens a repository.
pub(crate) struct Keys {
    repository: RepositoryId,
    master: Key,
    chunk_ids: Root,
    config: Root,
    salts: Root,
    hints: Root,
    rings: Root,
    /// The nth of generation n; at least one.
    data: Vec<DataKey>,
}

impl Keys {
    /// The keys of a new repository, of one generation.
    pub(crate) fn generate(repository: RepositoryId) -> Result<Self, KeyError> {
        let mut keys = Self::of_master(repository, random_key()?);
        keys.add_data_key()?;
        Ok(keys)
    }

    /// What follows from the master key; there are no data keys yet.
    pub(super) fn of_master(repository: RepositoryId, master: Key) -> Self {
        let root = |context| Root::derive(context, master.as_slice());
        Self {
            repository,
            chunk_ids: root("cairn 2026 chunk ids"),
            config: root("cairn 2026 config"),
            salts: root("cairn 2026 salts"),
            hints: root("cairn 2026 chunk generations"),
            rings: root("cairn 2026 key ring"),
            data: Vec::new(),
            master,
        }
    }

    /// The same with these data keys.
    pub(super) fn with_data_keys(&self, data: Vec<DataKey>) -> Self {
        Self { data, ..Self::of_master(self.repository, self.master.clone()) }
    }

    pub(super) fn data_keys(&self) -> &[DataKey] {
        &self.data
    }

    /// The same with one more generation.
    pub(crate) fn rotated(&self) -> Result<Self, KeyError> {
        let mut keys = Self::of_master(self.repository, self.master.clone());
        keys.data =
            self.data.iter().map(|it| DataKey::new(it.created_ms, it.key.clone())).collect();
        keys.add_data_key()?;
        Ok(keys)
    }

    fn add_data_key(&mut self) -> Result<(), KeyError> {
        if self.data.len() >= MAX_DATA_KEYS {
            return Err(KeyError::TooManyGenerations);
        }
        self.data.push(DataKey::new(Timestamp::now().as_unix_millis(), random_key()?));
        Ok(())
    }

    pub(super) fn master(&self) -> &Key {
        &self.master
    }

    pub(crate) fn repository(&self) -> &RepositoryId {
        &self.repository
    }

    /// The newest data key's.
    pub(crate) fn generation(&self) -> u32 {
        u32::try_from(self.data.len()).unwrap_or(u32::MAX)
    }

    pub(super) fn chunk_id(&self, plaintext: &[u8]) -> ChunkId {
        ChunkId::from_bytes(*blake3::keyed_hash(&self.chunk_ids.0, plaintext).as_bytes())
    }

    /// The code that proves a config to be ours.
    pub(crate) fn config_mac(&self, content: &[u8]) -> blake3::Hash {
        blake3::keyed_hash(&self.config.0, content)
    }

    /// From what the salts of objects are made.
    pub(super) fn salts(&self) -> &Root {
        &self.salts
    }

    pub(super) fn hints(&self) -> &Root {
        &self.hints
    }

    pub(super) fn chunks_of(&self, generation: u32) -> Option<&Root> {
        self.data_key(generation).map(|data| &data.chunks)
    }

    /// Root of the objects of a generation; 0 is the master key's.
    pub(super) fn objects_of(&self, generation: u32) -> Option<&Root> {
        match generation {
            0 => Some(&self.rings),
            generation => self.data_key(generation).map(|data| &data.objects),
        }
    }

    fn data_key(&self, generation: u32) -> Option<&DataKey> {
        self.data.get(usize::try_from(generation).ok()?.checked_sub(1)?)
    }

    #[expect(
        clippy::expect_used,
        reason = "every way to make keys adds one or proves that there is one"
    )]
    pub(super) fn newest_chunks(&self) -> &Root {
        &self.data.last().expect("a key ring has a data key").chunks
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").finish_non_exhaustive()
    }
}

/// A key of AES-256-GCM.
#[expect(clippy::expect_used, reason = "the length is in the type")]
pub(super) fn aes_key(key: &Key) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key.as_slice()).expect("a key has 32 bytes"))
}

/// 32 bytes that nobody can guess.
pub(super) fn random_key() -> Result<Key, KeyError> {
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    SystemRandom::new().fill(key.as_mut_slice()).map_err(|_| KeyError::NoRandomness)?;
    Ok(key)
}
