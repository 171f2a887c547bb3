//! The status page as HTML. Whatever comes from outside goes through [`maud`], which makes text of it and never markup. Pure.

use std::time::Duration;

use cairn_pipeline::ProgressSnapshot;
use maud::{DOCTYPE, Markup, html};

use super::job::{End, Job};
use super::pace::Pace;
use super::picture;
use super::shelf::{About, Kept};
use crate::ui::{bytes, count, duration};

/// Jobs whose stages are pictured.
const MAX_PICTURED: usize = 4;
/// Jobs of the list.
const MAX_JOBS: usize = 30;
/// Errors of the list.
const MAX_TROUBLES: usize = 10;

/// Who looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Viewer {
    /// There are no accounts.
    Anybody,
    /// Not logged in, and whether that can be done from there.
    Stranger { may_log_in: bool },
    /// Logged in; `token` is what forms must say.
    Known { name: String, token: String, may_operate: bool },
}

impl Viewer {
    /// What stands for what somebody may not see; nothing hides it from those who may.
    pub(super) fn instead(&self) -> Option<&'static str> {
        match self {
            Self::Anybody | Self::Known { may_operate: true, .. } => None,
            Self::Stranger { .. } => Some("log in to see why"),
            Self::Known { .. } => Some("to see why needs REPOSITORY ON SYSTEM"),
        }
    }
}

/// What the page shows.
#[derive(Debug)]
pub(super) struct View {
    pub(super) viewer: Viewer,
    /// The newest first.
    pub(super) jobs: Vec<(Job, Pace)>,
    pub(super) repositories: Vec<Section>,
}

/// A repository.
#[derive(Debug, Clone)]
pub(super) struct Section {
    pub(super) name: String,
    /// Where that is not its name.
    pub(super) location: Option<String>,
    pub(super) kept: Kept,
}

impl Section {
    /// Without the words of errors, which name paths, buckets and machines.
    pub(super) fn without_words(mut self, instead: &str) -> Self {
        self.kept.error = self.kept.error.map(|_| instead.to_owned());
        for shown in self.kept.listing.iter_mut().flat_map(|listing| &mut listing.newest) {
            if let Err(why) = &mut shown.about {
                instead.clone_into(why);
            }
        }
        self
    }
}

impl View {
    /// The whole page.
    pub(super) fn page(&self) -> Markup {
        let script = html! {
            // It does not wake the session, and leaves the time to open a cancel and to send it.
            noscript { meta http-equiv="refresh" content="30; url=/?again"; }
            script src="/page.js" defer {}
        };
        document("Cairn", &script, &self.live())
    }

    /// What of it changes; who is logged in does, too.
    pub(super) fn live(&self) -> Markup {
        let running: Vec<_> = self.jobs.iter().filter(|(job, _)| job.runs()).collect();
        let every = if running.is_empty() { 5000 } else { 1000 };
        html! {
            div id="live" data-every=(every) data-title=(title(&running)) {
                (header(Some(&self.viewer)))
                main {
                    p.stale hidden { "No answer from the server. What is shown is old." }
                    @if running.is_empty() { (self.rest()) }
                    @for (job, pace) in running.iter().take(MAX_PICTURED) { (self.running(job, pace)) }
                    @if running.len() > MAX_PICTURED {
                        p.more { "and " (running.len() - MAX_PICTURED) " more that run, in the list" }
                    }
                    (self.troubles())
                    (self.list())
                    @for section in &self.repositories { (repository(section)) }
                    (self.hint())
                }
            }
        }
    }

    fn rest(&self) -> Markup {
        html! {
            section.card.job {
                header {
                    h2 { "Nothing runs" }
                    @if let Some((last, _)) = self.jobs.first() { p.last { "last: " (name(last)) " " (state(last)) (ago(last)) } }
                }
                (picture::at_rest())
            }
        }
    }

