//! [`Clock`]: the time by which requests are signed, corrected by what a service says of it.
//!
//! A service refuses requests that are more than some minutes off. Its refusal says what time it is there, and the next
//! request is signed by that.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

/// Less is the way of the answer, not a wrong clock.
const TOLERANCE_SECS: u64 = 60;

/// A clock whose clones are corrected together.
#[derive(Clone)]
pub(super) struct Clock {
    read: Arc<dyn Fn() -> SystemTime + Send + Sync>,
    /// Relaxed: requests that cross a correction are refused once more at worst.
    ahead_secs: Arc<AtomicI64>,
}

impl Clock {
    /// The clock of this machine.
    #[expect(
        clippy::disallowed_methods,
        reason = "signatures carry the time; tests give their own"
    )]
    pub(super) fn of_machine() -> Self {
        Self::new(SystemTime::now)
    }

    pub(super) fn new(read: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self { read: Arc::new(read), ahead_secs: Arc::default() }
    }

    /// The time there.
    pub(super) fn now(&self) -> SystemTime {
        let (here, ahead) = (self.uncorrected(), self.ahead_secs.load(Ordering::Relaxed));
        let distance = Duration::from_secs(ahead.unsigned_abs());
        let there = if ahead < 0 { here.checked_sub(distance) } else { here.checked_add(distance) };
        there.unwrap_or(here)
    }

    /// The time here.
    pub(super) fn uncorrected(&self) -> SystemTime {
        (self.read)()
    }

    /// Takes a service's word on how far it is ahead of this machine. Whether that is news.
    pub(super) fn correct(&self, ahead_secs: i64) -> bool {
        let before = self.ahead_secs.swap(ahead_secs, Ordering::Relaxed);
        before.abs_diff(ahead_secs) > TOLERANCE_SECS
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clock").field("ahead_secs", &self.ahead_secs).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_are_corrected_together_and_once() {
        let at = |secs| SystemTime::UNIX_EPOCH + Duration::from_secs(secs);
        let clock = Clock::new(move || at(1000));
        let clone = clock.clone();
        assert!(clock.correct(-400));
        assert_eq!((clone.now(), clone.uncorrected()), (at(600), at(1000)));
        assert!(!clone.correct(-430), "the same again");
        assert!(clone.correct(3600));
        assert_eq!(clock.now(), at(4600));
    }
}
