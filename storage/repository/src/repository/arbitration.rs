//! [`decide`]: one value for an object among any number of writers, on a store without put-if-absent.
//!
//! `DESIGN.md`, section 8, holds the protocol, what it assumes of the store, and why no two values are ever put.
//! The steps below are numbered as there.
//!
//! - *Cost*: ten requests when nobody else is there.
//! - *On cancel*: as a crash: a vote that was put may be carried through by another writer.
//! - *On failure*: [`cairn_storage::ErrorKind::UnknownOutcome`] once a vote may have been put.

use std::time::Duration;

use bytes::Bytes;
use cairn_storage::{ErrorKind, ObjectPath, Operation, Payload, PutMode, Storage, StorageExt};
use futures::TryStreamExt;
use futures::future::join_all;

use crate::bounded::at_most;
use crate::record::MAX_RECORD_BYTES;
use crate::{Error, Malformed, Result, layout};

/// Ballots of one call. Waits double, so that with the last ones even a crowd has thinned out.
const MAX_BALLOTS: u32 = 16;

/// Longest wait before the second ballot: some round trips to a cloud service.
const FIRST_WAIT: Duration = Duration::from_millis(100);

/// Longest wait before any ballot.
const MAX_WAIT: Duration = Duration::from_secs(5);

/// Decides what lies at `path` and sees to it that it does: `value`, unless another writer was first, whose value
/// is returned then. `name` is random and used in no other call; `judge` refuses bytes that cannot be a value.
pub(super) async fn decide(
    storage: &dyn Storage,
    path: &ObjectPath,
    name: u128,
    value: &Bytes,
    judge: &(dyn Fn(&[u8]) -> Result<()> + Sync),
) -> Result<Bytes> {
    let mut proposer = Proposer {
        storage,
        path,
        place: layout::arbitration_of(path),
        name,
        written: Vec::new(),
        is_doubtful: false,
    };
    match proposer.decide(value, judge).await {
        Ok(decided) => {
            proposer.clean_up().await;
            Ok(decided)
        }
        Err(error) => Err(proposer.in_doubt(error)),
    }
}

/// One call of [`decide`].
struct Proposer<'a> {
    storage: &'a dyn Storage,
    /// What is decided about.
    path: &'a ObjectPath,
    /// Where it is decided.
    place: ObjectPath,
    name: u128,
    /// Names of our own objects, put or perhaps put.
    written: Vec<String>,
    /// Whether a vote of ours may be there for others to carry through.
    is_doubtful: bool,
}

