//! [`Script`]: what a toy database or a storage does instead of its work, and how often it was asked.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use cairn_pipeline::tablet::{TabletError, TabletErrorKind};

use super::DEADLINE;

/// The calls of a source and of a sink.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Point {
    Origin,
    Snapshot,
    Tablets,
    Pin,
    Open,
    Read,
    Finish,
    Begin,
    Prepare,
    Create,
    WriteAt,
    FinishWrite,
    Install,
}

/// What happens at a point.
#[derive(Debug, Clone)]
pub(crate) enum Deed {
    Panic,
    Fail(TabletErrorKind),
    /// Waits until the gate is opened.
    Block(Gate),
}

#[derive(Debug)]
struct Planned {
    point: Point,
    deed: Deed,
    left: u64,
}

#[derive(Debug, Default)]
struct State {
    calls: HashMap<Point, u64>,
    planned: Vec<Planned>,
}

/// Deeds that wait for their calls.
#[derive(Debug, Default)]
pub(crate) struct Script {
    state: Mutex<State>,
}

impl Script {
    /// The next call of this point does this.
    pub(crate) fn plan(&self, point: Point, deed: Deed) {
        self.plan_times(point, 1, deed);
    }

    /// The next `times` calls of this point do this.
    pub(crate) fn plan_times(&self, point: Point, times: u64, deed: Deed) {
        self.lock().planned.push(Planned { point, deed, left: times });
    }

    /// How often this point was reached.
    pub(crate) fn calls(&self, point: Point) -> u64 {
        self.lock().calls.get(&point).copied().unwrap_or(0)
    }

    /// Reaches a point; `what` names the thing in an error.
    pub(crate) fn reach(&self, point: Point, what: &str) -> Result<(), TabletError> {
        match self.next(point) {
            None => Ok(()),
            Some(Deed::Panic) => panic!("scripted: {point:?}"),
            Some(Deed::Fail(kind)) => Err(TabletError::new(kind, what, "scripted")),
            Some(Deed::Block(gate)) => {
                gate.pass();
                Ok(())
            }
        }
    }

    fn next(&self, point: Point) -> Option<Deed> {
        let mut state = self.lock();
        *state.calls.entry(point).or_default() += 1;
        let mut planned = state.planned.iter_mut();
        let planned = planned.find(|planned| planned.point == point && planned.left > 0)?;
        planned.left -= 1;
        Some(planned.deed.clone())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A gate that threads wait at, closed at first.
#[derive(Debug, Clone, Default)]
pub(crate) struct Gate(Arc<(Mutex<GateState>, Condvar)>);

#[derive(Debug, Default)]
struct GateState {
    num_arrived: usize,
    is_open: bool,
}

impl Gate {
    /// Waits until somebody has arrived.
    pub(crate) fn wait_for_arrival(&self) {
        self.wait("nobody arrived at the gate", |state| state.num_arrived > 0);
    }

    /// Lets everybody through, now and later.
    pub(crate) fn open(&self) {
        let (state, changed) = &*self.0;
        state.lock().unwrap().is_open = true;
        changed.notify_all();
    }

    fn pass(&self) {
        let (state, changed) = &*self.0;
        state.lock().unwrap().num_arrived += 1;
        changed.notify_all();
        self.wait("the gate was never opened", |state| state.is_open);
    }

    fn wait(&self, or: &str, is_met: impl Fn(&GateState) -> bool) {
        let (state, changed) = &*self.0;
        let state = state.lock().unwrap();
        let waited = changed.wait_timeout_while(state, DEADLINE, |state| !is_met(state));
        assert!(!waited.unwrap().1.timed_out(), "{or}");
    }
}
