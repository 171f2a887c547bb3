//! What is run: sets, tools, scenarios.

use std::path::PathBuf;

use anyhow::{Result, ensure};

use crate::cli::{CommonOptions, RunOptions, ScaleOptions};
use crate::dataset::SetSpec;
use crate::scenario::Scenario;
use crate::store::StoreSpec;
use crate::tool::{self, Tool};

/// A run.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Where things are, and how often.
    pub common: CommonOptions,
    /// Data sets, one after another.
    pub sets: Vec<SetSpec>,
    /// Folder of the sets that are not generated.
    pub data: Option<PathBuf>,
    /// Tools, in the order of the first round.
    pub tools: Vec<Tool>,
    /// Scenarios, in the order of a cycle.
    pub scenarios: Vec<Scenario>,
    /// Where repositories are, one after another; in the scratch directory if there is none.
    pub stores: Vec<StoreSpec>,
    /// Where the programs of servers are kept from one run to the next.
    pub servers: PathBuf,
}

impl Plan {
    fn new(common: &CommonOptions, sets: Vec<SetSpec>, default_tools: &[&str]) -> Result<Self> {
        let tools = common.tools.chosen(default_tools)?;
        let common = common.clone();
        Ok(Self {
            common,
            sets,
            data: None,
            tools,
            scenarios: Scenario::ALL.to_vec(),
            stores: Vec::new(),
            servers: PathBuf::new(),
        })
    }

    /// Rounds at most.
    pub fn max_runs(&self) -> u32 {
        self.common.max_runs.unwrap_or(0).max(self.common.runs)
    }
}

/// Small sets, and every tool in its usual setting.
pub fn quick(options: &CommonOptions) -> Result<Plan> {
    const MIB: u64 = 1 << 20;
    let small = "small:2000".parse::<SetSpec>().map_err(anyhow::Error::msg)?;
    let rows = "rows:128MiB".parse::<SetSpec>().map_err(anyhow::Error::msg)?;
    let sets = vec![SetSpec::segments("segments", 128 * MIB, 20), rows, small];
    let mut plan = Plan::new(options, sets, &["cairn", "restic", "rustic", "borg", "cp", "floor"])?;
    plan.common.verify = true;
    Ok(plan)
}

/// What was asked for.
pub fn full(options: &RunOptions) -> Result<Plan> {
    ensure!(!options.sets.is_empty(), "no set is chosen");
    let all = tool::ALL.map(|tool| tool.name);
    let mut plan = Plan::new(&options.common, options.sets.clone(), &all)?;
    plan.data.clone_from(&options.data);
    plan.stores.clone_from(&options.stores);
    plan.servers.clone_from(&options.servers);
    plan.scenarios = options.scenarios.clone();
    plan.scenarios.push(Scenario::Full);
    plan.scenarios.sort_unstable();
    plan.scenarios.dedup();
    Ok(plan)
}

/// Pairs of sets that differ in one measure, by ten. The report compares what comes before the `@`.
pub fn scale(options: &ScaleOptions) -> Result<Plan> {
    /// Average length of the few segments.
    const SEGMENT_BYTES: u64 = 4 << 20;
    let (segments, bytes) = (options.segments_size.0, options.bytes_size.0);
    let pieces = (segments / SEGMENT_BYTES).max(1);
    let sets = vec![
        SetSpec::segments("segments@1x", segments, pieces),
        SetSpec::segments("segments@10x", segments, 10 * pieces),
        SetSpec::sparse("bytes@1x", bytes),
        SetSpec::sparse("bytes@10x", bytes.saturating_mul(10)),
    ];
    let mut plan = Plan::new(&options.common, sets, &["cairn", "floor-auto"])?;
    plan.scenarios.retain(|scenario| *scenario != Scenario::Incremental);
    Ok(plan)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Arguments, Verb};

    fn planned(line: &str) -> Result<Plan> {
        match Arguments::parse_from(line.split(' ')).verb {
            Verb::Quick(options) => quick(&options),
            Verb::Run(options) => full(&options),
            Verb::Scale(options) => scale(&options),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_first_backup_is_always_made_and_first() {
        let plan = planned("cairn-bench run --scenarios check,restore --tools cp,cairn").unwrap();
        assert_eq!(plan.scenarios, [Scenario::Full, Scenario::Restore, Scenario::Check]);
        assert_eq!(plan.tools.iter().map(|tool| tool.name).collect::<Vec<_>>(), ["cp", "cairn"]);
        assert_eq!(plan.max_runs(), 1);
        assert!(planned("cairn-bench run --tools tar").is_err());
    }

    #[test]
    fn quick_verifies_and_scale_compares_pairs() {
        assert!(planned("cairn-bench quick").unwrap().common.verify);
        let plan = planned("cairn-bench scale --segments-size 40MiB --bytes-size 1GiB").unwrap();
        let names: Vec<&str> = plan.sets.iter().map(SetSpec::name).collect();
        assert_eq!(names, ["segments@1x", "segments@10x", "bytes@1x", "bytes@10x"]);
        assert!(!plan.sets[3].has(Scenario::Restore) && plan.sets[1].has(Scenario::Restore));
    }
}
