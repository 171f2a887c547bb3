//! What a wrong password costs: the next attempt of that user from that place waits, twice as long after each failure.
//!
//! Pure but for a lock. Whoever waits does so before its password is looked at, so that hanging up early gains
//! nothing; a right password waits as well and then clears what was held against it. Users that do not exist are treated
//! like the others. What is remembered has a bound: the oldest failure is forgotten first.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// What follows the first failure.
const FIRST: Duration = Duration::from_millis(250);

/// The longest wait; shorter than what drivers wait for a login, which is ten seconds and more.
const LONGEST: Duration = Duration::from_secs(8);

/// How long a failure is remembered.
const MEMORY: Duration = Duration::from_secs(5 * 60);

/// How many places and users are remembered: half a megabyte, at names of a hundred bytes.
const MOST: usize = 4096;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Origin {
    network: IpAddr,
    user: String,
}

#[derive(Debug)]
struct Failures {
    count: u32,
    last: Instant,
}

/// Failures of late.
#[derive(Debug, Default)]
pub(super) struct Throttle {
    /// Held for a look or a change, never across an await.
    failures: Mutex<HashMap<Origin, Failures>>,
}

impl Throttle {
    /// How long this attempt waits before its password is looked at.
    pub(super) fn delay(&self, peer: IpAddr, user: &str, now: Instant) -> Duration {
        let failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures
            .get(&origin(peer, user))
            .filter(|failures| now.duration_since(failures.last) < MEMORY)
            .map(|failures| delay_after(failures.count))
            .unwrap_or_default()
    }

    /// Remembers a wrong password.
    pub(super) fn failed(&self, peer: IpAddr, user: &str, now: Instant) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let origin = origin(peer, user);
        if failures.len() >= MOST && !failures.contains_key(&origin) {
            make_room(&mut failures, now);
        }
        let entry = failures.entry(origin).or_insert(Failures { count: 0, last: now });
        if now.duration_since(entry.last) >= MEMORY {
            entry.count = 0;
        }
        entry.count = entry.count.saturating_add(1);
        entry.last = now;
    }

    /// Forgets the failures of a user who has shown the right password.
    pub(super) fn succeeded(&self, peer: IpAddr, user: &str) {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).remove(&origin(peer, user));
    }
}

/// Someone with one IPv6 address has the 2^64 beside it.
fn origin(peer: IpAddr, user: &str) -> Origin {
    let network = match peer.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)))
        }
    };
    Origin { network, user: user.to_owned() }
}

fn delay_after(failures: u32) -> Duration {
    match failures.checked_sub(1) {
        None => Duration::ZERO,
        Some(doublings) => 2_u32
            .checked_pow(doublings)
            .and_then(|factor| FIRST.checked_mul(factor))
            .map_or(LONGEST, |delay| delay.min(LONGEST)),
    }
}

fn make_room(failures: &mut HashMap<Origin, Failures>, now: Instant) {
    failures.retain(|_, failures| now.duration_since(failures.last) < MEMORY);
    if failures.len() < MOST {
        return;
    }
    let oldest = failures.iter().min_by_key(|(_, failures)| failures.last);
    if let Some(oldest) = oldest.map(|(origin, _)| origin.clone()) {
        failures.remove(&oldest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[tokio::test(start_paused = true)]
    async fn delays_double_up_to_the_longest_and_are_forgotten() {
        let throttle = Throttle::default();
        let mut delays = Vec::new();
        for _ in 0..40 {
            delays.push(throttle.delay(HOME, "ann", Instant::now()).as_millis());
            throttle.failed(HOME, "ann", Instant::now());
        }
        assert_eq!(delays[..8], [0, 250, 500, 1000, 2000, 4000, 8000, 8000]);
        assert!(delays[8..].iter().all(|delay| *delay == 8000));
        tokio::time::advance(MEMORY).await;
        assert_eq!(throttle.delay(HOME, "ann", Instant::now()), Duration::ZERO);
        throttle.failed(HOME, "ann", Instant::now());
        assert_eq!(throttle.delay(HOME, "ann", Instant::now()), FIRST, "the old ones do not count");
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_is_held_against_one_user_in_one_network() {
        let throttle = Throttle::default();
        let now = Instant::now();
        let here: IpAddr = "2001:db8::1".parse().unwrap();
        throttle.failed(here, "ann", now);
        assert_eq!(throttle.delay("2001:db8::ffff:2".parse().unwrap(), "ann", now), FIRST);
        assert_eq!(throttle.delay("2001:db8:0:1::1".parse().unwrap(), "ann", now), Duration::ZERO);
        assert_eq!(throttle.delay(here, "bob", now), Duration::ZERO);
        throttle.failed("::ffff:127.0.0.1".parse().unwrap(), "ann", now);
        assert_eq!(throttle.delay(HOME, "ann", now), FIRST);
        throttle.succeeded(HOME, "ann");
        assert_eq!(throttle.delay(HOME, "ann", now), Duration::ZERO);
        assert_eq!(throttle.delay(here, "ann", now), FIRST);
    }

    #[tokio::test(start_paused = true)]
    async fn memory_is_bounded_and_the_oldest_goes_first() {
        let throttle = Throttle::default();
        for user in 0..=MOST {
            throttle.failed(HOME, &user.to_string(), Instant::now());
            tokio::time::advance(Duration::from_millis(1)).await;
        }
        assert_eq!(throttle.failures.lock().unwrap().len(), MOST);
        assert_eq!(throttle.delay(HOME, "0", Instant::now()), Duration::ZERO);
        assert_eq!(throttle.delay(HOME, "1", Instant::now()), FIRST);
        tokio::time::advance(MEMORY).await;
        throttle.failed(HOME, "late", Instant::now());
        assert_eq!(throttle.failures.lock().unwrap().len(), 1, "what is forgotten takes no room");
    }
}
