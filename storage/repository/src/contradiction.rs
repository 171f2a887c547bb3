//! [`compare`]: whether packs have what a run says of them. Whoever may only append can put a run that says anything, and while
//! it is believed a lost chunk seems to be there.
//!
//! *Cost*: a read for each directory that is asked for. *Memory*: 8 bytes for each entry of the run, and four directories.

use futures::{StreamExt, TryStreamExt, stream};

use crate::index::Run;
use crate::pack::{IndexEntry, tail_bytes};
use crate::{Error, Fault, PackId, Repository, Result, Sealer};

/// Directories read at once for one run.
const MAX_DIRECTORIES: usize = 4;

/// What a pack must have at least for a run to be right about it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Need {
    /// End of the last chunk that the run lists: less than the length of any pack.
    pub(crate) end: u32,
    /// Chunks that the run lists.
    pub(crate) chunks: u32,
}

impl Need {
    /// Directory and trailer for the chunks that are listed.
    pub(crate) fn tail_bytes(self, sealer: &Sealer) -> u64 {
        tail_bytes(sealer, self.chunks.into())
    }

    pub(crate) fn pack_bytes(self, sealer: &Sealer) -> u64 {
        u64::from(self.end) + self.tail_bytes(sealer)
    }
}

/// What a run says, and what packs say to that.
#[derive(Debug, Default)]
pub(crate) struct Comparison {
    /// The packs that it lists chunks of.
    pub(crate) needs: Vec<(PackId, Need)>,
    /// Packs whose directories cannot be read.
    pub(crate) faults: Vec<(PackId, Fault)>,
    /// A pack that does not have what the run lists there.
    pub(crate) contradicted_by: Option<PackId>,
}

/// Compares a run with the directories of those packs of which `asked` gives a length.
pub(crate) async fn compare(
    repository: &Repository,
    run: &Run,
    asked: impl Fn(&PackId, Need) -> Option<u64>,
) -> Result<Comparison> {
    let mut order: Vec<usize> = (0..run.num_entries()).collect();
    order.sort_unstable_by_key(|entry| run.place(*entry));
    let pack_of = |entry: &usize| run.place(*entry).map(|(pack, _)| pack);
    let mut comparison = Comparison::default();
    let (mut questions, mut start) = (Vec::new(), 0);
    for entries in order.chunk_by(|a, b| pack_of(a) == pack_of(b)) {
        let range = start..start + entries.len();
        start = range.end;
        let Some((pack, need)) = need_of(run, entries) else { continue };
        comparison.needs.push((pack, need));
        questions.extend(asked(&pack, need).map(|length| (pack, length, need, range)));
    }
    let order = order.as_slice();
    let answers = stream::iter(questions).map(async |(pack, length, need, range)| {
        let entries = order.get(range).unwrap_or_default();
        let guess = need.tail_bytes(repository.sealer());
        let directory = match repository.read_directory(&pack, length, guess).await {
            Ok(directory) => directory,
            Err(Error::Damaged(damage)) => return Ok((pack, Err(damage.fault))),
            Err(error) => return Err(error),
        };
        let mut said = entries.iter().filter_map(|entry| run.entry(*entry));
        Ok((pack, Ok(said.all(|entry| has(&directory, &entry)))))
    });
    let mut answers = std::pin::pin!(answers.buffer_unordered(MAX_DIRECTORIES));
    while let Some((pack, answer)) = answers.try_next().await? {
        match answer {
            Ok(true) => {}
            Ok(false) => comparison.contradicted_by = Some(pack),
            Err(fault) => comparison.faults.push((pack, fault)),
        }
    }
    Ok(comparison)
}

/// Whether a directory, in which chunks stand in the order of their offsets, has an entry.
fn has(directory: &[IndexEntry], entry: &IndexEntry) -> bool {
    let at = directory.binary_search_by_key(&entry.location.offset, |it| it.location.offset);
    at.ok().and_then(|at| directory.get(at)) == Some(entry)
}

/// What entries of one pack need of it.
fn need_of(run: &Run, entries: &[usize]) -> Option<(PackId, Need)> {
    let pack = run.entry(*entries.first()?)?.location.pack;
    let end = run.entry(*entries.last()?)?.location.end();
    let need = Need {
        end: u32::try_from(end).unwrap_or(u32::MAX),
        chunks: u32::try_from(entries.len()).unwrap_or(u32::MAX),
    };
    Some((pack, need))
}