    fn running(&self, job: &Job, pace: &Pace) -> Markup {
        let progress = job.watch.as_ref().map(|watch| watch.progress()).unwrap_or_default();
        let (done, total) = (progress.bytes_done, progress.bytes_total);
        html! {
            section.card.job id={ "job-" (job.id) } {
                header {
                    h2 { (name(job)) }
                    (badge(job))
                    @if let Some(form) = self.cancel(job) { (form) }
                }
                progress max=[(total > 0).then_some(total)] value=[(total > 0).then_some(done)] aria-label="progress" {}
                dl.numbers {
                    div { dt { (moved(job)) } dd { (share(done, total)) } }
                    div { dt { "of" } dd { @if total > 0 { (bytes(total)) } @else { "-" } } }
                    div { dt { "rate" } dd { (bytes(pace.bytes_per_second)) "/s" } }
                    div { dt { "left" } dd { (left(done, total, pace.bytes_per_second)) } }
                    div { dt { "took" } dd { (whole_seconds(job.took)) } }
                    div { dt { "stored" } dd { (bytes(progress.stored_bytes)) } }
                    div.wide { dt { "last minute" } dd { (picture::graph(&pace.history)) } }
                }
                @if pace.stages.is_empty() { p.verdict { "It prepares." } }
                @else { (picture::running(pace, job.state == "committing")) }
            }
        }
    }

    /// The form that cancels a job, where there is one: opened first, so that a slip of the hand cancels nothing.
    fn cancel(&self, job: &Job) -> Option<Markup> {
        let Viewer::Known { token, may_operate: true, .. } = &self.viewer else { return None };
        if !job.has_cancel || !job.runs() || job.is_ending {
            return None;
        }
        Some(html! {
            details.cancel {
                summary { "Cancel" }
                form method="post" action={ "/jobs/" (job.id) "/cancel" } {
                    input type="hidden" name="token" value=(token);
                    p { "Cancel " (name(job)) "? Nothing of it becomes visible." }
                    button.danger type="submit" { "Cancel the job" }
                }
            }
        })
    }

    fn troubles(&self) -> Markup {
        let of_jobs =
            self.jobs.iter().filter(|(job, _)| job.end == Some(End::Failed)).map(|(job, _)| {
                let why = job.failure.as_deref().or(self.viewer.instead()).unwrap_or_default();
                (format!("{} failed", name(job)), job.since.clone().unwrap_or_default(), why)
            });
        let of_repositories = self.repositories.iter().filter_map(|section| {
            let why = section.kept.error.as_deref()?;
            Some((format!("repository {}", section.name), "now".to_owned(), why))
        });
        let troubles: Vec<_> = of_repositories.chain(of_jobs).take(MAX_TROUBLES).collect();
        html! {
            @if !troubles.is_empty() {
                section.card.troubles {
                    h2 { "Errors" }
                    ul {
                        @for (what, when, why) in &troubles {
                            li { p { strong { (what) } " " span.when { (when) } } p.why { (why) } }
                        }
                    }
                }
            }
        }
    }

    fn list(&self) -> Markup {
        if self.jobs.is_empty() {
            return Markup::default();
        }
        let has_databases = self.jobs.iter().any(|(job, _)| job.database.is_some());
        let has_progress = self.jobs.iter().any(|(job, _)| progress(job).is_some());
        let columns = ["job", "state", "database", "progress", "took", "when"];
        let columns = columns.into_iter().filter(|name| match *name {
            "database" => has_databases,
            "progress" => has_progress,
            _ => true,
        });
        html! {
            section.card {
                h2 { "Jobs" }
                table {
                    thead { tr { @for column in columns { th { (column) } } } }
                    tbody {
                        @for (job, _) in self.jobs.iter().take(MAX_JOBS) { (row(job, has_databases, has_progress)) }
                    }
                }
            }
        }
    }

    fn hint(&self) -> Markup {
        html! {
            @match &self.viewer {
                Viewer::Stranger { may_log_in: true } => {
                    p.hint { a href="/login" { "Log in" } " to see databases, repositories and the words of errors, and to cancel jobs." }
                }
                Viewer::Stranger { may_log_in: false } => {
                    p.hint { "Log in from the server's own machine, by a tunnel of ssh or a proxy with TLS there, to see more and to cancel jobs." }
                }
                Viewer::Known { name, may_operate: false, .. } => {
                    p.hint { (name) " may not see databases and repositories nor cancel jobs: that needs REPOSITORY ON SYSTEM." }
                }
                _ => {}
            }
        }
    }
}

