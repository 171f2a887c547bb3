//! Check jobs: structure first, then, on request, every byte; and what of the damage can be repaired.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use cairn_actors::topology::{self, CheckParts};
use cairn_repository::check::{
    CheckOptions, CheckReport as StructureReport, Finding, Ground, affected_by, check_structure,
};
use cairn_repository::index::Index;
use cairn_repository::repair::{RepairOptions, Suspects, repair};
use cairn_repository::{ChunkId, Damage, DamagedObject, Repository};
use tokio::sync::oneshot;

use crate::error::Error;
use crate::job::{CheckReport, JobCore, Repair, Surroundings};
use crate::request::{CheckRequest, Repair as Wanted};

/// Runs a check. Damage is what the report says; an error means that the check could not go on.
pub(crate) async fn run(
    core: &JobCore,
    around: &Surroundings,
    repository: Repository,
    request: CheckRequest,
) -> Result<CheckReport, Error> {
    let repository = core.cancellable(repository.refreshed()).await?;
    let reads_directories = request.read_data || request.repair.is_some();
    let mut report = CheckReport {
        structure: structure(core, around, &repository, reads_directories).await?,
        good_chunks: None,
        good_bytes: 0,
        data_findings: Vec::new(),
        repair: None,
        progress: core.progress.observe(),
        duration: core.started.elapsed(),
    };
    if request.read_data {
        read_data(core, around, &repository, &mut report).await?;
    }
    core.metrics.count_findings(report.findings());
    if let Some(wanted) = request.repair
        && (wanted == Wanted::Recovered || !report.is_clean())
    {
        report.repair = Some(repaired(core, around, &repository, wanted, &report).await?);
    }
    report.progress = core.progress.observe();
    report.duration = core.started.elapsed();
    Ok(report)
}

async fn structure(
    core: &JobCore,
    around: &Surroundings,
    repository: &Repository,
    directories: bool,
) -> Result<StructureReport, Error> {
    let index_budget_bytes = around.config.index_memory_bytes;
    let options = CheckOptions { index_budget_bytes, directories };
    let structure = check_structure(repository, around.runtime.clone(), &options, &|_| {});
    core.cancellable(structure).await
}

/// Repairs what was found, and looks again.
async fn repaired(
    core: &JobCore,
    around: &Surroundings,
    repository: &Repository,
    wanted: Wanted,
    found: &CheckReport,
) -> Result<Repair, Error> {
    let suspects = Suspects::of(found.findings().map(|finding| &finding.damage));
    let options = RepairOptions {
        index_budget_bytes: around.config.index_memory_bytes,
        missing_records: wanted == Wanted::Recovered,
    };
    let done = repair(repository, around.runtime.clone(), suspects, &options, &|_| {});
    let done = core.cancellable(done).await?;
    let left = structure(core, around, repository, true).await?.findings;
    Ok(Repair { done, left })
}

/// Reads every pack and adds what only that shows.
async fn read_data(
    core: &JobCore,
    around: &Surroundings,
    repository: &Repository,
    report: &mut CheckReport,
) -> Result<(), Error> {
    let (budget, runtime) = (around.config.index_memory_bytes, around.runtime.clone());
    let ground = Ground::look(repository, &report.structure, budget, runtime);
    let Ground { index, packs, aside } = core.cancellable(ground).await?;
    let index = Arc::new(index);
    let (outcome, tally) = oneshot::channel();
    let job = core.parts(around, repository, &index);
    let io = job.io.clone();
    let topology = topology::check(job, CheckParts { packs, outcome });
    core.run_topology(around, topology, io).await?;
    let tally = tally.await.map_err(|_| Error::cancelled())?;
    report.good_chunks = Some(tally.good_chunks);
    report.good_bytes = tally.good_bytes;
    // What the structure check found, with what it touches, is not told twice.
    let known: HashSet<(DamagedObject, Option<ChunkId>)> = report
        .structure
        .findings
        .iter()
        .map(|finding| (finding.damage.object.clone(), finding.damage.chunk))
        .collect();
    let is_news = |damage: &Damage| !known.contains(&(damage.object.clone(), damage.chunk));
    let damages: Vec<Damage> = tally.damages.into_iter().filter(is_news).collect();
    // Packs that are known to be bad give no other place of a chunk.
    let bad: HashSet<DamagedObject> =
        known.into_iter().filter_map(|(object, chunk)| chunk.is_none().then_some(object)).collect();
    let mut lost = core.cancellable(lost_chunks(&index, &damages, &bad)).await?;
    let is_aside = |object: &DamagedObject| match object {
        DamagedObject::Pack(pack) => aside.contains(pack),
        _ => false,
    };
    for damage in damages.into_iter().filter(|damage| !is_aside(&damage.object)) {
        // One walk over the manifests per damaged pack: its first damage carries what all of them touch.
        let lost = lost.remove(&damage.object).unwrap_or_default();
        let affected = match lost.is_empty() {
            true => Vec::new(),
            false => core.cancellable(affected_by(repository, &index, &lost)).await?,
        };
        report.data_findings.push(Finding { damage, affected });
    }
    Ok(())
}

/// The chunks that have no good place left, by the object whose damage they are told with.
async fn lost_chunks(
    index: &Index,
    damages: &[Damage],
    bad_objects: &HashSet<DamagedObject>,
) -> Result<HashMap<DamagedObject, HashSet<ChunkId>>, Error> {
    let bad: HashSet<(ChunkId, &DamagedObject)> =
        damages.iter().filter_map(|damage| Some((damage.chunk?, &damage.object))).collect();
    let mut lost: HashMap<DamagedObject, HashSet<ChunkId>> = HashMap::new();
    for (chunk, object) in &bad {
        let places = index.find_all(chunk).await?;
        let is_bad = |pack| {
            let pack = DamagedObject::Pack(pack);
            bad.contains(&(*chunk, &pack)) || bad_objects.contains(&pack)
        };
        if places.iter().all(|place| is_bad(place.pack)) {
            lost.entry((*object).clone()).or_default().insert(*chunk);
        }
    }
    Ok(lost)
}
