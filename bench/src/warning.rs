//! What a colleague would say when shown the numbers: each warning with what helps.

use std::fmt;

use crate::measure::Usage;
use crate::results::{Recorded, Sample};
use crate::scenario::Scenario;
use crate::stats::modified_z_scores;
use crate::tool::Missing;

/// More foreign load than this, in processors, shifts wall times by percents.
const MAX_FOREIGN_CPUS: f64 = 0.08;
/// As much for what a hypervisor takes: it is not seen in the CPU times of others.
const MAX_STOLEN_CPUS: f64 = 0.03;
/// Below this, starting a process and the clock ticks of the kernel are a good part of a step.
const MIN_WALL_SECS: f64 = 0.05;
/// A modified z-score above this is an outlier (hyperfine's threshold, ten standard deviations).
const OUTLIER: f64 = 14.826;
/// Fewer samples than this have no outliers.
const MIN_SAMPLES: usize = 3;

/// Whether the machine did little else during the step.
pub fn is_undisturbed(usage: &Usage) -> bool {
    usage.foreign_cpus <= MAX_FOREIGN_CPUS && usage.stolen_cpus <= MAX_STOLEN_CPUS
}

/// A step in the words of a warning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    set: String,
    scenario: Scenario,
    tool: String,
}

impl Case {
    fn of(sample: &Sample) -> Self {
        Self { set: sample.set.clone(), scenario: sample.scenario, tool: sample.tool.clone() }
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { set, scenario, tool } = self;
        write!(f, "{set} {scenario} by {tool}")
    }
}

/// Something that makes numbers mean less than they seem to.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Warning {
    /// A tool is not here.
    Missing(Missing),
    /// The floor is slow.
    DebugBuild,
    /// A disk is measured as well.
    OnDisk,
    /// A step failed.
    Failed(Case, i32),
    /// The restored tree is not the source.
    Different(Case),
    /// Other processes ran: disturbed steps, all steps, the worst one and its foreign load.
    Disturbed {
        /// Steps with foreign load.
        steps: usize,
        /// All steps.
        of: usize,
        /// The one with most.
        worst: Case,
        /// Its foreign and stolen processors.
        cpus: f64,
    },
    /// A step is over before it is measured.
    TooFast(Case, f64),
    /// The first round is slower than the others.
    SlowFirst(Case),
    /// One round is far from the others.
    Outlier(Case),
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Warning: ")?;
        match self {
            Self::Missing(tool) => write!(f, "{tool}"),
            Self::DebugBuild => {
                write!(
                    f,
                    "this is a debug build, so the floor means nothing; use `cargo run --release`."
                )
            }
            Self::OnDisk => {
                write!(
                    f,
                    "the scratch directory is on disk, and its speed is part of every number; `--scratch /dev/shm` leaves it out."
                )
            }
            Self::Failed(case, status) => {
                write!(f, "{case} failed with status {status}; see tools.log.")
            }
            Self::Different(case) => write!(
                f,
                "{case}: the restored tree differs from the source. Its numbers are worthless."
            ),
            Self::Disturbed { steps, of, worst, cpus } => write!(
                f,
                "other processes ran during {steps} of {of} steps; worst: {worst}, {cpus:.2} processors. Trust CPU seconds \
                 more than wall times, close other programs, or let such rounds be repeated with --max-runs."
            ),
            Self::TooFast(case, secs) => {
                write!(
                    f,
                    "{case} took {:.0} ms, too little to measure well; use a larger set.",
                    secs * 1e3
                )
            }
            Self::SlowFirst(case) => write!(
                f,
                "{case}: the first round was much slower than the others; was something cold?"
            ),
            Self::Outlier(case) => write!(
                f,
                "{case}: a round is far from the others; use more --runs on a quiet machine."
            ),
        }
    }
}

/// All that there is to say about these results.
pub fn warnings(recorded: &Recorded) -> Vec<Warning> {
    let Recorded { header, samples } = recorded;
    let mut warnings: Vec<Warning> = header.missing.iter().cloned().map(Warning::Missing).collect();
    if header.is_debug_build {
        warnings.push(Warning::DebugBuild);
    }
    if !header.is_in_memory {
        warnings.push(Warning::OnDisk);
    }
    for sample in samples {
        if sample.usage.status != 0 {
            warnings.push(Warning::Failed(Case::of(sample), sample.usage.status));
        } else if sample.is_same == Some(false) {
            warnings.push(Warning::Different(Case::of(sample)));
        }
    }
    warnings.extend(disturbed(samples));
    warnings.extend(cases(samples).iter().flat_map(|case| of_times(case)));
    warnings
}

