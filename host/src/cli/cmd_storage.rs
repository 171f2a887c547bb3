//! `cairn storage`

use std::fs;
use std::path::Path;

use cairn_pipeline::Timestamp;
use cairn_pipeline::storage::{self, ObjectPath, OpenMode, StorageUrl};
use cairn_testkit::conformance::{CaseReport, Verdict, run_all};
use serde_json::{Value, json};

use super::high::Location;
use crate::config::HostConfig;
use crate::exit::Exit;
use crate::secret::SecretSource;
use crate::session::at;
use crate::ui::Ui;

/// Threads of the runtime: the races of the cases shall be real.
const NUM_THREADS: usize = 2;

pub(super) fn validate(ui: &Ui, config: &HostConfig, location: &Location) -> anyhow::Result<Exit> {
    let mut properties = config.properties.clone();
    // A storage has no use for it.
    SecretSource::take(&mut properties)?;
    let at = at(location, &properties);
    let url = at.url()?;
    let storage = storage::open(&url, OpenMode::Existing, at.properties(), &config.engine.storage)?;
    let home = ObjectPath::parse(&format!("cairn-validate-{}", Timestamp::now()))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(NUM_THREADS)
        .enable_all()
        .build()?;
    let report = runtime.block_on(run_all(&storage, &home));
    if let StorageUrl::Local(directory) = &url {
        remove_empty(&directory.join(home.as_str()));
    }
    ui.show(report.to_string())?;
    ui.document(&json!({
        "verb": "storage validate",
        "storage": location,
        "is_ok": report.is_ok(),
        "cases": report.cases.iter().map(case).collect::<Vec<_>>(),
    }))?;
    Ok(if report.is_ok() { Exit::Ok } else { Exit::Failed })
}

/// Removes the directories that a local storage keeps after their last object; one that is not empty stays.
fn remove_empty(directory: &Path) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        remove_empty(&entry.path());
    }
    // What cannot be removed is harmless, and the report is what matters.
    let _ = fs::remove_dir(directory);
}

fn case(case: &CaseReport) -> Value {
    let (verdict, why) = match &case.verdict {
        Verdict::Passed => ("passed", None),
        Verdict::Skipped(why) => ("skipped", Some((*why).to_owned())),
        Verdict::Failed(failure) => ("failed", Some(failure.with_causes())),
        _ => ("unknown", None),
    };
    json!({ "name": case.name, "verdict": verdict, "reason": why })
}
