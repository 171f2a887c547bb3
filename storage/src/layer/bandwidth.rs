//! [`Bandwidth`]: how fast bytes may go up and down, for all storages that share it, changeable at any time.
//!
//! Each direction is a lane in which calls pay for their bytes one after the other, first come, first served: a
//! payment of `n` bytes takes `n / speed`, and begins where the one before ended. So the bytes that were paid for
//! in any stretch of time are exactly as many as the speed allows, whatever the number of calls and the size of
//! objects. Whoever pays before sending and after receiving keeps the long-run speed, with bursts of at
//! most the objects in flight: bytes are not spread within one call.
//!
//! - *Told*: whoever pays is told how long it waited, every second while it still does, so that a wait for a low limit does not
//!   look like a standstill. Only the one who pays waits for the limit; those behind it wait for their turn.
//! - *Change*: a new speed counts at once, also for the payment under way; what it has paid stays paid.
//! - *On cancel*: who leaves the lane owes nothing, and who comes next begins at once.
//! - *Units*: StarRocks' `..._speed_kbps` are kilobytes of 1024 bytes a second; 0 is no limit.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex, watch};
use tokio::time::Instant;

/// Most bytes a second in each direction, in units of 1024; 0 is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SpeedLimits {
    /// For what is put.
    pub max_upload_speed_kbps: u64,
    /// For what is got.
    pub max_download_speed_kbps: u64,
}

/// What "kilo" means in the names of the settings, as in the system they come from.
const KILO: f64 = 1024.0;

/// Lateness of a timer that the next payment makes good, so that many small ones are as fast as a large one. It is
/// also what an idle lane saves up.
const MAX_LATENESS: Duration = Duration::from_millis(50);

/// How long calls have waited for speed limits so far, one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SpeedLimitWaits {
    /// For `max_upload_speed_kbps`.
    pub upload: Duration,
    /// For `max_download_speed_kbps`.
    pub download: Duration,
}

/// Live speed limits: clones share them.
#[derive(Clone, Default)]
pub struct Bandwidth {
    lanes: Arc<Lanes>,
}

#[derive(Default)]
struct Lanes {
    up: Lane,
    down: Lane,
}

impl Bandwidth {
    /// Limits of its own, shared with nobody yet.
    pub fn new(limits: SpeedLimits) -> Self {
        let bandwidth = Self::default();
        bandwidth.set(limits);
        bandwidth
    }

    /// Changes the limits, for calls under way too.
    pub fn set(&self, limits: SpeedLimits) {
        self.lanes.up.kbps.send_replace(limits.max_upload_speed_kbps);
        self.lanes.down.kbps.send_replace(limits.max_download_speed_kbps);
    }

    /// The limits in force.
    pub fn limits(&self) -> SpeedLimits {
        SpeedLimits {
            max_upload_speed_kbps: *self.lanes.up.kbps.borrow(),
            max_download_speed_kbps: *self.lanes.down.kbps.borrow(),
        }
    }

    /// How long calls have waited for the limits.
    pub fn waits(&self) -> SpeedLimitWaits {
        SpeedLimitWaits { upload: self.lanes.up.waited(), download: self.lanes.down.waited() }
    }

    /// Waits until `bytes` may have gone up; `tell` hears how long, part by part.
    pub(super) async fn pay_up(&self, bytes: u64, tell: impl Fn(Duration)) {
        self.lanes.up.pay(bytes, tell).await;
    }

    /// Waits until `bytes` may have come down; `tell` hears how long, part by part.
    pub(super) async fn pay_down(&self, bytes: u64, tell: impl Fn(Duration)) {
        self.lanes.down.pay(bytes, tell).await;
    }
}

impl fmt::Debug for Bandwidth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.limits().fmt(f)
    }
}

/// Equal limits now; whether they are shared does not matter.
impl PartialEq for Bandwidth {
    fn eq(&self, other: &Self) -> bool {
        self.limits() == other.limits()
    }
}

impl Eq for Bandwidth {}

/// One direction.
#[derive(Default)]
struct Lane {
    kbps: watch::Sender<u64>,
    /// When the latest payment ended. Held by whoever pays: the lock is the queue, and it is fair.
    paid_until: Mutex<Option<Instant>>,
    /// How long payments have waited. Relaxed: a number to be looked at.
    waited_micros: AtomicU64,
}

