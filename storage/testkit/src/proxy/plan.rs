//! [`NetFault`]: what is planned to happen to connections, and [`Plan`], which deals it out.

use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::sync::watch;

use crate::fault::FaultHandle;

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the server.
    Up,
    /// From the server to the client.
    Down,
}

/// What happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    Reset,
    Stall,
    HalfClose,
    BlackHole,
}

/// A planned fault of a connection: once, in the first one that fits, at its first byte down, unless told otherwise.
#[derive(Debug, Clone)]
#[must_use]
pub struct NetFault {
    effect: Effect,
    direction: Direction,
    after: RangeInclusive<u64>,
    first: u64,
    times: u32,
}

impl NetFault {
    fn new(effect: Effect) -> Self {
        Self { effect, direction: Direction::Down, after: 0..=0, first: 1, times: 1 }
    }

    /// Both ends are told that the connection is lost.
    pub fn reset() -> Self {
        Self::new(Effect::Reset)
    }

    /// Nothing more goes this way, and nobody is told; the sender's buffers fill.
    pub fn stall() -> Self {
        Self::new(Effect::Stall)
    }

    /// The receiver sees the end of the stream; the sender is told nothing.
    pub fn half_close() -> Self {
        Self::new(Effect::HalfClose)
    }

    /// What is sent is taken and vanishes.
    pub fn black_hole() -> Self {
        Self::new(Effect::BlackHole)
    }

    /// In this direction.
    pub fn on(mut self, direction: Direction) -> Self {
        self.direction = direction;
        self
    }

    /// After exactly so many bytes.
    pub fn after(self, bytes: u64) -> Self {
        self.after_one_of(bytes..=bytes)
    }

    /// After a number of bytes that is drawn from the seed of the proxy, anew for each connection.
    pub fn after_one_of(mut self, bytes: RangeInclusive<u64>) -> Self {
        self.after = bytes;
        self
    }

    /// From the `nth` connection on, counted from one.
    pub fn nth(mut self, nth: u64) -> Self {
        self.first = nth;
        self
    }

    /// To this many connections.
    pub fn times(mut self, times: u32) -> Self {
        self.times = times;
        self
    }
}

#[derive(Debug)]
struct Planned {
    fault: NetFault,
    /// Connections that carry it and in which it has not happened yet.
    armed: u32,
    hits: watch::Sender<u32>,
}

/// The faults of a proxy.
#[derive(Debug)]
pub(super) struct Plan {
    /// Guards the bookkeeping; never held over an await.
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    faults: Vec<Planned>,
    /// Connections that were dealt a fault or none.
    connections: u64,
    random: StdRng,
}

impl Plan {
    pub(super) fn new(seed: u64) -> Arc<Self> {
        let random = StdRng::seed_from_u64(seed);
        let state = State { faults: Vec::new(), connections: 0, random };
        Arc::new(Self { state: Mutex::new(state) })
    }

    pub(super) fn add(&self, fault: NetFault) -> FaultHandle {
        let (hits, handle) = FaultHandle::new();
        self.state().faults.push(Planned { fault, armed: 0, hits });
        handle
    }

    /// The faults that never happened.
    pub(super) fn missed(&self) -> Vec<NetFault> {
        let state = self.state();
        let missed = state.faults.iter().filter(|planned| *planned.hits.borrow() == 0);
        missed.map(|planned| planned.fault.clone()).collect()
    }

    /// The fault that the next connection carries.
    pub(super) fn arm(self: &Arc<Self>) -> Option<Armed> {
        let State { faults, connections, random } = &mut *self.state();
        *connections += 1;
        let (index, planned) = faults.iter_mut().enumerate().find(|(_, planned)| {
            let begun = *planned.hits.borrow() + planned.armed;
            *connections >= planned.fault.first && begun < planned.fault.times
        })?;
        planned.armed += 1;
        let NetFault { effect, direction, after, .. } = planned.fault.clone();
        let at = random.random_range(after);
        Some(Armed { plan: Arc::clone(self), index, effect, direction, at })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A fault in a connection. One that ends without it leaves it to a later one.
pub(super) struct Armed {
    plan: Arc<Plan>,
    index: usize,
    effect: Effect,
    pub(super) direction: Direction,
    /// After how many bytes.
    pub(super) at: u64,
}

impl Armed {
    /// Now it happens.
    pub(super) fn happen(self) -> Effect {
        if let Some(planned) = self.plan.state().faults.get_mut(self.index) {
            planned.hits.send_modify(|hits| *hits += 1);
        }
        self.effect
    }
}

impl Drop for Armed {
    fn drop(&mut self) {
        if let Some(planned) = self.plan.state().faults.get_mut(self.index) {
            planned.armed -= 1;
        }
    }
}
