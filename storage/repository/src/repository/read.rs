//! Reading chunks and documents: located, fetched in few ranged reads, verified.

use std::collections::HashMap;

use bytes::Bytes;
use cairn_storage::ByteRange;
use futures::{StreamExt, TryStreamExt, stream};

use super::{Repository, fault_of};
use crate::decompressor::{Decompressor, open_chunk};
use crate::error::DamagedObject;
use crate::index::Index;
use crate::manifest::{Document, DocumentRef};
use crate::pack::{ChunkLocation, IndexEntry, parse_directory, parse_trailer};
use crate::read_plan::{ReadSpan, coalesce};
use crate::{ChunkId, Damage, Fault, Malformed, PackId, Result, layout};

/// Bytes between two wanted chunks that are cheaper to read than a second request is.
const MAX_GAP_BYTES: u32 = 256 << 10;

/// Longest read for documents in bytes.
const MAX_SPAN_BYTES: u32 = 8 << 20;

/// Reads and lookups in flight at once.
const MAX_READS: usize = 8;

/// Times that an index is loaded again for a chunk that cannot be read: a restore may last several graces.
const MAX_RENEWALS: usize = 2;

/// Plaintext of documents that one batch of [`Repository::read_documents`] holds beside the decoded ones.
const BATCH_BYTES: u64 = 32 << 20;

impl Repository {
    /// The plaintext of a chunk, verified. When it is damaged in one place and lies in another too, the
    /// other is used, also one where a prune has moved it meanwhile. [`crate::ErrorKind::Damaged`] names pack and chunk when no
    /// place is good.
    pub async fn read_chunk(&self, index: &Index, id: &ChunkId) -> Result<Bytes> {
        let mut index = index;
        for _ in 0..MAX_RENEWALS {
            let damage = match self.read_chunk_listed(index, id).await {
                Err(crate::Error::Damaged(damage)) => damage,
                result => return result,
            };
            index = self.renewed(index).await?.ok_or(damage)?;
        }
        self.read_chunk_listed(index, id).await
    }

    async fn read_chunk_listed(&self, index: &Index, id: &ChunkId) -> Result<Bytes> {
        let mut damage = not_listed(*id);
        for location in index.find_all(id).await? {
            match self.read_chunk_at(id, &location).await {
                Err(crate::Error::Damaged(found)) => damage = found,
                result => return result,
            }
        }
        Err(damage.into())
    }

    /// The plaintext of the chunk at this place, verified.
    pub async fn read_chunk_at(&self, id: &ChunkId, location: &ChunkLocation) -> Result<Bytes> {
        let (offset, length) = (location.offset, location.stored_len);
        let stored = self.read_pack(&location.pack, offset, length).await?;
        Ok(open_chunk(&mut Decompressor::new(&self.sealer), id, location, &stored)?)
    }

    /// A range of a pack, unverified. [`crate::ErrorKind::Damaged`] when the pack is not there or not so long.
    pub async fn read_pack(&self, pack: &PackId, offset: u32, length: u32) -> Result<Bytes> {
        let range = ByteRange::Span { offset: offset.into(), length: length.into() };
        let read = self.storage.get(&layout::pack_path(pack), range).await;
        let bytes = read.map_err(|error| match fault_of(&error) {
            Some(fault) => Damage::new(DamagedObject::Pack(*pack), fault).into(),
            None => crate::Error::from(error),
        })?;
        if bytes.len() != length as usize {
            let short = Fault::Short { expected: length.into(), actual: bytes.len() as u64 };
            return Err(Damage::new(DamagedObject::Pack(*pack), short).into());
        }
        Ok(bytes)
    }

    /// The stored forms of chunks, each verified, or what is wrong with it; in any order. Where several cannot be read together, as of a pack
    /// that was cut short, each is read by itself. Holds all of them.
    pub(crate) async fn read_stored(
        &self,
        entries: &[IndexEntry],
    ) -> Result<Vec<(IndexEntry, Result<Bytes, Damage>)>> {
        let wanted = entries.iter().enumerate().map(|(at, entry)| (at, entry.id, entry.location));
        let spans = coalesce(wanted, MAX_GAP_BYTES, MAX_SPAN_BYTES);
        let reads = spans.into_iter().map(|span| self.read_stored_span(span));
        let mut reads = stream::iter(reads.collect::<Vec<_>>()).buffered(MAX_READS);
        let mut decompressor = Decompressor::new(&self.sealer);
        let mut chunks = Vec::with_capacity(entries.len());
        while let Some(span) = reads.try_next().await? {
            for (entry, stored) in span {
                let opened = open_chunk(&mut decompressor, &entry.id, &entry.location, &stored);
                chunks.push((entry, opened.map(|_| stored)));
            }
        }
        Ok(chunks)
    }

