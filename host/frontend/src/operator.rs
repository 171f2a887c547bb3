//! [`Operator`]: somebody who has logged in at another door than the MySQL port, such as a page, and what they may do there.
//!
//! Accounts and privileges are those of the port: who may SHOW BACKUP sees jobs and repositories, who may CANCEL BACKUP cancels one.
//! So is the brake on wrong passwords, in which this door has a place of its own. What an operator may do is looked up anew
//! each time: a password that was changed, a user that was dropped or a privilege that was taken back ends it at once.

use std::net::IpAddr;

use cairn_pipeline::ListedSnapshot;
use ring::rand::SystemRandom;
use thiserror::Error;

use crate::account::privilege::{Action, REPOSITORY};
use crate::account::{self, role};
use crate::blocking::blocking;
use crate::frontend::Frontend;
use crate::mysql::{Account, Proofs, SqlError, Whence};
use crate::refusal;

/// Somebody who showed a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operator {
    account: Account,
}

impl Operator {
    /// The name of the user.
    pub fn name(&self) -> &str {
        &self.account.name
    }
}

/// Why somebody did not come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum LoginRefused {
    /// No such user, another password, or an account that has none: it is not told which of them.
    #[error(
        "user or password is wrong; an account that has no password must get one first: SET PASSWORD = PASSWORD('...')"
    )]
    Wrong,
    /// It was not looked at.
    #[error("too many attempts; try again in a minute")]
    Crowded,
}

/// A repository as an operator sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchedRepository {
    /// Its name.
    pub name: String,
    /// Below which place it is.
    pub location: String,
    /// Why it could not be reached the last time.
    pub error: Option<String>,
}

impl Frontend {
    /// Lets somebody in who shows a password, when the turn of the attempt has come. Accounts without one never come in: who asks
    /// here may ask for somebody far away.
    pub async fn log_in(
        &self,
        user: &str,
        password: &str,
        peer: IpAddr,
    ) -> Result<Operator, LoginRefused> {
        let account = account::account(&self.warehouse.catalog(), user, peer);
        // A user that does not exist is judged like one that does.
        let Ok(nobody) = Proofs::of_nobody(&SystemRandom::new()) else {
            return Err(LoginRefused::Crowded);
        };
        let is_right = || {
            let proofs = account.as_ref().map_or(nobody, |account| account.proofs);
            proofs.is_of(password) && account.is_some() && !proofs.is_empty()
        };
        let judged = self.throttle.judge(Whence::Page, user, is_right).await;
        let is_right = judged.ok_or(LoginRefused::Crowded)?;
        let operator = account.filter(|_| is_right).map(|account| Operator { account });
        operator.filter(|operator| self.knows(operator)).ok_or_else(|| {
            tracing::info!(?user, %peer, "access denied");
            LoginRefused::Wrong
        })
    }

    /// Whether the account is still what it was at the login.
    pub fn knows(&self, operator: &Operator) -> bool {
        let catalog = self.warehouse.catalog();
        let Account { name, host, proofs } = &operator.account;
        catalog.user(name, host).and_then(|row| account::proofs(row)) == Some(*proofs)
    }

    /// Whether somebody may see jobs and repositories, and cancel jobs.
    pub fn may_operate(&self, operator: &Operator) -> bool {
        let catalog = self.warehouse.catalog();
        let Account { name, host, .. } = &operator.account;
        let grants = role::grants_of_account(&catalog, name, host);
        self.knows(operator) && grants.allow(Action::system(REPOSITORY))
    }

    /// Cancels a job.
    pub async fn cancel_job(&self, operator: &Operator, id: u64) -> Result<(), SqlError> {
        if !self.may_operate(operator) {
            return Err(refusal::denied(REPOSITORY, "SYSTEM"));
        }
        let jobs = self.jobs.clone();
        blocking(move || jobs.cancel_job(id)).await
    }

    /// The repositories, by name.
    pub fn watched_repositories(&self) -> Vec<WatchedRepository> {
        let views = self.repositories.list().into_iter();
        let watched = views.map(|view| WatchedRepository {
            name: view.name,
            location: view.location,
            error: view.error.map(|(_, error)| error),
        });
        watched.collect()
    }

    /// The snapshots of a repository. Blocks.
    pub fn snapshots(&self, repository: &str) -> Result<Vec<ListedSnapshot>, SqlError> {
        let opened = self.repositories.open(repository)?;
        opened.snapshots().map_err(|error| refusal::general(refusal::with_causes(&error)))
    }
}
