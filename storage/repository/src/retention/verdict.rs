//! [`Verdict`]: whether a snapshot stays, with all the reasons.

use std::fmt;
use std::sync::Arc;

use super::Owner;
use crate::hold::HoldNames;
use crate::record::Record;
use crate::repository::ListedSnapshot;
use crate::{Label, Timestamp};

/// A snapshot as it is judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Its name.
    pub label: Label,
    /// When its record was put, by the clock of the storage.
    pub put: Timestamp,
    /// Its record; none where that cannot be read.
    pub record: Option<Arc<Record>>,
    /// The names of its holds.
    pub holds: Vec<Label>,
}

impl Candidate {
    /// A snapshot of a listing.
    pub fn of(listed: &ListedSnapshot, holds: &HoldNames) -> Self {
        let record = listed.record.as_ref().ok().map(Arc::clone);
        let holds = holds.on(&listed.label, record.as_ref().map(|record| record.timestamp));
        Self { label: listed.label.clone(), put: listed.modified.into(), record, holds }
    }

    /// When it was taken, as far as its record can be read.
    pub fn taken(&self) -> Option<Timestamp> {
        self.record.as_ref().map(|record| record.timestamp)
    }

    /// When its ttl ends; none is never.
    pub fn expires(&self) -> Option<Timestamp> {
        let record = self.record.as_ref()?;
        Some(record.ttl?.after(self.born(record)))
    }

    /// From when on it ages: neither a slow clock of its host nor one of the storage makes it older than it is.
    pub(super) fn born(&self, record: &Record) -> Timestamp {
        record.timestamp.max(self.put)
    }
}

/// Why a snapshot stays, or goes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// It is held, under this name.
    Held(Label),
    /// Another made it, or nobody knows who.
    Foreign(Option<Owner>),
    /// Its record cannot be read.
    Unreadable,
    /// Its date contradicts others.
    InDoubt,
    /// Its ttl goes on until then.
    Alive(Timestamp),
    /// No rule is about it.
    NoRule,
    /// One of the newest, counted from 1.
    Last(u32),
    /// The newest of its hour, day, week, month or year.
    Newest(Unit, String),
    /// Young enough.
    Within,
    /// Nothing else would be left of its group.
    OnlyOne,
    /// It goes: it was named.
    Named,
    /// It goes: its ttl ended then.
    Expired(Timestamp),
    /// It goes: its rule keeps others.
    NoLongerKept,
}

/// A piece of the calendar of which a rule keeps one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// An hour.
    Hour,
    /// A day.
    Day,
    /// An ISO week.
    Week,
    /// A month.
    Month,
    /// A year.
    Year,
}

impl Unit {
    /// The piece in which an instant lies, in UTC.
    pub(super) fn of(self, at: Timestamp) -> String {
        let time = at.to_civil();
        let (year, month, day) = (time.year(), time.month(), time.day());
        match self {
            Self::Hour => format!("{year:04}-{month:02}-{day:02} {:02}", time.hour()),
            Self::Day => format!("{year:04}-{month:02}-{day:02}"),
            Self::Week => {
                let week = time.date().iso_week_date();
                format!("{:04}-W{:02}", week.year(), week.week())
            }
            Self::Month => format!("{year:04}-{month:02}"),
            Self::Year => format!("{year:04}"),
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Hour => "hourly",
            Self::Day => "daily",
            Self::Week => "weekly",
            Self::Month => "monthly",
            Self::Year => "yearly",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Held(name) => write!(f, "hold: {name}"),
            Self::Foreign(Some(owner)) => write!(f, "made by another: {owner}"),
            Self::Foreign(None) => f.write_str("made by nobody knows whom"),
            Self::Unreadable => f.write_str("its record cannot be read"),
            Self::InDoubt => f.write_str("its date is in doubt"),
            Self::Alive(until) => write!(f, "ttl until {until}"),
            Self::NoRule => f.write_str("no rule is about it"),
            Self::Last(number) => write!(f, "last {number}"),
            Self::Newest(unit, piece) => write!(f, "{} {piece}", unit.word()),
            Self::Within => f.write_str("young enough"),
            Self::OnlyOne => f.write_str("the last of its group"),
            Self::Named => f.write_str("named"),
            Self::Expired(since) => write!(f, "ttl ended {since}"),
            Self::NoLongerKept => f.write_str("no rule keeps it"),
        }
    }
}

/// What becomes of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The snapshot.
    pub snapshot: Candidate,
    /// Whether it goes.
    pub goes: bool,
    /// Why it stays or goes: all that there is to say, at least one.
    pub reasons: Vec<Reason>,
}
