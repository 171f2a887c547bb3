//! [`Flow`]: what the stages and edges of one job do, for a picture of it.
//!
//! Metrics count what all jobs of a process do together; this counts one job. Written by its stages and edges, read at any time
//! from anywhere. Relaxed throughout but for bytes: each number stands alone, and a look may find one a step behind another.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::Stopwatch;
use crate::metrics::{EdgeId, StageId};

/// What the pipeline of a job does. A pipeline enters its stages and edges while it is wired.
#[derive(Debug, Default)]
pub(crate) struct Flow {
    /// Both lists: held for a look or a step.
    stages: Mutex<Vec<(StageId, Arc<StageFlow>)>>,
    edges: Mutex<Vec<(EdgeId, Arc<EdgeFlow>)>>,
}

/// A flow at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FlowSnapshot {
    /// The stages of the job, in the order of its pipeline.
    pub stages: Vec<StageReading>,
    /// The edges of the job.
    pub edges: Vec<EdgeReading>,
}

/// What a stage has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StageReading {
    /// Which stage.
    pub stage: StageId,
    /// Its workers.
    pub workers: u64,
    /// Those that have not ended.
    pub working: u64,
    /// Items that it finished.
    pub items: u64,
    /// Bytes that it finished.
    pub bytes: u64,
}

/// What an edge holds and how long its ends have waited, lanes together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EdgeReading {
    /// Which edge.
    pub edge: EdgeId,
    /// Items that wait on it.
    pub items: u64,
    /// Items that may wait on it.
    pub max_items: u64,
    /// Bytes that wait on it.
    pub bytes: u64,
    /// Bytes that may wait on it; none is as many as its items have.
    pub max_bytes: Option<u64>,
    /// How long senders have waited because it was full, waits that last included.
    pub send_wait: Duration,
    /// How long receivers have waited because it was empty, waits that last included.
    pub recv_wait: Duration,
}

impl Flow {
    /// Forgets a pipeline: another one is wired.
    pub(crate) fn clear(&self) {
        lock(&self.stages).clear();
        lock(&self.edges).clear();
    }

    /// The numbers now; nothing before a pipeline is wired.
    pub(crate) fn observe(&self) -> FlowSnapshot {
        let read = |(stage, flow): &(StageId, Arc<StageFlow>)| flow.read(*stage);
        let stages = lock(&self.stages).iter().map(read).collect();
        let mut edges: Vec<EdgeReading> = Vec::new();
        for (edge, flow) in lock(&self.edges).iter() {
            let lane = flow.read(*edge);
            match edges.iter_mut().find(|known| known.edge == *edge) {
                Some(known) => known.add(lane),
                None => edges.push(lane),
            }
        }
        FlowSnapshot { stages, edges }
    }

    pub(crate) fn stage(&self, stage: StageId, num_workers: usize) -> Arc<StageFlow> {
        let workers = num_workers as u64;
        let working = AtomicU64::new(workers);
        let flow = Arc::new(StageFlow { workers, working, ..StageFlow::default() });
        lock(&self.stages).push((stage, Arc::clone(&flow)));
        flow
    }

    pub(crate) fn edge(&self, edge: EdgeId, max_items: usize, max_bytes: u64) -> Arc<EdgeFlow> {
        let flow = Arc::new(EdgeFlow::new(max_items, max_bytes));
        lock(&self.edges).push((edge, Arc::clone(&flow)));
        flow
    }
}

impl EdgeReading {
    fn add(&mut self, lane: Self) {
        self.items += lane.items;
        self.max_items += lane.max_items;
        self.bytes += lane.bytes;
        self.max_bytes = self.max_bytes.zip(lane.max_bytes).map(|(a, b)| a.saturating_add(b));
        self.send_wait += lane.send_wait;
        self.recv_wait += lane.recv_wait;
    }
}

/// Counters of one stage.
#[derive(Debug, Default)]
pub(crate) struct StageFlow {
    workers: u64,
    working: AtomicU64,
    items: AtomicU64,
    bytes: AtomicU64,
}

