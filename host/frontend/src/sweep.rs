//! [`Sweeps`]: snapshots of this warehouse go by themselves when their time is over.
//!
//! Each repository is swept on a thread of its own, so that one that does not answer delays nobody; it is not swept again
//! before that has ended. What a job reads or writes is left for the next time. A stop takes effect between two snapshots.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cairn_pipeline::{Permit, Rule, SweepReport, SweepRequest, Verdict};
use tokio::time::sleep;

use crate::frontend::Frontend;
use crate::mysql::SqlError;
use crate::refusal;

/// By how much of itself an interval is longer or shorter, so that servers that were started together do not stay together.
const JITTER: f64 = 0.25;

/// A rule and where it holds.
#[derive(Debug, Clone)]
pub struct SweepRule {
    /// In which repository; none is all of them.
    pub repository: Option<String>,
    /// What is kept there.
    pub rule: Rule,
}

/// Sweeps of the repositories of a server.
#[derive(Debug)]
pub struct Sweeps {
    frontend: Arc<Frontend>,
    rules: Vec<SweepRule>,
    /// Names of repositories that are being swept. Held for a look or a step.
    running: Mutex<BTreeSet<String>>,
    /// Relaxed: it guards nothing but itself.
    is_stopped: AtomicBool,
}

impl Sweeps {
    /// Sweeps with these rules: of those about a snapshot the first holds. Without any, only what has a ttl goes.
    pub fn new(frontend: Arc<Frontend>, rules: Vec<SweepRule>) -> Arc<Self> {
        let (running, is_stopped) = (Mutex::default(), AtomicBool::new(false));
        Arc::new(Self { frontend, rules, running, is_stopped })
    }

    /// Sweeps again and again, the first time after one interval, until it is stopped.
    pub async fn run(self: Arc<Self>, every: Duration) {
        while !self.is_stopped() {
            sleep(every.mul_f64(rand::random_range(1.0 - JITTER..=1.0 + JITTER))).await;
            self.begin();
        }
    }

    /// Lets no snapshot go any more.
    pub fn stop(&self) {
        self.is_stopped.store(true, Ordering::Relaxed);
    }

    /// Begins to sweep every repository that may be written to and is not being swept.
    fn begin(self: &Arc<Self>) {
        for repository in self.frontend.repositories.list() {
            let name = repository.name;
            if repository.read_only || !self.lock().insert(name.clone()) {
                continue;
            }
            let sweeps = Arc::clone(self);
            self.frontend.runtime.spawn_blocking(move || {
                // A panic is told by the runtime; the repository is left alone from then on.
                match sweeps.sweep(&name) {
                    Ok(report) => tell(&name, &report),
                    Err(error) => {
                        tracing::warn!(repository = name, error = error.message, "a sweep failed");
                    }
                }
                sweeps.lock().remove(&name);
            });
        }
    }

    fn sweep(&self, name: &str) -> Result<SweepReport, SqlError> {
        let opened = self.frontend.repositories.open_to_write(name)?;
        let is_here = |rule: &&SweepRule| rule.repository.as_deref().is_none_or(|at| at == name);
        let rules = self.rules.iter().filter(is_here).map(|rule| rule.rule.clone());
        let owner = Some(self.frontend.owner());
        let request = SweepRequest { owner, rules: rules.collect() };
        let swept = opened.sweep(&request, |verdict| self.permit(name, verdict));
        swept.map_err(|error| refusal::general(refusal::with_causes(&error)))
    }

    fn permit(&self, name: &str, verdict: &Verdict) -> Permit {
        let label = verdict.snapshot.label.as_str();
        if self.is_stopped() {
            Permit::Stop
        } else if self.frontend.jobs.uses_snapshot(name, label).is_some() {
            Permit::Skip
        } else {
            Permit::Go
        }
    }

    fn is_stopped(&self) -> bool {
        self.is_stopped.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn tell(repository: &str, report: &SweepReport) {
    for (label, because) in &report.left {
        tracing::debug!(repository, %label, because, "a snapshot is left for the next sweep");
    }
    if report.forgotten.is_empty() {
        return;
    }
    let labels: Vec<&str> = report.forgotten.iter().map(AsRef::as_ref).collect();
    let (count, labels) = (labels.len(), labels.join(", "));
    tracing::info!(repository, count, labels, "snapshots were forgotten: their time was over");
}
