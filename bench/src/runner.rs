//! Runs a plan: for each set rounds, in each round a cycle of every tool, in each cycle the scenarios.
//!
//! *Order*: tools take turns, in reverse order every second round. The trees of a set are renamed to
//! where tools see them, so a tool that knows a file by path, inode and times finds what it left. Before a
//! step that writes, memory is warmed.
//!
//! *On failure*: a tool that fails is recorded and its cycle ends; the others go on. Every sample is on
//! disk before the next step begins.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, bail};
use bytesize::ByteSize;
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::console::say;
use crate::dataset::{Dataset, SetSpec};
use crate::machine::Machine;
use crate::measure::{Measurer, Usage};
use crate::plan::Plan;
use crate::results::{Record, Results, RunHeader, Sample, ToolVersion};
use crate::scenario::{Scenario, round_order};
use crate::scratch::{Scratch, remove};
use crate::store::{Store, StoreSpec};
use crate::tool::{InstalledTool, Missing, Places};
use crate::{disk, report, tree, warning};

/// Runs the plan and writes the report.
pub fn run(plan: &Plan) -> Result<()> {
    let interrupted = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&interrupted))?;
    }
    let own = std::env::current_exe().context("find this program")?;
    let (tools, missing) = plan.common.tools.installed(&plan.tools, &own)?;
    let scratch = Scratch::take(&plan.common.tools.scratch)?;
    let header = header(plan, &tools, missing, &scratch)?;
    let results = Results::of_run(&plan.common.results, &header)?;
    let measurer =
        Measurer { helper: own, answer: scratch.answer(), log: results.folder().join("tools.log") };
    let mut runner =
        Runner { plan, scratch, measurer, results, samples: Vec::new(), store: None, interrupted };
    let ran = runner.sets(&tools);
    let folder = runner.results.folder().to_owned();
    drop(runner);
    report::print(&folder)?;
    ran
}

fn header(
    plan: &Plan,
    tools: &[InstalledTool],
    missing: Vec<Missing>,
    scratch: &Scratch,
) -> Result<RunHeader> {
    let tools = tools.iter().map(|installed| ToolVersion {
        name: installed.tool.name.to_owned(),
        about: installed.tool.about.to_owned(),
        version: installed.version.clone(),
    });
    Ok(RunHeader {
        started: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        machine: Machine::here(plan.common.machine.as_deref()),
        scratch: scratch.root().to_owned(),
        is_in_memory: disk::is_in_memory(scratch.root())?,
        is_debug_build: cfg!(debug_assertions),
        has_stores: !plan.stores.is_empty(),
        tools: tools.collect(),
        missing,
    })
}

struct Runner<'a> {
    plan: &'a Plan,
    scratch: Scratch,
    measurer: Measurer,
    results: Results,
    samples: Vec<Sample>,
    /// Where repositories are, unless that is the scratch directory.
    store: Option<Store>,
    /// Set by a signal. The tool gets the same signal from the terminal, and ends.
    interrupted: Arc<AtomicBool>,
}

/// A step to run.
struct Step<'a> {
    set: &'a SetSpec,
    dataset: &'a Dataset,
    tool: &'a InstalledTool,
    round: u32,
    scenario: Scenario,
    /// The backup that it makes or reads.
    label: Scenario,
}

