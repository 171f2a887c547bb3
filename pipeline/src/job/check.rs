//! Check jobs: structure first, then, on request, every byte.

use std::collections::HashSet;
use std::sync::Arc;

use cairn_actors::topology::{self, CheckParts};
use cairn_repository::check::{CheckOptions, Finding, affected_by, check_structure};
use cairn_repository::index::Index;
use cairn_repository::{ChunkId, Damage, DamagedObject, Repository};
use tokio::sync::oneshot;

use crate::error::Error;
use crate::job::{CheckReport, JobCore, Surroundings};
use crate::request::CheckRequest;

/// Runs a check. Damage is what the report says; an error means that the check could not go on.
pub(crate) async fn run(
    core: &JobCore,
    around: &Surroundings,
    repository: Repository,
    request: CheckRequest,
) -> Result<CheckReport, Error> {
    let budget = around.config.index_memory_bytes;
    let options = CheckOptions { index_budget_bytes: budget, directories: request.read_data };
    let structure = check_structure(&repository, around.runtime.clone(), &options, &|_| {});
    let structure = core.cancellable(structure).await?;
    let mut report = CheckReport {
        structure,
        good_chunks: None,
        good_bytes: 0,
        data_findings: Vec::new(),
        progress: core.progress.observe(),
        duration: core.started.elapsed(),
    };
    if request.read_data {
        read_data(core, around, &repository, &mut report).await?;
    }
    report.progress = core.progress.observe();
    report.duration = core.started.elapsed();
    Ok(report)
}

/// Reads every pack and adds what only that shows.
async fn read_data(
    core: &JobCore,
    around: &Surroundings,
    repository: &Repository,
    report: &mut CheckReport,
) -> Result<(), Error> {
    let index = repository.load_index(around.config.index_memory_bytes, around.runtime.clone());
    let index = Arc::new(core.cancellable(index).await?);
    let packs = core.cancellable(repository.packs()).await?;
    let (outcome, tally) = oneshot::channel();
    let job = core.parts(around, repository, &index);
    let io = job.io.clone();
    let topology = topology::check(job, CheckParts { packs, outcome });
    core.run_topology(around, topology, io).await?;
    let tally = tally.await.map_err(|_| Error::cancelled())?;
    report.good_chunks = Some(tally.good_chunks);
    report.good_bytes = tally.good_bytes;
    let known: HashSet<DamagedObject> =
        report.structure.findings.iter().map(|finding| finding.damage.object.clone()).collect();
    for damage in tally.damages {
        let lost = match damage.chunk {
            // A pack whose directory is damaged was found by the structure check, with what it touches.
            None if known.contains(&damage.object) => continue,
            None => HashSet::new(),
            Some(chunk) => lost_chunks(&index, chunk, &damage).await?,
        };
        let affected = match lost.is_empty() {
            true => Vec::new(),
            false => core.cancellable(affected_by(repository, &index, &lost)).await?,
        };
        report.data_findings.push(Finding { damage, affected });
    }
    Ok(())
}

/// The chunk, unless it lies in another pack too.
async fn lost_chunks(
    index: &Index,
    chunk: ChunkId,
    damage: &Damage,
) -> Result<HashSet<ChunkId>, Error> {
    let places = index.find_all(&chunk).await?;
    let is_elsewhere = places.iter().any(|place| damage.object != DamagedObject::Pack(place.pack));
    Ok(if is_elsewhere { HashSet::new() } else { HashSet::from([chunk]) })
}
