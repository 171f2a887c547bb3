//! [`ChunkList`]: the chunks of a segment or document, in one allocation.

use crate::ChunkId;

/// Chunk ids in order. As compact in memory as in the format: 32 bytes each, one allocation in all,
/// none when empty.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ChunkList(Box<[[u8; ChunkId::BYTES]]>);

impl ChunkList {
    /// The ids that lie behind one another in `bytes`; `None` when their number is not whole.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (ids, rest) = bytes.as_chunks();
        rest.is_empty().then(|| Self(ids.into()))
    }

    /// The ids behind one another.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_flattened()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The first.
    pub fn first(&self) -> Option<ChunkId> {
        self.iter().next()
    }

    /// The ids in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = ChunkId> + DoubleEndedIterator + Clone {
        self.0.iter().map(|bytes| ChunkId::from_bytes(*bytes))
    }
}

impl FromIterator<ChunkId> for ChunkList {
    fn from_iter<I: IntoIterator<Item = ChunkId>>(ids: I) -> Self {
        Self(ids.into_iter().map(|id| *id.as_bytes()).collect())
    }
}

impl From<Vec<ChunkId>> for ChunkList {
    fn from(ids: Vec<ChunkId>) -> Self {
        ids.into_iter().collect()
    }
}

impl std::fmt::Debug for ChunkList {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
