//! Clients that send statements at a fixed rate, and how long each waited.
//!
//! A statement is due at its time whether or not the one before it has been answered, and its wait counts from
//! then: a server that stalls is charged for everybody who would have come meanwhile.

use std::thread;
use std::time::Duration;

use anyhow::Result;

use super::client::Client;
use crate::measure::Stopwatch;

/// When the statements of one client are due.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// The first, after the start of the phase.
    pub(super) offset: Duration,
    pub(super) interval: Duration,
    /// No statement is due at this time or later.
    pub(super) end: Duration,
}

impl Pace {
    fn due(&self) -> impl Iterator<Item = Duration> + use<> {
        let Self { offset, interval, end } = *self;
        (0_u32..).map(move |number| offset + interval * number).take_while(move |due| *due < end)
    }
}

/// Sends statements as they are due; gives the waits by the kinds that `statement` calls them.
pub(super) fn follow(
    client: &mut Client,
    clock: Stopwatch,
    pace: Pace,
    mut statement: impl FnMut() -> (&'static str, String),
) -> Result<Vec<(&'static str, Duration)>> {
    let mut waits = Vec::new();
    for due in pace.due() {
        let (kind, sql) = statement();
        while let Some(early) = due.checked_sub(clock.elapsed()).filter(|early| !early.is_zero()) {
            thread::park_timeout(early);
        }
        client.run(&sql)?;
        waits.push((kind, clock.elapsed().saturating_sub(due)));
    }
    Ok(waits)
}

/// The smallest wait that at least this share of all waits does not exceed; they are sorted.
pub(super) fn quantile(sorted: &[Duration], share: f64) -> Option<Duration> {
    #[expect(clippy::cast_possible_truncation, reason = "it is at most the number of waits")]
    let rank = (sorted.len() as f64 * share).ceil() as usize;
    sorted.get(rank.max(1) - 1).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn statements_are_due_at_a_fixed_rate_until_the_end() {
        let pace = Pace { offset: MS, interval: 4 * MS, end: 9 * MS };
        assert_eq!(pace.due().collect::<Vec<_>>(), [MS, 5 * MS]);
    }

    #[test]
    fn quantiles_are_waits_that_were_seen() {
        let waits: Vec<Duration> = (1..=200).map(|number| MS * number).collect();
        assert_eq!(quantile(&waits, 0.5), Some(100 * MS));
        assert_eq!(quantile(&waits, 0.99), Some(198 * MS));
        assert_eq!(quantile(&waits, 1.0), Some(200 * MS));
        assert_eq!(quantile(&waits[..1], 0.01), Some(MS));
        assert_eq!(quantile(&[], 0.5), None);
    }
}
