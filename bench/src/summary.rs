//! Samples in, medians and paired ratios out. Pure.

use crate::results::Sample;
use crate::scenario::Scenario;
use crate::stats::{Paired, Spread, median, paired_ratio};
use crate::tool::REFERENCE;
use crate::warning::is_undisturbed;

/// All tools in one scenario on one set.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Case {
    pub(crate) set: String,
    pub(crate) scenario: Scenario,
    /// In the order of the run.
    pub(crate) rows: Vec<Row>,
}

/// One tool in it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    pub(crate) tool: String,
    /// Samples behind the numbers, and all that were taken.
    pub(crate) used: usize,
    pub(crate) taken: usize,
    pub(crate) data_bytes: f64,
    pub(crate) data_files: u64,
    pub(crate) wall: Spread,
    pub(crate) cpu: Spread,
    pub(crate) user_secs: f64,
    pub(crate) system_secs: f64,
    pub(crate) peak: Spread,
    pub(crate) stored: Spread,
    /// Wall and CPU time relative to the reference tool, paired by round.
    pub(crate) wall_ratio: Option<f64>,
    pub(crate) cpu_ratio: Option<f64>,
}

impl Row {
    /// Bytes of the set in a second of wall time.
    pub(crate) fn throughput(&self) -> f64 {
        self.data_bytes / self.wall.median.max(f64::MIN_POSITIVE)
    }
}

/// The cases in the order of the run, scenarios in the order of a cycle.
pub(crate) fn cases(samples: &[Sample]) -> Vec<Case> {
    let mut sets: Vec<&str> = Vec::new();
    for sample in samples {
        if !sets.contains(&sample.set.as_str()) {
            sets.push(&sample.set);
        }
    }
    let cases = sets.iter().flat_map(|set| {
        Scenario::ALL.into_iter().map(|scenario| {
            let of_case = |sample: &&Sample| sample.set == *set && sample.scenario == scenario;
            let samples: Vec<&Sample> = samples.iter().filter(of_case).collect();
            Case { set: (*set).to_owned(), scenario, rows: rows(&samples) }
        })
    });
    cases.filter(|case| !case.rows.is_empty()).collect()
}

fn rows(samples: &[&Sample]) -> Vec<Row> {
    let mut tools: Vec<&str> = Vec::new();
    for sample in samples {
        if !tools.contains(&sample.tool.as_str()) {
            tools.push(&sample.tool);
        }
    }
    let reference = usable(samples, REFERENCE);
    tools.iter().filter_map(|tool| row(tool, samples, &reference)).collect()
}

/// Successful samples of the tool: the undisturbed ones, if there are any.
fn usable<'a>(samples: &[&'a Sample], tool: &str) -> Vec<&'a Sample> {
    let of_tool = samples.iter().copied().filter(|sample| sample.tool == tool);
    let (good, disturbed): (Vec<_>, Vec<_>) = of_tool
        .filter(|sample| sample.usage.status == 0)
        .partition(|sample| is_undisturbed(&sample.usage));
    if good.is_empty() { disturbed } else { good }
}

fn row(tool: &str, samples: &[&Sample], reference: &[&Sample]) -> Option<Row> {
    let used = usable(samples, tool);
    let first = used.first()?;
    let values =
        |value: fn(&Sample) -> f64| used.iter().map(|sample| value(sample)).collect::<Vec<_>>();
    let spread = |value| Spread::of(&values(value));
    let ratio =
        |value: fn(&Sample) -> f64| paired_ratio(&paired(&used, value), &paired(reference, value));
    let wall = |sample: &Sample| sample.usage.wall_secs;
    let cpu = |sample: &Sample| sample.usage.cpu_secs();
    Some(Row {
        tool: tool.to_owned(),
        used: used.len(),
        taken: samples.iter().filter(|sample| sample.tool == tool).count(),
        data_bytes: first.data_bytes as f64,
        data_files: first.data_files,
        wall: spread(wall)?,
        cpu: spread(cpu)?,
        user_secs: median(&values(|sample| sample.usage.user_secs))?,
        system_secs: median(&values(|sample| sample.usage.system_secs))?,
        peak: spread(|sample| sample.usage.peak_bytes as f64)?,
        stored: spread(|sample| sample.stored_bytes as f64)?,
        wall_ratio: ratio(wall),
        cpu_ratio: ratio(cpu),
    })
}

fn paired(samples: &[&Sample], value: fn(&Sample) -> f64) -> Vec<Paired> {
    samples.iter().map(|sample| (sample.round, value(sample))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::tests::sample;

    #[test]
    fn rows_keep_the_order_and_pair_by_round() {
        let samples = [
            sample("cairn", Scenario::Full, 0, 1.0),
            sample("restic", Scenario::Full, 0, 3.0),
            sample("restic", Scenario::Full, 1, 30.0),
            sample("cairn", Scenario::Full, 1, 10.0),
            sample("cairn", Scenario::Restore, 0, 1.0),
        ];
        let cases = cases(&samples);
        assert_eq!(cases.len(), 2);
        let [cairn, restic] = cases[0].rows.as_slice() else { panic!("{cases:?}") };
        assert_eq!((cairn.tool.as_str(), restic.tool.as_str()), ("cairn", "restic"));
        assert_eq!((cairn.wall_ratio, restic.wall_ratio), (Some(1.0), Some(3.0)));
        assert_eq!((restic.wall.median, restic.wall.max), (16.5, 30.0));
        assert_eq!((restic.used, restic.taken), (2, 2));
    }

    #[test]
    fn disturbed_and_failed_samples_count_only_in_need() {
        let mut samples = vec![
            sample("cairn", Scenario::Full, 0, 1.0),
            sample("cairn", Scenario::Full, 1, 2.0),
            sample("cairn", Scenario::Full, 2, 3.0),
            sample("borg", Scenario::Full, 0, 1.0),
        ];
        samples[0].usage.foreign_cpus = 1.0;
        samples[1].usage.status = 1;
        samples[3].usage.foreign_cpus = 1.0;
        let rows = &cases(&samples)[0].rows;
        assert_eq!((rows[0].used, rows[0].taken, rows[0].wall.median), (1, 3, 3.0));
        assert_eq!((rows[1].used, rows[1].wall.median), (1, 1.0));
        // No round in common: the ratio of the medians.
        assert_eq!(rows[1].wall_ratio, Some(1.0 / 3.0));
    }

    #[test]
    fn a_case_without_success_has_no_row() {
        let mut failed = sample("cairn", Scenario::Full, 0, 1.0);
        failed.usage.status = 1;
        assert!(cases(&[failed]).is_empty());
    }
}
