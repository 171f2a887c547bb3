//! Waiting for what other threads, other processes or the clock bring about.

use std::thread;
use std::time::{Duration, Instant};

/// Waits until a condition is met, looking every few milliseconds.
///
/// # Panics
///
/// When it is not met within `patience`; `what` says in vain for what it waited.
#[track_caller]
#[expect(clippy::disallowed_methods, reason = "others know no paused clock")]
pub fn wait_until(what: &str, patience: Duration, mut is_met: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_met() {
        assert!(start.elapsed() < patience, "in vain for {patience:?}: {what}");
        thread::park_timeout(Duration::from_millis(2));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_is_looked_at_until_it_is_met() {
        let mut looks = 0;
        wait_until("the third look", Duration::from_secs(60), || {
            looks += 1;
            looks == 3
        });
        assert_eq!(looks, 3);
    }

    #[test]
    #[should_panic(expected = "in vain for 0ns: a miracle")]
    fn what_never_comes_is_named() {
        wait_until("a miracle", Duration::ZERO, || false);
    }
}
