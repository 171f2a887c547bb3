//! Who is logged in: sessions, the cookie that names one, and whether a request is for us and comes from our own page. Pure but for
//! a lock, a clock and random numbers.

use std::collections::HashMap;
use std::fmt::Write;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::HeaderMap;
use hyper::header::{COOKIE, HOST, ORIGIN};
use ring::rand::{SecureRandom, SystemRandom};
use tokio::time::Instant;

use crate::config::HostName;

/// How long a session lasts without a request.
const REST: Duration = Duration::from_secs(30 * 60);
/// How long it lasts at all.
const LONGEST: Duration = Duration::from_secs(12 * 3600);
/// Sessions at one time.
const MOST: usize = 64;
/// Those of one account: it must not throw out others.
const MOST_OF_ONE: usize = 4;

/// What a browser says of the page that sends a request.
const FETCH_SITE: &str = "sec-fetch-site";

/// Sessions by their secrets.
#[derive(Debug)]
pub(super) struct Sessions<T> {
    /// Held for a look or a step.
    table: Mutex<HashMap<String, Session<T>>>,
    random: SystemRandom,
}

struct Session<T> {
    who: T,
    token: String,
    began: Instant,
    used: Instant,
}

/// Shows no secret.
impl<T> std::fmt::Debug for Session<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("began", &self.began).finish_non_exhaustive()
    }
}

/// Somebody who is logged in.
#[derive(Clone)]
pub(super) struct Seat<T> {
    pub(super) who: T,
    /// What forms must say.
    pub(super) token: String,
}

impl<T: Clone + PartialEq> Sessions<T> {
    pub(super) fn new() -> Self {
        Self { table: Mutex::default(), random: SystemRandom::new() }
    }

    /// Begins a session; answers its secret, none where the system has no random numbers. Sessions of those who are not known any
    /// more end.
    pub(super) fn begin(&self, who: T, is_known: impl Fn(&T) -> bool) -> Option<String> {
        let (secret, token) = (self.secret()?, self.secret()?);
        let now = Instant::now();
        let mut table = self.lock();
        table.retain(|_, session| session.lives(now) && is_known(&session.who));
        make_room(&mut table, MOST_OF_ONE, |session| session.who == who);
        make_room(&mut table, MOST, |_| true);
        table.insert(secret.clone(), Session { who, token, began: now, used: now });
        Some(secret)
    }

    /// Who has a secret; `wakes` begins the rest of the session anew.
    pub(super) fn find(&self, secret: &str, wakes: bool) -> Option<Seat<T>> {
        let now = Instant::now();
        let mut table = self.lock();
        let session = table.get_mut(secret).filter(|session| session.lives(now))?;
        if wakes {
            session.used = now;
        }
        Some(Seat { who: session.who.clone(), token: session.token.clone() })
    }

    pub(super) fn end(&self, secret: &str) {
        self.lock().remove(secret);
    }

    fn secret(&self) -> Option<String> {
        let mut bytes = [0; 32];
        self.random.fill(&mut bytes).ok()?;
        Some(bytes.iter().fold(String::with_capacity(64), |mut text, byte| {
            // Writing to a string has no way to fail.
            let _ = write!(text, "{byte:02x}");
            text
        }))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Session<T>>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Session<T> {
    fn lives(&self, now: Instant) -> bool {
        now.duration_since(self.used) < REST && now.duration_since(self.began) < LONGEST
    }
}

/// Ends the session that rested longest of those that count, where there are so many.
fn make_room<T>(
    table: &mut HashMap<String, Session<T>>,
    most: usize,
    counts: impl Fn(&Session<T>) -> bool,
) {
    let counted: Vec<_> = table.iter().filter(|(_, session)| counts(session)).collect();
    if counted.len() < most {
        return;
    }
    let oldest = counted.into_iter().min_by_key(|(_, session)| session.used);
    if let Some(oldest) = oldest.map(|(secret, _)| secret.clone()) {
        table.remove(&oldest);
    }
}

/// Cookies are not kept apart by port: the name does.
fn cookie_name(port: u16) -> String {
    format!("cairn-{port}")
}

/// The secret that a request brings.
pub(super) fn secret_of(headers: &HeaderMap, port: u16) -> Option<&str> {
    let name = cookie_name(port);
    let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs =
        cookies.flat_map(|value| value.split(';')).filter_map(|pair| pair.split_once('='));
    pairs.find(|(key, _)| key.trim() == name).map(|(_, secret)| secret.trim())
}

/// What makes a browser bring a secret, or forget the one that it has.
pub(super) fn cookie(headers: &HeaderMap, port: u16, secret: Option<&str>) -> String {
    let (name, value) = (cookie_name(port), secret.unwrap_or_default());
    let age = secret.map_or(0, |_| LONGEST.as_secs());
    let proto = headers.get("x-forwarded-proto").map(|proto| proto.as_bytes());
    let secure = if proto == Some(b"https") { "; Secure" } else { "" };
    format!("{name}={value}; Path=/; Max-Age={age}; HttpOnly; SameSite=Strict{secure}")
}

/// Whether a request names the server by an address, as `localhost` or by one of its names, with any port. Whoever owns another
/// name can make it mean this machine, and to a browser a page of theirs is then one of ours.
pub(super) fn is_for_us(headers: &HeaderMap, names: &[HostName]) -> bool {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let port = host.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok());
    let name = port.map_or(host, |(name, _)| name);
    match name.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => {
            name.eq_ignore_ascii_case("localhost")
                || name.parse::<Ipv4Addr>().is_ok()
                || names.iter().any(|ours| ours.is(name))
        }
    }
}

