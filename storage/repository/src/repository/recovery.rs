//! Opening a repository that has lost its config: what it was created with stands in packs too.
//!
//! - *Cost*: directories of packs, the oldest first, until one holds a copy of a record.
//! - *On cancel*: nothing, or the config.
//! - *On failure*: nothing is changed. Without a key slot and a ring an encrypted repository is lost.

use std::sync::Arc;

use bytes::Bytes;
use cairn_storage::{Payload, PutMode, Storage, probe_atomic_create};
use futures::TryStreamExt;

use super::{
    Published, Repository, already_at, decode_config, keyring, publish, read_config,
    refuse_read_only,
};
use crate::config::{CommitMode, RepositoryConfig, RepositorySettings};
use crate::error::DamagedObject;
use crate::pack::{ChunkKind, USUAL_TAIL_BYTES};
use crate::record_copy::RecordCopy;
use crate::{
    Damage, Error, KeyError, PackId, RepositoryId, RepositorySecret, Result, Sealer, Timestamp,
    layout,
};

impl Repository {
    /// Opens a repository; where its config is gone or damaged that is put back first, as packs say it was. What else was lost,
    /// [`crate::repair`](mod@crate::repair) puts back. [`crate::ErrorKind::NotARepository`] where there is no pack either.
    pub async fn recover(
        storage: Arc<dyn Storage>,
        secret: Option<&RepositorySecret>,
    ) -> Result<Self> {
        let is_damaged = match Self::open_or_unlock(&storage, secret).await {
            Ok(repository) => return Ok(repository),
            Err(Error::NotARepository { .. }) => false,
            Err(Error::Damaged(Damage { object: DamagedObject::Config, .. })) => true,
            Err(Error::Key(error)) if Self::has_foreign_id(&storage).await? => {
                tracing::warn!(%error, "the config has another id than the key rings");
                true
            }
            Err(error) => return Err(error),
        };
        refuse_read_only(&storage)?;
        let sealer = Self::sealer_found(&storage, secret).await?;
        let config = config_in_packs(&storage, &sealer).await?;
        let mode = match probe_atomic_create(storage.as_ref()).await? {
            true => CommitMode::Conditional,
            false => CommitMode::Arbitrated,
        };
        let config = config.with_commit_mode(mode).sealed_by(&sealer);
        let (path, bytes) = (layout::config_path(), Bytes::from(config.encode()));
        if is_damaged {
            storage.put(&path, Payload::from(bytes), PutMode::Overwrite).await?;
            return Ok(Self::of(storage, config, sealer));
        }
        let judge = |bytes: &[u8]| decode_config(bytes).map(drop);
        match publish(&storage, mode, &path, bytes, &judge).await? {
            Published::Ours => Ok(Self::of(storage, config, sealer)),
            // Somebody else made a repository here meanwhile.
            Published::Theirs(_) => Err(already_at(&storage)),
        }
    }

    async fn open_or_unlock(
        storage: &Arc<dyn Storage>,
        secret: Option<&RepositorySecret>,
    ) -> Result<Self> {
        match secret {
            Some(secret) => Self::unlock(Arc::clone(storage), secret).await,
            None => Self::open(Arc::clone(storage)).await,
        }
    }

    /// Whether the config is one of a repository that has no key ring, while another has.
    async fn has_foreign_id(storage: &Arc<dyn Storage>) -> Result<bool> {
        let rings = keyring::repositories_with_rings(storage.as_ref()).await?;
        let id = read_config(storage).await?.id;
        Ok(!rings.is_empty() && !rings.contains(&id))
    }

    /// What opens the packs of a storage of which no config says whether they are sealed.
    async fn sealer_found(
        storage: &Arc<dyn Storage>,
        secret: Option<&RepositorySecret>,
    ) -> Result<Sealer> {
        let location = || storage.to_string();
        let repositories = keyring::repositories_with_rings(storage.as_ref()).await?;
        let secret = match (secret, repositories.is_empty()) {
            (None, true) => return Ok(Sealer::plain()),
            (None, false) => return Err(KeyError::Needed { location: location() }.into()),
            (Some(_), true) => return Err(KeyError::NoRing { location: location() }.into()),
            (Some(secret), false) => secret,
        };
        let mut wrong = None;
        for id in repositories {
            match keyring::unlock(storage, id, secret).await {
                Err(error @ Error::Key(KeyError::Wrong { .. })) => wrong = Some(error),
                unlocked => return unlocked,
            }
        }
        Err(wrong.unwrap_or_else(|| KeyError::NoRing { location: location() }.into()))
    }
}

/// The config that the oldest copy of a record was written under: what came later could lie.
async fn config_in_packs(storage: &Arc<dyn Storage>, sealer: &Sealer) -> Result<RepositoryConfig> {
    // Reads packs only; what it is called and how it cuts plays no role in that.
    let id = sealer.keys().map_or_else(RepositoryId::random, |keys| *keys.repository());
    let nameless = RepositoryConfig::new(id, Timestamp::now(), &RepositorySettings::default())?;
    let reader = Repository::of(Arc::clone(storage), nameless, sealer.clone());
    let mut packs: Vec<_> = reader.listed_packs().try_collect().await?;
    if packs.is_empty() {
        return Err(Error::NotARepository { location: storage.to_string() });
    }
    packs.sort_unstable_by_key(|(_, meta)| meta.modified);
    for (pack, meta) in &packs {
        match copy_in(&reader, pack, meta.size).await {
            Ok(Some(copy)) => {
                return RepositoryConfig::new(copy.id, copy.created, &copy.settings);
            }
            Ok(None) | Err(Error::Damaged(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Err(Error::invalid(format_args!(
        "none of the {} packs at {storage} has a copy of a record: there is nothing to recover from",
        packs.len()
    )))
}

async fn copy_in(
    reader: &Repository,
    pack: &PackId,
    pack_bytes: u64,
) -> Result<Option<RecordCopy>> {
    let entries = reader.read_directory(pack, pack_bytes, USUAL_TAIL_BYTES).await?;
    for entry in entries.iter().rev().filter(|it| it.location.kind == ChunkKind::RecordCopy) {
        let bytes = reader.read_chunk_at(&entry.id, &entry.location).await?;
        if let Ok(copy) = RecordCopy::decode(&bytes) {
            return Ok(Some(copy));
        }
    }
    Ok(None)
}
