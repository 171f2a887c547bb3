//! [`Paces`]: how fast jobs that run go, from looks at them once a second. What a look finds is kept for a minute.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use cairn_pipeline::{EdgeReading, FlowSnapshot, ProgressSnapshot, SpeedLimitWaits, StageReading};
use tokio::time::Instant;

use super::job::Job;

/// How often to look.
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Looks at a job that are kept.
const MAX_LOOKS: usize = 60;
/// Over how many looks a rate is taken.
const RATED: u32 = 5;

/// What was seen of the jobs that run.
#[derive(Debug, Default)]
pub(super) struct Paces {
    /// By the id of the job. Held for a step.
    seen: Mutex<BTreeMap<String, Seen>>,
}

/// What was seen of a job.
#[derive(Debug)]
struct Seen {
    /// The newest last.
    looks: VecDeque<Look>,
    /// Since when no stage has finished anything: longer than looks are kept.
    moved_at: Instant,
}

#[derive(Debug, Clone)]
struct Look {
    at: Instant,
    progress: ProgressSnapshot,
    flow: FlowSnapshot,
    speed_limits: SpeedLimitWaits,
}

/// How fast a job goes.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Pace {
    /// Bytes of segments that are done, in a second.
    pub(super) bytes_per_second: u64,
    /// The same between each look and the next, the newest last.
    pub(super) history: Vec<u64>,
    /// In the order of the pipeline.
    pub(super) stages: Vec<StagePace>,
    pub(super) edges: Vec<EdgePace>,
    /// The share of time in which max_upload_speed_kbps held up some job, from 0 to 1.
    pub(super) upload_limited: f64,
    /// The same for max_download_speed_kbps.
    pub(super) download_limited: f64,
    /// How long nothing has moved, where that is known.
    pub(super) stalled: Option<Duration>,
}

/// How fast a stage goes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct StagePace {
    pub(super) reading: StageReading,
    pub(super) bytes_per_second: u64,
    pub(super) items_per_second: f64,
}

/// How an edge is filled.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct EdgePace {
    pub(super) reading: EdgeReading,
    /// Senders that waited, on average.
    pub(super) senders_waiting: f64,
    /// Receivers that waited, on average.
    pub(super) receivers_waiting: f64,
}

impl EdgePace {
    /// From 0, empty, to 1, full.
    pub(super) fn fill(&self) -> f64 {
        let share = |part: u64, whole: u64| part as f64 / whole.max(1) as f64;
        let EdgeReading { items, max_items, bytes, max_bytes, .. } = self.reading;
        let of_bytes = max_bytes.map_or(0.0, |max_bytes| share(bytes, max_bytes));
        share(items, max_items).max(of_bytes).min(1.0)
    }
}

impl Look {
    /// What its stages have finished.
    fn finished(&self) -> impl Iterator<Item = u64> {
        self.flow.stages.iter().map(|stage| stage.items)
    }
}

impl Seen {
    fn new(first: Look) -> Self {
        Self { moved_at: first.at, looks: VecDeque::from([first]) }
    }

    fn add(&mut self, look: Look) {
        if self.looks.back().is_none_or(|last| last.finished().ne(look.finished())) {
            self.moved_at = look.at;
        }
        if self.looks.len() >= MAX_LOOKS {
            self.looks.pop_front();
        }
        self.looks.push_back(look);
    }
}

impl Paces {
    /// Looks at the jobs that run, unless that was done just now, and forgets the others.
    pub(super) fn look(&self, jobs: &[Job]) {
        let now = Instant::now();
        let mut all = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|id, _| jobs.iter().any(|job| job.runs() && job.id == *id));
        for job in jobs.iter().filter(|job| job.runs()) {
            let Some(watch) = &job.watch else { continue };
            let seen = all.entry(job.id.clone()).or_insert_with(|| {
                // Before it began nothing was done.
                let at = now.checked_sub(watch.age()).unwrap_or(now);
                let (progress, flow) = Default::default();
                Seen::new(Look { at, progress, flow, speed_limits: watch.speed_limit_waits() })
            });
            if seen.looks.back().is_some_and(|last| now.duration_since(last.at) < LOOK_EVERY / 2) {
                continue;
            }
            let (progress, flow) = (watch.progress(), watch.flow());
            seen.add(Look { at: now, progress, flow, speed_limits: watch.speed_limit_waits() });
        }
    }

    /// How fast a job goes; nothing of one that was not seen.
    pub(super) fn of(&self, job: &str) -> Pace {
        let all = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(job).map(pace).unwrap_or_default()
    }
}