/// The form to log in, with why it did not work before.
pub(super) fn login(user: &str, refused: Option<&str>) -> Markup {
    let content = html! {
        (header(None))
        main.narrow {
            section.card {
                h1 { "Log in" }
                p.about { "with an account of the SQL port that has a password" }
                @if let Some(refused) = refused { p.refused role="alert" { (refused) } }
                form.login method="post" action="/login" {
                    label { "User" input name="user" value=(user) autocomplete="username" required autofocus[user.is_empty()]; }
                    label { "Password" input name="password" type="password" autocomplete="current-password" autofocus[!user.is_empty()]; }
                    button type="submit" { "Log in" }
                }
            }
        }
    };
    document("Log in · Cairn", &html! {}, &content)
}

/// Why something was not done.
pub(super) fn refusal(what: &str, why: &str) -> Markup {
    let content = html! {
        (header(None))
        main.narrow {
            section.card {
                h1 { (what) }
                p.why { (why) }
                p { a href="/" { "Back to the page" } }
            }
        }
    };
    document(what, &html! {}, &content)
}

fn document(title: &str, head: &Markup, content: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
                link rel="icon" href="/icon.svg" type="image/svg+xml";
                link rel="stylesheet" href="/page.css";
                (head)
            }
            body { (content) }
        }
    }
}

fn header(viewer: Option<&Viewer>) -> Markup {
    html! {
        header.top {
            a.brand href="/" { img src="/icon.svg" alt="" width="28" height="28"; "Cairn" }
            nav {
                a href="/metrics" { "metrics" }
                a href="/healthz" { "health" }
                @match viewer {
                    Some(Viewer::Stranger { may_log_in: true }) => { a href="/login" { "log in" } }
                    Some(Viewer::Known { name, token, .. }) => {
                        form method="post" action="/logout" {
                            input type="hidden" name="token" value=(token);
                            span.who { (name) }
                            button.link type="submit" { "log out" }
                        }
                    }
                    _ => {}
                }
            }
        }
    }
}

fn row(job: &Job, has_databases: bool, has_progress: bool) -> Markup {
    html! {
        tr {
            td.main data-label="job" { (name(job)) }
            td data-label="state" { (badge(job)) }
            @if has_databases { td data-label="database" { (job.database.as_deref().unwrap_or("-")) } }
            @if has_progress {
                td data-label="progress" {
                    @match progress(job) {
                        Some(it) if job.runs() => { (share(it.bytes_done, it.bytes_total)) " " (moved(job)) " of " (bytes(it.bytes_total)) }
                        Some(it) => { (bytes(it.bytes_done)) }
                        None => {}
                    }
                }
            }
            td data-label="took" { (took(job)) }
            td data-label="when" title=[job.since.as_deref()] { @if job.runs() { "now" } @else { (ago(job).trim_start_matches([',', ' '])) } }
        }
    }
}

fn repository(section: &Section) -> Markup {
    let Kept { listing, error } = &section.kept;
    html! {
        section.card {
            header {
                h2 { (section.name) }
                @if let Some(location) = &section.location { p.where { (location) } }
                @if let Some(listing) = listing { p.total { (crate::ui::plural(listing.total as u64, "snapshot")) } }
            }
            @if let Some(error) = error { p.why { (error) } }
            @match listing {
                None if error.is_none() => { p.about { "It is being read." } }
                None => {}
                Some(listing) if listing.total == 0 && error.is_some() => {}
                Some(listing) if listing.total == 0 => { p.about { "No snapshots yet." } }
                Some(listing) => {
                    table {
                        thead { tr { th { "snapshot" } th { "taken (UTC)" } th.n { "size" } th.n { "stored" } th.n { "took" } } }
                        tbody {
                            @for snapshot in &listing.newest {
                                tr {
                                    td.main data-label="snapshot" { (snapshot.label) }
                                    @match &snapshot.about {
                                        Ok(about) => { (snapshot_cells(about)) }
                                        Err(why) => { td.why colspan="4" { (why) } }
                                    }
                                }
                            }
                        }
                    }
                    @if listing.total > listing.newest.len() {
                        p.more { "and " (count((listing.total - listing.newest.len()) as u64)) " older ones" }
                    }
                }
            }
        }
    }
}

