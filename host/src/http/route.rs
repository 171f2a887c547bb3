//! From a request to its answer: which page, who asks, what may be done. The rules are in `host/DESIGN.md`, "Status page".

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cairn_pipeline::JobKind;
use futures::future::{join, join_all};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION,
    REFERRER_POLICY, SET_COOKIE, X_CONTENT_TYPE_OPTIONS,
};
use hyper::http::request::Parts;
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use maud::Markup;
use tokio::time::timeout;

use super::Served;
use super::desk::{Desk, Known, Operator};
use super::job::Job;
use super::login::{Seat, Sessions, cookie, is_for_us, is_from_elsewhere, secret_of};
use super::pace::Paces;
use super::page::{self, Section, View, Viewer};
use super::shelf::Shelf;

/// The longest form.
const MAX_FORM: usize = 4 << 10;
/// How long it may take to come.
const FORM_TIMEOUT: Duration = Duration::from_secs(10);
/// Jobs that have ended among which errors are looked for.
const MAX_ENDED: usize = 200;
/// Before the names of repositories of the warehouse, which may be named as one that `--repo` names.
const OF_WAREHOUSE: &str = "sql ";

/// Nothing but what this program serves; no page of others around it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
     form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
/// The query of a page that loads itself anew.
const AGAIN: &str = "again";
const TEXT: &str = "text/plain; charset=utf-8";
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";
const FORM: &str = "application/x-www-form-urlencoded";

const MISDIRECTED: &str = "The page answers to addresses and to localhost only, not to other names, which others can make mean this machine. \
     Open it by the address of the server, such as http://127.0.0.1:8030/, or say in [http] names of the configuration what the server \
     is called; a proxy passes the address on as the Host.\n";

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");
const ICON: &str = include_str!("icon.svg");

type Answer = Response<Full<Bytes>>;

/// What the server knows while it runs.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) served: Served,
    port: u16,
    paces: Paces,
    shelf: Arc<Shelf>,
    sessions: Sessions<Operator>,
}

impl Site {
    pub(super) fn new(served: Served, port: u16) -> Self {
        let (paces, shelf) = Default::default();
        Self { served, port, paces, shelf, sessions: Sessions::new() }
    }

    /// Looks at the jobs that run.
    pub(super) fn look(&self) {
        self.paces.look(&self.jobs(0));
    }

    /// Answers a request.
    pub(super) async fn respond(&self, peer: SocketAddr, request: Request<Incoming>) -> Answer {
        let path = request.uri().path().to_owned();
        let is_for_us = || is_for_us(request.headers(), &self.served.names);
        if !matches!(path.as_str(), "/metrics" | "/healthz") && !is_for_us() {
            return text(StatusCode::MISDIRECTED_REQUEST, TEXT, MISDIRECTED);
        }
        let cancel = cancelled_job(&path);
        let allowed = match path.as_str() {
            "/" | "/live" | "/metrics" | "/healthz" | "/page.css" | "/page.js" | "/icon.svg" => {
                "GET, HEAD"
            }
            "/login" => "GET, HEAD, POST",
            "/logout" => "POST",
            _ if cancel.is_some() => "POST",
            _ => return text(StatusCode::NOT_FOUND, TEXT, "there are /, /metrics and /healthz\n"),
        };
        let method = request.method().clone();
        if !allowed.split(", ").any(|name| name == method.as_str()) {
            let mut refused =
                text(StatusCode::METHOD_NOT_ALLOWED, TEXT, format!("only {allowed}\n"));
            refused.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
            return refused;
        }
        if method == Method::POST {
            return self.change(peer, &path, cancel, request).await;
        }
        let headers = request.headers();
        match path.as_str() {
            "/metrics" => text(StatusCode::OK, PROMETHEUS, self.served.metrics.render()),
            "/healthz" => text(StatusCode::OK, TEXT, "ok\n"),
            "/page.css" => text(StatusCode::OK, "text/css; charset=utf-8", STYLE),
            "/page.js" => text(StatusCode::OK, "text/javascript; charset=utf-8", SCRIPT),
            "/icon.svg" => text(StatusCode::OK, "image/svg+xml", ICON),
            "/login" => match self.desk_for(peer) {
                Ok(_) => html(StatusCode::OK, &page::login("", None)),
                Err(refused) => *refused,
            },
            "/live" => html(StatusCode::OK, &self.view(peer, headers, false).await.live()),
            _ => {
                let wakes = request.uri().query() != Some(AGAIN);
                html(StatusCode::OK, &self.view(peer, headers, wakes).await.page())
            }
        }
    }

