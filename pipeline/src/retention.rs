//! Retention as an embedder uses it: judging, forgetting what was judged, holds.
//!
//! What goes is decided in [`cairn_repository::retention`]; here it is asked with the clocks of the engine and of the
//! storage, and done.

use cairn_repository::hold::{Hold, HoldNote};
use cairn_repository::retention::{Candidate, Owner, Reason, Rule, Terms, Verdict, Wish, judge};
use cairn_repository::{Label, ListedSnapshot};
use futures::future::join_all;

use crate::error::{Error, ErrorKind};
use crate::job::host_name;
use crate::metrics::{count_forgotten, count_sweep};
use crate::repository::Repository;

/// Snapshots that a sweep forgets at once: each takes eight round trips to the storage, one after the other.
const MAX_FORGETS: usize = 8;

/// What a sweep is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SweepRequest {
    /// Whose snapshots may go; none is everybody's.
    pub owner: Option<Owner>,
    /// What is kept; with no rule at all only ttls count.
    pub rules: Vec<Rule>,
}

/// What a host says before a snapshot goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permit {
    /// It may.
    Go,
    /// Not now: it is in use.
    Skip,
    /// Neither it nor any after it.
    Stop,
}

/// What a sweep did.
#[derive(Debug)]
#[non_exhaustive]
pub struct SweepReport {
    /// What was to become of each snapshot, by label.
    pub verdicts: Vec<Verdict>,
    /// Those that are gone.
    pub forgotten: Vec<Label>,
    /// Those that were to go and stay, and why.
    pub left: Vec<(Label, String)>,
}

/// This machine as an owner of snapshots.
pub fn this_host() -> Owner {
    Owner::Host(host_name())
}

impl Repository {
    /// Judges snapshots that were named.
    pub fn judge_named(
        &self,
        listed: &[ListedSnapshot],
        owner: Option<Owner>,
    ) -> Result<Vec<Verdict>, Error> {
        let candidates = self.candidates(listed)?;
        Ok(judge(candidates, &Terms { owner, wish: Wish::Named }))
    }

    /// Judges all snapshots as a sweep would. Where nothing may be put, as on a repository that was opened read-only, the
    /// engine's clock alone tells the time.
    pub fn judge_sweep(&self, request: &SweepRequest) -> Result<Vec<Verdict>, Error> {
        let candidates = self.candidates(&self.snapshots()?)?;
        let (inner, clock) = (self.inner().clone(), self.engine().clock());
        let SweepRequest { owner, rules } = request.clone();
        let since = inner.config().created;
        let wish = |now| Wish::Sweep { rules: rules.clone(), now, since };
        let mut terms = Terms { owner, wish: wish(clock.now()) };
        let verdicts = judge(candidates.clone(), &terms);
        // An earlier time lets no more go: where nothing goes now, the storage need not be asked for its own.
        if !inner.storage().capabilities().put || !verdicts.iter().any(|verdict| verdict.goes) {
            return Ok(verdicts);
        }
        let time = async move { inner.sweep_time(|| clock.now()).await };
        terms.wish = wish(self.engine().block_on(time)??);
        Ok(judge(candidates, &terms))
    }

    /// Forgets what ttls and rules let go, eight at once, asking `permit` about each before. What is held, forgotten by another or busy by then is
    /// left; a storage that fails ends the sweep.
    pub fn sweep(
        &self,
        request: &SweepRequest,
        permit: impl FnMut(&Verdict) -> Permit,
    ) -> Result<SweepReport, Error> {
        let swept = self.try_sweep(request, permit);
        count_sweep(swept.is_ok());
        swept
    }