impl StageFlow {
    pub(crate) fn count(&self, items: u64, bytes: u64) {
        self.items.fetch_add(items, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn worker_ended(&self) {
        self.working.fetch_sub(1, Ordering::Relaxed);
    }

    fn read(&self, stage: StageId) -> StageReading {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        StageReading {
            stage,
            workers: self.workers,
            working: of(&self.working),
            items: of(&self.items),
            bytes: of(&self.bytes),
        }
    }
}

/// Numbers of one edge.
#[derive(Debug)]
pub(crate) struct EdgeFlow {
    max_items: usize,
    /// All ones where they are not bounded.
    max_bytes: u64,
    items: AtomicUsize,
    /// Counted by the edge itself, which bounds it.
    pub(crate) queued_bytes: AtomicU64,
    pub(crate) send_waits: Waits,
    pub(crate) recv_waits: Waits,
}

impl EdgeFlow {
    pub(crate) fn new(max_items: usize, max_bytes: u64) -> Self {
        let clock = Stopwatch::start();
        Self {
            max_items,
            max_bytes,
            items: AtomicUsize::new(0),
            queued_bytes: AtomicU64::new(0),
            send_waits: Waits::new(clock),
            recv_waits: Waits::new(clock),
        }
    }

    /// So many items wait now; how many did before.
    pub(crate) fn holds(&self, items: usize) -> usize {
        self.items.swap(items, Ordering::Relaxed)
    }

    fn read(&self, edge: EdgeId) -> EdgeReading {
        EdgeReading {
            edge,
            items: self.items.load(Ordering::Relaxed) as u64,
            max_items: self.max_items as u64,
            bytes: self.queued_bytes.load(Ordering::Relaxed),
            max_bytes: Some(self.max_bytes).filter(|bytes| *bytes < u64::MAX),
            send_wait: self.send_waits.total(),
            recv_wait: self.recv_waits.total(),
        }
    }
}

/// Time that the ends of an edge have waited. A wait counts while it lasts: behind a store that has stopped there is one that never
/// ends.
#[derive(Debug)]
pub(crate) struct Waits {
    clock: Stopwatch,
    /// Held for three additions: who waits has nothing better to do, and only together are they true.
    sums: Mutex<WaitSums>,
}

#[derive(Debug, Default)]
struct WaitSums {
    /// Nanoseconds of the waits that are over.
    over: u64,
    /// Waits that last, and the sum of the times of the clock at which they began.
    num_lasting: u64,
    begins: u64,
}

impl Waits {
    fn new(clock: Stopwatch) -> Self {
        Self { clock, sums: Mutex::default() }
    }

    /// Begins a wait, which ends with the value.
    pub(crate) fn begin(&self) -> Wait<'_> {
        let mut sums = lock(&self.sums);
        let began = self.now();
        sums.begins += began;
        sums.num_lasting += 1;
        Wait { waits: self, began }
    }

    fn total(&self) -> Duration {
        let sums = lock(&self.sums);
        let lasting = sums.num_lasting.saturating_mul(self.now()).saturating_sub(sums.begins);
        Duration::from_nanos(sums.over.saturating_add(lasting))
    }

    fn now(&self) -> u64 {
        u64::try_from(self.clock.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

/// A wait that lasts.
#[derive(Debug)]
pub(crate) struct Wait<'a> {
    waits: &'a Waits,
    began: u64,
}

impl Wait<'_> {
    /// How long it has lasted.
    pub(crate) fn elapsed(&self) -> Duration {
        Duration::from_nanos(self.waits.now().saturating_sub(self.began))
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        let mut sums = lock(&self.waits.sums);
        sums.over += self.waits.now().saturating_sub(self.began);
        sums.num_lasting -= 1;
        sums.begins -= self.began;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_counts_while_it_lasts_and_once() {
        let waits = Waits::new(Stopwatch::start());
        assert_eq!(waits.total(), Duration::ZERO);
        let (one, two) = (waits.begin(), waits.begin());
        let began = waits.now();
        while waits.now() < began + 1_000_000 {}
        assert!(waits.total() >= Duration::from_millis(2), "{:?}", waits.total());
        drop((one, two));
        let total = waits.total();
        assert!(total >= Duration::from_millis(2));
        assert_eq!(waits.total(), total);
    }

    #[test]
    fn no_look_sees_more_than_those_who_wait_can_have_waited() {
        const WAITERS: u64 = 4;
        let waits = Waits::new(Stopwatch::start());
        std::thread::scope(|scope| {
            for _ in 0..WAITERS {
                scope.spawn(|| (0..20_000).for_each(|_| drop(waits.begin())));
            }
            let mut last = Duration::ZERO;
            for _ in 0..20_000 {
                let total = waits.total();
                assert!(total >= last, "{last:?} {total:?}");
                assert!(total <= Duration::from_nanos(WAITERS * waits.now()), "{total:?}");
                last = total;
            }
        });
    }

    #[test]
    fn lanes_are_one_edge_and_a_new_pipeline_begins_with_nothing() {
        let flow = Flow::default();
        let lanes = [0; 3].map(|_| flow.edge(EdgeId::SnapshotChunker, 2, 10));
        lanes[0].holds(2);
        lanes[2].holds(1);
        flow.edge(EdgeId::UploaderCommitter, 256, u64::MAX);
        let stage = flow.stage(StageId::Chunker, 3);
        stage.count(2, 50);
        stage.worker_ended();
        let seen = flow.observe();
        let [lanes, commits] = seen.edges[..] else { panic!("{seen:?}") };
        assert_eq!((lanes.items, lanes.max_items, lanes.max_bytes), (3, 6, Some(30)));
        assert_eq!((commits.items, commits.max_bytes), (0, None));
        let [chunker] = seen.stages[..] else { panic!("{seen:?}") };
        assert_eq!((chunker.workers, chunker.working), (3, 2));
        assert_eq!((chunker.items, chunker.bytes), (2, 50));
        flow.clear();
        assert_eq!(flow.observe(), FlowSnapshot::default());
    }
}
