//! What a wrong password costs: attempts of a user from a place are judged one after the other, and each waits twice as long as
//! the one before it; attempts of a place on whatever users have a pace as well, once many have failed.
//!
//! Pure but for a lock. An attempt takes its turn when it begins: many at once queue, each as if those before it had failed,
//! and those whose turn is too far away are not judged at all. Whoever waits does so before its password is looked at, so
//! that hanging up early gains nothing; a right password waits as well and then clears what was held against its user.
//! Users that do not exist are treated like the others. What is remembered has a bound: the oldest failure is forgotten first.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// What follows the first failure.
const FIRST: Duration = Duration::from_millis(250);

/// The longest wait; shorter than what drivers wait for a login, which is ten seconds and more.
const LONGEST: Duration = Duration::from_secs(8);

/// How long a failure is remembered.
const MEMORY: Duration = Duration::from_secs(5 * 60);

/// How many places and users are remembered: half a megabyte, at names of a hundred bytes.
const MOST: usize = 4096;

/// Failures of a place, on whatever users, that cost nothing by themselves: programs with an old password behind one address.
const FREE_OF_PLACE: u32 = 32;

/// How far apart the attempts of a place are after that. A right password does not clear them: whoever guesses may have one
/// account of its own.
const PACE_OF_PLACE: Duration = Duration::from_secs(1);

/// Where an attempt comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Whence {
    /// Over the network, to the port of MySQL.
    Network(IpAddr),
    /// From a page: there all that a proxy asks for come from one address, so that guesses must not count as those of clients that
    /// are really there.
    Page,
}

impl From<IpAddr> for Whence {
    fn from(peer: IpAddr) -> Self {
        Self::Network(network(peer))
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Origin {
    whence: Whence,
    /// None is all users from there together.
    user: Option<String>,
}

impl Origin {
    /// How long the next attempt is held back by so many failures.
    fn delay_after(&self, failures: u32) -> Duration {
        match self.user {
            Some(_) => doubled(failures),
            None if failures > FREE_OF_PLACE => PACE_OF_PLACE,
            None => Duration::ZERO,
        }
    }
}

/// What an origin has done of late.
#[derive(Debug)]
struct Lane {
    failures: u32,
    /// Attempts that have a turn and have not been judged.
    waiting: u32,
    /// When the next one may be judged.
    free_at: Instant,
    last: Instant,
}

impl Lane {
    fn new(now: Instant) -> Self {
        Self { failures: 0, waiting: 0, free_at: now, last: now }
    }

    fn is_old(&self, now: Instant) -> bool {
        self.waiting == 0 && now.duration_since(self.last) >= MEMORY
    }
}

/// Attempts and failures of late. Every door of a server has the same one.
#[derive(Debug, Default)]
pub struct Throttle {
    /// Held for a look, a judgement or a change, never across an await.
    lanes: Mutex<HashMap<Origin, Lane>>,
}

/// What becomes of an attempt.
#[derive(Debug)]
pub(super) enum Attempt<'a> {
    /// Nothing was held against it: whether the password was right.
    Judged(bool),
    /// It is judged when its turn has come.
    Later(Turn<'a>),
    /// Too many are before it.
    Crowded,
}

impl Throttle {
    /// Begins an attempt. Where it need not wait it is judged in the same breath, so that none slips in beside it.
    pub(super) fn attempt(
        &self,
        whence: Whence,
        user: &str,
        now: Instant,
        is_right: impl FnOnce() -> bool,
    ) -> Attempt<'_> {
        let origins = [Some(user.to_owned()), None].map(|user| Origin { whence, user });
        let mut lanes = self.lock();
        let at = origins.iter().filter_map(|origin| free_at(&lanes, origin, now)).max();
        let Some(at) = at else {
            let is_right = is_right();
            settle(&mut lanes, &origins, is_right, now);
            return Attempt::Judged(is_right);
        };
        if at.duration_since(now) > LONGEST {
            return Attempt::Crowded;
        }
        for origin in &origins {
            let lane = lane(&mut lanes, origin, now);
            lane.waiting += 1;
            let delay = origin.delay_after(lane.failures.saturating_add(lane.waiting));
            // Each lane by itself: who waits long for one user does not keep others from the place.
            lane.free_at = lane.free_at.max(now) + delay;
            lane.last = now;
        }
        Attempt::Later(Turn { throttle: self, origins, at, is_judged: false })
    }

    /// Whether an attempt is right, when its turn has come; none where too many are before it.
    pub(crate) async fn judge(
        &self,
        whence: Whence,
        user: &str,
        is_right: impl Fn() -> bool,
    ) -> Option<bool> {
        match self.attempt(whence, user, Instant::now(), &is_right) {
            Attempt::Judged(is_right) => Some(is_right),
            Attempt::Later(turn) => {
                sleep_until(turn.at()).await;
                Some(turn.judge(Instant::now(), is_right))
            }
            Attempt::Crowded => None,
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Origin, Lane>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The turn of an attempt. Dropped before its time it is not given back.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    throttle: &'a Throttle,
    origins: [Origin; 2],
    at: Instant,
    is_judged: bool,
}

impl Turn<'_> {
    /// When it has come.
    pub(super) fn at(&self) -> Instant {
        self.at
    }

    /// Judges the attempt.
    pub(super) fn judge(mut self, now: Instant, is_right: impl FnOnce() -> bool) -> bool {
        let is_right = is_right();
        self.is_judged = true;
        let mut lanes = self.throttle.lock();
        leave(&mut lanes, &self.origins);
        settle(&mut lanes, &self.origins, is_right, now);
        is_right
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if !self.is_judged {
            leave(&mut self.throttle.lock(), &self.origins);
        }
    }
}

/// From when on an origin may be judged, where that is not now.
fn free_at(lanes: &HashMap<Origin, Lane>, origin: &Origin, now: Instant) -> Option<Instant> {
    let lane = lanes.get(origin).filter(|lane| !lane.is_old(now))?;
    // Nothing is held against a place before its failures are many.
    let is_free = origin.delay_after(lane.failures.saturating_add(lane.waiting)).is_zero();
    (lane.free_at > now && !is_free).then_some(lane.free_at)
}

fn lane<'a>(lanes: &'a mut HashMap<Origin, Lane>, origin: &Origin, now: Instant) -> &'a mut Lane {
    if lanes.len() >= MOST && !lanes.contains_key(origin) {
        make_room(lanes, now);
    }
    let lane = lanes.entry(origin.clone()).or_insert_with(|| Lane::new(now));
    if lane.is_old(now) {
        *lane = Lane::new(now);
    }
    lane
}

