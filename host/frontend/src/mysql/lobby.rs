//! [`Lobby`]: those who are connected and have not logged in. Their number has a bound.
//!
//! Who comes when it is full waits for a place, but not behind those who do nothing: a login takes a moment, and once it has
//! taken longer than that, the one that came first, of the place that most of them are from, has to go.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, timeout_at};

use super::throttle::network;

/// How long a login has its place for certain.
const MOMENT: Duration = Duration::from_secs(1);

/// The places of a server.
#[derive(Debug)]
pub(super) struct Lobby {
    most: usize,
    /// By their numbers, in the order of their coming. Held for a look or a change.
    guests: Mutex<Guests>,
    /// Told when a place becomes free.
    left: Notify,
}

#[derive(Debug, Default)]
struct Guests {
    last: u64,
    by_number: BTreeMap<u64, Guest>,
}

#[derive(Debug)]
struct Guest {
    network: IpAddr,
    since: Instant,
    /// Dropped to send it away.
    _stay: oneshot::Sender<()>,
}

impl Lobby {
    pub(super) fn new(most: usize) -> Self {
        Self { most: most.max(1), guests: Mutex::default(), left: Notify::new() }
    }

    /// A place for a peer. May be dropped at any time.
    pub(super) async fn place(self: &Arc<Self>, peer: IpAddr) -> Place {
        loop {
            let left = self.left.notified();
            match self.try_place(peer, Instant::now()) {
                Ok(place) => return place,
                // Either way it is looked again.
                Err(at) => drop(timeout_at(at, left).await),
            }
        }
    }

    /// A place, or when one can be made.
    fn try_place(self: &Arc<Self>, peer: IpAddr, now: Instant) -> Result<Place, Instant> {
        let mut guests = self.lock();
        if guests.by_number.len() >= self.most {
            guests.make_room(now)?;
        }
        guests.last += 1;
        let (stay, sent_away) = oneshot::channel();
        let number = guests.last;
        let guest = Guest { network: network(peer), since: now, _stay: stay };
        guests.by_number.insert(number, guest);
        Ok(Place { lobby: Arc::clone(self), number, sent_away })
    }

    fn lock(&self) -> MutexGuard<'_, Guests> {
        self.guests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Guests {
    /// Sends one away, or tells when that may be done.
    fn make_room(&mut self, now: Instant) -> Result<(), Instant> {
        let mut crowds: HashMap<IpAddr, usize> = HashMap::new();
        for guest in self.by_number.values() {
            *crowds.entry(guest.network).or_default() += 1;
        }
        let largest = crowds.values().max().copied().unwrap_or_default();
        let is_of_crowd = |guest: &Guest| crowds.get(&guest.network) == Some(&largest);
        let first = self.by_number.iter().find(|(_, guest)| is_of_crowd(guest));
        let Some((number, since)) = first.map(|(number, guest)| (*number, guest.since)) else {
            return Ok(());
        };
        if now < since + MOMENT {
            return Err(since + MOMENT);
        }
        self.by_number.remove(&number);
        Ok(())
    }
}

/// A place in the lobby, free again when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    lobby: Arc<Lobby>,
    number: u64,
    sent_away: oneshot::Receiver<()>,
}

impl Place {
    /// Waits until its holder has to go.
    pub(super) async fn sent_away(&mut self) {
        // Nothing is ever sent: the sender is dropped.
        let _ = (&mut self.sent_away).await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.lobby.lock().by_number.remove(&self.number);
        self.lobby.left.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    fn at(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_lobby_is_entered_when_one_leaves() {
        let lobby = Arc::new(Lobby::new(2));
        let first = lobby.place(at(1)).await;
        let mut second = lobby.place(at(1)).await;
        let mut third = Box::pin(lobby.place(at(1)));
        assert!(third.as_mut().now_or_never().is_none(), "there is no place");
        drop(first);
        third.now_or_never().expect("one has left");
        assert!(second.sent_away().now_or_never().is_none(), "nobody was sent away");
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_of_the_largest_crowd_goes() {
        let lobby = Arc::new(Lobby::new(4));
        let mut lonely = lobby.place(at(1)).await;
        let mut crowd = Vec::new();
        for _ in 0..3 {
            crowd.push(lobby.place(at(2)).await);
        }
        let start = Instant::now();
        let mut late = lobby.place(at(3)).await;
        assert_eq!(start.elapsed(), MOMENT, "a login has its moment");
        let is_away = |place: &mut Place| place.sent_away().now_or_never().is_some();
        assert!(is_away(&mut crowd[0]));
        assert!(!is_away(&mut crowd[1]) && !is_away(&mut lonely) && !is_away(&mut late));
    }
}