fn disturbed(samples: &[Sample]) -> Option<Warning> {
    let cpus = |sample: &Sample| sample.usage.foreign_cpus + sample.usage.stolen_cpus;
    let disturbed = samples.iter().filter(|sample| !is_undisturbed(&sample.usage));
    let worst = disturbed.clone().max_by(|left, right| cpus(left).total_cmp(&cpus(right)))?;
    Some(Warning::Disturbed {
        steps: disturbed.count(),
        of: samples.len(),
        worst: Case::of(worst),
        cpus: cpus(worst),
    })
}

/// Successful samples of the same step, in the order of the first of each.
fn cases(samples: &[Sample]) -> Vec<Vec<&Sample>> {
    let mut cases: Vec<Vec<&Sample>> = Vec::new();
    for sample in samples.iter().filter(|sample| sample.usage.status == 0) {
        let case = Case::of(sample);
        match cases
            .iter_mut()
            .find(|known| known.first().is_some_and(|first| Case::of(first) == case))
        {
            Some(known) => known.push(sample),
            None => cases.push(vec![sample]),
        }
    }
    cases
}

/// What the times of one step say.
fn of_times(samples: &[&Sample]) -> Option<Warning> {
    let case = Case::of(samples.first()?);
    let times: Vec<f64> = samples.iter().map(|sample| sample.usage.wall_secs).collect();
    let fastest = times.iter().copied().reduce(f64::min)?;
    if fastest < MIN_WALL_SECS {
        return Some(Warning::TooFast(case, fastest));
    }
    if times.len() < MIN_SAMPLES {
        return None;
    }
    let scores = modified_z_scores(&times);
    let (first, others) = scores.split_first()?;
    if others.iter().any(|score| score.abs() > OUTLIER) {
        Some(Warning::Outlier(case))
    } else {
        (*first > OUTLIER).then_some(Warning::SlowFirst(case))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::RunHeader;
    use crate::results::tests::sample;

    fn said(samples: Vec<Sample>) -> Vec<String> {
        let header = RunHeader { is_in_memory: true, ..RunHeader::default() };
        warnings(&Recorded { header, samples }).iter().map(ToString::to_string).collect()
    }

    fn rounds(times: &[f64]) -> Vec<Sample> {
        let rounds = (0..).zip(times);
        rounds.map(|(round, wall)| sample("cairn", Scenario::Full, round, *wall)).collect()
    }

    fn assert_said(samples: Vec<Sample>, words: &str) {
        let said = said(samples);
        assert!(said.len() == 1 && said[0].contains(words), "{said:?}");
    }

    #[test]
    fn good_numbers_need_no_words() {
        assert!(said(rounds(&[1.0, 1.1, 0.9, 1.0])).is_empty());
        assert!(said(rounds(&[1.0, 5.0])).is_empty(), "two samples have no outlier");
    }

    #[test]
    fn times_are_judged() {
        assert_said(rounds(&[0.02, 1.0]), "T1 full by cairn took 20 ms");
        assert_said(rounds(&[9.0, 1.0, 1.01, 0.99, 1.02]), "first round was much slower");
        assert_said(rounds(&[1.0, 1.01, 9.0, 0.99, 1.02]), "far from the others");
    }

    #[test]
    fn failures_and_differences_are_told() {
        let mut failed = sample("restic", Scenario::Check, 0, 1.0);
        failed.usage.status = 3;
        assert_said(vec![failed], "T1 check by restic failed with status 3");
        let mut different = sample("restic", Scenario::Restore, 0, 1.0);
        different.is_same = Some(false);
        assert_said(vec![different], "differs from the source");
    }

    #[test]
    fn foreign_load_is_told_once() {
        let mut samples = rounds(&[1.0, 1.0, 1.0]);
        samples[0].usage.foreign_cpus = 0.5;
        samples[2].usage.foreign_cpus = 1.25;
        assert_said(samples, "2 of 3 steps; worst: T1 full by cairn, 1.25 processors");
    }

    #[test]
    fn the_run_itself_is_judged() {
        let header = RunHeader {
            is_debug_build: true,
            missing: vec![
                Missing { tool: "cairn".into(), program: "cairn".into() },
                Missing { tool: "borg".into(), program: "borg".into() },
            ],
            ..RunHeader::default()
        };
        let warnings = warnings(&Recorded { header, samples: Vec::new() });
        let text = warnings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        for words in
            ["cargo build --release -p cairn", "borg does not run", "debug build", "on disk"]
        {
            assert!(text.contains(words), "{words}: {text}");
        }
    }
}
