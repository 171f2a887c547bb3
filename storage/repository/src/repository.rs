//! [`Repository`]: a storage that keeps a repository, and the operations on it.
//!
//! # Write order
//! [`Repository::put_pack`], then [`Repository::put_index_run`] of packs that are durable (R3), then
//! [`Repository::commit`]: the record is the last write, put-if-absent (R5). Nothing here reorders or batches: the
//! order of the calls is the order of the writes.
//!
//! # Concurrency
//! Any number of hosts may do any of this at once. Objects named by content cannot conflict, labels are
//! decided by put-if-absent or, where the storage has none, by arbitration. What a prune takes, no backup counts on
//! ([`Repository::commit_counting_on`]).
//!
//! # Cancellation
//! Dropping a future leaves at worst an object that nothing refers to.

mod arbitration;
mod checkpoint;
mod forget;
mod hold;
mod keyring;
mod publish;
mod read;
mod record_cache;
mod recovery;
mod reliance;
mod snapshots;
mod sweep_time;

use std::sync::Arc;

use bytes::Bytes;
use cairn_storage::{
    ByteRange, ObjectMeta, ObjectPath, Payload, PutMode, Storage, StorageExt, probe_atomic_create,
};
use futures::{Stream, TryStreamExt};
use tokio::runtime::Handle;

pub use self::checkpoint::{CheckpointId, FoundCheckpoint};
pub use self::keyring::ListedSlot;
pub(crate) use self::keyring::{judge_keys, list_keys};
use self::publish::{Published, is_already_there, publish};
pub(crate) use self::read::document_batches;
use self::record_cache::RecordCache;
pub use self::snapshots::ListedSnapshot;
use crate::bounded::at_most;
use crate::config::{
    CommitMode, ConfigError, MAX_CONFIG_BYTES, RepositoryConfig, RepositorySettings,
};
use crate::error::DamagedObject;
use crate::index::{Index, ListedRun, Run, decode_run, encode_run, encode_run_salted};
use crate::pack::{FinishedPack, IndexEntry, MAX_PACK_BYTES};
use crate::seal::Keys;
use crate::{
    Damage, Error, Fault, IndexId, KeyError, Malformed, PackId, RepositoryId, RepositorySecret,
    Result, Sealer, Timestamp, layout,
};

/// Loads of an index before one counts in which a run had gone meanwhile: prunes are not that frequent.
const MAX_LOADS: usize = 5;

/// An open repository. Cheap to clone; clones share the storage and the records that were read.
#[derive(Debug, Clone)]
pub struct Repository {
    storage: Arc<dyn Storage>,
    config: Arc<RepositoryConfig>,
    sealer: Sealer,
    records: RecordCache,
}

impl Repository {
    /// Makes a repository. [`crate::ErrorKind::AlreadyARepository`] when there is one.
    ///
    /// Whether the storage decides between two commits is tried here, once ([`probe_atomic_create`]); how commits
    /// are made is then part of the repository.
    pub async fn create(storage: Arc<dyn Storage>, settings: &RepositorySettings) -> Result<Self> {
        let config = RepositoryConfig::new(RepositoryId::random(), Timestamp::now(), settings)?;
        refuse_occupied(&storage).await?;
        Self::create_as(storage, config, Sealer::plain()).await
    }

    /// Makes a repository of which everything is encrypted, for ever; `secret` opens it, and `note` says whose it is to who
    /// lists the key slots.
    pub async fn create_encrypted(
        storage: Arc<dyn Storage>,
        settings: &RepositorySettings,
        secret: &RepositorySecret,
        note: &str,
    ) -> Result<Self> {
        let config = RepositoryConfig::new(RepositoryId::random(), Timestamp::now(), settings)?;
        refuse_occupied(&storage).await?;
        let keys = Keys::generate(config.id)?;
        // Before the config: whoever finds that finds keys.
        let put = keyring::put_keys(storage.as_ref(), &config.id, &keys, secret, note).await?;
        let made = Self::create_as(Arc::clone(&storage), config, Sealer::with_keys(keys)).await;
        if let Err(Error::AlreadyARepository { .. }) = &made {
            for path in put {
                if let Err(error) = storage.delete(&path).await {
                    tracing::warn!(%error, "a key of a repository that was not made is left");
                }
            }
        }
        made
    }