impl Lane {
    fn waited(&self) -> Duration {
        Duration::from_micros(self.waited_micros.load(Ordering::Relaxed))
    }

    async fn pay(&self, bytes: u64, tell: impl Fn(Duration)) {
        let mut changes = self.kbps.subscribe();
        if *changes.borrow() == 0 {
            return;
        }
        let mut paid_until = self.paid_until.lock().await;
        let mut payment = Payment::begin(bytes, *paid_until, Instant::now());
        loop {
            let speed = speed(*changes.borrow_and_update());
            let Some(due) = payment.due(speed) else { break };
            let begun = Instant::now();
            tokio::select! {
                biased;
                // An error cannot be: the sender is in `self`.
                Ok(()) = changes.changed() => payment.advance(speed, Instant::now()),
                () = tokio::time::sleep_until(due) => payment.advance(speed, due),
            }
            let waited = begun.elapsed();
            let micros = u64::try_from(waited.as_micros()).unwrap_or_default();
            self.waited_micros.fetch_add(micros, Ordering::Relaxed);
            tell(waited);
        }
        *paid_until = Some(payment.since);
    }
}

/// Bytes a second; `None` is no limit.
fn speed(kbps: u64) -> Option<f64> {
    (kbps > 0).then_some(kbps as f64 * KILO)
}

/// Bytes that are being paid for. Pure.
#[derive(Debug)]
struct Payment {
    left: f64,
    /// From when on time pays for them.
    since: Instant,
}

impl Payment {
    fn begin(bytes: u64, paid_until: Option<Instant>, now: Instant) -> Self {
        let earliest = now.checked_sub(MAX_LATENESS).unwrap_or(now);
        let since = paid_until.map_or(now, |until| until.max(earliest));
        Self { left: bytes as f64, since }
    }

    /// When to look again, at this speed; `None` when all is paid.
    fn due(&self, speed: Option<f64>) -> Option<Instant> {
        let seconds = self.left / speed?;
        if seconds < CLOCK_STEP {
            return None;
        }
        let wait = Duration::try_from_secs_f64(seconds).unwrap_or(TELL_EVERY);
        Some(self.since + wait.min(TELL_EVERY))
    }

    /// Time goes on to an instant at this speed.
    fn advance(&mut self, speed: Option<f64>, to: Instant) {
        let paid = to.saturating_duration_since(self.since).as_secs_f64();
        self.left -= speed.unwrap_or(0.0) * paid;
        self.since = self.since.max(to);
    }
}

/// Seconds between two instants that differ; what takes less is what rounding leaves.
const CLOCK_STEP: f64 = 1e-9;