    // ------------------------------------------------------------ what is shown

    /// Who is logged in, as the request says. A page that a person asks for wakes the session, a refresh does not.
    fn seat(&self, headers: &HeaderMap, wakes: bool) -> Option<(&Desk, Seat<Operator>)> {
        let desk = self.served.desk.as_ref()?;
        let secret = secret_of(headers, self.port)?;
        let seat = self.sessions.find(secret, wakes)?;
        if !desk.knows(&seat.who) {
            self.sessions.end(secret);
            return None;
        }
        Some((desk, seat))
    }

    fn viewer(&self, peer: SocketAddr, headers: &HeaderMap, wakes: bool) -> Viewer {
        match self.seat(headers, wakes) {
            Some((desk, seat)) => Viewer::Known {
                name: seat.who.name().to_owned(),
                may_operate: desk.may_operate(&seat.who),
                token: seat.token,
            },
            None if self.served.desk.is_none() => Viewer::Anybody,
            None => Viewer::Stranger { may_log_in: is_near(peer) },
        }
    }

    async fn view(&self, peer: SocketAddr, headers: &HeaderMap, wakes: bool) -> View {
        let viewer = self.viewer(peer, headers, wakes);
        let instead = viewer.instead();
        let sees_all = instead.is_none();
        let jobs = self.jobs(MAX_ENDED);
        let mut repositories = self.sections(&jobs, sees_all).await;
        if let Some(instead) = instead {
            let hidden = repositories.into_iter().map(|section| section.without_words(instead));
            repositories = hidden.collect();
        }
        let jobs = jobs.into_iter().map(|job| {
            let pace = self.paces.of(&job.id);
            (if sees_all { job } else { job.for_anybody() }, pace)
        });
        View { viewer, jobs: jobs.collect(), repositories }
    }

    /// All jobs that run and the latest others, the newest first.
    fn jobs(&self, max_ended: usize) -> Vec<Job> {
        let posted = self.served.board.jobs().into_iter();
        let Some(desk) = &self.served.desk else { return posted.map(Job::from).collect() };
        // The desk has these in its journal.
        let is_of_desk = |kind| matches!(kind, JobKind::Backup | JobKind::Restore);
        let others = posted.filter(|job| !is_of_desk(job.watch.kind()));
        let mut jobs = desk.jobs(max_ended);
        jobs.extend(others.map(Job::from));
        jobs.sort_by_key(Job::age);
        jobs
    }