fn leave(lanes: &mut HashMap<Origin, Lane>, origins: &[Origin]) {
    for origin in origins {
        if let Some(lane) = lanes.get_mut(origin) {
            lane.waiting = lane.waiting.saturating_sub(1);
        }
    }
}

/// Remembers how an attempt came out.
fn settle(lanes: &mut HashMap<Origin, Lane>, origins: &[Origin], is_right: bool, now: Instant) {
    for origin in origins {
        if !is_right {
            let lane = lane(lanes, origin, now);
            lane.failures = lane.failures.saturating_add(1);
            lane.free_at = lane.free_at.max(now + origin.delay_after(lane.failures));
            lane.last = now;
        } else if origin.user.is_some() {
            match lanes.get_mut(origin) {
                // Those who wait go on waiting; who comes now is free.
                Some(lane) if lane.waiting > 0 => (lane.failures, lane.free_at) = (0, now),
                _ => drop(lanes.remove(origin)),
            }
        }
    }
}

/// Someone with one IPv6 address has the 2^64 beside it.
pub(super) fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)))
        }
    }
}

fn doubled(failures: u32) -> Duration {
    match failures.checked_sub(1) {
        None => Duration::ZERO,
        Some(doublings) => 2_u32
            .checked_pow(doublings)
            .and_then(|factor| FIRST.checked_mul(factor))
            .map_or(LONGEST, |delay| delay.min(LONGEST)),
    }
}