    /// The chunks of a span, unverified; empty ones for what cannot be read.
    async fn read_stored_span(&self, span: ReadSpan) -> Result<Vec<(IndexEntry, Bytes)>> {
        let unless_damaged = |read| match read {
            Ok(bytes) => Ok(Some(bytes)),
            // Nothing of a pack that is not there can be read.
            Err(crate::Error::Damaged(damage)) if damage.fault == Fault::Missing => {
                Ok(Some(Bytes::new()))
            }
            Err(crate::Error::Damaged(_)) => Ok(None),
            Err(error) => Err(error),
        };
        let whole = self.read_pack(&span.pack, span.offset, span.length).await;
        let whole: Option<Bytes> = unless_damaged(whole)?;
        let mut chunks = Vec::with_capacity(span.chunks.len());
        for (_, id, location) in &span.chunks {
            let stored = match &whole {
                Some(bytes) => span.stored(bytes, location),
                None => {
                    let (offset, length) = (location.offset, location.stored_len);
                    unless_damaged(self.read_pack(&span.pack, offset, length).await)?
                }
            };
            let entry = IndexEntry { id: *id, location: *location };
            chunks.push((entry, stored.unwrap_or_default()));
        }
        Ok(chunks)
    }

    /// What lies in a pack of this length, by its own directory. The first read is of `guess` bytes from the end, and the only one
    /// when that is not less than it takes. [`crate::ErrorKind::Damaged`] when the pack is not there or says what cannot be.
    pub(crate) async fn read_directory(
        &self,
        pack: &PackId,
        pack_bytes: u64,
        guess: u64,
    ) -> Result<Vec<IndexEntry>> {
        let damaged = |fault| crate::Error::from(Damage::new(DamagedObject::Pack(*pack), fault));
        let path = layout::pack_path(pack);
        let suffix = async |length| {
            let tail = self.storage.get(&path, ByteRange::Suffix { length }).await;
            tail.map_err(|error| fault_of(&error).map_or_else(|| error.into(), damaged))
        };
        let tail = suffix(guess).await?;
        let trailer = parse_trailer(&self.sealer, &tail, pack_bytes);
        let length = trailer.map_err(|malformed| damaged(malformed.into()))?.tail_bytes();
        let start = usize::try_from(length).ok().and_then(|length| tail.len().checked_sub(length));
        let tail = match start {
            Some(start) => tail.slice(start..),
            None => suffix(length).await?,
        };
        let entries = parse_directory(&self.sealer, pack, pack_bytes, &tail);
        entries.map_err(|malformed| damaged(malformed.into()))
    }

    /// A document, verified and decoded.
    pub async fn read_document<D: Document>(
        &self,
        index: &Index,
        reference: &DocumentRef,
    ) -> Result<D> {
        let bytes = self.read_batch(index, std::slice::from_ref(reference)).await?;
        decode(reference, bytes.first().map(Vec::as_slice).unwrap_or_default())
    }

    /// Documents in the order of their references, verified and decoded. Chunks that lie near one another are
    /// read together; chunks that documents share are read once per batch of 32 MiB.
    pub async fn read_documents<D: Document>(
        &self,
        index: &Index,
        references: &[DocumentRef],
    ) -> Result<Vec<D>> {
        let mut documents = Vec::with_capacity(references.len());
        for batch in document_batches(references, BATCH_BYTES) {
            let bytes = self.read_batch(index, batch).await?;
            for (reference, bytes) in batch.iter().zip(bytes) {
                documents.push(decode(reference, &bytes)?);
            }
        }
        Ok(documents)
    }

    /// The bytes of each document.
    async fn read_batch(&self, index: &Index, references: &[DocumentRef]) -> Result<Vec<Vec<u8>>> {
        let chunks = self.read_chunks(index, references).await?;
        references.iter().map(|reference| assemble(reference, &chunks)).collect()
    }