    /// Makes a repository with this config, but for the way it commits, where there is none and its keys are.
    pub(crate) async fn create_as(
        storage: Arc<dyn Storage>,
        config: RepositoryConfig,
        sealer: Sealer,
    ) -> Result<Self> {
        refuse_read_only(&storage)?;
        let mode = match probe_atomic_create(storage.as_ref()).await? {
            true => CommitMode::Conditional,
            false => CommitMode::Arbitrated,
        };
        let config = config.with_commit_mode(mode).sealed_by(&sealer);
        let (path, bytes) = (layout::config_path(), Bytes::from(config.encode()));
        let judge = |bytes: &[u8]| decode_config(bytes).map(drop);
        // The random id tells ours from another's.
        match publish(&storage, mode, &path, bytes, &judge).await? {
            Published::Ours => Ok(Self::of(storage, config, sealer)),
            Published::Theirs(_) => Err(already_at(&storage)),
        }
    }

    /// Opens a repository. [`crate::ErrorKind::NotARepository`] when there is none,
    /// [`crate::ErrorKind::NewerFormat`] when this version of Cairn must not touch it, [`crate::ErrorKind::Key`] when it is
    /// encrypted.
    pub async fn open(storage: Arc<dyn Storage>) -> Result<Self> {
        Self::open_as(storage, Sealer::plain()).await
    }

    /// Opens an encrypted repository. [`crate::ErrorKind::Key`] when the secret is not one of its own, and when it is not
    /// encrypted: who was told to expect encryption writes nothing in clear.
    pub async fn unlock(storage: Arc<dyn Storage>, secret: &RepositorySecret) -> Result<Self> {
        let config = read_config(&storage).await?;
        if !config.is_encrypted() {
            return Err(KeyError::NotEncrypted { location: storage.to_string() }.into());
        }
        let sealer = keyring::unlock(&storage, config.id, secret).await?;
        Self::proved(storage, config, sealer)
    }

    /// Opens a repository with the keys of another, or with none.
    pub(crate) async fn open_as(storage: Arc<dyn Storage>, sealer: Sealer) -> Result<Self> {
        let config = read_config(&storage).await?;
        Self::proved(storage, config, sealer)
    }

    /// The id of the repository on a storage, which may be encrypted.
    pub(crate) async fn id_at(storage: &Arc<dyn Storage>) -> Result<RepositoryId> {
        Ok(read_config(storage).await?.id)
    }

    fn proved(storage: Arc<dyn Storage>, config: RepositoryConfig, sealer: Sealer) -> Result<Self> {
        let location = || storage.to_string();
        match (config.is_encrypted(), sealer.is_sealing()) {
            (true, false) => Err(KeyError::Needed { location: location() }.into()),
            (false, true) => Err(KeyError::NotEncrypted { location: location() }.into()),
            _ if !config.is_of(&sealer) => {
                let what = Malformed::new("its authentication code is not that of the keys");
                Err(Damage::new(DamagedObject::Config, what).into())
            }
            _ => Ok(Self::of(storage, config, sealer)),
        }
    }

    fn of(storage: Arc<dyn Storage>, config: RepositoryConfig, sealer: Sealer) -> Self {
        Self { storage, config: Arc::new(config), sealer, records: RecordCache::default() }
    }

    /// Whether it can be reached and still is what it was when it was opened.
    pub async fn ping(&self) -> Result<()> {
        Self::open_as(Arc::clone(&self.storage), self.sealer.clone()).await.map(drop)
    }

