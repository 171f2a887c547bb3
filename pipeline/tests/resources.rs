//! Some thirty jobs later, good and bad ones, the process has no thread, no open file and no file on disk more than before.
//!
//! A binary of its own: it counts what belongs to the process.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod place;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use cairn_pipeline::directory::DirectorySink;
use cairn_pipeline::tablet::SelectedItem;
use cairn_pipeline::{BackupRequest, CheckRequest, RestoreItem, RestoreRequest, Selection};
use place::{DEADLINE, Place, ends_within, noise, tree, wait_until};

/// Threads of engines by name. Those of the I/O runtime that wait for files share one name and come and go as
/// it pleases; they are counted only to find out that none is left at the end.
fn threads() -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    for task in fs::read_dir("/proc/self/task").unwrap() {
        // A thread may end while it is looked at.
        let Ok(name) = fs::read_to_string(task.unwrap().path().join("comm")) else { continue };
        if name.starts_with("cairn-") {
            *found.entry(name.trim().to_owned()).or_default() += 1;
        }
    }
    found
}

fn stage_threads() -> BTreeMap<String, usize> {
    let mut threads = threads();
    threads.remove("cairn-io");
    threads
}

fn num_open_files() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Files below the hidden directories of a repository and of a warehouse.
fn leftovers(place: &Place) -> Vec<String> {
    let is_hidden = |name: &String| name.contains(".staging~/") || name.contains(".cairn/");
    let names = |root: &Path| tree(root).into_keys().filter(is_hidden).collect::<Vec<_>>();
    [names(&place.path("repository")), names(&place.warehouse()), names(&place.path("restored"))]
        .concat()
}

/// Ends as it must, whichever of its ends it meets first.
fn run_and_cancel(place: &Place, label: &str) {
    let request = BackupRequest::new(label).unwrap().rescan();
    let job = place.engine.backup(&place.repository, place.source(), request);
    wait_until("something was read", || job.progress().bytes_read > 0);
    job.cancel();
    drop(ends_within(DEADLINE, job));
}

/// One job of each kind and of each end.
fn run_all_kinds(place: &Place, round: usize) {
    place.write("shop/orders/p1/t1/new.dat", &noise(round as u64, 2 << 20));
    let label = format!("round-{round}");
    place.backup(&label);
    place.restore(RestoreRequest::new(&label).unwrap(), "restored");
    assert_eq!(place.check(), [""; 0]);
    place.engine.check(&place.repository, CheckRequest::structure()).wait().unwrap();

    // Fail before the pipeline, in the planner and in the fetcher; end early.
    place.try_backup(BackupRequest::new(&label).unwrap()).unwrap_err();
    let nothing = SelectedItem { database: "nowhere".into(), object: None, partitions: None };
    let request = BackupRequest::new("x").unwrap().select(Selection { items: vec![nothing] });
    place.try_backup(request).unwrap_err();
    let item = RestoreItem {
        database: "nowhere".into(),
        object: None,
        partitions: None,
        as_database: None,
        as_object: None,
    };
    let request = RestoreRequest::new(&label).unwrap();
    place.try_restore(request.clone().item(item), "restored").unwrap_err();
    let sink = Arc::new(DirectorySink::open(place.path("restored")).unwrap());
    let restore = place.engine.restore(&place.repository, sink, request);
    restore.cancel();
    drop(ends_within(DEADLINE, restore));
    run_and_cancel(place, &format!("cancelled-{round}"));
}

#[test]
fn nothing_is_left_of_jobs_nor_of_engines() {
    assert_eq!(threads().len(), 0);
    // The first runtime of a process makes a pipe for signals that stays for the others.
    drop(Place::new());
    wait_until("no thread of the first engine is left", || threads().is_empty());
    let num_files_at_first = num_open_files();
    let place = Place::new();
    place.fill();
    // Whatever is made once is made by the first of each kind.
    run_all_kinds(&place, 0);
    wait_until("cancelled puts are gone", || leftovers(&place).is_empty());
    let threads_before = stage_threads();
    let num_files_before = num_open_files();
    for name in threads_before.keys() {
        let is_engine = ["control", "compute", "io-keep"].iter().any(|word| name.contains(word));
        assert!(is_engine, "{name} is of a job");
    }

    for round in 1..=3 {
        run_all_kinds(&place, round);
    }
    assert_eq!(stage_threads(), threads_before);
    wait_until("open files are as before", || num_open_files() <= num_files_before);
    wait_until("cancelled puts are gone", || leftovers(&place).is_empty());

    drop(place);
    wait_until("no thread of the engine is left", || threads().is_empty());
    assert_eq!(num_open_files(), num_files_at_first);
}
