//! `cairn repo copy --anew`

use std::collections::HashMap;
use std::sync::Arc;

use cairn_pipeline::{
    BackupReport, Label, Record, Repository, SnapshotSource, SweepRequest, Timestamp,
};
use serde_json::{Value, json};

use super::high::{AnewPlan, RepoCopyPlan};
use crate::exit::{Exit, Refusal};
use crate::secret::HOW;
use crate::session::Session;
use crate::ui::{bytes, duration, plural};

/// Copies snapshots, the oldest first: later ones read what they do not share only.
pub(super) fn copy(
    session: &Session,
    from: &Repository,
    plan: &RepoCopyPlan,
    anew: &AnewPlan,
) -> anyhow::Result<Exit> {
    let elsewhere = anew.to_config.as_deref().map(|file| session.with_properties_of(file));
    let elsewhere = elsewhere.transpose()?;
    let at = elsewhere.as_ref().unwrap_or(session);
    if anew.encrypt && !at.has_secret() {
        return Err(Refusal::usage(format!(
            "--encrypt needs a key: {HOW}; --to-config names another file"
        )));
    }
    let records = wanted(session, from, anew)?;
    let to = at.open_or_create(&plan.to, anew.settings)?;
    if to.id() == from.id() {
        return Err(Refusal::usage(
            "both are the same repository: without --anew a copy is made object by object",
        ));
    }
    let (mut copied, mut num_there) = (Vec::new(), 0);
    let listed = to.snapshots()?.into_iter();
    let there: HashMap<Label, Option<Timestamp>> =
        listed.map(|it| (it.label, it.record.ok().map(|record| record.timestamp))).collect();
    for record in records {
        match there.get(&record.label) {
            Some(Some(taken)) if *taken == record.timestamp => num_there += 1,
            Some(_) => {
                return Err(Refusal::usage(format!(
                    "{} has another snapshot {}: it keeps its label there",
                    plan.to, record.label
                )));
            }
            None => copied.push(copy_one(session, from, &to, record)?),
        }
    }
    let raw = copied.iter().map(|report| report.record.stats.raw_bytes).sum();
    let stored = copied.iter().map(|report| report.progress.stored_bytes).sum();
    session.ui.show(format!(
        "copied {} anew from {} to {}: {} in them, {} stored; {} there before",
        plural(copied.len() as u64, "snapshot"),
        plan.from,
        plan.to,
        bytes(raw),
        bytes(stored),
        plural(num_there, "snapshot"),
    ))?;
    session.ui.document(&document(plan, &copied, num_there))?;
    Ok(Exit::Ok)
}

fn copy_one(
    session: &Session,
    from: &Repository,
    to: &Repository,
    record: Record,
) -> anyhow::Result<BackupReport> {
    let source = SnapshotSource::new(from, record);
    let request = source.request()?;
    let report = session.follow(session.engine.backup(to, Arc::new(source), request))?;
    session.ui.show(format!(
        "copied {} of {}: {} read, {} stored in {}",
        report.label,
        report.timestamp,
        bytes(report.record.stats.read_bytes),
        bytes(report.progress.stored_bytes),
        duration(report.duration),
    ))?;
    Ok(report)
}

/// The records of what is to be copied, by time. One that was named and cannot be read is an error; else it is told and left
/// out.
fn wanted(session: &Session, from: &Repository, anew: &AnewPlan) -> anyhow::Result<Vec<Record>> {
    let mut records = Vec::new();
    for label in &anew.labels {
        records.push(from.snapshot(label)?);
    }
    if anew.labels.is_empty() {
        let request = SweepRequest { owner: None, rules: anew.rules.clone() };
        for verdict in from.judge_sweep(&request)?.into_iter().filter(|verdict| !verdict.goes) {
            match from.snapshot(verdict.snapshot.label.as_str()) {
                Ok(record) => records.push(record),
                Err(error) => {
                    session.ui.note(format!("passed over {}: {error}", verdict.snapshot.label));
                }
            }
        }
    }
    records.sort_by_key(|record| record.timestamp);
    records.dedup_by(|a, b| a.label == b.label);
    Ok(records)
}

fn document(plan: &RepoCopyPlan, copied: &[BackupReport], num_there: u64) -> Value {
    json!({
        "verb": "repo copy",
        "from": plan.from,
        "to": plan.to,
        "snapshots": copied.iter().map(|report| &report.label).collect::<Vec<_>>(),
        "present_snapshots": num_there,
        "stored_bytes": copied.iter().map(|report| report.progress.stored_bytes).sum::<u64>(),
    })
}