    /// Opens the repository, or makes one when there is none. `settings` matter only then.
    pub async fn open_or_create(
        storage: Arc<dyn Storage>,
        settings: &RepositorySettings,
    ) -> Result<Self> {
        match Self::open(Arc::clone(&storage)).await {
            Err(Error::NotARepository { .. }) => {}
            result => return result,
        }
        match Self::create(Arc::clone(&storage), settings).await {
            // Another host made it in between.
            Err(Error::AlreadyARepository { .. }) => Self::open(storage).await,
            result => result,
        }
    }

    /// Whether a storage holds nothing, or only what a creation that was interrupted left.
    pub async fn is_vacant(storage: &dyn Storage) -> Result<bool> {
        let everything = ObjectPath::root();
        let foreign = storage
            .list(&everything)
            .try_filter(|meta| std::future::ready(!is_left_by_creation(&meta.path)));
        Ok(std::pin::pin!(foreign).try_next().await?.is_none())
    }

    /// What it was created with.
    pub fn config(&self) -> &RepositoryConfig {
        &self.config
    }

    /// What seals and opens what is in it.
    pub fn sealer(&self) -> &Sealer {
        &self.sealer
    }

    /// Where it is kept.
    pub fn storage(&self) -> &Arc<dyn Storage> {
        &self.storage
    }

    /// Stores a pack: durable when this returns. Storing one twice is harmless.
    pub async fn put_pack(&self, pack: &FinishedPack) -> Result<()> {
        self.put_content_named(&layout::pack_path(&pack.id), pack.bytes.clone()).await
    }

    /// Stores an index run of these entries and returns its name. Their packs must be durable (R3).
    /// Storing one twice is harmless.
    pub async fn put_index_run(&self, entries: Vec<IndexEntry>) -> Result<IndexId> {
        let run = encode_run(&self.sealer, entries);
        self.put_content_named(&layout::index_path(&run.id), run.bytes).await?;
        Ok(run.id)
    }

    /// Stores a run of entries that other runs list too, under a name that no run had before.
    pub(crate) async fn put_run_of_others(&self, entries: Vec<IndexEntry>) -> Result<IndexId> {
        let run =
            encode_run_salted(&self.sealer, entries, Some(PackId::from_bytes(rand::random())));
        self.put_content_named(&layout::index_path(&run.id), run.bytes).await?;
        Ok(run.id)
    }