    pub(crate) async fn read_chunks(
        &self,
        index: &Index,
        references: &[DocumentRef],
    ) -> Result<HashMap<ChunkId, Bytes>> {
        let mut ids: Vec<ChunkId> = Vec::new();
        let mut chunks = HashMap::new();
        for id in references.iter().flat_map(|reference| reference.chunks.iter()) {
            if chunks.insert(id, Bytes::new()).is_none() {
                ids.push(id);
            }
        }
        let lookups = ids.into_iter().enumerate().map(async |(number, id)| {
            match self.place(index, &id).await? {
                Some(location) => Ok((number, id, location)),
                None => Err(crate::Error::from(not_listed(id))),
            }
        });
        let lookups = stream::iter(lookups.collect::<Vec<_>>()).buffered(MAX_READS);
        let wanted: Vec<_> = lookups.try_collect().await?;
        let spans = coalesce(wanted, MAX_GAP_BYTES, MAX_SPAN_BYTES);
        let reads = spans.into_iter().map(|span| self.read_span(index, span));
        let mut reads = stream::iter(reads.collect::<Vec<_>>()).buffer_unordered(MAX_READS);
        while let Some(read) = reads.try_next().await? {
            chunks.extend(read);
        }
        Ok(chunks)
    }

    /// A place of a chunk, also one where a prune has moved it.
    async fn place(&self, index: &Index, id: &ChunkId) -> Result<Option<ChunkLocation>> {
        match index.find(id).await? {
            Some(location) => Ok(Some(location)),
            None => match self.renewed(index).await? {
                Some(renewed) => renewed.find(id).await,
                None => Ok(None),
            },
        }
    }

    /// The chunks of a span; those that it does not give intact, from wherever else they lie.
    async fn read_span(&self, index: &Index, span: ReadSpan) -> Result<Vec<(ChunkId, Bytes)>> {
        let bytes = match self.read_pack(&span.pack, span.offset, span.length).await {
            Err(crate::Error::Damaged(_)) => Bytes::new(),
            result => result?,
        };
        let wanted: u64 = span.chunks.iter().map(|(.., at)| u64::from(at.stored_len)).sum();
        let is_sparse = wanted < u64::from(span.length) / 2;
        let mut chunks = Vec::with_capacity(span.chunks.len());
        for (_, id, location) in &span.chunks {
            let stored = span.stored(&bytes, location).unwrap_or_default();
            let opened = open_chunk(&mut Decompressor::new(&self.sealer), id, location, &stored);
            let plain = match opened {
                // A slice would keep what lies between in memory.
                Ok(plain) if is_sparse => Bytes::copy_from_slice(&plain),
                Ok(plain) => plain,
                Err(_) => self.read_chunk(index, id).await?,
            };
            chunks.push((*id, plain));
        }
        Ok(chunks)
    }
}

/// References to documents of at most so many bytes together; one to a longer document comes alone.
pub(crate) fn document_batches(
    references: &[DocumentRef],
    max_bytes: u64,
) -> impl Iterator<Item = &[DocumentRef]> {
    let mut left = references;
    std::iter::from_fn(move || {
        let mut bytes = 0_u64;
        let fitting = left.iter().take_while(|reference| {
            bytes = bytes.saturating_add(reference.len);
            bytes <= max_bytes
        });
        let (batch, rest) = left.split_at(fitting.count().max(1).min(left.len()));
        left = rest;
        (!batch.is_empty()).then_some(batch)
    })
}

/// Joins the chunks of a document. What it allocates was read before.
fn assemble(reference: &DocumentRef, chunks: &HashMap<ChunkId, Bytes>) -> Result<Vec<u8>> {
    let pieces: Vec<&[u8]> =
        reference.chunks.iter().filter_map(|id| chunks.get(&id)).map(AsRef::as_ref).collect();
    let actual = pieces.iter().map(|piece| piece.len() as u64).sum();
    if actual != reference.len {
        let fault = Fault::Length { expected: reference.len, actual };
        return Err(Damage::new(document(reference), fault).into());
    }
    Ok(pieces.concat())
}

fn decode<D: Document>(reference: &DocumentRef, bytes: &[u8]) -> Result<D> {
    D::decode(bytes)
        .map_err(|malformed: Malformed| Damage::new(document(reference), malformed).into())
}

fn document(reference: &DocumentRef) -> DamagedObject {
    reference.chunks.first().map_or(DamagedObject::Index, DamagedObject::Document)
}

