//! The claims of `DESIGN.md`, section 9, on every interleaving that proptest thinks of: the real code of hosts that back up,
//! restore, forget, prune and repair, one request at a time, with crashes, stalls, requests that come late and chunks that rot; in one
//! test also beside one who may only append and lies about marks.
//!
//! Names are random, and so is the order in which names are listed: a schedule that fails is printed, and fails again unless it hangs on
//! that order.

use std::fmt::Write;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Poll;
use std::time::Duration;

use cairn_repository::prune::{PruneOptions, PruneReport, prune};
use cairn_repository::repair::{RepairOptions, RepairReport, Suspects, repair};
use cairn_repository::{Damage, DamagedObject, ErrorKind, Fault, Repository};
use cairn_storage::{ObjectPath, PutMode, Storage};
use proptest::prelude::*;
use proptest::test_runner::{TestError, TestRunner};
use tokio::runtime::Handle;

use crate::place::{self, Care, Tables, Taken};
use crate::world::{GRACE, Gate, Host, World};

/// What a host does, over and over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    BacksUp,
    Prunes,
    /// Over losses too.
    PrunesOn,
    Forgets,
    Restores,
    Repairs,
    Lies,
}

const HOSTS: [Role; 9] = [
    Role::BacksUp,
    Role::Prunes,
    Role::Forgets,
    Role::Restores,
    Role::BacksUp,
    Role::PrunesOn,
    Role::BacksUp,
    Role::Repairs,
    Role::Lies,
];

/// What is wrong with a variant, if anything.
#[derive(Debug, Clone, Copy)]
struct Variant {
    care: Care,
    grace: u64,
    /// Whether somebody puts marks that lie.
    has_liar: bool,
}

const SOUND: Variant = Variant { care: Care::Looks, grace: GRACE, has_liar: false };

/// What happens next.
#[derive(Debug, Clone)]
enum Turn {
    /// A host takes steps.
    Go { host: usize, steps: u8 },
    /// It takes so many that what it is at comes to its end.
    Finish { host: usize },
    /// It gives up its next request.
    GiveUp { host: usize },
    /// It crashes.
    Crash { host: usize },
    /// Something happens that was sent before a crash.
    Late { which: usize },
    /// Time passes.
    Tick { seconds: u64 },
    /// A chunk rots.
    Rot { which: usize },
}

fn turns(has_liar: bool) -> impl Strategy<Value = Vec<Turn>> {
    // Who repairs and who lies come less often.
    let num_hosts = if has_liar { HOSTS.len() } else { HOSTS.len() - 1 };
    let host = move || prop_oneof![9 => 0..HOSTS.len() - 2, 1 => 0..num_hosts];
    let turn = prop_oneof![
        12 => (host(), 1_u8..12).prop_map(|(host, steps)| Turn::Go { host, steps }),
        8 => host().prop_map(|host| Turn::Finish { host }),
        1 => host().prop_map(|host| Turn::GiveUp { host }),
        1 => host().prop_map(|host| Turn::Crash { host }),
        2 => (0_usize..8).prop_map(|which| Turn::Late { which }),
        5 => prop_oneof![1..GRACE / 4, Just(GRACE / 2), Just(GRACE + 1)]
            .prop_map(|seconds| Turn::Tick { seconds }),
        1 => (0_usize..64).prop_map(|which| Turn::Rot { which }),
    ];
    prop::collection::vec(turn, 10..120)
}

/// More steps than anything takes that nobody disturbs.
const MANY_STEPS: usize = 3000;

/// How something ended.
enum Ended {
    Backup { label: String, taken: Option<Taken> },
    Prune(Option<PruneReport>),
    Forget,
    Repair(Option<RepairReport>),
    Lie,
    Restore { label: String, since: u64, error: Option<String>, tables: Tables },
}

type Task = Pin<Box<dyn Future<Output = Ended>>>;

/// What a play showed.
#[derive(Debug, Default, Clone)]
struct Seen {
    broken: Vec<String>,
    backups: u64,
    begun_again: u64,
    restores: u64,
    freed_packs: u64,
    copied_chunks: u64,
    rots: u64,
    repairs: u64,
    salvaged_chunks: u64,
    lies: u64,
    requests: u64,
}