    fn try_sweep(
        &self,
        request: &SweepRequest,
        mut permit: impl FnMut(&Verdict) -> Permit,
    ) -> Result<SweepReport, Error> {
        let verdicts = self.judge_sweep(request)?;
        let mut report = SweepReport { verdicts, forgotten: Vec::new(), left: Vec::new() };
        let going: Vec<&Verdict> = report.verdicts.iter().filter(|verdict| verdict.goes).collect();
        let mut is_stopped = false;
        for verdicts in going.chunks(MAX_FORGETS) {
            let mut permitted = Vec::with_capacity(verdicts.len());
            for verdict in verdicts {
                match permit(verdict) {
                    Permit::Go => permitted.push(*verdict),
                    Permit::Skip => {
                        report.left.push((verdict.snapshot.label.clone(), "in use".to_owned()));
                    }
                    Permit::Stop => {
                        is_stopped = true;
                        break;
                    }
                }
            }
            let outcomes = self.forget_together(&permitted)?;
            for (verdict, outcome) in permitted.into_iter().zip(outcomes) {
                let label = verdict.snapshot.label.clone();
                match outcome {
                    Ok(()) => report.forgotten.push(label),
                    Err(error) if error.kind() == ErrorKind::Request => {
                        report.left.push((label, error.to_string()));
                    }
                    Err(error) => return Err(error),
                }
            }
            if is_stopped {
                break;
            }
        }
        Ok(report)
    }

    /// Forgets snapshots at the same time: what came of each, in their order.
    fn forget_together(&self, verdicts: &[&Verdict]) -> Result<Vec<Result<(), Error>>, Error> {
        if verdicts.is_empty() {
            return Ok(Vec::new());
        }
        let inner = self.inner().clone();
        let meant = verdicts.iter().map(|Verdict { snapshot, .. }| {
            (inner.clone(), snapshot.label.clone(), snapshot.taken())
        });
        let forgets =
            meant.map(|(inner, label, taken)| async move { inner.forget(&label, taken).await });
        let outcomes = self.engine().block_on(join_all(forgets.collect::<Vec<_>>()))?;
        for (verdict, _) in verdicts.iter().zip(&outcomes).filter(|(_, outcome)| outcome.is_ok()) {
            count_forgotten(cause(verdict));
        }
        Ok(outcomes.into_iter().map(|outcome| outcome.map_err(Error::from)).collect())
    }

    /// Forgets the snapshot that was judged, and no other that has taken its label since.
    pub fn forget_judged(&self, verdict: &Verdict) -> Result<(), Error> {
        self.forget(&verdict.snapshot.label, verdict.snapshot.taken())?;
        count_forgotten(cause(verdict));
        Ok(())
    }

    /// Holds a snapshot: nobody forgets it before the hold is released. One that is there under this name is replaced.
    pub fn hold(&self, label: &Label, name: &Label, reason: &str, by: &str) -> Result<Hold, Error> {
        let (inner, label, name) = (self.inner().clone(), label.clone(), name.clone());
        let placed = self.engine().clock().now();
        let note = HoldNote { reason: reason.to_owned(), by: by.to_owned(), placed };
        Ok(self.engine().block_on(async move { inner.hold(&label, &name, note).await })??)
    }

    /// Takes a hold away.
    pub fn release(&self, label: &Label, name: &Label) -> Result<(), Error> {
        let (inner, label, name) = (self.inner().clone(), label.clone(), name.clone());
        Ok(self.engine().block_on(async move { inner.release(&label, &name).await })??)
    }

    /// All holds, or those of a label.
    pub fn holds(&self, label: Option<&Label>) -> Result<Vec<Hold>, Error> {
        let (inner, label) = (self.inner().clone(), label.cloned());
        Ok(self.engine().block_on(async move { inner.holds(label.as_ref()).await })??)
    }

    fn candidates(&self, listed: &[ListedSnapshot]) -> Result<Vec<Candidate>, Error> {
        let inner = self.inner().clone();
        // Of one, the others' holds cost nothing.
        let label = match listed {
            [one] => Some(one.label.clone()),
            _ => None,
        };
        let names =
            self.engine().block_on(async move { inner.hold_names(label.as_ref()).await })??;
        Ok(listed.iter().map(|snapshot| Candidate::of(snapshot, &names)).collect())
    }
}

/// Why a snapshot goes, as metrics call it.
fn cause(verdict: &Verdict) -> &'static str {
    match verdict.reasons.first() {
        Some(Reason::Expired(_)) => "ttl",
        Some(Reason::NoLongerKept) => "rule",
        _ => "named",
    }
}
