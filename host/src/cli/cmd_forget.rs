//! `cairn forget`
//!
//! All that is meant is looked for and judged before any snapshot goes, and only what was found then is removed.

use std::collections::BTreeSet;

use anyhow::Context;
use cairn_pipeline::{
    Label, Owner, Permit, Reason, Repository, Rule, SweepReport, SweepRequest, Verdict, this_host,
};
use serde_json::{Value, json};

use super::high::{ForgetPlan, Forgotten};
use crate::exit::{Exit, Refusal};
use crate::session::Session;
use crate::ui::{Align, Table, Ui, plural};

pub(super) fn run(session: &Session, plan: &ForgetPlan) -> anyhow::Result<Exit> {
    let labels = match &plan.what {
        Forgotten::Named(labels) => Some(parse(labels)?),
        Forgotten::ByRules(_) => None,
    };
    let repository = if plan.dry_run {
        session.open(&plan.repository)?
    } else {
        session.open_to_change(&plan.repository)?
    };
    let owner = (!plan.force).then(this_host);
    match (&plan.what, labels) {
        (Forgotten::ByRules(rules), _) => by_rules(session, plan, &repository, owner, rules),
        (Forgotten::Named(_), labels) => {
            named(session, plan, &repository, owner, &labels.unwrap_or_default())
        }
    }
}

fn parse(labels: &[String]) -> anyhow::Result<Vec<Label>> {
    let labels = labels.iter().map(|label| label.parse());
    let labels = labels.collect::<Result<BTreeSet<Label>, _>>();
    Ok(labels.map_err(|error| Refusal::usage(error.to_string()))?.into_iter().collect())
}

fn named(
    session: &Session,
    plan: &ForgetPlan,
    repository: &Repository,
    owner: Option<Owner>,
    labels: &[Label],
) -> anyhow::Result<Exit> {
    let found = repository.snapshots_named(labels)?;
    let is_found = |label: &&Label| found.iter().any(|snapshot| snapshot.label == **label);
    if let Some(missing) = labels.iter().find(|label| !is_found(label)) {
        let message = format!("there is no snapshot {missing} in {}", plan.repository);
        return Err(Refusal::usage(message));
    }
    let verdicts = repository.judge_named(&found, owner)?;
    for verdict in &verdicts {
        refuse_kept(repository, plan, verdict)?;
    }
    let word = if plan.dry_run { "would forget" } else { "forgot" };
    for verdict in &verdicts {
        let label = &verdict.snapshot.label;
        if !plan.dry_run {
            let forgotten = repository.forget_judged(verdict);
            forgotten.with_context(|| format!("cannot forget {label}"))?;
        }
        session.ui.show(match verdict.snapshot.taken() {
            Some(taken) => format!("{word} {label} of {taken}"),
            None => format!("{word} {label}, whose record cannot be read"),
        })?;
    }
    if !plan.dry_run {
        show_count(&session.ui, plan, verdicts.len())?;
    }
    session.ui.document(&document(plan, verdicts.iter().map(of_snapshot).collect()))?;
    Ok(Exit::Ok)
}

/// Refuses a snapshot that something keeps, and says what to do about it.
fn refuse_kept(
    repository: &Repository,
    plan: &ForgetPlan,
    verdict: &Verdict,
) -> anyhow::Result<()> {
    let (label, place) = (&verdict.snapshot.label, &plan.repository);
    match verdict.reasons.first() {
        Some(Reason::Held(name)) => {
            let holds = repository.holds(Some(label))?;
            let taken = verdict.snapshot.taken();
            let holds = holds.iter().filter(|hold| hold.counts_for(taken));
            let by: Vec<String> = holds.map(ToString::to_string).collect();
            Err(Refusal::usage(format!(
                "the snapshot {label} is held: {}; release it with `cairn hold remove --repo {place} {label} {name}`",
                by.join(", ")
            )))
        }
        Some(Reason::Foreign(Some(host))) => Err(Refusal::usage(format!(
            "the snapshot {label} was taken on {host}, and this machine is {}: --force forgets it anyway",
            this_host()
        ))),
        Some(Reason::Foreign(None)) => Err(Refusal::usage(format!(
            "the record of {label} cannot be read, so nobody knows who took it: --force forgets it anyway"
        ))),
        _ => Ok(()),
    }
}