/// A mark that names everything, and before it that it is settled; or, in turns, that every mark there is has been swept.
fn lies(world: &World) -> Vec<(ObjectPath, Vec<u8>)> {
    let turn = world.num_requests.fetch_add(1, Relaxed);
    let name = format!("prune/{turn:032x}");
    let path = |name: &str, part: &str| ObjectPath::parse(&format!("{name}/{part}")).unwrap();
    if turn.is_multiple_of(2) {
        let bytes = world.mark_of_all().encode();
        return vec![(path(&name, "settled"), Vec::new()), (path(&name, "mark"), bytes)];
    }
    let objects = world.memory.objects().into_keys();
    let marks = objects.filter(|path| path.to_string().ends_with("/mark"));
    let swept = marks.map(|mark| mark.to_string().replace("/mark", "/swept"));
    swept.map(|swept| (ObjectPath::parse(&swept).unwrap(), Vec::new())).collect()
}

struct Play {
    world: Arc<World>,
    variant: Variant,
    gates: Vec<Arc<Gate>>,
    tasks: Vec<Option<Task>>,
    num_backups: u8,
    seen: Seen,
}

/// Tables of the n-th snapshot: few are there, so that snapshots share them.
fn tables_of(number: u8) -> Tables {
    let mut tables: Tables = vec![number % 3, 3 + number % 2, 5 + number / 2 % 3];
    tables.truncate(1 + usize::from(number) % 3);
    tables
}

impl Play {
    async fn new(variant: Variant) -> Self {
        let world = Arc::new(World::new());
        place::create(Arc::new(world.memory.clone())).await;
        Self {
            world,
            variant,
            gates: HOSTS.map(|_| Arc::default()).into(),
            tasks: HOSTS.map(|_| None).into(),
            num_backups: 0,
            seen: Seen::default(),
        }
    }

    /// Begins what a host does next; `None` when there is nothing.
    fn begin(&mut self, host: usize) -> Option<Task> {
        let gate = Arc::clone(&self.gates[host]);
        let storage = Host { world: Arc::clone(&self.world), gate };
        let world = Arc::clone(&self.world);
        let opened = storage.clone();
        let open = async move || Repository::open(Arc::new(opened)).await;
        let oldest = world.reported.lock().unwrap().keys().next().cloned();
        Some(match HOSTS[host] {
            Role::BacksUp => {
                let (number, care) = (self.num_backups, self.variant.care);
                self.num_backups = self.num_backups.wrapping_add(1);
                Box::pin(async move {
                    let label = format!("s{number:03}");
                    let outcome = match open().await {
                        Ok(open) => place::back_up(&open, &label, &tables_of(number), care).await,
                        Err(error) => Err(error),
                    };
                    Ended::Backup { label, taken: outcome.ok() }
                })
            }
            role @ (Role::Prunes | Role::PrunesOn) => {
                let grace = Duration::from_secs(self.variant.grace);
                let accept_loss = role == Role::PrunesOn;
                let options = PruneOptions { grace, accept_loss, ..PruneOptions::default() };
                Box::pin(async move {
                    let report = match open().await {
                        Ok(open) => prune(&open, Handle::current(), &options, &|_| {}).await.ok(),
                        Err(_) => None,
                    };
                    Ended::Prune(report)
                })
            }
            Role::Forgets => {
                let label = oldest?;
                let taken = world.reported.lock().unwrap().remove(&label)?;
                Box::pin(async move {
                    if let Ok(open) = open().await {
                        let _ = open.forget(&taken.record.label, None).await;
                    }
                    Ended::Forget
                })
            }
            Role::Repairs => {
                let packs = world.mark_of_all().packs.into_iter();
                let damages: Vec<Damage> = packs
                    .map(|pack| Damage::new(DamagedObject::Pack(pack), Fault::Missing))
                    .collect();
                let options =
                    RepairOptions { index_budget_bytes: place::BUDGET, missing_records: false };
                Box::pin(async move {
                    let suspects = Suspects::of(&damages);
                    let report = match open().await {
                        Ok(open) => {
                            repair(&open, Handle::current(), suspects, &options, &|_| {}).await.ok()
                        }
                        Err(_) => None,
                    };
                    Ended::Repair(report)
                })
            }
            Role::Lies => {
                let lies = lies(&world);
                Box::pin(async move {
                    for (path, bytes) in lies {
                        let _ = storage.put(&path, bytes.into(), PutMode::Create).await;
                    }
                    Ended::Lie
                })
            }
            Role::Restores => {
                let label = oldest?;
                let since = world.now();
                Box::pin(async move {
                    let restored = match open().await {
                        Ok(open) => place::restore(&open, &label).await,
                        Err(error) => Err(error),
                    };
                    let (error, tables) = match restored {
                        Ok(tables) => (None, tables),
                        // It was given up, or gone before it was read.
                        Err(error) if error.is_retryable() => (None, Tables::new()),
                        Err(error) if error.kind() == ErrorKind::NoSuchSnapshot => {
                            (None, Tables::new())
                        }
                        Err(error) => (Some(format!("{error:?}")), Tables::new()),
                    };
                    Ended::Restore { label, since, error, tables }
                })
            }
        })
    }

