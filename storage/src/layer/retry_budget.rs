//! [`RetryBudget`]: how many attempts after the first a storage sees from all calls together.
//!
//! Each call has its own backoff, but calls do not know of each other: when everything fails, a hundred
//! calls that each back off politely are a storm nevertheless. So each attempt after the first takes a turn
//! here. Turns come `per_second`, some may be saved up, and calls that succeed add to them: a store that
//! fails one call in ten never makes a retry wait, and one that fails every call sees a trickle.
//!
//! Pure: told the time. A call that is dropped while it waits leaves its turn unused.

use std::num::NonZeroU32;
use std::time::Duration;

use tokio::time::Instant;

/// Turns that may be saved up: all calls in flight by default, so that none waits when a connection that
/// they share is lost.
const SAVED: u32 = 32;

/// Calls whose success adds a turn.
const SUCCESSES_PER_TURN: u32 = 5;

/// Turns for the retries of all calls of a storage.
#[derive(Debug)]
pub(super) struct RetryBudget {
    /// Between two turns when none is saved up.
    interval: Duration,
    /// Until when turns are given away; `SAVED` intervals ahead of now there is none left.
    given_until: Option<Instant>,
}

impl RetryBudget {
    /// A budget with every turn saved up.
    pub(super) fn new(per_second: NonZeroU32) -> Self {
        Self { interval: Duration::from_secs(1) / per_second.get(), given_until: None }
    }

    /// Takes the next turn and says how long to wait for it. `None` when that is longer than `max_wait`; the
    /// turn is left to others then.
    pub(super) fn take(&mut self, now: Instant, max_wait: Duration) -> Option<Duration> {
        let begin = self.given_until.map_or(now, |until| until.max(now));
        let end = begin + self.interval;
        let wait = end.duration_since(now).saturating_sub(self.interval * SAVED);
        if wait > max_wait {
            return None;
        }
        self.given_until = Some(end);
        Some(wait)
    }

    /// A call succeeded.
    pub(super) fn earn(&mut self) {
        let earned = self.interval / SUCCESSES_PER_TURN;
        self.given_until = self.given_until.and_then(|until| until.checked_sub(earned));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(per_second: u32) -> RetryBudget {
        RetryBudget::new(NonZeroU32::new(per_second).unwrap())
    }

    fn waits(budget: &mut RetryBudget, now: Instant, turns: u32) -> Vec<u128> {
        let wait = |_| budget.take(now, Duration::MAX).unwrap().as_millis();
        (0..turns).map(wait).collect()
    }

    #[test]
    fn what_is_saved_up_is_free_and_the_rest_comes_at_the_rate() {
        let (mut budget, now) = (budget(10), Instant::now());
        assert_eq!(waits(&mut budget, now, SAVED), vec![0; SAVED as usize]);
        assert_eq!(waits(&mut budget, now, 3), [100, 200, 300]);
        let later = now + Duration::from_millis(300);
        assert_eq!(waits(&mut budget, later, 2), [100, 200]);
        let much_later = now + Duration::from_secs(3600);
        assert_eq!(waits(&mut budget, much_later, SAVED + 1)[SAVED as usize - 1..], [0, 100]);
    }

    #[test]
    fn successes_add_turns_but_save_up_no_more_than_time_does() {
        let (mut budget, now) = (budget(10), Instant::now());
        waits(&mut budget, now, SAVED);
        for _ in 0..SUCCESSES_PER_TURN {
            budget.earn();
        }
        assert_eq!(waits(&mut budget, now, 2), [0, 100]);
        for _ in 0..1000 {
            budget.earn();
        }
        assert_eq!(waits(&mut budget, now, SAVED + 1)[SAVED as usize - 1..], [0, 100]);
    }

    #[test]
    fn a_turn_that_comes_too_late_is_left_to_others() {
        let (mut budget, now) = (budget(1), Instant::now());
        waits(&mut budget, now, SAVED + 1);
        assert_eq!(budget.take(now, Duration::from_millis(1999)), None);
        assert_eq!(budget.take(now, Duration::from_secs(2)), Some(Duration::from_secs(2)));
    }
}