fn not_listed(id: ChunkId) -> Damage {
    Damage::of_chunk(DamagedObject::Index, id, Fault::NotListed)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use cairn_storage::{MemoryStorage, Operation};
    use cairn_testkit::FaultStorage;
    use tokio::runtime::Handle;

    use super::*;
    use crate::Sealer;
    use crate::codec::Codec;
    use crate::config::RepositorySettings;
    use crate::pack::{ChunkKind, PackBuilder};

    const CHUNK_BYTES: usize = 10_000;

    /// A repository of one pack, whose chunks lie beside one another.
    struct OnePack {
        memory: MemoryStorage,
        storage: Arc<FaultStorage>,
        repository: Repository,
        pack: PackId,
        entries: Vec<IndexEntry>,
    }

    /// The document that is a chunk.
    fn chunk(number: u8) -> [u8; CHUNK_BYTES] {
        [number; CHUNK_BYTES]
    }

    impl OnePack {
        async fn new() -> Self {
            let memory = MemoryStorage::new();
            let storage = Arc::new(FaultStorage::new(Arc::new(memory.clone())));
            let settings = RepositorySettings::default();
            let shared: Arc<FaultStorage> = Arc::clone(&storage);
            let repository = Repository::create(shared, &settings).await.unwrap();
            let mut pack = PackBuilder::new(&Sealer::plain(), 1 << 20);
            for number in 0..20 {
                let (plain, length) = (chunk(number), u32::try_from(CHUNK_BYTES).unwrap());
                let id = ChunkId::of(&plain);
                pack.push(id, ChunkKind::Document, Codec::Raw, length, &plain).unwrap();
            }
            let sealed = pack.finish().unwrap();
            repository.put_pack(&sealed).await.unwrap();
            repository.put_index_run(sealed.entries.clone()).await.unwrap();
            Self { memory, storage, repository, pack: sealed.id, entries: sealed.entries }
        }

        /// Reads all chunks: how many are sound, and how many requests that took.
        async fn read_stored(&self) -> (usize, u64) {
            let before = self.storage.calls(Operation::Get);
            let chunks = self.repository.read_stored(&self.entries).await.unwrap();
            assert_eq!(chunks.len(), self.entries.len());
            let sound = chunks.iter().filter(|(_, stored)| stored.is_ok()).count();
            (sound, self.storage.calls(Operation::Get) - before)
        }

        async fn read_documents(&self, numbers: &[u8]) -> Vec<Bytes> {
            let index = self.repository.load_index(1 << 20, Handle::current()).await.unwrap();
            let references: Vec<_> =
                numbers.iter().map(|it| DocumentRef::of(&chunk(*it))).collect();
            let chunks = self.repository.read_chunks(&index, &references).await.unwrap();
            assert_eq!(chunks.len(), numbers.len());
            for number in numbers {
                assert_eq!(chunks[&ChunkId::of(&chunk(*number))], chunk(*number).as_slice());
            }
            chunks.into_values().collect()
        }
    }

    #[tokio::test]
    async fn chunks_of_a_pack_take_one_read_also_when_it_went_and_one_each_when_it_is_short() {
        let place = OnePack::new().await;
        assert_eq!(place.read_stored().await, (20, 1));
        let path = layout::pack_path(&place.pack);
        let whole = place.memory.objects()[&path].clone();
        let end_of_tenth = place.entries[10].location.offset as usize;
        place.memory.insert(path.clone(), whole.slice(..end_of_tenth));
        assert_eq!(place.read_stored().await, (10, 21));
        place.memory.remove(&path);
        assert_eq!(place.read_stored().await, (0, 1));
    }

    #[tokio::test]
    async fn a_chunk_keeps_nothing_in_memory_that_was_read_for_the_gap_before_it() {
        let place = OnePack::new().await;
        let near = place.read_documents(&[3, 4]).await;
        assert!(!near.iter().any(Bytes::is_unique), "what was read is not copied");
        let before = place.storage.calls(Operation::Get);
        let far = place.read_documents(&[0, 19]).await;
        assert!(far.iter().all(Bytes::is_unique), "each has memory of its own");
        // The index run and the span.
        assert_eq!(place.storage.calls(Operation::Get) - before, 2);
    }

    fn lengths(documents: &[u64]) -> Vec<usize> {
        let of = |len: &u64| DocumentRef { len: *len, ..DocumentRef::of(b"a document") };
        let references: Vec<DocumentRef> = documents.iter().map(of).collect();
        document_batches(&references, 100).map(<[DocumentRef]>::len).collect()
    }

    #[test]
    fn a_batch_is_as_long_as_it_may_be() {
        assert_eq!(lengths(&[50, 50, 1, 99, 1]), [2, 2, 1]);
        assert_eq!(lengths(&[1, 1000, 1]), [1, 1, 1]);
        assert_eq!(lengths(&[u64::MAX, u64::MAX]), [1, 1]);
        assert_eq!(lengths(&[]), [0; 0]);
    }
}
