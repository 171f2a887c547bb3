//! [`Cached`]: credentials that are fetched once and again before they expire.
//!
//! - *Does*: hands out what it has while it is good, fetches one at a time otherwise.
//! - *On failure*: an error is told and forgotten, so that the next request asks again; what is still good stays
//!   in use when it cannot be renewed.

use std::time::{Duration, SystemTime};

use tokio::sync::Mutex;

use super::super::clock::Clock;
use super::{Credentials, CredentialsError, Source};

/// Longer than any request lasts, so that none is overtaken by the expiry on its way.
const EARLY: Duration = Duration::from_secs(300);

/// A source with a memory for successes.
#[derive(Debug)]
pub(in crate::s3) struct Cached {
    source: Box<dyn Source>,
    clock: Clock,
    /// Held while fetching: who comes meanwhile waits for the same answer.
    known: Mutex<Option<Credentials>>,
}

impl Cached {
    pub(in crate::s3) fn new(source: Box<dyn Source>, clock: Clock) -> Self {
        Self { source, clock, known: Mutex::new(None) }
    }

    /// Credentials that are good for a while.
    pub(in crate::s3) async fn get(&self) -> Result<Credentials, CredentialsError> {
        let mut known = self.known.lock().await;
        let now = self.clock.now();
        if let Some(credentials) = known.as_ref().filter(|known| is_good(known, now + EARLY)) {
            return Ok(credentials.clone());
        }
        match self.source.fetch().await {
            Ok(fetched) => Ok(known.insert(fetched).clone()),
            Err(error) => match known.as_ref().filter(|known| is_good(known, now)) {
                Some(credentials) => {
                    tracing::warn!(%error, "credentials are used until they expire");
                    Ok(credentials.clone())
                }
                None => Err(error),
            },
        }
    }

    /// Forgets credentials that a service took for expired. Whether it is worth to ask again: others have been fetched
    /// meanwhile, or will be.
    pub(in crate::s3) async fn renew(&self, refused: &Credentials) -> bool {
        let mut known = self.known.lock().await;
        if known.as_ref().is_some_and(|known| known == refused) {
            *known = None;
        }
        drop(known);
        self.get().await.is_ok_and(|fetched| fetched != *refused)
    }
}

fn is_good(credentials: &Credentials, at: SystemTime) -> bool {
    credentials.expires.is_none_or(|expires| at < expires)
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::sync::{Arc, Mutex as BlockingMutex};

    use async_trait::async_trait;

    use super::*;

    /// Gives its answers one by one: the second of their expiry, or an error.
    #[derive(Debug)]
    struct Scripted(Arc<BlockingMutex<VecDeque<Option<u64>>>>);

    #[async_trait]
    impl Source for Scripted {
        async fn fetch(&self) -> Result<Credentials, CredentialsError> {
            let next = self.0.lock().unwrap().pop_front().expect("nobody asks more often");
            let expires = next.ok_or(CredentialsError::absent("script", "none"))?;
            let fixed = Credentials::fixed(&format!("until-{expires}"), "s", None);
            Ok(Credentials { expires: Some(at(expires)), ..fixed })
        }
    }

    fn at(secs: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(secs)
    }

    struct Fixture {
        now: Arc<AtomicU64>,
        left: Arc<BlockingMutex<VecDeque<Option<u64>>>>,
        cached: Cached,
    }

    fn fixture(answers: &[Option<u64>]) -> Fixture {
        let now = Arc::new(AtomicU64::new(0));
        let left = Arc::new(BlockingMutex::new(answers.iter().copied().collect::<VecDeque<_>>()));
        let clock = Arc::clone(&now);
        let cached = Cached::new(
            Box::new(Scripted(Arc::clone(&left))),
            Clock::new(move || at(clock.load(Ordering::Relaxed))),
        );
        Fixture { now, left, cached }
    }

    impl Fixture {
        async fn at(&self, secs: u64) -> Option<String> {
            self.now.store(secs, Ordering::Relaxed);
            self.cached.get().await.ok().map(|credentials| credentials.access_key)
        }
    }

    #[tokio::test]
    async fn they_are_renewed_before_they_expire() {
        let fixture = fixture(&[Some(1000), Some(2000)]);
        assert_eq!(fixture.at(0).await.unwrap(), "until-1000");
        assert_eq!(fixture.at(699).await.unwrap(), "until-1000");
        assert_eq!(fixture.at(700).await.unwrap(), "until-2000");
        assert!(fixture.left.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn an_error_is_not_remembered() {
        let fixture = fixture(&[None, Some(1000)]);
        assert_eq!(fixture.at(0).await, None);
        assert_eq!(fixture.at(0).await.unwrap(), "until-1000");
    }

    #[tokio::test]
    async fn what_is_still_good_is_used_when_it_cannot_be_renewed() {
        let fixture = fixture(&[Some(1000), None, None, Some(3000)]);
        assert_eq!(fixture.at(0).await.unwrap(), "until-1000");
        assert_eq!(fixture.at(900).await.unwrap(), "until-1000");
        assert_eq!(fixture.at(1000).await, None);
        assert_eq!(fixture.at(1001).await.unwrap(), "until-3000");
    }

    #[tokio::test]
    async fn what_a_service_refuses_is_fetched_anew() {
        let fixture = fixture(&[Some(1000), Some(2000), Some(2000)]);
        fixture.at(0).await.unwrap();
        let refused = fixture.cached.get().await.unwrap();
        assert!(fixture.cached.renew(&refused).await);
        // Somebody else's refusal of the old ones costs no further question.
        assert!(fixture.cached.renew(&refused).await);
        let newer = fixture.cached.get().await.unwrap();
        assert!(!fixture.cached.renew(&newer).await, "the same once more");
    }
}