/// Whether a browser says that another site sent the request. What is no browser says nothing.
pub(super) fn is_from_elsewhere(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    if let Some(site) = text(FETCH_SITE) {
        return site != "same-origin";
    }
    let host = text(HOST.as_str()).unwrap_or_default();
    let is_ours = |origin: &str| origin.split_once("://").is_some_and(|(_, at)| at == host);
    text(ORIGIN.as_str()).is_some_and(|origin| !is_ours(origin))
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderName;

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), value.parse().unwrap())
        };
        pairs.iter().map(pair).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_ends_when_it_rests_and_when_it_is_old() {
        let sessions = Sessions::new();
        let secret = sessions.begin("ann", |_| true).unwrap();
        assert_eq!(sessions.find(&secret, true).map(|seat| seat.who), Some("ann"));
        tokio::time::advance(REST - Duration::from_secs(1)).await;
        assert!(sessions.find(&secret, false).is_some());
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(sessions.find(&secret, true).is_none(), "a look does not wake it");

        let secret = sessions.begin("ann", |_| true).unwrap();
        for _ in 0..24 {
            tokio::time::advance(REST - Duration::from_secs(1)).await;
            assert!(sessions.find(&secret, true).is_some());
        }
        tokio::time::advance(Duration::from_secs(24)).await;
        assert!(sessions.find(&secret, true).is_none(), "twelve hours are over");
        let secret = sessions.begin("ann", |_| true).unwrap();
        sessions.end(&secret);
        assert!(sessions.find(&secret, true).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn sessions_are_bounded_and_no_two_are_alike() {
        let sessions = Sessions::new();
        let mut secrets = Vec::new();
        for number in 0..=MOST {
            secrets.push(sessions.begin(number, |_| true).unwrap());
            tokio::time::advance(Duration::from_millis(1)).await;
        }
        assert!(sessions.find(&secrets[0], true).is_none(), "the one that rested longest");
        let seats: Vec<_> =
            secrets[1..].iter().map(|it| sessions.find(it, true).unwrap()).collect();
        assert!(seats.iter().enumerate().all(|(at, seat)| seat.who == at + 1));
        assert!(secrets.iter().all(|secret| secret.len() == 64));
        assert!(seats.iter().all(|seat| !secrets.contains(&seat.token)));
        secrets.sort_unstable();
        secrets.dedup();
        assert_eq!(secrets.len(), MOST + 1);
    }

    #[tokio::test(start_paused = true)]
    async fn an_account_throws_out_none_but_itself() {
        let sessions = Sessions::new();
        let begin = |who| sessions.begin(who, |_| true).unwrap();
        let root = begin("root");
        let mut of_ann = Vec::new();
        for _ in 0..=MOST {
            tokio::time::advance(Duration::from_millis(1)).await;
            of_ann.push(begin("ann"));
        }
        assert!(sessions.find(&root, false).is_some());
        let alive = of_ann.iter().filter(|secret| sessions.find(secret, false).is_some());
        assert_eq!(alive.count(), MOST_OF_ONE);
        assert!(sessions.find(&of_ann[MOST], false).is_some(), "the newest");
        sessions.begin("bob", |who| *who != "ann").unwrap();
        assert_eq!(sessions.lock().len(), 2, "who is not known any more takes no room");
    }

    #[test]
    fn a_cookie_is_found_among_others_and_belongs_to_a_port() {
        let sent = headers(&[("cookie", "a=b; cairn-80301=no; cairn-8030=yes")]);
        assert_eq!(secret_of(&sent, 8030), Some("yes"));
        assert_eq!(secret_of(&sent, 8031), None);
        let plain = cookie(&HeaderMap::new(), 8030, Some("s"));
        assert_eq!(plain, "cairn-8030=s; Path=/; Max-Age=43200; HttpOnly; SameSite=Strict");
        let proxied = headers(&[("x-forwarded-proto", "https")]);
        assert!(cookie(&proxied, 8030, None).contains("cairn-8030=; Path=/; Max-Age=0;"));
        assert!(cookie(&proxied, 8030, None).ends_with("; Secure"));
    }

    #[test]
    fn a_name_that_others_own_is_not_ours() {
        let ours = [HostName::try_from("cairn.example".to_owned()).unwrap()];
        for host in
            ["127.0.0.1:8030", "10.0.0.7", "[::1]:8030", "[::1]", "localhost", "LOCALHOST:1"]
        {
            assert!(is_for_us(&headers(&[("host", host)]), &[]), "{host}");
        }
        for host in [
            "evil.example",
            "evil.example:8030",
            "cairn.example.evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "127.0.0.1@evil.example",
            "::1",
            "[::1",
            "",
        ] {
            let forwarded = ("x-forwarded-host", "127.0.0.1");
            assert!(!is_for_us(&headers(&[("host", host), forwarded]), &ours), "{host}");
        }
        assert!(!is_for_us(&HeaderMap::new(), &ours));
        for host in ["cairn.example", "CAIRN.example:8030"] {
            assert!(is_for_us(&headers(&[("host", host)]), &ours), "{host}");
        }
    }

    #[test]
    fn another_site_is_another_site() {
        let at = ("host", "127.0.0.1:8030");
        for (elsewhere, sent) in [
            (false, vec![at]),
            (false, vec![at, ("origin", "http://127.0.0.1:8030")]),
            (true, vec![at, ("origin", "http://127.0.0.1:8031")]),
            (true, vec![at, ("origin", "null")]),
            (true, vec![at, ("origin", "https://evil.example")]),
            (false, vec![at, ("sec-fetch-site", "same-origin")]),
            (true, vec![at, ("sec-fetch-site", "same-site")]),
            (true, vec![at, ("sec-fetch-site", "cross-site")]),
        ] {
            assert_eq!(is_from_elsewhere(&headers(&sent)), elsewhere, "{sent:?}");
        }
    }
}
