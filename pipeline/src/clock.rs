//! The only place of this crate that reads a clock.

use std::fmt::Debug;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use cairn_repository::Timestamp;

/// Tells the time of day, for timestamps of snapshots. An embedder may bring its own.
pub trait Clock: Debug + Send + Sync + 'static {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// The clock of the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// Timestamps of snapshots: those of one engine differ.
///
/// A record holds nothing else that two equal backups of one label need not share, and a repository
/// takes an equal record for the same commit repeated: both would be told that they won.
#[derive(Debug, Default)]
pub(crate) struct Timestamps {
    /// The last one, in milliseconds. Relaxed: only its own changes matter.
    last: AtomicU64,
}

impl Timestamps {
    /// How far timestamps may run ahead of the clock; one that is set back further is believed.
    const MAX_LEAD_MILLIS: u64 = 1000;

    /// The time now, or some milliseconds later where that is taken.
    pub(crate) fn next(&self, clock: &dyn Clock) -> Timestamp {
        let now = clock.now().as_unix_millis();
        let after = |last: u64| match last.checked_sub(now) {
            Some(lead) if lead < Self::MAX_LEAD_MILLIS => last + 1,
            _ => now,
        };
        let last = self.last.update(Ordering::Relaxed, Ordering::Relaxed, after);
        Timestamp::from_unix_millis(after(last))
    }
}

/// Measures elapsed time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    #[expect(clippy::disallowed_methods, reason = "the one door to the monotonic clock")]
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Standing(AtomicU64);

    impl Clock for Standing {
        fn now(&self) -> Timestamp {
            Timestamp::from_unix_millis(self.0.load(Ordering::Relaxed))
        }
    }

    #[test]
    fn timestamps_differ_while_the_clock_stands_and_follow_it_when_it_moves() {
        let (clock, timestamps) = (Standing(AtomicU64::new(50_000)), Timestamps::default());
        let next = || timestamps.next(&clock).as_unix_millis();
        assert_eq!([next(), next(), next()], [50_000, 50_001, 50_002]);
        clock.0.store(60_000, Ordering::Relaxed);
        assert_eq!([next(), next()], [60_000, 60_001]);
        clock.0.store(20_000, Ordering::Relaxed);
        assert_eq!([next(), next()], [20_000, 20_001]);
    }
}