    /// An object whose name says what it holds is there already or is not. One that is there is read: it is rare (a
    /// repeated put, a healed damage), and a damaged one is replaced.
    pub(crate) async fn put_content_named(&self, path: &ObjectPath, bytes: Bytes) -> Result<()> {
        refuse_read_only(&self.storage)?;
        let payload = Payload::from(bytes);
        match self.storage.put(path, payload.clone(), PutMode::Create).await {
            Ok(()) => Ok(()),
            Err(error) if is_already_there(&error) => {
                if self.storage.get(path, ByteRange::Full).await? != payload.to_bytes() {
                    tracing::warn!(%path, "an object with other bytes than its name says is replaced");
                    self.storage.put(path, payload, PutMode::Overwrite).await?;
                }
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Loads the index: see [`Index`] for what `budget_bytes` bounds and what `runtime` is for. A backup loads it by
    /// [`Repository::load_index_to_count_on`].
    pub async fn load_index(&self, budget_bytes: u64, runtime: Handle) -> Result<Index> {
        for _ in 1..MAX_LOADS {
            let index = self.load_index_once(budget_bytes, runtime.clone()).await?;
            if index.num_gone() == 0 {
                return Ok(index);
            }
        }
        self.load_index_once(budget_bytes, runtime).await
    }

    async fn load_index_once(&self, budget_bytes: u64, runtime: Handle) -> Result<Index> {
        let runs = self.runs().await?;
        Index::load(Arc::clone(&self.storage), &self.sealer, runs, budget_bytes, runtime).await
    }

    /// The index as it is by now, loaded once for each index: where a chunk lies that a prune has moved since. `None` for one
    /// that a backup counts on, which must store again what its index lacks.
    pub async fn renewed<'a>(&self, index: &'a Index) -> Result<Option<&'a Index>> {
        let Some(renewal) = index.renewal() else { return Ok(None) };
        let load = || self.load_index(index.budget_bytes(), index.runtime().clone());
        Ok(Some(renewal.get_or_try_init(load).await?))
    }

    /// The packs with their lengths in bytes, in any order. One longer than any pack can be is given the
    /// greatest length that a pack can have.
    pub async fn packs(&self) -> Result<Vec<(PackId, u32)>> {
        let packs = self.listed_packs().map_ok(|(id, meta)| {
            let length = u32::try_from(meta.size).unwrap_or(MAX_PACK_BYTES);
            (id, length)
        });
        packs.try_collect().await
    }

    /// The packs as the storage lists them.
    pub(crate) fn listed_packs(&self) -> impl Stream<Item = Result<(PackId, ObjectMeta)>> {
        let packs = self.storage.list(&layout::packs_prefix()).try_filter_map(async |meta| {
            Ok(layout::parse_pack_path(&meta.path).map(|id| (id, meta)))
        });
        packs.map_err(Error::from)
    }

    /// The index runs, in any order.
    pub async fn runs(&self) -> Result<Vec<ListedRun>> {
        let prefix = layout::indexes_prefix();
        let objects = self.storage.list(&prefix).try_filter_map(async |meta| {
            let id = layout::parse_index_path(&meta.path);
            Ok(id.map(|id| ListedRun { id, size: meta.size }))
        });
        Ok(objects.try_collect().await?)
    }

    /// A run as far as it can be read as one; `None` when it has gone since it was listed.
    pub(crate) async fn read_run(&self, run: &ListedRun) -> Result<Option<Result<Run, Malformed>>> {
        if run.is_too_long() {
            return Ok(Some(Err(Malformed::TOO_LONG)));
        }
        match self.storage.get(&layout::index_path(&run.id), ByteRange::Full).await {
            Ok(bytes) => Ok(Some(decode_run(&self.sealer, &run.id, &bytes))),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

async fn read_config(storage: &Arc<dyn Storage>) -> Result<RepositoryConfig> {
    match storage.get(&layout::config_path(), at_most(MAX_CONFIG_BYTES)).await {
        Ok(bytes) => decode_config(&bytes),
        Err(error) if error.is_not_found() => {
            Err(Error::NotARepository { location: storage.to_string() })
        }
        Err(error) => Err(error.into()),
    }
}

/// Refuses where there is a repository; a damaged or a newer one is one.
async fn refuse_occupied(storage: &Arc<dyn Storage>) -> Result<()> {
    refuse_read_only(storage)?;
    match read_config(storage).await {
        Err(Error::NotARepository { .. }) => Ok(()),
        Ok(_) | Err(Error::Damaged(_) | Error::NewerFormat { .. }) => Err(already_at(storage)),
        Err(error) => Err(error),
    }
}

fn already_at(storage: &Arc<dyn Storage>) -> Error {
    Error::AlreadyARepository { location: storage.to_string() }
}

fn is_left_by_creation(path: &ObjectPath) -> bool {
    layout::is_trace(path) || layout::is_of_keys(path)
}

fn decode_config(bytes: &[u8]) -> Result<RepositoryConfig> {
    RepositoryConfig::decode(bytes).map_err(|error| match error {
        ConfigError::Newer { needs } => Error::NewerFormat { needs },
        ConfigError::Malformed(malformed) => Damage::new(DamagedObject::Config, malformed).into(),
    })
}

pub(crate) fn refuse_read_only(storage: &Arc<dyn Storage>) -> Result<()> {
    if storage.capabilities().put {
        Ok(())
    } else {
        Err(Error::ReadOnly { location: storage.to_string() })
    }
}

/// What reading `object` came to, when the storage says that it is not there or not that long.
pub(crate) fn fault_of(error: &cairn_storage::Error) -> Option<Fault> {
    match error.kind() {
        cairn_storage::ErrorKind::NotFound => Some(Fault::Missing),
        cairn_storage::ErrorKind::InvalidRange => {
            Some(Fault::Malformed(Malformed::new("shorter than what lies in it")))
        }
        _ => None,
    }
}
