//! Holds: placing, releasing and listing what keeps snapshots from being forgotten.
//!
//! `DESIGN.md`, section 8, holds the protocol and why no hold that was reported comes too late.

use bytes::Bytes;
use cairn_storage::{ErrorKind, ObjectPath, Payload, PutMode, StorageExt};
use futures::{StreamExt, TryStreamExt};

use super::{Repository, refuse_read_only};
use crate::bounded::{at_most, refuse_longer};
use crate::error::DamagedObject;
use crate::hold::{Hold, HoldNames, HoldNote, MAX_HOLD_BYTES};
use crate::record::Record;
use crate::seal::ObjectKind;
use crate::{Damage, Error, Label, Malformed, Result, layout};

/// Holds read at once.
const MAX_READS: usize = 16;

impl Repository {
    /// Holds a snapshot: when this returns `Ok` it is there, and nobody forgets it before the hold is released. One that is
    /// there under this name is replaced.
    ///
    /// [`crate::ErrorKind::NoSuchSnapshot`] when there is none, [`crate::ErrorKind::Busy`] when it is being forgotten: then
    /// the hold is there, and the snapshot may be gone.
    pub async fn hold(&self, label: &Label, name: &Label, note: HoldNote) -> Result<Hold> {
        refuse_read_only(&self.storage)?;
        note.validate().map_err(Error::invalid)?;
        let record = self.record(label).await?;
        let hold =
            Hold { label: label.clone(), taken: record.timestamp, name: name.clone(), note: None };
        let path = layout::hold_path(&hold);
        let sealed = self.sealer.seal(ObjectKind::Hold, &path, note.encode());
        self.storage.put(&path, Payload::from(sealed), PutMode::Overwrite).await?;
        // Whoever looked for holds before this one was there has a notice there.
        self.settled(label).await?;
        match self.record(label).await {
            Ok(there) if there == record => Ok(Hold { note: Some(note), ..hold }),
            Ok(_) => Err(Error::NoSuchSnapshot { label: label.clone() }),
            Err(error) => Err(error),
        }
    }

    /// Takes the hold of this name from the snapshot of a label, and those of the name that were left behind by
    /// snapshots before it. [`crate::ErrorKind::NoSuchHold`] when there is none.
    pub async fn release(&self, label: &Label, name: &Label) -> Result<()> {
        refuse_read_only(&self.storage)?;
        let listed = self.list_holds(&layout::holds_of(label)).await?;
        let mut released = 0_u64;
        for hold in listed.iter().filter(|hold| hold.name == *name) {
            match self.storage.delete(&layout::hold_path(hold)).await {
                Ok(()) => released += 1,
                Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                    return Err(Error::AppendOnly { location: self.storage.to_string() });
                }
                Err(error) => return Err(error.into()),
            }
        }
        match released {
            0 => Err(Error::NoSuchHold { label: label.clone(), name: name.clone() }),
            _ => Ok(()),
        }
    }

    /// All holds, or those of one label, with what they say: ascending by label, time and name.
    pub async fn holds(&self, label: Option<&Label>) -> Result<Vec<Hold>> {
        let place = label.map_or_else(layout::holds_prefix, layout::holds_of);
        let reads = self.list_holds(&place).await?.into_iter().map(|hold| self.read_hold(hold));
        let reads = futures::stream::iter(reads.collect::<Vec<_>>()).buffered(MAX_READS);
        reads.try_collect().await
    }

    /// The names of all holds, or of those of one label: one listing, and nothing is read.
    pub async fn hold_names(&self, label: Option<&Label>) -> Result<HoldNames> {
        let place = label.map_or_else(layout::holds_prefix, layout::holds_of);
        Ok(self.list_holds(&place).await?.into_iter().collect())
    }

    /// Refuses when a snapshot is held. One whose record is damaged is held by every hold of its label.
    pub(super) async fn refuse_held(&self, label: &Label, record: Option<&Record>) -> Result<()> {
        let taken = record.map(|record| record.timestamp);
        let mut holds = self.list_holds(&layout::holds_of(label)).await?;
        holds.retain(|hold| hold.counts_for(taken));
        let mut by = Vec::new();
        for hold in holds {
            by.push(self.read_hold(hold).await?.to_string());
        }
        match by.is_empty() {
            true => Ok(()),
            false => Err(Error::Held { label: label.clone(), by: by.join(", ") }),
        }
    }

    /// Holds that cannot be read: what they say is lost, and that they hold is not.
    pub(crate) async fn damaged_holds(&self) -> Result<Vec<Damage>> {
        let holds = self.list_holds(&layout::holds_prefix()).await?;
        let looks = futures::stream::iter(holds).map(async |hold| {
            let path = layout::hold_path(&hold);
            match self.storage.get(&path, at_most(MAX_HOLD_BYTES)).await {
                Ok(bytes) => {
                    let fault = self.decode_hold(&path, &bytes).err();
                    Ok(fault.map(|fault| Damage::new(DamagedObject::Hold(path), fault)))
                }
                Err(error) if error.is_not_found() => Ok(None),
                Err(error) => Err(error.into()),
            }
        });
        let damages = looks.buffered(MAX_READS).try_filter_map(async |damage| Ok(damage));
        damages.try_collect().await
    }

    fn decode_hold(&self, path: &ObjectPath, bytes: &Bytes) -> Result<HoldNote, Malformed> {
        refuse_longer(bytes, MAX_HOLD_BYTES)?;
        let opened = self.sealer.open(ObjectKind::Hold, path, bytes);
        opened.and_then(|bytes| HoldNote::decode(&bytes))
    }

    /// Puts the holds of another repository here, whatever they say.
    pub(crate) async fn copy_holds(&self, from: &Self) -> Result<()> {
        for hold in from.list_holds(&layout::holds_prefix()).await? {
            let path = layout::hold_path(&hold);
            let bytes = match from.storage.get(&path, at_most(MAX_HOLD_BYTES)).await {
                Ok(bytes) => bytes,
                // Released since it was listed.
                Err(error) if error.is_not_found() => continue,
                Err(error) => return Err(error.into()),
            };
            self.storage.put(&path, Payload::from(bytes), PutMode::Overwrite).await?;
        }
        Ok(())
    }

    /// The holds below a place, without what they say.
    async fn list_holds(&self, place: &ObjectPath) -> Result<Vec<Hold>> {
        let holds = self.storage.list(place);
        let holds = holds.try_filter_map(async |meta| Ok(layout::parse_hold_path(&meta.path)));
        let mut holds: Vec<Hold> = holds.try_collect().await?;
        holds.sort_unstable_by(|a, b| {
            (&a.label, a.taken, &a.name).cmp(&(&b.label, b.taken, &b.name))
        });
        Ok(holds)
    }

    async fn read_hold(&self, hold: Hold) -> Result<Hold> {
        let path = layout::hold_path(&hold);
        let note = match self.storage.get(&path, at_most(MAX_HOLD_BYTES)).await {
            Ok(bytes) => self.decode_hold(&path, &bytes).ok(),
            // Released since it was listed.
            Err(error) if error.is_not_found() => None,
            Err(error) => return Err(error.into()),
        };
        Ok(Hold { note, ..hold })
    }
}