fn make_room(lanes: &mut HashMap<Origin, Lane>, now: Instant) {
    lanes.retain(|_, lane| !lane.is_old(now));
    if lanes.len() < MOST {
        return;
    }
    let oldest = lanes.iter().min_by_key(|(_, lane)| lane.last);
    if let Some(oldest) = oldest.map(|(origin, _)| origin.clone()) {
        lanes.remove(&oldest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    /// Waits for the turn of an attempt and answers how long that was; none where it was refused.
    async fn attempt(
        throttle: &Throttle,
        whence: impl Into<Whence>,
        user: &str,
        right: bool,
    ) -> Option<u128> {
        let start = Instant::now();
        match throttle.attempt(whence.into(), user, start, || right) {
            Attempt::Judged(judged) => assert_eq!(judged, right),
            Attempt::Later(turn) => {
                sleep_until(turn.at()).await;
                assert_eq!(turn.judge(Instant::now(), || right), right);
            }
            Attempt::Crowded => return None,
        }
        Some(start.elapsed().as_millis())
    }

    #[tokio::test(start_paused = true)]
    async fn delays_double_up_to_the_longest_and_are_forgotten() {
        let throttle = Throttle::default();
        let mut delays = Vec::new();
        for _ in 0..30 {
            delays.extend(attempt(&throttle, HOME, "ann", false).await);
        }
        assert_eq!(delays[..8], [0, 250, 500, 1000, 2000, 4000, 8000, 8000]);
        assert!(delays[8..].iter().all(|delay| *delay == 8000), "{delays:?}");
        tokio::time::advance(MEMORY).await;
        assert_eq!(attempt(&throttle, HOME, "ann", false).await, Some(0));
        assert_eq!(attempt(&throttle, HOME, "ann", true).await, Some(250), "the old ones are gone");
        assert_eq!(attempt(&throttle, HOME, "ann", true).await, Some(0), "it is forgiven");
    }

    #[tokio::test(start_paused = true)]
    async fn a_hundred_guesses_at_once_are_judged_one_after_the_other() {
        let throttle = Throttle::default();
        let start = Instant::now();
        let guesses = (0..200).map(|_| attempt(&throttle, HOME, "ann", false));
        let waits = futures::future::join_all(guesses).await;
        let judged: Vec<u128> = waits.iter().filter_map(|wait| *wait).collect();
        assert_eq!(judged, [0, 250, 750, 1750, 3750, 7750], "the others were not looked at");
        assert!(start.elapsed() <= LONGEST);
    }

    #[tokio::test(start_paused = true)]
    async fn who_hangs_up_has_used_its_turn() {
        let throttle = Throttle::default();
        attempt(&throttle, HOME, "ann", false).await;
        for expected in [250, 750, 1250, 1750] {
            let now = Instant::now();
            let Attempt::Later(turn) = throttle.attempt(HOME.into(), "ann", now, || true) else {
                panic!("it has no turn");
            };
            assert_eq!(turn.at().duration_since(now).as_millis(), expected);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn right_passwords_at_once_do_not_wait_for_each_other() {
        let throttle = Throttle::default();
        let logins = (0..200).map(|_| attempt(&throttle, HOME, "ann", true));
        let waits = futures::future::join_all(logins).await;
        assert!(waits.iter().all(|wait| *wait == Some(0)), "{waits:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn one_password_on_many_users_is_slowed_as_well() {
        let throttle = Throttle::default();
        let mut waits = Vec::new();
        for user in 0..40 {
            waits.push(attempt(&throttle, HOME, &user.to_string(), false).await);
            attempt(&throttle, HOME, "own", true).await;
        }
        assert!(waits[..33].iter().all(|wait| *wait == Some(0)), "{waits:?}");
        assert!(waits[33..].iter().all(|wait| wait.is_none_or(|wait| wait > 0)), "{waits:?}");
        let elsewhere: IpAddr = "10.0.0.1".parse().unwrap();
        assert_eq!(attempt(&throttle, elsewhere, "0", false).await, Some(0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_is_held_against_one_user_in_one_network() {
        let throttle = Throttle::default();
        let at = |text: &str| text.parse::<IpAddr>().unwrap();
        let here = at("2001:db8::1");
        assert_eq!(attempt(&throttle, here, "ann", false).await, Some(0));
        assert_eq!(attempt(&throttle, at("2001:db8:0:1::1"), "ann", true).await, Some(0));
        assert_eq!(attempt(&throttle, here, "bob", true).await, Some(0));
        assert_eq!(attempt(&throttle, at("2001:db8::ffff:2"), "ann", false).await, Some(250));
        attempt(&throttle, at("::ffff:127.0.0.1"), "ann", false).await;
        assert_eq!(attempt(&throttle, HOME, "ann", true).await, Some(250));
        assert_eq!(attempt(&throttle, HOME, "ann", true).await, Some(0));
    }

    #[tokio::test(start_paused = true)]
    async fn guesses_at_a_page_are_braked_and_keep_no_client_out() {
        let throttle = Throttle::default();
        let guesses = (0..200).map(|_| attempt(&throttle, Whence::Page, "ann", false));
        let waits = futures::future::join_all(guesses).await;
        assert_eq!(waits.iter().flatten().count(), 6, "{waits:?}");
        for user in 0..40 {
            attempt(&throttle, Whence::Page, &user.to_string(), false).await;
        }
        assert_eq!(attempt(&throttle, HOME, "ann", true).await, Some(0));
        assert_eq!(attempt(&throttle, HOME, "bob", true).await, Some(0));
        let at_the_page = attempt(&throttle, Whence::Page, "bob", true).await;
        assert!(at_the_page.is_none_or(|wait| wait > 0), "{at_the_page:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn memory_is_bounded_and_the_oldest_goes_first() {
        let throttle = Throttle::default();
        for number in 0..=u32::try_from(MOST).unwrap() {
            attempt(&throttle, IpAddr::from(number.to_be_bytes()), "ann", false).await;
            tokio::time::advance(Duration::from_millis(1)).await;
        }
        assert_eq!(throttle.lock().len(), MOST);
        assert_eq!(attempt(&throttle, IpAddr::from([0; 4]), "ann", true).await, Some(0));
        tokio::time::advance(MEMORY).await;
        attempt(&throttle, HOME, "late", false).await;
        assert_eq!(throttle.lock().len(), 2, "what is forgotten takes no room");
    }
}
