//! Keys of an encrypted repository: opened by a secret, kept in slots, rotated (`DESIGN.md`, section 12).
//!
//! - *Cost*: opening lists slots and rings, reads the slots until one opens (0.2 s and 64 MiB for each that takes a
//!   passphrase) and one ring.
//! - *On cancel*: at worst a slot or a ring that is whole.
//! - *On failure*: a slot or ring that is damaged is passed over with a warning as long as another serves.

use std::sync::Arc;

use bytes::Bytes;
use cairn_storage::{ErrorKind, ObjectMeta, ObjectPath, Payload, PutMode, Storage, StorageExt};
use futures::TryStreamExt;

use super::publish::{Published, publish};
use super::{Repository, refuse_read_only};
use crate::bounded::at_most;
use crate::error::DamagedObject;
use crate::seal::{Keys, MAX_RING_BYTES, MAX_SLOT_BYTES, MAX_SLOTS, Slot};
use crate::{
    Damage, Error, KeyError, Malformed, RepositoryId, RepositorySecret, Result, Sealer, SlotId,
    SlotLabel, layout,
};

/// A key slot as a listing shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedSlot {
    /// Its name.
    pub id: SlotId,
    /// What it says of itself, or how it is damaged.
    pub label: Result<SlotLabel, Damage>,
}

impl Repository {
    /// The key slots of the repository on a storage; needs no key.
    pub async fn key_slots(storage: &dyn Storage) -> Result<Vec<ListedSlot>> {
        let slots = read_slots(storage).await?.into_iter();
        let listed = slots.map(|(id, slot)| ListedSlot { id, label: slot.map(|it| it.label()) });
        Ok(listed.collect())
    }

    /// Lets another secret open this repository too.
    pub async fn add_key_slot(&self, secret: &RepositorySecret, note: &str) -> Result<SlotId> {
        refuse_read_only(&self.storage)?;
        if read_slots(self.storage.as_ref()).await?.len() >= MAX_SLOTS {
            return Err(KeyError::TooManySlots.into());
        }
        put_slot(self.storage.as_ref(), self.sealing()?, secret, note).await
    }

    /// Ends the use of a slot. Who kept a copy of it can still open what is stored.
    pub async fn remove_key_slot(&self, id: SlotId) -> Result<()> {
        refuse_read_only(&self.storage)?;
        self.sealing()?;
        if !self.storage.capabilities().delete {
            return Err(self.append_only());
        }
        let path = layout::key_slot_path(&id);
        let removed = match self.storage.get(&path, at_most(MAX_SLOT_BYTES)).await {
            Err(error) if error.is_not_found() => {
                return Err(KeyError::NoSuchSlot { slot: id }.into());
            }
            read => read?,
        };
        self.refuse_last_slot(id).await?;
        self.delete(&path).await?;
        let last = self.refuse_last_slot(id).await;
        if last.is_err() {
            // Another host removed the others meanwhile.
            self.storage.put(&path, Payload::from(removed), PutMode::Overwrite).await?;
        }
        last
    }

    async fn refuse_last_slot(&self, id: SlotId) -> Result<()> {
        let slots = read_slots(self.storage.as_ref()).await?;
        match slots.iter().any(|(other, slot)| *other != id && slot.is_ok()) {
            true => Ok(()),
            false => Err(KeyError::LastSlot { slot: id }.into()),
        }
    }

    /// The same repository with a new data key, with which everything is sealed from now on. Nothing that is stored
    /// changes. Where two hosts do this at once, both get the key of one of them.
    pub async fn rotate_keys(&self) -> Result<Self> {
        refuse_read_only(&self.storage)?;
        let current = self.refreshed().await?;
        let keys = current.sealing()?.rotated()?;
        let path = layout::key_ring_path(&self.config.id, keys.generation());
        let ring = Bytes::from(keys.seal_ring(&path));
        let judge = |bytes: &[u8]| open_ring(&keys, &path, bytes).map(drop);
        let mode = self.config.commit_mode();
        let keys = match publish(&self.storage, mode, &path, ring, &judge).await? {
            Published::Ours => keys,
            Published::Theirs(ring) => open_ring(&keys, &path, &ring)?,
        };
        Ok(Self { sealer: Sealer::with_keys(keys), ..self.clone() })
    }

