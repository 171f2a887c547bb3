//! [`Parent`]: the snapshot before, as the planner looks things up in it.

use std::collections::HashMap;
use std::sync::Arc;

use cairn_repository::manifest::{DocumentRef, Object, Partition, TabletList};
use cairn_repository::{ChunkId, Repository};

use crate::error::Stop;
use crate::holdings::Holdings;
use crate::io::IoTasks;
use crate::tablet::ObjectKey;

/// Manifests that are read in one go: bounds memory, and saves a round trip each on a remote store.
const PARTITIONS_PER_READ: usize = 32;

/// The latest manifest of each object, from one or several earlier snapshots of the same origin.
#[derive(Debug)]
pub struct Parent {
    repository: Repository,
    holdings: Arc<Holdings>,
    io: IoTasks,
    objects: HashMap<ObjectKey, Object>,
    /// Manifests of one object that were read ahead, by partition.
    ahead: (Option<ObjectKey>, HashMap<String, TabletList>),
}

impl Parent {
    /// A parent of these objects.
    pub fn new(
        repository: Repository,
        holdings: Arc<Holdings>,
        io: IoTasks,
        objects: HashMap<ObjectKey, Object>,
    ) -> Self {
        Self { repository, holdings, io, objects, ahead: (None, HashMap::new()) }
    }

    /// Whether the repository has a chunk.
    pub(crate) fn has(&self, id: &ChunkId) -> Result<bool, Stop> {
        self.holdings.has(id, &self.io)
    }

    /// The entry and the manifest of a partition; no entry and an empty manifest when it is new.
    ///
    /// A manifest that cannot be read counts as new, and its chunks as lost: the backup reads the segments
    /// again and stores the manifest again, which heals it.
    pub(crate) fn partition(
        &mut self,
        key: &ObjectKey,
        name: &str,
    ) -> Result<(Option<Partition>, TabletList), Stop> {
        let Some(object) = self.objects.get(key) else {
            return Ok(Default::default());
        };
        let Ok(at) = object.partitions.binary_search_by(|entry| entry.name.as_str().cmp(name))
        else {
            return Ok(Default::default());
        };
        let entry = object.partitions[at].clone();
        if self.ahead.0.as_ref() == Some(key)
            && let Some(manifest) = self.ahead.1.remove(name)
        {
            return Ok((Some(entry), manifest));
        }
        let end = object.partitions.len().min(at + PARTITIONS_PER_READ);
        let wanted = &object.partitions[at..end];
        let documents: Vec<DocumentRef> =
            wanted.iter().map(|partition| partition.tablets.clone()).collect();
        let read = self.repository.read_documents::<TabletList>(self.holdings.index(), &documents);
        match self.io.block_on(read)? {
            Ok(manifests) => {
                let names = wanted.iter().map(|partition| partition.name.clone());
                self.ahead = (Some(key.clone()), names.zip(manifests).collect());
                Ok((Some(entry), self.ahead.1.remove(name).unwrap_or_default()))
            }
            Err(error) if error.damage().is_some() => self.partition_alone(key, entry),
            Err(error) => Err(error.into()),
        }
    }

    /// The same without its neighbours, one of which is damaged.
    fn partition_alone(
        &self,
        key: &ObjectKey,
        entry: Partition,
    ) -> Result<(Option<Partition>, TabletList), Stop> {
        let read =
            self.repository.read_document::<TabletList>(self.holdings.index(), &entry.tablets);
        match self.io.block_on(read)? {
            Ok(manifest) => Ok((Some(entry), manifest)),
            Err(error) if error.damage().is_some() => {
                tracing::warn!(object = %key, partition = entry.name, %error, "manifest lost, read again");
                self.holdings.distrust(entry.tablets.chunks.iter());
                Ok(Default::default())
            }
            Err(error) => Err(error.into()),
        }
    }
}
