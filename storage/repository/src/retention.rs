//! Retention: [`judge`] says which snapshots go, which stay, and why. Pure; `DESIGN.md`, section 8, has the rules and
//! why no clock that is wrong lets go what must stay.
//!
//! Invariants: what is held stays. What cannot be read, is another's or has a doubtful date goes only by its name.
//! A wider policy keeps at least as much, and judging what is left again lets nothing more go.

mod policy;
mod verdict;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

pub use crate::period::{ParsePeriodError, Period};
use policy::GroupKey;
pub use policy::{Grouping, ParseGroupingError, Policy, Rule, Scope, series_of};
pub use verdict::{Candidate, Reason, Unit, Verdict};

use crate::Timestamp;
use crate::record::Record;

/// How far two clocks may be from one another. Hosts with NTP are within a second; S3 turns away who is a quarter of an
/// hour off.
pub const MAX_CLOCK_DIFFERENCE: Duration = Duration::from_secs(600);

/// Whose snapshots may go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// Those with this origin.
    Origin(String),
    /// Those that were taken on this machine.
    Host(String),
}

impl Owner {
    /// Whether it made a snapshot.
    pub fn made(&self, record: &Record) -> bool {
        match self {
            Self::Origin(origin) => record.origin == *origin,
            Self::Host(host) => record.host == *host,
        }
    }

    /// The owner of this kind that made a snapshot.
    fn of_same_kind(&self, record: &Record) -> Self {
        match self {
            Self::Origin(_) => Self::Origin(record.origin.clone()),
            Self::Host(_) => Self::Host(record.host.clone()),
        }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Origin(name) | Self::Host(name)) = self;
        f.write_str(name)
    }
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// Who asks: what others made stays. None where that shall not matter.
    pub owner: Option<Owner>,
    /// Which snapshots shall go.
    pub wish: Wish,
}

/// Which snapshots shall go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// All that are judged: they were named.
    Named,
    /// Those whose ttl is over, and those that a rule is about and does not keep: the first that fits.
    Sweep {
        /// The rules.
        rules: Vec<Rule>,
        /// The time now: see [`crate::Repository::sweep_time`].
        now: Timestamp,
        /// When the repository was made: nothing in it is older.
        since: Timestamp,
    },
}

/// Says of each snapshot what becomes of it, in the order given.
pub fn judge(snapshots: Vec<Candidate>, terms: &Terms) -> Vec<Verdict> {
    let mut verdicts: Vec<Verdict> =
        snapshots.into_iter().map(|snapshot| standing(snapshot, terms.owner.as_ref())).collect();
    match &terms.wish {
        Wish::Named => {}
        Wish::Sweep { rules, now, since } => sweep(&mut verdicts, rules, *now, *since),
    }
    for verdict in &mut verdicts {
        verdict.goes = verdict.reasons.is_empty();
        if verdict.goes {
            let why = match (&terms.wish, verdict.snapshot.expires()) {
                (Wish::Named, _) => Reason::Named,
                (Wish::Sweep { now, .. }, Some(end)) if end <= *now => Reason::Expired(end),
                _ => Reason::NoLongerKept,
            };
            verdict.reasons.push(why);
        }
    }
    verdicts
}

/// What keeps a snapshot whatever else is asked for.
fn standing(snapshot: Candidate, owner: Option<&Owner>) -> Verdict {
    let mut reasons: Vec<Reason> = snapshot.holds.iter().cloned().map(Reason::Held).collect();
    if let Some(owner) = owner {
        match &snapshot.record {
            Some(record) if owner.made(record) => {}
            Some(record) => reasons.push(Reason::Foreign(Some(owner.of_same_kind(record)))),
            None => reasons.push(Reason::Foreign(None)),
        }
    }
    Verdict { snapshot, goes: false, reasons }
}

impl Verdict {
    fn is_foreign(&self) -> bool {
        self.reasons.iter().any(|reason| matches!(reason, Reason::Foreign(_)))
    }
}

/// Adds what keeps snapshots from being swept.
fn sweep(verdicts: &mut [Verdict], rules: &[Rule], now: Timestamp, since: Timestamp) {
    for verdict in verdicts.iter_mut() {
        match (&verdict.snapshot.record, verdict.snapshot.expires()) {
            (None, _) => verdict.reasons.push(Reason::Unreadable),
            (Some(_), Some(end)) if end > now => verdict.reasons.push(Reason::Alive(end)),
            _ => {}
        }
    }
    let kept = by_rules(verdicts, rules, now, since);
    for (at, reason) in kept {
        if let Some(verdict) = verdicts.get_mut(at) {
            verdict.reasons.push(reason);
        }
    }
}

/// A member of a group: its place in the list, and how it is ordered.
#[derive(Debug, Clone, Copy)]
struct Member<'a> {
    place: usize,
    verdict: &'a Verdict,
    record: &'a Record,
    at: Timestamp,
}