    /// Lets a host take a step; whether what it was at has ended.
    async fn step(&mut self, host: usize, gives_up: bool) -> bool {
        if self.tasks[host].is_none() {
            self.tasks[host] = self.begin(host);
        }
        let Some(task) = &mut self.tasks[host] else { return true };
        self.gates[host].open(gives_up);
        let mut polled = poll_fn(|context| Poll::Ready(task.as_mut().poll(context))).await;
        if !self.gates[host].close() && polled.is_pending() {
            // It waits for time to pass: what hosts wait for is of another kind than what the store shows.
            tokio::time::advance(Duration::from_secs(60)).await;
            polled = poll_fn(|context| Poll::Ready(task.as_mut().poll(context))).await;
        }
        let losses = self.world.losses();
        self.seen.broken.extend(losses);
        let Poll::Ready(ended) = polled else { return false };
        self.tasks[host] = None;
        self.end(ended);
        true
    }

    fn end(&mut self, ended: Ended) {
        match ended {
            Ended::Backup { label, taken } => {
                if let Some(taken) = taken {
                    self.seen.backups += 1;
                    self.seen.begun_again += taken.begun_again;
                    self.world.reported.lock().unwrap().insert(label, taken);
                }
            }
            Ended::Prune(report) => {
                let report = report.unwrap_or_default();
                self.seen.freed_packs += report.freed_packs;
                self.seen.copied_chunks += report.copied_chunks;
            }
            Ended::Forget => {}
            Ended::Repair(report) => {
                let report = report.unwrap_or_default();
                self.seen.repairs += u64::from(!report.is_idle());
                self.seen.salvaged_chunks += report.salvaged_chunks;
            }
            Ended::Lie => self.seen.lies += 1,
            Ended::Restore { label, since, error, tables } => {
                self.seen.restores += u64::from(!tables.is_empty());
                let reported = self.world.reported.lock().unwrap().get(&label).cloned();
                let is_there = reported.as_ref().is_some_and(|it| !self.world.has_rotten(it));
                let is_quick = self.world.now() - since < GRACE;
                // One who lies may have named it long before it was forgotten.
                let is_calm = self.seen.rots == 0 && self.seen.lies == 0;
                if let Some(error) = error.filter(|_| is_there || is_quick && is_calm) {
                    self.seen.broken.push(format!("{label} could not be restored: {error}"));
                }
            }
        }
    }

    async fn take(&mut self, turn: &Turn) {
        match *turn {
            Turn::Go { host, steps } => {
                for _ in 0..steps {
                    self.step(host, false).await;
                }
            }
            Turn::Finish { host } => self.finish(host).await,
            Turn::GiveUp { host } => drop(self.step(host, true).await),
            Turn::Crash { host } => self.tasks[host] = None,
            Turn::Late { which } => {
                self.world.happen_late(which);
                let losses = self.world.losses();
                self.seen.broken.extend(losses);
            }
            Turn::Tick { seconds } => self.world.tick(seconds),
            Turn::Rot { which } => {
                let is_reader =
                    |role| matches!(role, Role::Prunes | Role::PrunesOn | Role::Repairs);
                let mut tasks = HOSTS.iter().zip(&self.tasks);
                let nobody_reads = !tasks.any(|(role, task)| is_reader(*role) && task.is_some());
                self.world.rot(which, nobody_reads);
                self.seen.rots += 1;
            }
        }
    }

    async fn finish(&mut self, host: usize) {
        for _ in 0..MANY_STEPS {
            if self.step(host, false).await {
                return;
            }
        }
        self.seen.broken.push(format!("host {host} does not end"));
    }

