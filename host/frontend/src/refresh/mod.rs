//! [`Refreshes`]: keeps asynchronous materialized views up to date.
//!
//! A view is refreshed by hand, after a load of what it reads, or by the clock. In the background one refresh runs at a time
//! for a view: what is asked for meanwhile is done by one more when it ends. [`schedule`] decides; the loader does it.

mod fit;
mod schedule;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cairn_warehouse::catalog::model::Id;
use cairn_warehouse::catalog::{Catalog, Table};
use cairn_warehouse::load::Loader;
use cairn_warehouse::query::QueryEngine;
use cairn_warehouse::{Error, ErrorKind, Warehouse};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};

use crate::clock::{Millis, now_micros, now_millis};
pub(crate) use schedule::reads;

/// Refreshes in the background at a time: they share memory and disk with the statements of users.
const MAX_RUNNING: usize = 2;

/// How a refresh ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Attempt {
    /// When it began.
    pub(crate) started_at: Millis,
    /// When it ended.
    pub(crate) finished_at: Millis,
    /// Why it failed; none is success.
    pub(crate) error: Option<String>,
}

/// The refreshes of a server; a clone is the same ones.
#[derive(Debug, Clone)]
pub struct Refreshes {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    warehouse: Warehouse,
    loader: Loader,
    queries: QueryEngine,
    runtime: Handle,
    permits: Semaphore,
    views: Mutex<Views>,
    /// How many views are being refreshed in the background, or wait for it.
    running: watch::Sender<usize>,
}

/// What is known of views, by their ids.
#[derive(Debug, Default)]
struct Views {
    /// Those with a task; true is to be done once more.
    running: BTreeMap<Id, bool>,
    /// The last refresh of this process.
    last: BTreeMap<Id, Attempt>,
}

impl Views {
    /// Whether a view needs a task now; one that has a task is done once more by it.
    fn begin(&mut self, view: Id) -> bool {
        let once_more = self.running.contains_key(&view);
        self.running.insert(view, once_more);
        !once_more
    }

    /// Whether the task of a view is over.
    fn end(&mut self, view: Id) -> bool {
        match self.running.get_mut(&view) {
            Some(once_more) if *once_more => {
                *once_more = false;
                false
            }
            _ => {
                self.running.remove(&view);
                true
            }
        }
    }
}

impl Refreshes {
    pub(crate) fn new(
        warehouse: Warehouse,
        loader: Loader,
        queries: QueryEngine,
        runtime: Handle,
    ) -> Self {
        let permits = Semaphore::new(MAX_RUNNING);
        let (views, running) = (Mutex::default(), watch::Sender::new(0));
        let shared = Shared { warehouse, loader, queries, runtime, permits, views, running };
        Self { shared: Arc::new(shared) }
    }

    /// Refreshes a view now, and lets those follow that read it.
    pub(crate) async fn refresh(&self, database: &str, name: &str) -> Result<(), Error> {
        let id = self.shared.warehouse.catalog().table(database, name)?.row().id;
        let started_at = now_millis();
        let loader = &self.shared.loader;
        let done = Box::pin(loader.refresh(database, name, now_micros(), started_at)).await;
        let is_refused =
            |error: &&Error| !matches!(error.kind(), ErrorKind::Busy | ErrorKind::NotFound);
        let error = done.as_ref().err().filter(is_refused).map(ToString::to_string);
        if done.is_ok() || error.is_some() {
            let attempt = Attempt { started_at, finished_at: now_millis(), error };
            self.lock().last.insert(id, attempt);
        }
        done.map(drop)?;
        self.after_change(database, name);
        Ok(())
    }

    /// Refreshes a view in the background.
    pub(crate) fn request(&self, view: Id) {
        if self.lock().begin(view) {
            self.shared.running.send_modify(|running| *running += 1);
            let turn = Turn { refreshes: self.clone(), view, is_over: false };
            self.shared.runtime.spawn(turn.run());
        }
    }