impl Runner<'_> {
    fn sets(&mut self, tools: &[InstalledTool]) -> Result<()> {
        for set in &self.plan.sets {
            let with_next = self.plan.scenarios.contains(&Scenario::Incremental);
            let (home, data) = (self.scratch.sets(), self.plan.data.as_deref());
            fs::create_dir_all(&home)?;
            let available = disk::available(&home)?;
            let dataset = Dataset::place(set, data, &home, with_next, available)?;
            let (files, bytes) = (dataset.files, ByteSize(dataset.bytes));
            say(format_args!("{}: {files} files, {bytes}", set.name()))?;
            let stores = self.plan.stores.iter().copied().map(Some);
            let directory = self.plan.stores.is_empty().then_some(None);
            for store in stores.chain(directory) {
                self.store = store.map(|spec| self.start(spec)).transpose()?;
                self.rounds(set, &dataset, tools)?;
            }
            remove(&home)?;
        }
        Ok(())
    }

    fn start(&self, spec: StoreSpec) -> Result<Store> {
        say(format_args!("{spec}: starting"))?;
        Store::start(spec, self.scratch.root(), &self.plan.servers)
    }

    /// What the results call the set.
    fn name(&self, set: &SetSpec) -> String {
        match &self.store {
            Some(store) => store.spec().of_set(set.name()),
            None => set.name().to_owned(),
        }
    }

    fn places(&self) -> Result<Places> {
        let store = self.store.as_ref().map(Store::address).transpose()?;
        Ok(Places { store, ..self.scratch.places() })
    }

    fn rounds(&mut self, set: &SetSpec, dataset: &Dataset, tools: &[InstalledTool]) -> Result<()> {
        let kind = self.store.as_ref().map(|store| store.spec().kind);
        let tools: Vec<&InstalledTool> =
            tools.iter().filter(|installed| installed.tool.reaches(kind)).collect();
        for round in 0..self.plan.max_runs() {
            for tool in round_order(&tools, round) {
                if round < self.plan.common.runs || self.needs_more(set, tool) {
                    self.cycle(set, dataset, tool, round)?;
                }
            }
        }
        Ok(())
    }

    /// Whether a step of the tool was disturbed so often that it has too few good samples.
    fn needs_more(&self, set: &SetSpec, tool: &InstalledTool) -> bool {
        let set = self.name(set);
        self.plan.scenarios.iter().any(|scenario| {
            let samples = self.samples.iter().filter(|sample| {
                sample.set == set && sample.tool == tool.tool.name && sample.scenario == *scenario
            });
            let is_good = |sample: &&Sample| warning::is_undisturbed(&sample.usage);
            let (good, all) = (samples.clone().filter(is_good).count(), samples.count());
            all > 0 && good < self.plan.common.runs as usize
        })
    }

    /// All scenarios of one tool on one set, with the source in its place.
    fn cycle(
        &mut self,
        set: &SetSpec,
        dataset: &Dataset,
        tool: &InstalledTool,
        round: u32,
    ) -> Result<()> {
        self.scratch.begin_cycle()?;
        if let Some(store) = &mut self.store {
            store.clear()?;
        }
        let places = self.places()?;
        let in_place = |tree: &Path, run: &mut dyn FnMut() -> Result<bool>| {
            fs::rename(tree, &places.source)?;
            let outcome = run();
            fs::rename(&places.source, tree)?;
            outcome
        };
        let mut label = Scenario::Full;
        let mut goes_on = in_place(&dataset.today, &mut || self.create(tool))?;
        for scenario in self.plan.scenarios.clone() {
            if !goes_on || !tool.tool.has(scenario) || !set.has(scenario) {
                continue;
            }
            if matches!(scenario, Scenario::Unchanged | Scenario::Incremental) {
                label = scenario;
            }
            let tree = match scenario {
                Scenario::Incremental => dataset.tomorrow.as_deref(),
                _ => Some(dataset.today.as_path()),
            };
            if let Some(tree) = tree {
                let step = Step { set, dataset, tool, round, scenario, label };
                goes_on = in_place(tree, &mut || self.step(&step))?;
            }
        }
        self.scratch.end_cycle()
    }

    /// Makes the repository; false when the tool cannot.
    fn create(&mut self, tool: &InstalledTool) -> Result<bool> {
        let Some(invocation) = tool.create(&self.places()?) else {
            return Ok(true);
        };
        let usage = self.measurer.measure(&invocation)?;
        if usage.status != 0 {
            say(format_args!("{}: cannot make a repository; see tools.log", tool.tool.name))?;
        }
        Ok(usage.status == 0)
    }

    /// Measures a step and records it; false when the cycle cannot go on.
    fn step(&mut self, step: &Step<'_>) -> Result<bool> {
        let places = self.places()?;
        let Some(invocation) = step.tool.command(step.scenario, step.label, &places) else {
            return Ok(true);
        };
        if step.scenario.is_writing() {
            let bytes = step.dataset.allocated_bytes;
            disk::warm_memory(self.scratch.root(), bytes + bytes / 4)?;
        }
        let mut usage = self.measurer.measure(&invocation)?;
        if self.store.is_some() {
            // The servers' work is not told from that of other programs.
            usage.foreign_cpus = 0.0;
        }
        if self.interrupted.load(Ordering::Relaxed) {
            bail!("interrupted");
        }
        let is_restore = step.scenario == Scenario::Restore;
        let is_same =
            (is_restore && usage.status == 0 && self.plan.common.verify && step.round == 0)
                .then(|| tree::is_same(&places.source, &step.tool.tool.restored(&places)))
                .transpose()?;
        if is_restore {
            remove(&places.target)?;
            fs::create_dir(&places.target)?;
        }
        let sample = Sample {
            set: self.name(step.set),
            scenario: step.scenario,
            tool: step.tool.tool.name.to_owned(),
            round: step.round,
            data_bytes: step.dataset.bytes,
            data_files: step.dataset.files,
            stored_bytes: match &self.store {
                Some(store) => store.stored_bytes()?,
                None => tree::extent(&places.repo)?.bytes,
            },
            is_same,
            usage,
        };
        self.results.append(&Record::Sample(sample.clone()))?;
        say(line(&sample))?;
        let goes_on = sample.usage.status == 0 || step.scenario != Scenario::Full;
        self.samples.push(sample);
        Ok(goes_on)
    }
}

/// A step as it is shown while the run goes on.
fn line(sample: &Sample) -> String {
    let Sample { set, scenario, tool, round, stored_bytes, usage, .. } = sample;
    let Usage { wall_secs, peak_bytes, status, foreign_cpus, stolen_cpus, .. } = usage;
    let (cpu, round) = (usage.cpu_secs(), round + 1);
    let (peak, stored) = (ByteSize(*peak_bytes), ByteSize(*stored_bytes));
    let mut line = format!(
        "{set:<12} {tool:<13} {scenario:<11} round {round}  wall {wall_secs:8.2} s  cpu {cpu:8.2} s  \
         peak {peak:>10}  stored {stored:>10}"
    );
    if *status != 0 {
        line += &format!("  FAILED with {status}");
    } else if sample.is_same == Some(false) {
        line += "  RESTORED BYTES DIFFER";
    } else if !warning::is_undisturbed(usage) {
        let others = foreign_cpus + stolen_cpus;
        line += &format!("  disturbed by {others:.2} processors");
    }
    line
}