    async fn run(mut self, turns: &[Turn]) -> Seen {
        for turn in turns {
            self.take(turn).await;
            if !self.seen.broken.is_empty() {
                return self.seen;
            }
        }
        for host in 0..HOSTS.len() {
            if self.tasks[host].is_some() {
                self.finish(host).await;
            }
        }
        let repository = Repository::open(Arc::new(self.world.memory.clone())).await.unwrap();
        let reported = self.world.reported.lock().unwrap().clone();
        for (label, taken) in reported {
            if self.world.has_rotten(&taken) {
                continue;
            }
            match place::restore_record(&repository, &taken.record).await {
                Ok(_) => {}
                Err(error) => self.seen.broken.push(format!("{label} at the end: {error:?}")),
            }
        }
        self.seen.requests = self.world.num_requests.load(Relaxed);
        self.seen
    }
}

fn play(turns: &[Turn], variant: Variant) -> Seen {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async { Play::new(variant).await.run(turns).await })
}

/// What plays of many schedules showed in all, or the shortest one found that breaks a claim.
fn explore(num_schedules: u32, variant: Variant) -> Result<Seen, Box<(Vec<Turn>, Seen)>> {
    let config =
        ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(num_schedules) };
    let sum = std::cell::RefCell::new(Seen::default());
    let outcome = TestRunner::new(config).run(&turns(variant.has_liar), |turns| {
        let seen = play(&turns, variant);
        prop_assert!(seen.broken.is_empty(), "{:?}", seen.broken);
        let mut sum = sum.borrow_mut();
        sum.backups += seen.backups;
        sum.begun_again += seen.begun_again;
        sum.restores += seen.restores;
        sum.freed_packs += seen.freed_packs;
        sum.copied_chunks += seen.copied_chunks;
        sum.rots += seen.rots;
        sum.repairs += seen.repairs;
        sum.salvaged_chunks += seen.salvaged_chunks;
        sum.lies += seen.lies;
        sum.requests += seen.requests;
        Ok(())
    });
    match outcome {
        Ok(()) => Ok(sum.into_inner()),
        Err(TestError::Fail(_, turns)) => {
            let seen = play(&turns, variant);
            Err(Box::new((turns, seen)))
        }
        Err(error) => panic!("{error}"),
    }
}

/// Schedules of a test: about a quarter of a minute of them.
const SCHEDULES: u32 = 2000;

#[test]
fn nothing_that_was_reported_is_lost_and_nobody_is_disturbed() {
    let seen = explored(SOUND);
    println!("explored {SCHEDULES} schedules: {seen:?}");
    assert_eq!(seen.lies, 0);
}

/// What single lies can do is held by `lies.rs`.
#[test]
fn nor_among_marks_that_lie() {
    let seen = explored(Variant { has_liar: true, ..SOUND });
    println!("explored {SCHEDULES} schedules: {seen:?}");
    assert!(seen.lies > u64::from(SCHEDULES) / 50, "{seen:?}");
}

fn explored(variant: Variant) -> Seen {
    let seen = match explore(SCHEDULES, variant) {
        Ok(seen) => seen,
        Err(failed) => {
            let (turns, seen) = *failed;
            let mut script = String::new();
            for turn in &turns {
                writeln!(script, "    {turn:?},").unwrap();
            }
            panic!("{:?}\n{script}", seen.broken);
        }
    };
    // A model in which nothing happens proves nothing.
    assert!(seen.backups > u64::from(SCHEDULES), "{seen:?}");
    let least = u64::from(SCHEDULES) / 50;
    assert!(seen.restores > least && seen.freed_packs > least, "{seen:?}");
    assert!(seen.copied_chunks > least && seen.begun_again > 0, "{seen:?}");
    assert!(seen.repairs > least && seen.salvaged_chunks > least, "{seen:?}");
    seen
}

#[test]
fn a_backup_that_does_not_look_is_caught() {
    let blind = Variant { care: Care::Trusts, ..SOUND };
    let (_, seen) = *explore(SCHEDULES, blind).unwrap_err();
    println!("{:?}", seen.broken);
}

#[test]
fn a_prune_without_a_grace_is_caught() {
    let hasty = Variant { grace: 0, ..SOUND };
    let (_, seen) = *explore(SCHEDULES, hasty).unwrap_err();
    println!("{:?}", seen.broken);
}