    /// The same repository with the data keys that there are now. No request where nothing is encrypted, else one, and
    /// another after a rotation.
    pub async fn refreshed(&self) -> Result<Self> {
        let Some(keys) = self.sealer.keys() else {
            return Ok(self.clone());
        };
        let rings = list_rings(self.storage.as_ref(), &self.config.id).await?;
        let newest = rings.last().is_some_and(|newest| *newest > keys.generation());
        if !newest {
            return Ok(self.clone());
        }
        let keys = newest_ring(&self.storage, &self.config.id, keys).await?;
        Ok(Self { sealer: Sealer::with_keys(keys), ..self.clone() })
    }

    fn sealing(&self) -> Result<&Keys> {
        let plain = || KeyError::NotEncrypted { location: self.storage.to_string() };
        Ok(self.sealer.keys().ok_or_else(plain)?)
    }
}

/// Puts slot and ring of a repository that is about to be made.
pub(super) async fn put_keys(
    storage: &dyn Storage,
    id: &RepositoryId,
    keys: &Keys,
    secret: &RepositorySecret,
    note: &str,
) -> Result<[ObjectPath; 2]> {
    let ring = layout::key_ring_path(id, keys.generation());
    storage.put(&ring, Payload::from(Bytes::from(keys.seal_ring(&ring))), PutMode::Create).await?;
    let slot = put_slot(storage, keys, secret, note).await?;
    Ok([ring, layout::key_slot_path(&slot)])
}

async fn put_slot(
    storage: &dyn Storage,
    keys: &Keys,
    secret: &RepositorySecret,
    note: &str,
) -> Result<SlotId> {
    let (id, secret, note) = (SlotId::random(), secret.clone(), note.to_owned());
    let (slot, wrapping) = patiently(move || Slot::prepare(&secret, &note)).await?;
    let slot = slot.wrap(keys, id, &wrapping);
    let payload = Payload::from(Bytes::from(slot.encode()));
    storage.put(&layout::key_slot_path(&id), payload, PutMode::Create).await?;
    Ok(id)
}

/// The keys that a secret opens, with the newest ring.
pub(super) async fn unlock(
    storage: &Arc<dyn Storage>,
    repository: RepositoryId,
    secret: &RepositorySecret,
) -> Result<Sealer> {
    let location = || storage.to_string();
    let mut has_slot = false;
    for (id, slot) in read_slots(storage.as_ref()).await? {
        let slot = match slot {
            Ok(slot) => slot,
            Err(damage) => {
                tracing::warn!(%damage, "a key slot is skipped");
                continue;
            }
        };
        has_slot = true;
        let secret = secret.clone();
        if let Some(keys) = patiently(move || slot.unwrap(repository, id, &secret)).await? {
            let keys = newest_ring(storage, &repository, &keys).await?;
            return Ok(Sealer::with_keys(keys));
        }
    }
    Err(match has_slot {
        true => KeyError::Wrong { location: location(), kind: secret.kind() },
        false => KeyError::NoSlot { location: location() },
    }
    .into())
}

/// Makes a key of a secret on a thread that may take its time.
async fn patiently<T: Send + 'static>(
    task: impl FnOnce() -> Result<T, KeyError> + Send + 'static,
) -> Result<T> {
    let made = tokio::task::spawn_blocking(task).await;
    Ok(made.map_err(|_| Error::invalid("the engine was closed while a key was made"))??)
}

/// The keys with the data keys of the newest ring that is intact.
async fn newest_ring(storage: &Arc<dyn Storage>, id: &RepositoryId, keys: &Keys) -> Result<Keys> {
    for generation in list_rings(storage.as_ref(), id).await?.into_iter().rev() {
        let path = layout::key_ring_path(id, generation);
        let opened = match storage.get(&path, at_most(MAX_RING_BYTES)).await {
            Ok(ring) => open_ring(keys, &path, &ring),
            Err(error) if error.is_not_found() => continue,
            Err(error) => return Err(error.into()),
        };
        match opened {
            Err(Error::Damaged(damage)) => tracing::warn!(%damage, "a key ring is skipped"),
            opened => return opened,
        }
    }
    Err(KeyError::NoRing { location: storage.to_string() }.into())
}