fn by_rules(
    session: &Session,
    plan: &ForgetPlan,
    repository: &Repository,
    owner: Option<Owner>,
    rules: &[Rule],
) -> anyhow::Result<Exit> {
    let request = SweepRequest { owner, rules: rules.to_vec() };
    if plan.dry_run {
        let verdicts = repository.judge_sweep(&request)?;
        show_verdicts(&session.ui, &verdicts)?;
        let going = verdicts.iter().filter(|verdict| verdict.goes).count();
        session.ui.show(format!(
            "would forget {} of {} in {}",
            plural(going as u64, "snapshot"),
            verdicts.len(),
            plan.repository
        ))?;
        return finish(session, plan, &verdicts, &[]);
    }
    let SweepReport { verdicts, forgotten, left, .. } =
        repository.sweep(&request, |_| Permit::Go)?;
    show_verdicts(&session.ui, &verdicts)?;
    for (label, because) in &left {
        session.ui.note(format!("{label} stays: {because}"));
    }
    show_count(&session.ui, plan, forgotten.len())?;
    finish(session, plan, &verdicts, &left)
}

fn finish(
    session: &Session,
    plan: &ForgetPlan,
    verdicts: &[Verdict],
    left: &[(Label, String)],
) -> anyhow::Result<Exit> {
    let is_left = |verdict: &Verdict| left.iter().any(|(it, _)| *it == verdict.snapshot.label);
    let gone = verdicts.iter().filter(|verdict| verdict.goes && !is_left(verdict));
    let mut document = document(plan, gone.map(of_snapshot).collect());
    document["verdicts"] = verdicts.iter().map(of_verdict).collect();
    document["left"] = left
        .iter()
        .map(|(label, because)| json!({ "label": label.to_string(), "because": because }))
        .collect();
    session.ui.document(&document)?;
    Ok(Exit::Ok)
}

/// A table of what becomes of each snapshot and why, as history is read.
fn show_verdicts(ui: &Ui, verdicts: &[Verdict]) -> std::io::Result<()> {
    if verdicts.is_empty() {
        return Ok(());
    }
    let columns = ["", "label", "taken (UTC)", "why"];
    let mut table = Table::new(&columns.map(|name| (name, Align::Left)));
    let mut in_order: Vec<&Verdict> = verdicts.iter().collect();
    in_order.sort_by_key(|verdict| (verdict.snapshot.taken(), &verdict.snapshot.label));
    for verdict in in_order {
        let taken = verdict.snapshot.taken();
        table.row([
            if verdict.goes { "forget" } else { "keep" }.to_owned(),
            verdict.snapshot.label.to_string(),
            taken.map(|taken| taken.to_string()).unwrap_or_default(),
            reasons(verdict).join(", "),
        ]);
    }
    ui.show(table.to_string())
}

fn show_count(ui: &Ui, plan: &ForgetPlan, count: usize) -> std::io::Result<()> {
    ui.show(format!(
        "{} less in {}; what only they held takes space until a prune",
        plural(count as u64, "snapshot"),
        plan.repository
    ))
}

fn reasons(verdict: &Verdict) -> Vec<String> {
    verdict.reasons.iter().map(ToString::to_string).collect()
}

fn document(plan: &ForgetPlan, gone: Vec<Value>) -> Value {
    json!({
        "verb": "forget",
        "repository": plan.repository,
        "dry_run": plan.dry_run,
        "snapshots": gone,
    })
}

fn of_snapshot(verdict: &Verdict) -> Value {
    let timestamp = verdict.snapshot.taken().map(|taken| taken.to_string());
    json!({ "label": verdict.snapshot.label.to_string(), "timestamp": timestamp })
}

fn of_verdict(verdict: &Verdict) -> Value {
    let mut of = of_snapshot(verdict);
    of["action"] = json!(if verdict.goes { "forget" } else { "keep" });
    of["reasons"] = json!(reasons(verdict));
    of
}
