//! What a check says of repositories that are not damaged.

use std::sync::Mutex;

use cairn_repository::Repository;
use cairn_repository::check::{CheckOptions, CheckPhase, CheckReport, check_structure};
use tokio::runtime::Handle;

use crate::sample;

/// The report with directories, from an index of which most is paged and from one in memory: the same.
pub(crate) async fn check(repository: &Repository) -> CheckReport {
    let mut reports = Vec::new();
    for index_budget_bytes in [500, 1 << 20] {
        let options = CheckOptions { index_budget_bytes, directories: true };
        let runtime = Handle::current();
        reports.push(check_structure(repository, runtime, &options, &|_| ()).await.unwrap());
    }
    assert_eq!(reports[0], reports[1]);
    reports.remove(0)
}

#[tokio::test]
async fn a_sound_repository_is_clean() {
    let memory = sample::sample().await;
    let report = check(&sample::open(&memory).await).await;
    assert!(report.is_clean());
    assert_eq!((report.num_snapshots, report.num_runs, report.num_packs), (2, 4, 4));
    // Two roots, one and two lists of objects, three partitions and one that changed.
    assert_eq!((report.num_documents, report.num_segments), (9, 7));
}

#[tokio::test]
async fn packs_that_no_run_lists_are_counted() {
    let memory = sample::sample().await;
    let path = cairn_storage::ObjectPath::parse(&format!("packs/ab/{}", "ab".repeat(32))).unwrap();
    memory.insert(path, vec![0; 100].into());
    let report = check(&sample::open(&memory).await).await;
    assert!(report.is_clean());
    assert_eq!((report.num_packs, report.num_orphan_packs, report.orphan_bytes), (5, 1, 100));
}

#[tokio::test]
async fn progress_comes_phase_by_phase_to_its_end() {
    let memory = sample::sample().await;
    let repository = sample::open(&memory).await;
    let seen = Mutex::new(Vec::new());
    let options = CheckOptions { directories: true, ..CheckOptions::default() };
    let on_progress = |progress| seen.lock().unwrap().push(progress);
    check_structure(&repository, Handle::current(), &options, &on_progress).await.unwrap();
    let seen = seen.into_inner().unwrap();
    for (phase, total) in [(CheckPhase::Runs, 4), (CheckPhase::Snapshots, 2)] {
        let last = seen.iter().rfind(|progress| progress.phase == phase).unwrap();
        assert_eq!((last.done, last.total), (total, total));
    }
}
