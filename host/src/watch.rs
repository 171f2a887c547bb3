//! [`Watcher`]: looks at the repositories of `cairn serve` from time to time, so that their metrics are there when they are
//! scraped.
//!
//! *Does*: runs on a thread of its own until it is dropped. Each repository is looked at, measured and checked on a blocking
//! thread of its own, one after the other, and not again before that has ended: one that does not answer delays no other.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

#[cfg(feature = "sql")]
use cairn_frontend::Frontend;
use cairn_pipeline::{CheckRequest, Engine, Owner, Repository, Watch};
use tokio::sync::oneshot;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::config::{Intervals, WatchConfig};

/// The repositories of a process.
pub(crate) struct Watched {
    /// By the locations that the user gave.
    pub(crate) by_location: Vec<(String, Repository)>,
    /// Those of a warehouse, by their names.
    #[cfg(feature = "sql")]
    pub(crate) warehouse: Option<Arc<Frontend>>,
}

/// Runs until it is dropped; what is being asked of a storage then is not waited for.
#[derive(Debug)]
pub(crate) struct Watcher {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What is done when.
struct Rounds {
    engine: Engine,
    watch: Watch,
    watched: Watched,
    intervals: Intervals,
    /// By name: what was done last, and whether something is being done. Held for a look or a step.
    done: Mutex<BTreeMap<String, Done>>,
    /// Held while a check runs: each needs memory for an index, and a server that starts has all of them before it.
    checking: Mutex<()>,
}

#[derive(Debug, Default)]
struct Done {
    is_looked_at: bool,
    is_checked: bool,
    /// When the last that succeeded began; one that failed is tried again with the next look.
    measured: Option<Instant>,
    checked: Option<Instant>,
}

impl Watched {
    fn names(&self) -> Vec<String> {
        let names = self.by_location.iter().map(|(name, _)| name.clone());
        #[cfg(feature = "sql")]
        let names =
            names.chain(self.warehouse.iter().flat_map(|frontend| frontend.repository_names()));
        names.collect()
    }

    /// Blocks.
    fn open(&self, name: &str) -> anyhow::Result<Repository> {
        if let Some((_, repository)) = self.by_location.iter().find(|(known, _)| known == name) {
            return Ok(repository.clone());
        }
        #[cfg(feature = "sql")]
        if let Some(frontend) = &self.warehouse {
            let opened = frontend.open_repository(name);
            return Ok(opened.map_err(|error| anyhow::anyhow!(error.message))?.as_ref().clone());
        }
        anyhow::bail!("there is no repository {name}")
    }

    /// A target is about what this warehouse made; without one, about what anybody did.
    fn owner(&self) -> Option<Owner> {
        #[cfg(feature = "sql")]
        return self.warehouse.as_ref().map(|frontend| frontend.owner());
        #[cfg(not(feature = "sql"))]
        None
    }
}

impl Watcher {
    /// Starts to watch, at once for the first time; none where the configuration says so.
    pub(crate) fn start(
        engine: &Engine,
        config: &WatchConfig,
        watched: Watched,
    ) -> anyhow::Result<Option<Self>> {
        let Some(intervals) = config.intervals()? else {
            return Ok(None);
        };
        let watch = Watch::new(watched.owner(), config.targets()?);
        let (engine, done, checking) = (engine.clone(), Mutex::default(), Mutex::default());
        let rounds = Arc::new(Rounds { engine, watch, watched, intervals, done, checking });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        let (stop, stopped) = oneshot::channel();
        let work = move || {
            runtime.block_on(async {
                tokio::select! {
                    // Dropping the sender is the signal.
                    _ = stopped => {}
                    () = rounds.run() => {}
                }
            });
            runtime.shutdown_background();
        };
        let thread = std::thread::Builder::new().name("cairn-watch".to_owned()).spawn(work)?;
        Ok(Some(Self { stop: Some(stop), thread: Some(thread) }))
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            // A panic there has been printed by its thread.
            let _ = thread.join();
        }
    }
}

impl Rounds {
    async fn run(self: Arc<Self>) {
        let mut ticks = interval(self.intervals.look);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.begin();
        }
    }

    fn begin(self: &Arc<Self>) {
        let names = self.watched.names();
        for missing in self.watch.begin_round(&names) {
            tracing::warn!(repository = missing, "a target names a repository that is not there");
        }
        self.lock()
            .retain(|name, done| done.is_looked_at || done.is_checked || names.contains(name));
        for name in names {
            if self.step(&name, |done| !std::mem::replace(&mut done.is_looked_at, true)) {
                let rounds = Arc::clone(self);
                // A panic is told by the runtime; the repository is left alone from then on.
                tokio::task::spawn_blocking(move || rounds.visit(&name));
            }
        }
    }

    /// Looks at one repository, and measures and checks it when it is time to. Looks go on while a check runs.
    fn visit(&self, name: &str) {
        let repository = self.look(name);
        if let Some(repository) = &repository
            && self.step(name, |done| is_due(self.intervals.measure, done.measured))
        {
            let begun = Instant::now();
            match self.watch.measure(name, repository) {
                Ok(()) => self.step(name, |done| done.measured = Some(begun)),
                Err(error) => {
                    tracing::warn!(repository = name, %error, "a repository was not measured");
                }
            }
        }
        self.step(name, |done| done.is_looked_at = false);
        let begins = |done: &mut Done| {
            let begins = !done.is_checked && is_due(self.intervals.check, done.checked);
            done.is_checked |= begins;
            begins
        };
        if let Some(repository) = &repository
            && self.step(name, begins)
        {
            let _one_at_a_time = self.checking.lock().unwrap_or_else(PoisonError::into_inner);
            let begun = Instant::now();
            let is_proved = self.check(name, repository);
            self.step(name, |done| {
                done.is_checked = false;
                if is_proved {
                    done.checked = Some(begun);
                }
            });
        }
    }

    fn look(&self, name: &str) -> Option<Repository> {
        let looked = self.watched.open(name).and_then(|repository| {
            self.watch.look(name, &repository)?;
            Ok(repository)
        });
        if let Err(error) = &looked {
            self.watch.not_reached(name);
            let error = format!("{error:#}");
            tracing::warn!(repository = name, error, "a repository cannot be reached");
        }
        looked.ok()
    }

    /// Whether it came to its end.
    fn check(&self, name: &str, repository: &Repository) -> bool {
        match self.engine.check(repository, CheckRequest::structure()).wait() {
            Ok(report) => {
                self.watch.checked(name, repository, &report);
                for finding in report.findings() {
                    let damage = finding.damage.to_string();
                    tracing::error!(repository = name, damage, "a check found damage");
                }
                true
            }
            Err(error) => {
                tracing::warn!(repository = name, %error, "a repository was not checked");
                false
            }
        }
    }

    fn step<T>(&self, name: &str, step: impl FnOnce(&mut Done) -> T) -> T {
        step(self.lock().entry(name.to_owned()).or_default())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Done>> {
        self.done.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether it is time again.
fn is_due(every: Option<Duration>, last: Option<Instant>) -> bool {
    every.is_some_and(|every| last.is_none_or(|last| last.elapsed() >= every))
}