    /// The repositories, all read at once: the page waits for the slowest, and a second at most.
    async fn sections(&self, jobs: &[Job], sees_all: bool) -> Vec<Section> {
        let so_far = ended(jobs);
        let desk = self.served.desk.as_ref().filter(|_| sees_all);
        let known = desk.map(Desk::repositories).unwrap_or_default();
        if desk.is_some() {
            let keys: Vec<String> = known.iter().map(key).collect();
            self.shelf.retain(|it| {
                !it.starts_with(OF_WAREHOUSE) || keys.iter().any(|key| key.as_str() == it)
            });
        }
        let of_warehouse = desk.into_iter().zip(Some(known));
        let of_warehouse = of_warehouse
            .flat_map(|(desk, known)| known.into_iter().map(move |it| (it, desk.clone())));
        let of_warehouse = of_warehouse.map(|(it, desk)| async move {
            let key = key(&it);
            let Known { name, location, error } = it;
            let of = name.clone();
            let mut kept = self.shelf.look(&key, so_far, move || desk.snapshots(&of)).await;
            kept.error = kept.error.or(error);
            Section { name, location: Some(location), kept }
        });
        let named = self.served.repositories.iter().map(|(location, repository)| async move {
            let repository = repository.clone();
            let read = move || {
                repository.snapshots().map_err(|error| format!("{:#}", anyhow::Error::from(error)))
            };
            let kept = self.shelf.look(&format!("repo {location}"), so_far, read).await;
            Section { name: location.clone(), location: None, kept }
        });
        let (mut sections, named) = join(join_all(of_warehouse), join_all(named)).await;
        sections.extend(named);
        sections
    }

    // ------------------------------------------------------------ what is done

    /// The desk, where the peer may log in.
    fn desk_for(&self, peer: SocketAddr) -> Result<&Desk, Box<Answer>> {
        let Some(desk) = &self.served.desk else {
            let why = "Without SQL there are no accounts: start cairn serve with --data.";
            return Err(Box::new(refused(StatusCode::NOT_FOUND, "There is no login", why)));
        };
        if is_near(peer) {
            return Ok(desk);
        }
        let why = "The form would send the password readably over the network. Come by a tunnel, such as \
                   ssh -L 8030:127.0.0.1:8030, or through a proxy with TLS on the server's machine.";
        Err(Box::new(refused(StatusCode::FORBIDDEN, "Log in from the server's own machine", why)))
    }

    async fn change(
        &self,
        peer: SocketAddr,
        path: &str,
        cancel: Option<u64>,
        request: Request<Incoming>,
    ) -> Answer {
        let (head, body) = request.into_parts();
        if is_from_elsewhere(&head.headers) {
            let why = "Another site sent this form. Open the page itself and try again.";
            return refused(StatusCode::FORBIDDEN, "Not from this page", why);
        }
        let form = match read_form(&head, body).await {
            Ok(form) => form,
            Err(refused) => return refused,
        };
        if path == "/login" {
            return self.log_in(peer, &head.headers, &form).await;
        }
        let Some((desk, seat)) = self.seat(&head.headers, true) else {
            let why = "The login has ended, or there was none. Log in and try again.";
            return refused(StatusCode::FORBIDDEN, "Not logged in", why);
        };
        if field(&form, "token") != seat.token {
            let why = "The form is of another login. Open the page again.";
            return refused(StatusCode::FORBIDDEN, "The form is old", why);
        }
        match cancel {
            Some(_) if !desk.may_operate(&seat.who) => {
                let why = "Cancelling a job needs REPOSITORY ON SYSTEM, as CANCEL BACKUP does.";
                refused(StatusCode::FORBIDDEN, "Not allowed", why)
            }
            Some(job) => match desk.cancel(&seat.who, job).await {
                Ok(()) => see("/", None),
                Err(why) => refused(StatusCode::CONFLICT, "The job was not cancelled", &why),
            },
            None => {
                if let Some(secret) = secret_of(&head.headers, self.port) {
                    self.sessions.end(secret);
                }
                see("/", Some(cookie(&head.headers, self.port, None)))
            }
        }
    }