fn pace(seen: &Seen) -> Pace {
    let Seen { looks, moved_at } = seen;
    let Some(last) = looks.back() else { return Pace::default() };
    let first = looks.iter().rev().nth(RATED as usize).or(looks.front()).unwrap_or(last);
    let took = last.at.duration_since(first.at);
    let share = |more: f64| if took.is_zero() { 0.0 } else { more / took.as_secs_f64() };
    let waited = |then: Duration, now: Duration| share(now.saturating_sub(then).as_secs_f64());
    // A pipeline that was built anew has counted less than the one before it.
    let stages = last.flow.stages.iter().map(|now| {
        let then = first.flow.stages.iter().find(|then| then.stage == now.stage);
        let (items, bytes) = then.map_or((0, 0), |then| (then.items, then.bytes));
        StagePace {
            reading: *now,
            bytes_per_second: rate(now.bytes.saturating_sub(bytes), took),
            items_per_second: share(now.items.saturating_sub(items) as f64),
        }
    });
    let edges = last.flow.edges.iter().map(|now| {
        let then = first.flow.edges.iter().find(|then| then.edge == now.edge);
        let (sent, received) =
            then.map(|then| (then.send_wait, then.recv_wait)).unwrap_or_default();
        EdgePace {
            reading: *now,
            senders_waiting: waited(sent, now.send_wait),
            receivers_waiting: waited(received, now.recv_wait),
        }
    });
    Pace {
        bytes_per_second: done_between(first, last),
        history: looks.iter().zip(looks.iter().skip(1)).map(|(a, b)| done_between(a, b)).collect(),
        stages: stages.collect(),
        edges: edges.collect(),
        upload_limited: waited(first.speed_limits.upload, last.speed_limits.upload),
        download_limited: waited(first.speed_limits.download, last.speed_limits.download),
        stalled: stalled(last, *moved_at),
    }
}

/// Bytes a second between two looks.
fn done_between(first: &Look, last: &Look) -> u64 {
    let more = last.progress.bytes_done.saturating_sub(first.progress.bytes_done);
    rate(more, last.at.duration_since(first.at))
}

fn rate(more: u64, took: Duration) -> u64 {
    let per_second = u128::from(more).saturating_mul(1000).checked_div(took.as_millis());
    per_second.map_or(0, |rate| u64::try_from(rate).unwrap_or(u64::MAX))
}

/// How long no stage has finished anything.
fn stalled(last: &Look, moved_at: Instant) -> Option<Duration> {
    let since = last.at.duration_since(moved_at);
    (!last.flow.stages.is_empty() && since >= LOOK_EVERY * RATED).then_some(since)
}

#[cfg(test)]
mod tests {
    use cairn_pipeline::StageId;

    use super::*;

    fn look(seconds: u64, begin: Instant, items: u64) -> Look {
        let stage = StageReading {
            stage: StageId::Chunker,
            workers: 1,
            working: 1,
            items,
            bytes: items * 10,
        };
        let mut progress = ProgressSnapshot::default();
        progress.bytes_done = items * 100;
        let flow = FlowSnapshot { stages: vec![stage], edges: Vec::new() };
        let at = begin + Duration::from_secs(seconds);
        Look { at, progress, flow, speed_limits: SpeedLimitWaits::default() }
    }

    /// What was seen by a look each second, of so many seconds.
    fn seen(seconds: u64, items: impl Fn(u64) -> u64) -> Seen {
        let begin = Instant::now();
        let mut seen = Seen::new(look(0, begin, items(0)));
        for second in 1..seconds {
            seen.add(look(second, begin, items(second)));
        }
        seen
    }

    #[test]
    fn rates_are_of_the_last_seconds() {
        let pace = pace(&seen(10, |second| second * second));
        // From 4² to 9² in five seconds.
        assert_eq!(pace.bytes_per_second, 1300);
        assert_eq!((pace.stages[0].items_per_second, pace.stages[0].bytes_per_second), (13.0, 130));
        assert_eq!(pace.history.last(), Some(&1700));
        assert_eq!((pace.history.len(), pace.stalled), (9, None));
    }

    #[test]
    fn what_does_not_move_is_seen_and_a_new_pipeline_is_not_a_step_back() {
        assert_eq!(pace(&seen(10, |second| second.min(2))).stalled, Some(Duration::from_secs(7)));
        let anew = seen(2, |second| if second == 0 { 50 } else { 3 });
        assert_eq!(pace(&anew).stages[0].items_per_second, 0.0);
        assert_eq!(Paces::default().of("none"), Pace::default());
    }

    #[test]
    fn a_standstill_is_longer_than_looks_are_kept() {
        let long = seen(91, |_| 1);
        assert_eq!(long.looks.len(), MAX_LOOKS);
        assert_eq!(pace(&long).stalled, Some(Duration::from_secs(90)));
        assert_eq!(pace(&seen(91, |second| second / 90)).stalled, None, "it moved at the end");
    }
}