fn open_ring(keys: &Keys, path: &ObjectPath, ring: &[u8]) -> Result<Keys> {
    let opened = keys.with_ring(path, ring);
    Ok(opened.map_err(|malformed| damaged(path.clone(), malformed))?)
}

/// The generations of which there is a ring, ascending.
async fn list_rings(storage: &dyn Storage, id: &RepositoryId) -> Result<Vec<u32>> {
    let prefix = layout::key_rings_prefix(id);
    let rings = storage
        .list(&prefix)
        .try_filter_map(async |meta| Ok(layout::parse_key_ring_path(id, &meta.path)));
    let mut rings: Vec<u32> = rings.try_collect().await?;
    rings.sort_unstable();
    Ok(rings)
}

/// The repositories that have a ring on a storage: one, unless somebody put others there.
pub(super) async fn repositories_with_rings(storage: &dyn Storage) -> Result<Vec<RepositoryId>> {
    let prefix = layout::all_key_rings_prefix();
    let ids = storage.list(&prefix).try_filter_map(async |meta| {
        let folder = meta.path.as_str().rsplit('/').nth(1);
        Ok(folder.and_then(|folder| folder.parse::<RepositoryId>().ok()))
    });
    let mut ids: Vec<RepositoryId> = ids.try_collect().await?;
    ids.sort_unstable();
    ids.dedup();
    Ok(ids)
}

/// The slots, the oldest first, as many as are tried.
async fn read_slots(storage: &dyn Storage) -> Result<Vec<(SlotId, Result<Slot, Damage>)>> {
    let prefix = layout::key_slots_prefix();
    let listed = storage.list(&prefix).try_filter_map(async |meta| {
        Ok(layout::parse_key_slot_path(&meta.path).map(|id| (id, meta)))
    });
    let mut listed: Vec<(SlotId, ObjectMeta)> = listed.try_collect().await?;
    // The oldest first: who may only put slots does not crowd out those that were there.
    listed.sort_unstable_by_key(|(id, meta)| (meta.modified, *id));
    let mut slots = Vec::new();
    for (id, meta) in listed.into_iter().take(MAX_SLOTS) {
        let read = match meta.size > MAX_SLOT_BYTES {
            true => Err(Malformed::new("a key slot of more than 4 KiB")),
            false => match storage.get(&meta.path, at_most(MAX_SLOT_BYTES)).await {
                Ok(bytes) => Slot::decode(&bytes),
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) => return Err(error.into()),
            },
        };
        slots.push((id, read.map_err(|malformed| damaged(meta.path, malformed))));
    }
    Ok(slots)
}

fn damaged(path: ObjectPath, malformed: Malformed) -> Damage {
    Damage::new(DamagedObject::Keys(path), malformed)
}

/// The slots and rings of a repository, whether they are intact or not.
pub(crate) async fn list_keys(from: &Repository) -> Result<Vec<ObjectPath>> {
    let mut paths = Vec::new();
    if from.sealer.is_sealing() {
        let (slots, rings) =
            (layout::key_slots_prefix(), layout::key_rings_prefix(&from.config.id));
        for prefix in [rings, slots] {
            let listed = from.storage.list(&prefix).map_ok(|meta| meta.path);
            paths.extend(listed.try_collect::<Vec<_>>().await?);
        }
    }
    Ok(paths)
}

impl Repository {
    /// Key slots and key rings that are not as they were written, as far as that shows: a slot that was made for another
    /// secret is whole.
    pub(crate) async fn damaged_keys(&self) -> Result<Vec<Damage>> {
        let mut damages = Vec::new();
        for path in list_keys(self).await? {
            match self.storage.get(&path, at_most(MAX_RING_BYTES)).await {
                Ok(bytes) => damages.extend(judge_keys(self, &path, &bytes).err()),
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(damages)
    }
}

/// Whether bytes are the slot or the ring of a path.
pub(crate) fn judge_keys(from: &Repository, path: &ObjectPath, bytes: &[u8]) -> Result<(), Damage> {
    let judged = match (layout::parse_key_slot_path(path), from.sealer.keys()) {
        (Some(_), _) => Slot::decode(bytes).map(drop),
        (None, Some(keys)) => keys.with_ring(path, bytes).map(drop),
        (None, None) => Ok(()),
    };
    judged.map_err(|malformed| damaged(path.clone(), malformed))
}
