//! `cairn serve`, and metrics of a job that runs.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use cairn_testkit::wait_until;
use rustix::process::Signal;

use crate::metrics_table::documented;
use crate::place::Place;
use crate::running::Running;
use crate::signals::slow_backup;

/// Status, headers and body of one request.
fn request(address: &str, method: &str, path: &str) -> (u16, String, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    let request =
        format!("{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head.to_lowercase(), body.to_owned())
}

fn get(address: &str, path: &str) -> String {
    let (status, _, body) = request(address, "GET", path);
    assert_eq!(status, 200, "{path}: {body}");
    body
}

/// The names of the series, without what the format adds to histograms.
fn metric_names(body: &str) -> BTreeSet<String> {
    let types = body.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    types.map(|line| line.split(' ').next().unwrap().to_owned()).collect()
}

fn serve(place: &Place, repositories: &[&str]) -> (Running, String) {
    let listen = ["--json", "serve", "--listen", "127.0.0.1:0"];
    let repositories: Vec<&str> =
        repositories.iter().flat_map(|location| ["--repo", location]).collect();
    let mut running = Running::start(place.command(&[&listen[..], &repositories].concat()));
    let event: serde_json::Value =
        serde_json::from_str(&running.wait_for("\"event\":\"serving\"")).unwrap();
    (running, event["address"].as_str().unwrap().to_owned())
}

#[test]
fn serve_shows_health_metrics_and_snapshots_until_sigterm() {
    let place = Place::new();
    place.back_up("nightly");
    let (running, address) = serve(&place, &["repo"]);
    assert_eq!(get(&address, "/healthz"), "ok\n");
    let page = get(&address, "/");
    assert!(page.contains("<h2>repo</h2>") && page.contains(">nightly</td>"), "{page}");
    assert!(page.contains("1 snapshot<") && page.contains("Nothing runs"), "{page}");
    // Without SQL there are no accounts, and nothing can be done.
    assert!(!page.contains("/login") && !page.contains("<form"), "{page}");
    assert_eq!(request(&address, "GET", "/login").0, 404);
    assert_eq!(request(&address, "POST", "/jobs/1/cancel").0, 415);
    let metrics = get(&address, "/metrics");
    assert!(metrics.contains("cairn_storage_requests_total{backend=\"local\""), "{metrics}");
    let undocumented: Vec<_> = metric_names(&metrics)
        .into_iter()
        .filter(|name| !documented().contains_key(name))
        .collect();
    assert!(undocumented.is_empty(), "{undocumented:?}");

    let (status, head, _) = request(&address, "POST", "/metrics");
    assert_eq!(status, 405);
    assert!(head.contains("allow: get, head"), "{head}");
    assert_eq!(request(&address, "GET", "/nothing").0, 404);
    assert_eq!(request(&address, "HEAD", "/healthz").2, "");

    running.signal(Signal::TERM);
    let (status, stdout) = running.end();
    assert_eq!(status, 0, "{stdout}");
    assert!(TcpStream::connect(&address).is_err(), "still listening");
}

#[test]
fn a_repository_that_breaks_is_shown_broken() {
    let place = Place::new();
    place.back_up("nightly");
    let (running, address) = serve(&place, &["repo"]);
    std::fs::write(place.path("repo/snapshots/nightly"), "<b>no record</b>").unwrap();
    let page = get(&address, "/");
    assert!(page.contains("the repository is damaged"), "{page}");
    assert!(!page.contains("<b>"), "{page}");
    assert_eq!(get(&address, "/healthz"), "ok\n");
    running.signal(Signal::INT);
    assert_eq!(running.end().0, 0);
}

#[test]
fn serve_refuses_what_it_cannot_serve() {
    let place = Place::new();
    place.cairn(&["serve", "--repo", "nowhere", "--listen", "127.0.0.1:0"]).status(2).run();
    let (running, address) = serve(&place, &[]);
    place.cairn(&["serve", "--listen", &address]).status(1).run();
    running.signal(Signal::TERM);
    assert_eq!(running.end().0, 0);
}

#[test]
fn a_running_backup_can_be_watched() {
    let place = Place::new();
    let mut running = slow_backup(&place, &["--listen", "127.0.0.1:0"]);
    let line = running.wait_for("serving http://");
    let address = line.trim().trim_start_matches("serving http://").trim_end_matches("/metrics");
    running.wait_for("backup slow: uploading");
    let metrics = get(address, "/metrics");
    let series = "cairn_jobs_running{kind=\"backup\",state=\"uploading\"} 1";
    assert!(metrics.contains(series), "{metrics}");
    let shown = ["<h2>backup slow</h2>", "uploading", "<h4>uploader</h4>", "sets the pace"];
    // It looks at what runs once a second.
    wait_until("the stages are pictured", Duration::from_secs(60), || {
        let page = get(address, "/");
        shown.iter().all(|text| page.contains(text))
    });
    let served = metric_names(&metrics);
    assert!(served.iter().all(|name| documented().contains_key(name)), "{served:?}");
    for part in ["cairn_stage_", "cairn_edge_", "cairn_storage_", "cairn_jobs_"] {
        assert!(served.iter().any(|name| name.starts_with(part)), "no {part} in {served:?}");
    }
    running.signal(Signal::INT);
    assert_eq!(running.end().0, 130);
}