    /// Lets views follow a change of what they read.
    pub(crate) fn after_change(&self, database: &str, name: &str) {
        let catalog = self.shared.warehouse.catalog();
        for view in schedule::after_change(&catalog, database, name) {
            self.request(view);
        }
    }

    /// Lets views follow a restore, of which some were a part. One whose query does not fit the tables that it has found is
    /// switched off, and says why.
    pub(crate) async fn after_restore(&self, restored: &[(String, String)]) {
        let views = schedule::after_restore(&self.shared.warehouse.catalog(), restored);
        for (database, name) in views {
            // A view before it may have been switched off.
            let catalog = self.shared.warehouse.catalog();
            let Ok(table) = catalog.table(&database, &name) else { continue };
            if let Some(why) = self.misfit(&catalog, table).await {
                let warehouse = &self.shared.warehouse;
                let done = warehouse.inactivate_materialized_view(&database, &name, why).await;
                if let Err(error) = done {
                    tracing::warn!(database, view = name, %error, "a view that does not fit its tables stays active");
                }
            } else if schedule::is_behind(&catalog, table.row()) {
                self.request(table.row().id);
            }
        }
    }

    /// Why the query of a view does not make the view's columns of the tables that there are; none where it does.
    pub(crate) async fn misfit(&self, catalog: &Arc<Catalog>, view: &Table) -> Option<String> {
        fit::misfit(&self.shared.queries, catalog, view).await
    }

    /// Refreshes what is due.
    pub(crate) fn catch_up(&self, now: Millis) {
        let catalog = self.shared.warehouse.catalog();
        let due = {
            let mut views = self.lock();
            views.last.retain(|view, _| catalog.table_by_id(*view).is_some());
            schedule::due(&catalog, &views.last, now)
        };
        for view in due {
            self.request(view);
        }
    }

    /// How the last refresh of a view ended in the life of this process.
    pub(crate) fn last(&self, view: Id) -> Option<Attempt> {
        self.lock().last.get(&view).cloned()
    }

    /// Waits until none runs in the background.
    pub(crate) async fn idle(&self) {
        // The sender lives as long as this does.
        let _ = self.shared.running.subscribe().wait_for(|running| *running == 0).await;
    }

    async fn one(&self, view: Id) {
        // Nobody closes it.
        let _permit = self.shared.permits.acquire().await;
        let catalog = self.shared.warehouse.catalog();
        let Some((database, name)) = name_of(&catalog, view) else { return };
        if let Err(error) = self.refresh(&database, &name).await {
            tracing::warn!(database, view = name, %error, "a materialized view is not refreshed");
        }
    }

    fn lock(&self) -> MutexGuard<'_, Views> {
        self.shared.views.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to refresh a view in the background. It ends with its task, however that ends.
#[derive(Debug)]
struct Turn {
    refreshes: Refreshes,
    view: Id,
    is_over: bool,
}

impl Turn {
    async fn run(mut self) {
        while !self.is_over {
            self.refreshes.one(self.view).await;
            self.is_over = self.refreshes.lock().end(self.view);
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        // A refresh that panicked.
        if !self.is_over {
            self.refreshes.lock().running.remove(&self.view);
        }
        self.refreshes.shared.running.send_modify(|running| *running = running.saturating_sub(1));
    }
}

/// The name of a view, which may have got another one.
fn name_of(catalog: &Catalog, view: Id) -> Option<(String, String)> {
    let mut databases = catalog.databases();
    databases.find_map(|database| {
        let table = database.table_by_id(view)?;
        Some((database.row().name.clone(), table.row().name.clone()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_meanwhile_is_done_once_more() {
        let mut views = Views::default();
        assert!(views.begin(1));
        assert!(views.begin(2), "another view has a task of its own");
        assert!(!views.begin(1) && !views.begin(1));
        assert!(!views.end(1), "once more, however often it was asked for");
        assert!(views.end(1));
        assert!(views.begin(1));
    }
}