/// What rules and doubts keep, by place.
fn by_rules(
    verdicts: &[Verdict],
    rules: &[Rule],
    now: Timestamp,
    since: Timestamp,
) -> Vec<(usize, Reason)> {
    let mut kept = Vec::new();
    let mut groups: BTreeMap<(usize, GroupKey<'_>), Vec<Member<'_>>> = BTreeMap::new();
    let mut without_rule: BTreeMap<GroupKey<'_>, Vec<Member<'_>>> = BTreeMap::new();
    for (place, verdict) in verdicts.iter().enumerate().filter(|(_, it)| !it.is_foreign()) {
        let (label, put) = (&verdict.snapshot.label, verdict.snapshot.put);
        let Some(record) = verdict.snapshot.record.as_deref() else { continue };
        let at = if is_ahead(record.timestamp, put) { put } else { record.timestamp };
        let member = Member { place, verdict, record, at };
        let is_about = |rule: &Rule| !rule.policy.is_empty() && rule.scope.fits(label, record);
        match rules.iter().enumerate().find(|(_, rule)| is_about(rule)) {
            Some((number, rule)) => {
                groups.entry((number, rule.group_by.key(label, record))).or_default().push(member);
            }
            None => {
                let key = Grouping::default().key(label, record);
                without_rule.entry(key).or_default().push(member);
                if !is_expired(verdict, now) {
                    kept.push((place, Reason::NoRule));
                }
            }
        }
    }
    for members in without_rule.values_mut() {
        take_doubtful(members, since, &mut kept);
    }
    for ((number, _), mut members) in groups {
        take_doubtful(&mut members, since, &mut kept);
        if let Some(rule) = rules.get(number) {
            of_group(members, &rule.policy, now, &mut kept);
        }
    }
    kept
}

/// Whether a snapshot was dated into the future when its record was put.
fn is_ahead(taken: Timestamp, put: Timestamp) -> bool {
    taken > later(put, MAX_CLOCK_DIFFERENCE)
}

fn later(time: Timestamp, by: Duration) -> Timestamp {
    let by = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
    Timestamp::from_unix_millis(time.as_unix_millis().saturating_add(by))
}

fn is_expired(verdict: &Verdict, now: Timestamp) -> bool {
    verdict.snapshot.expires().is_some_and(|end| end <= now)
}

/// Takes out of a group those whose dates cannot be: before there was the repository, or before the date of one that was put
/// clearly earlier.
fn take_doubtful(members: &mut Vec<Member<'_>>, since: Timestamp, kept: &mut Vec<(usize, Reason)>) {
    members.sort_by_key(|member| member.verdict.snapshot.put);
    let witnesses = members.clone();
    let mut witnesses = witnesses.iter().peekable();
    let mut latest = Timestamp::from_unix_millis(0);
    members.retain(|member| {
        let put = member.verdict.snapshot.put;
        while let Some(earlier) = witnesses
            .next_if(|witness| later(witness.verdict.snapshot.put, MAX_CLOCK_DIFFERENCE) < put)
        {
            // One that was dated into the future says nothing of others.
            if earlier.at == earlier.record.timestamp {
                latest = latest.max(earlier.at);
            }
        }
        let ended = later(member.at, Duration::from_millis(member.record.stats.duration_ms));
        let is_doubtful = later(member.at, MAX_CLOCK_DIFFERENCE) < since
            || later(ended, MAX_CLOCK_DIFFERENCE) < latest;
        if is_doubtful {
            kept.push((member.place, Reason::InDoubt));
        }
        !is_doubtful
    });
}

/// What a policy keeps of a group.
fn of_group(
    members: Vec<Member<'_>>,
    policy: &Policy,
    now: Timestamp,
    kept: &mut Vec<(usize, Reason)>,
) {
    let is_kept_anyway = |member: &Member<'_>| !member.verdict.reasons.is_empty();
    let mut is_anything_left = members.iter().any(is_kept_anyway);
    let mut newest_first: Vec<Member<'_>> =
        members.into_iter().filter(|member| !is_expired(member.verdict, now)).collect();
    newest_first
        .sort_by(|a, b| (b.at, &b.verdict.snapshot.label).cmp(&(a.at, &a.verdict.snapshot.label)));
    let before = kept.len();
    for (number, member) in (1..=policy.last).zip(&newest_first) {
        kept.push((member.place, Reason::Last(number)));
    }
    for (count, unit) in [
        (policy.hourly, Unit::Hour),
        (policy.daily, Unit::Day),
        (policy.weekly, Unit::Week),
        (policy.monthly, Unit::Month),
        (policy.yearly, Unit::Year),
    ] {
        newest_of_each(&newest_first, count, unit, kept);
    }
    if let Some(within) = policy.within {
        let is_young =
            |member: &&Member<'_>| within.after(member.verdict.snapshot.born(member.record)) > now;
        let young = newest_first.iter().filter(is_young);
        kept.extend(young.map(|member| (member.place, Reason::Within)));
    }
    is_anything_left |= kept.len() > before;
    if let Some(newest) = newest_first.first().filter(|_| !is_anything_left && !policy.may_empty) {
        kept.push((newest.place, Reason::OnlyOne));
    }
}

/// The newest of each of so many pieces of the calendar that have one.
fn newest_of_each(
    newest_first: &[Member<'_>],
    count: u32,
    unit: Unit,
    kept: &mut Vec<(usize, Reason)>,
) {
    let (mut latest, mut left) = (None, count);
    for member in newest_first {
        let piece = unit.of(member.at);
        if left == 0 {
            return;
        }
        if latest.as_ref() != Some(&piece) {
            kept.push((member.place, Reason::Newest(unit, piece.clone())));
            (latest, left) = (Some(piece), left - 1);
        }
    }
}

#[cfg(test)]
mod tests;