fn snapshot_cells(about: &About) -> Markup {
    html! {
        td data-label="taken" { (minute(&about.taken)) }
        td.n data-label="size" { (bytes(about.raw_bytes)) }
        td.n data-label="stored" { (bytes(about.stored_bytes)) }
        td.n data-label="took" { (duration(about.took)) }
    }
}

/// `2026-11-27-01-35-41-123` as `2026-11-27 01:35:41`.
fn minute(timestamp: &str) -> String {
    let parts: Vec<&str> = timestamp.split('-').collect();
    match parts[..] {
        [year, month, day, hour, minute, second, ..] => {
            format!("{year}-{month}-{day} {hour}:{minute}:{second}")
        }
        _ => timestamp.to_owned(),
    }
}

fn name(job: &Job) -> String {
    format!("{} {}", job.kind, job.label).trim_end().to_owned()
}

fn state(job: &Job) -> &str {
    if job.is_ending { "cancelling" } else { &job.state }
}

fn badge(job: &Job) -> Markup {
    let class = match job.end {
        None if job.is_ending => "badge ending",
        None => "badge runs",
        Some(End::Finished) => "badge finished",
        Some(End::Cancelled) => "badge cancelled",
        Some(End::Failed) => "badge failed",
    };
    html! { span class=(class) { (state(job)) } }
}

fn ago(job: &Job) -> String {
    job.ended_ago.map(|ago| format!(", {} ago", roughly(ago))).unwrap_or_default()
}

/// What a job has done, where it is known how much there is.
fn progress(job: &Job) -> Option<ProgressSnapshot> {
    let progress = job.watch.as_ref().map(|watch| watch.progress());
    progress.filter(|progress| progress.bytes_total > 0)
}

/// What progress counts: a backup has read it, and is done when the last of it is stored.
fn moved(job: &Job) -> &'static str {
    if job.kind == "backup" { "read" } else { "done" }
}

/// To the greatest unit: what changes every second draws the eye.
fn roughly(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..5 => "a moment".to_owned(),
        5..60 => format!("{} s", seconds / 5 * 5),
        60..3600 => format!("{} min", seconds / 60),
        3600..86_400 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

fn took(job: &Job) -> String {
    if job.runs() { whole_seconds(job.took) } else { duration(job.took) }
}

fn whole_seconds(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..60 => format!("{seconds} s"),
        _ => duration(time),
    }
}

fn share(done: u64, total: u64) -> String {
    let tenths = u128::from(done).saturating_mul(1000).checked_div(u128::from(total));
    tenths.map_or_else(|| "-".to_owned(), |tenths| format!("{}.{} %", tenths / 10, tenths % 10))
}

fn left(done: u64, total: u64, rate: u64) -> String {
    let seconds = total.saturating_sub(done).checked_div(rate);
    seconds
        .filter(|_| total > done)
        .map_or_else(|| "-".to_owned(), |seconds| whole_seconds(Duration::from_secs(seconds)))
}