/// How long a wait goes on before it is told: no longer than from one look of the status page to the next.
const TELL_EVERY: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    const KIB: u64 = 1024;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// When all is paid, at one speed.
    fn paid_at(mut payment: Payment, kbps: u64) -> Instant {
        while let Some(due) = payment.due(speed(kbps)) {
            payment.advance(speed(kbps), due);
        }
        payment.since
    }

    #[test]
    fn a_payment_takes_as_long_as_its_bytes_and_follows_the_one_before() {
        let now = Instant::now();
        let payment = |bytes, paid_until, at| Payment::begin(bytes, paid_until, at);
        assert_eq!(paid_at(payment(16 * KIB, None, now), 1), now + seconds(16));
        assert_eq!(paid_at(payment(16 * KIB, None, now), 0), now);
        let later = now + seconds(16);
        assert_eq!(paid_at(payment(KIB, Some(later), later), 1), now + seconds(17));
    }

    #[test]
    fn lateness_is_made_good_and_idleness_is_not_saved_up() {
        let now = Instant::now() + seconds(10);
        let late = Payment::begin(KIB, Some(now - MAX_LATENESS / 2), now);
        assert_eq!(paid_at(late, 1), now - MAX_LATENESS / 2 + seconds(1));
        let idle = Payment::begin(KIB, Some(now - seconds(5)), now);
        assert_eq!(paid_at(idle, 1), now - MAX_LATENESS + seconds(1));
    }

    #[test]
    fn what_was_paid_before_a_change_stays_paid() {
        let now = Instant::now();
        let mut payment = Payment::begin(10 * KIB, None, now);
        payment.advance(speed(1), now + seconds(4));
        assert_eq!(paid_at(payment, 2), now + seconds(7));
    }

    #[test]
    fn a_long_wait_is_told_in_parts() {
        let now = Instant::now();
        let mut payment = Payment::begin(u64::MAX, None, now);
        assert_eq!(payment.due(speed(1)), Some(now + TELL_EVERY));
        payment.advance(speed(1), now + TELL_EVERY);
        assert_eq!(payment.due(speed(1)), Some(now + TELL_EVERY + TELL_EVERY));
    }

    #[test]
    fn every_payment_ends() {
        for kbps in [1, 3, 7 << 20, u64::MAX] {
            for bytes in [0, 1, 3, 10_000, 1 << 27] {
                let mut payment = Payment::begin(bytes, None, Instant::now());
                let mut looks = 0;
                while let Some(due) = payment.due(speed(kbps)) {
                    payment.advance(speed(kbps), due);
                    looks += 1;
                    assert!(looks < 200_000, "{bytes} bytes at {kbps}");
                }
            }
        }
    }

    /// Seconds of paused time that a task takes.
    async fn took(task: impl Future<Output = ()>) -> f64 {
        let begun = Instant::now();
        task.await;
        begun.elapsed().as_secs_f64()
    }

    fn limited(up: u64, down: u64) -> Bandwidth {
        Bandwidth::new(SpeedLimits { max_upload_speed_kbps: up, max_download_speed_kbps: down })
    }

    #[tokio::test(start_paused = true)]
    async fn directions_have_lanes_of_their_own_and_no_limit_is_no_wait() {
        let bandwidth = limited(1, 0);
        assert_eq!(took(bandwidth.pay_down(u64::MAX, drop)).await, 0.0);
        assert_eq!(took(bandwidth.pay_up(3 * KIB, drop)).await, 3.0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_is_told_while_it_lasts() {
        let bandwidth = limited(1, 0);
        let told = std::sync::Mutex::new(Vec::new());
        let pay = bandwidth.pay_up(2 * KIB + KIB / 2, |waited| {
            told.lock().unwrap().push(waited.as_millis());
        });
        let look = async {
            tokio::time::sleep(seconds(2)).await;
            assert_eq!(*told.lock().unwrap(), [1000, 1000]);
        };
        futures::future::join(pay, look).await;
        assert_eq!(*told.lock().unwrap(), [1000, 1000, 500]);
        let waits = SpeedLimitWaits { upload: Duration::from_millis(2500), download: seconds(0) };
        assert_eq!(bandwidth.waits(), waits);
    }

    #[tokio::test(start_paused = true)]
    async fn many_small_payments_are_as_fast_as_one() {
        let bandwidth = limited(1000, 0);
        let pay = async {
            for _ in 0..10_000 {
                bandwidth.pay_up(300, drop).await;
            }
        };
        let (took, ideal) = (took(pay).await, 10_000.0 * 300.0 / 1_024_000.0);
        assert!((took - ideal).abs() < ideal * 0.05, "{took} s instead of {ideal} s");
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_counts_at_once_for_the_payment_under_way_and_those_behind_it() {
        let bandwidth = limited(1, 0);
        let change = async {
            tokio::time::sleep(seconds(10)).await;
            bandwidth.set(SpeedLimits { max_upload_speed_kbps: 9, ..bandwidth.limits() });
            tokio::time::sleep(seconds(5)).await;
            bandwidth.set(SpeedLimits::default());
        };
        let pay = async {
            assert_eq!(took(bandwidth.pay_up(46 * KIB, drop)).await, 14.0);
            assert_eq!(took(bandwidth.pay_up(KIB * KIB, drop)).await, 1.0);
        };
        futures::future::join(change, pay).await;
    }

    #[tokio::test(start_paused = true)]
    async fn who_leaves_owes_nothing() {
        let bandwidth = limited(1, 0);
        let leaving = tokio::time::timeout(seconds(1), bandwidth.pay_up(KIB * KIB, drop));
        let behind = took(bandwidth.pay_up(2 * KIB, drop));
        let (left, behind) = futures::future::join(leaving, behind).await;
        assert!(left.is_err());
        assert_eq!(behind, 3.0);
    }
}