impl Proposer<'_> {
    async fn decide(
        &mut self,
        value: &Bytes,
        judge: &(dyn Fn(&[u8]) -> Result<()> + Sync),
    ) -> Result<Bytes> {
        // Step 1.
        if let Some(decided) = self.decided().await? {
            return Ok(decided);
        }
        let mut round = 1;
        for number in 0..MAX_BALLOTS {
            let ballot = Ballot { round, proposer: self.name };
            // Step 2.
            self.put(ballot, Kind::Intent, Bytes::new()).await?;
            let seen = self.look().await?;
            if let Some(decided) = self.decided().await? {
                return Ok(decided);
            }
            round = seen.next_round()?;
            if seen.highest > ballot {
                pause(number).await;
                continue;
            }
            // Step 3.
            let value = match seen.highest_vote {
                None => value.clone(),
                Some(vote) => match self.get(&self.object(vote, Kind::Vote)?).await? {
                    Some(voted) => judge(&voted).map(|()| voted)?,
                    None => continue,
                },
            };
            // Step 4.
            self.put(ballot, Kind::Vote, value.clone()).await?;
            let seen = self.look().await?;
            if let Some(decided) = self.decided().await? {
                return Ok(decided);
            }
            if seen.highest > ballot {
                round = seen.next_round()?;
                pause(number).await;
                continue;
            }
            // Step 5.
            let payload = Payload::from(value.clone());
            self.storage.put(self.path, payload, PutMode::Overwrite).await?;
            return Ok(value);
        }
        Err(cairn_storage::Error::new(
            ErrorKind::Transient,
            Operation::Put,
            self.storage.backend(),
            self.path,
        )
        .with_source("other writers want the same name all the time")
        .into())
    }

    /// What lies at the path: once it is there, it is decided.
    async fn decided(&self) -> Result<Option<Bytes>> {
        self.get(self.path).await
    }

    async fn get(&self, path: &ObjectPath) -> Result<Option<Bytes>> {
        match self.storage.get(path, at_most(MAX_RECORD_BYTES)).await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn put(&mut self, ballot: Ballot, kind: Kind, bytes: Bytes) -> Result<()> {
        let path = self.object(ballot, kind)?;
        self.written.push(ballot.object_name(kind));
        let put = self.storage.put(&path, Payload::from(bytes), PutMode::Overwrite).await;
        // A put that the store refused has not happened; of any other nobody knows.
        self.is_doubtful |=
            kind == Kind::Vote && put.as_ref().map_or_else(|error| error.is_retryable(), |()| true);
        Ok(put?)
    }

    fn object(&self, ballot: Ballot, kind: Kind) -> Result<ObjectPath> {
        self.place.join(&ballot.object_name(kind)).map_err(Error::invalid)
    }

    /// The ballots that are there.
    async fn look(&self) -> Result<Seen> {
        let names = self.storage.list(&self.place).map_ok(|meta| meta.path.name().to_owned());
        let seen = names.try_fold(Seen::default(), async |mut seen, name| {
            seen.add(&name);
            Ok(seen)
        });
        Ok(seen.await?)
    }

    /// Step 6. What cannot be deleted does no harm.
    async fn clean_up(&self) {
        let deletes = self.written.iter().filter_map(|name| self.place.join(name).ok());
        let deletes = deletes.map(async |path| match self.storage.delete(&path).await {
            Ok(()) => {}
            Err(error) => tracing::debug!(%error, "a trace of arbitration stays"),
        });
        join_all(deletes).await;
    }

    /// The error of a call whose value may yet be decided.
    fn in_doubt(&self, error: Error) -> Error {
        if !self.is_doubtful {
            return error;
        }
        let (kind, backend) = (ErrorKind::UnknownOutcome, self.storage.backend());
        cairn_storage::Error::new(kind, Operation::Put, backend, self.path)
            .with_source(error)
            .into()
    }
}

async fn pause(number: u32) {
    let longest = FIRST_WAIT.saturating_mul(2_u32.saturating_pow(number)).min(MAX_WAIT);
    tokio::time::sleep(longest.mul_f64(rand::random_range(0.0..=1.0))).await;
}

/// A proposer's try, ordered before and after those of all others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
struct Ballot {
    round: u32,
    proposer: u128,
}

/// The two objects of a ballot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Intent,
    Vote,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Intent => "intent",
            Self::Vote => "vote",
        }
    }
}

impl Ballot {
    fn object_name(self, kind: Kind) -> String {
        format!("{:08x}-{:032x}-{}", self.round, self.proposer, kind.as_str())
    }

    /// The ballot of an object; `None` when the name is no such object's.
    fn parse(name: &str) -> Option<(Self, Kind)> {
        let mut parts = name.splitn(3, '-');
        let round = u32::from_str_radix(parts.next()?, 16).ok()?;
        let proposer = u128::from_str_radix(parts.next()?, 16).ok()?;
        let kind = match parts.next()? {
            "intent" => Kind::Intent,
            "vote" => Kind::Vote,
            _ => return None,
        };
        let ballot = Self { round, proposer };
        (ballot.object_name(kind) == name).then_some((ballot, kind))
    }
}

/// What a list shows.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    highest: Ballot,
    highest_vote: Option<Ballot>,
}

impl Seen {
    fn add(&mut self, name: &str) {
        let Some((ballot, kind)) = Ballot::parse(name) else { return };
        self.highest = self.highest.max(ballot);
        if kind == Kind::Vote {
            self.highest_vote = self.highest_vote.max(Some(ballot));
        }
    }

    fn next_round(&self) -> Result<u32> {
        let next = self.highest.round.checked_add(1);
        next.ok_or_else(|| {
            Error::invalid(Malformed::new("the rounds of an arbitration are used up"))
        })
    }
}

#[cfg(test)]
mod tests;