    async fn log_in(&self, peer: SocketAddr, headers: &HeaderMap, form: &Form) -> Answer {
        let desk = match self.desk_for(peer) {
            Ok(desk) => desk,
            Err(refused) => return *refused,
        };
        let (user, password) = (field(form, "user"), field(form, "password"));
        match desk.log_in(user, password, peer.ip()).await {
            Err(refused) => {
                let status = match refused.is_crowded {
                    true => StatusCode::TOO_MANY_REQUESTS,
                    false => StatusCode::FORBIDDEN,
                };
                html(status, &page::login(user, Some(&refused.why)))
            }
            Ok(operator) => {
                // The browser forgets it.
                if let Some(old) = secret_of(headers, self.port) {
                    self.sessions.end(old);
                }
                let Some(secret) = self.sessions.begin(operator, |who| desk.knows(who)) else {
                    let why = "The system has no random numbers.";
                    return refused(StatusCode::INTERNAL_SERVER_ERROR, "No login", why);
                };
                see("/", Some(cookie(headers, self.port, Some(&secret))))
            }
        }
    }
}

/// What the list of a repository of the warehouse is kept by: another place under the same name is another repository.
fn key(known: &Known) -> String {
    let Known { name, location, .. } = known;
    format!("{OF_WAREHOUSE}{name} {location}")
}

/// Fields and their values, as they came.
type Form = Vec<(String, String)>;

/// The first value of a field; of one that is missing, nothing.
fn field<'a>(form: &'a Form, name: &str) -> &'a str {
    form.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
}

async fn read_form(head: &Parts, body: Incoming) -> Result<Form, Answer> {
    let kind = head.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case(FORM) {
        let why = format!("A form is sent as {FORM}.");
        return Err(refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Not a form", &why));
    }
    match timeout(FORM_TIMEOUT, Limited::new(body, MAX_FORM).collect()).await {
        Ok(Ok(body)) => Ok(form_urlencoded::parse(&body.to_bytes()).into_owned().collect()),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
            let why = format!("A form has at most {MAX_FORM} bytes.");
            Err(refused(StatusCode::PAYLOAD_TOO_LARGE, "Too much", &why))
        }
        Ok(Err(_)) => {
            Err(refused(StatusCode::BAD_REQUEST, "Not understood", "The form broke off."))
        }
        Err(_) => {
            Err(refused(StatusCode::REQUEST_TIMEOUT, "Too slow", "The form did not come whole."))
        }
    }
}

/// `/jobs/<id>/cancel`
fn cancelled_job(path: &str) -> Option<u64> {
    path.strip_prefix("/jobs/")?.strip_suffix("/cancel")?.parse().ok()
}

/// Whether nobody between hears what is said.
fn is_near(peer: SocketAddr) -> bool {
    peer.ip().to_canonical().is_loopback()
}

/// What has ended so far, as a number that changes with it.
fn ended(jobs: &[Job]) -> u64 {
    let mut hasher = DefaultHasher::new();
    jobs.iter().filter(|job| !job.runs()).for_each(|job| job.id.hash(&mut hasher));
    hasher.finish()
}

fn refused(status: StatusCode, what: &str, why: &str) -> Answer {
    html(status, &page::refusal(what, why))
}

/// Sends a browser to another page.
fn see(path: &'static str, cookie: Option<String>) -> Answer {
    let mut answer = text(StatusCode::SEE_OTHER, TEXT, "");
    answer.headers_mut().insert(LOCATION, HeaderValue::from_static(path));
    // It is made of digits, letters and what stands between them.
    if let Some(cookie) = cookie.and_then(|cookie| HeaderValue::try_from(cookie).ok()) {
        answer.headers_mut().insert(SET_COOKIE, cookie);
    }
    answer
}

fn html(status: StatusCode, page: &Markup) -> Answer {
    text(status, HTML, page.0.clone())
}

fn text(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    let value = HeaderValue::from_static;
    let headers: [(HeaderName, HeaderValue); 5] = [
        (CONTENT_TYPE, value(content_type)),
        (CONTENT_SECURITY_POLICY, value(POLICY)),
        (X_CONTENT_TYPE_OPTIONS, value("nosniff")),
        // With none a browser would not say where a form comes from.
        (REFERRER_POLICY, value("same-origin")),
        (CACHE_CONTROL, value("no-store")),
    ];
    answer.headers_mut().extend(headers);
    answer
}