fn title(running: &[&(Job, Pace)]) -> String {
    match running {
        [] => "Cairn".to_owned(),
        [(job, _)] => {
            let progress = job.watch.as_ref().map(|watch| watch.progress()).unwrap_or_default();
            match progress.bytes_total {
                0 => format!("{} · Cairn", name(job)),
                total => format!("{} {} · Cairn", share(progress.bytes_done, total), name(job)),
            }
        }
        several => format!("{} jobs · Cairn", several.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::shelf::{Listing, Shown};
    use super::*;

    const MARKUP: &str = "<script>alert(1)</script>\"'&";

    fn job(end: Option<End>) -> Job {
        Job {
            id: "7".to_owned(),
            has_cancel: true,
            kind: "backup".to_owned(),
            label: MARKUP.to_owned(),
            database: Some(MARKUP.to_owned()),
            state: "failed".to_owned(),
            end,
            failure: Some(MARKUP.to_owned()),
            since: Some(MARKUP.to_owned()),
            took: Duration::from_secs(3725),
            ended_ago: end.map(|_| Duration::from_secs(125)),
            is_ending: false,
            watch: None,
        }
    }

    fn view(viewer: Viewer) -> View {
        let about = Err(MARKUP.to_owned());
        let newest = vec![Shown { label: MARKUP.to_owned(), about }];
        let kept = Kept {
            listing: Some(Listing { newest, total: 10_000 }),
            error: Some(MARKUP.to_owned()),
        };
        let section = Section { name: MARKUP.to_owned(), location: Some(MARKUP.to_owned()), kept };
        let jobs = [None, Some(End::Failed)].map(|end| (job(end), Pace::default())).to_vec();
        View { viewer, jobs, repositories: vec![section] }
    }

    fn operator(may_operate: bool) -> Viewer {
        Viewer::Known { name: MARKUP.to_owned(), token: "secret-token".to_owned(), may_operate }
    }

    #[test]
    fn whatever_comes_from_outside_is_text() {
        let pages = [
            view(operator(true)).page(),
            view(operator(false)).page(),
            login(MARKUP, Some(MARKUP)),
            refusal(MARKUP, MARKUP),
        ];
        for page in pages {
            let page = page.into_string();
            assert!(!page.contains("<script>") && page.contains("&lt;script&gt;"), "{page}");
            assert!(!page.contains("\"'&"), "{page}");
            assert!(!page.contains("style="), "the policy forbids it: {page}");
        }
    }

    #[test]
    fn without_a_script_a_page_loads_itself_anew_as_no_person_does() {
        let page = view(operator(true)).page().into_string();
        let refresh =
            "<noscript><meta http-equiv=\"refresh\" content=\"30; url=/?again\"></noscript>";
        assert!(page.contains(refresh), "{page}");
    }

    #[test]
    fn only_who_may_is_offered_a_cancel_and_only_of_what_runs() {
        let strangers = [true, false].map(|may_log_in| Viewer::Stranger { may_log_in });
        for viewer in strangers.into_iter().chain([Viewer::Anybody, operator(false)]) {
            assert!(!view(viewer).page().into_string().contains("/cancel"));
        }
        let page = view(operator(true)).page().into_string();
        assert_eq!(page.matches("action=\"/jobs/7/cancel\"").count(), 1, "{page}");
        let mut checks = view(operator(true));
        for (job, _) in &mut checks.jobs {
            job.has_cancel = false;
        }
        assert!(!checks.page().into_string().contains("/cancel"));
    }

    #[test]
    fn a_stranger_is_not_told_what_a_login_is_needed_for() {
        let told = job(Some(End::Failed)).for_anybody();
        let jobs = vec![(told, Pace::default())];
        let viewer = Viewer::Stranger { may_log_in: true };
        let page = View { viewer, jobs, repositories: Vec::new() }.page().into_string();
        assert!(page.contains("log in to see why") && !page.contains("<th>database"), "{page}");
    }

    #[test]
    fn words_of_errors_are_hidden_from_who_may_not_see_them() {
        for (viewer, instead) in [
            (Viewer::Stranger { may_log_in: false }, "log in to see why"),
            (operator(false), "to see why needs REPOSITORY ON SYSTEM"),
        ] {
            let told = viewer.instead().unwrap();
            assert_eq!(told, instead);
            let hidden = view(operator(true)).repositories.remove(0).without_words(told);
            let jobs = vec![(job(Some(End::Failed)).for_anybody(), Pace::default())];
            let kept = hidden.kept.clone();
            assert_eq!(kept.error.as_deref(), Some(instead));
            assert_eq!(kept.listing.unwrap().newest[0].about, Err(instead.to_owned()));
            let page = View { viewer, jobs, repositories: vec![hidden] }.page().into_string();
            // Of the job and of the repository among the errors, of the repository, of its snapshot.
            assert_eq!(page.matches(instead).count(), 4, "{page}");
        }
        assert_eq!((operator(true).instead(), Viewer::Anybody.instead()), (None, None));
    }

    #[test]
    fn amounts_read_well() {
        assert_eq!(share(1, 3), "33.3 %");
        assert_eq!(
            (share(0, 0), left(0, 0, 0), left(1, 2, 0)),
            ("-".into(), "-".into(), "-".into())
        );
        assert_eq!(left(0, 7200, 1), "2 h 0 min");
        assert_eq!(minute("2026-11-27-01-35-41-123"), "2026-11-27 01:35:41");
        let agos = [3, 8, 125, 7300, 200_000].map(|seconds| roughly(Duration::from_secs(seconds)));
        assert_eq!(agos, ["a moment", "5 s", "2 min", "2 h", "2 d"]);
    }
}
