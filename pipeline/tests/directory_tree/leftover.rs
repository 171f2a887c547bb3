//! A restore whose process died goes on where it was, and believes nothing that it has not read.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use cairn_pipeline::directory::{DirectorySink, DirectorySource, SwitchPoint};
use cairn_pipeline::{
    BackupRequest, Engine, RepositorySettings, RestoreItem, RestoreReport, RestoreRequest,
};

use super::support::*;

/// Files of the sample that are not empty.
const NUM_FILES: u64 = 9;

fn restore(place: &Path, sink: DirectorySink, request: RestoreRequest) -> RestoreReport {
    let engine = Engine::start().unwrap();
    let repository = place.join("repository").display().to_string();
    let repository = engine.open_repository(repository).unwrap();
    engine.restore(&repository, Arc::new(sink), request).wait().unwrap()
}

fn everything() -> RestoreRequest {
    RestoreRequest::new("s").unwrap()
}

fn again(place: &Path) -> RestoreReport {
    restore(place, DirectorySink::open(place.join("to")).unwrap(), everything())
}

fn segments_written(report: &RestoreReport) -> u64 {
    report.objects.iter().map(|object| object.read_segments).sum()
}

/// A snapshot of the sample, and a restore of it that died when everything was staged.
fn died() -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    sample(&place.path().join("from"));
    let engine = Engine::start().unwrap();
    let repository = place.path().join("repository").display().to_string();
    let repository = engine.create_repository(repository, RepositorySettings::default()).unwrap();
    let source = DirectorySource::open(place.path().join("from")).unwrap();
    let request = BackupRequest::new("s").unwrap();
    engine.backup(&repository, Arc::new(source), request).wait().unwrap();
    fs::create_dir(place.path().join("to")).unwrap();
    let output = run_child(&[], "leftover::in_another_process_die_with_all_staged", place.path());
    assert_eq!(output.status.code(), None, "{output:?}");
    place
}

#[test]
#[ignore = "run by the tests of this file"]
fn in_another_process_die_with_all_staged() {
    let place = child_root();
    let end = at(SwitchPoint::BeforeSwitchFile, || std::process::abort());
    let sink = DirectorySink::open(place.join("to")).unwrap().with_switch_hook(end);
    restore(&place, sink, everything());
}

fn is_there(path: &Path) -> bool {
    path.try_exists().unwrap()
}

/// Where the dead restore has staged a file.
fn staged(place: &Path, path: &str) -> PathBuf {
    let mut jobs = fs::read_dir(place.join("to/.cairn/restore")).unwrap();
    jobs.next().unwrap().unwrap().path().join("new").join(path)
}

#[test]
fn what_was_staged_and_is_right_is_not_fetched_again() {
    let place = died();
    let report = again(place.path());
    let empty = 1;
    assert!(segments_written(&report) < NUM_FILES, "{report:?}");
    assert_eq!(report.progress.bytes_read, 0, "nothing was read from packs, but for {empty}");
    assert_eq!(tree(&place.path().join("to")), tree(&place.path().join("from")));
}

#[test]
fn a_staged_file_with_other_bytes_is_fetched() {
    let place = died();
    let flipped = staged(place.path(), "db/t/p/c/0.dat");
    let mut bytes = fs::read(&flipped).unwrap();
    bytes[299_999] ^= 1;
    fs::write(&flipped, bytes).unwrap();
    fs::write(staged(place.path(), "db/u/p/b/0.dat"), "another").unwrap();
    fs::remove_file(staged(place.path(), "db/t/q/b/0.dat")).unwrap();
    again(place.path());
    assert_eq!(tree(&place.path().join("to")), tree(&place.path().join("from")));
}

#[test]
fn a_staged_file_that_became_a_link_is_not_followed() {
    let place = died();
    let linked = staged(place.path(), "db/t/p/b/0.dat");
    fs::remove_file(&linked).unwrap();
    link(place.path().join("from/db/t/p/b/0.dat").to_str().unwrap(), &linked);
    again(place.path());
    assert_eq!(tree(&place.path().join("to")), tree(&place.path().join("from")));
}

#[test]
fn a_restore_of_another_table_leaves_it_and_one_of_a_part_takes_its_part() {
    let place = died();
    let to = place.path().join("to");
    let table = |name: &str, new_name: &str| RestoreItem {
        database: "db".to_owned(),
        object: Some(name.to_owned()),
        partitions: None,
        as_database: None,
        as_object: Some(new_name.to_owned()),
    };
    let request = everything().item(table("u", "other"));
    restore(place.path(), DirectorySink::open(&to).unwrap(), request);
    assert!(is_there(&staged(place.path(), "db/u/p/b/0.dat")));
    let request = everything().item(table("u", "u"));
    let report = restore(place.path(), DirectorySink::open(&to).unwrap(), request);
    assert_eq!((segments_written(&report), report.progress.bytes_read), (0, 0));
    assert!(!is_there(&to.join(".cairn")));
}

/// One that died so early is of no use to the next: it would wait for its week in vain.
#[test]
fn a_restore_that_died_before_its_first_file_leaves_nothing() {
    let place = died();
    let to = place.path().join("to");
    let tables = staged(place.path(), "");
    remove_files(&tables);
    DirectorySource::open(&to).unwrap();
    assert!(!is_there(&to.join(".cairn")));
}

fn remove_files(directory: &Path) {
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        match entry.file_type().unwrap().is_dir() {
            true => remove_files(&entry.path()),
            false => fs::remove_file(entry.path()).unwrap(),
        }
    }
}

#[test]
fn it_waits_for_a_week() {
    let place = died();
    let to = place.path().join("to");
    DirectorySource::open(&to).unwrap();
    let job = staged(place.path(), "").parent().unwrap().to_owned();
    let begun = fs::metadata(&job).unwrap().modified().unwrap();
    let days = |days: u64| {
        let past = begun - Duration::from_secs(days * 86_400);
        let directory = fs::File::open(&job).unwrap();
        directory.set_times(fs::FileTimes::new().set_modified(past)).unwrap();
        DirectorySource::open(&to).unwrap();
    };
    days(6);
    assert!(is_there(&job));
    days(8);
    assert!(!is_there(&to.join(".cairn")));
}
