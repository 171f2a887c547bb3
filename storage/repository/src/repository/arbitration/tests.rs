//! The claims of `DESIGN.md`, section 8, on every interleaving that proptest thinks of: a scheduler lets one writer at a
//! time take one step; writers crash between any two steps, and what they had sent then takes effect later or never.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;

use async_trait::async_trait;
use cairn_storage::{ByteRange, Capabilities, MemoryStorage, ObjectMeta, PageStream};
use futures::stream::{self, StreamExt};
use proptest::prelude::*;

use super::*;

/// A change that was sent.
#[derive(Debug, Clone)]
struct Change {
    path: ObjectPath,
    /// None deletes.
    bytes: Option<Bytes>,
}

/// The store that all writers share.
#[derive(Debug, Default)]
struct World {
    objects: MemoryStorage,
    /// Changes whose senders crashed before they took effect.
    late: Mutex<Vec<Change>>,
    /// Everything that was ever put at the subject.
    subject: Mutex<Vec<Bytes>>,
}

impl World {
    fn apply(&self, change: Change) {
        match change.bytes {
            None => drop(self.objects.remove(&change.path)),
            Some(bytes) => {
                if change.path == subject() {
                    self.subject.lock().unwrap().push(bytes.clone());
                }
                self.objects.insert(change.path, bytes);
            }
        }
    }

    fn apply_late(&self, which: usize) {
        let mut late = self.late.lock().unwrap();
        if !late.is_empty() {
            let which = which % late.len();
            let change = late.swap_remove(which);
            drop(late);
            self.apply(change);
        }
    }

    fn holder(&self) -> Option<Bytes> {
        self.objects.objects().remove(&subject())
    }
}

/// A change on its way; who drops it has crashed.
struct Sent<'a> {
    world: &'a World,
    change: Option<Change>,
}

impl Drop for Sent<'_> {
    fn drop(&mut self) {
        self.world.late.lock().unwrap().extend(self.change.take());
    }
}

/// The store as one writer sees it: a question, its effect and its answer are steps of their own.
#[derive(Debug)]
struct Stepwise(Arc<World>);

/// Ends the step; the next begins when the scheduler says so.
async fn step() {
    let mut is_over = false;
    poll_fn(|context| {
        if std::mem::replace(&mut is_over, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

impl Stepwise {
    async fn change(&self, path: &ObjectPath, bytes: Option<Bytes>) {
        let change = Change { path: path.clone(), bytes };
        let mut sent = Sent { world: &self.0, change: Some(change) };
        step().await;
        if let Some(change) = sent.change.take() {
            self.0.apply(change);
        }
        step().await;
    }
}

impl fmt::Display for Stepwise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("stepwise")
    }
}

#[async_trait]
impl Storage for Stepwise {
    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::FULL;
        capabilities.atomic_create = false;
        capabilities
    }

    async fn put(
        &self,
        path: &ObjectPath,
        payload: Payload,
        _mode: PutMode,
    ) -> cairn_storage::Result<()> {
        self.change(path, Some(payload.to_bytes())).await;
        Ok(())
    }

    async fn get(&self, path: &ObjectPath, range: ByteRange) -> cairn_storage::Result<Bytes> {
        step().await;
        let answer = self.0.objects.get(path, range).await;
        step().await;
        answer
    }

    async fn head(&self, path: &ObjectPath) -> cairn_storage::Result<ObjectMeta> {
        step().await;
        self.0.objects.head(path).await
    }

    /// Object by object in the order of names, as a service pages: no picture of one instant.
    fn list_pages<'a>(&'a self, prefix: &ObjectPath) -> PageStream<'a> {
        let start = (prefix.clone(), None::<ObjectPath>);
        stream::unfold(start, move |(prefix, last)| async move {
            step().await;
            let metas: Vec<_> = self.0.objects.list(&prefix).collect().await;
            let next = metas.into_iter().find(|meta| {
                meta.as_ref().is_ok_and(|meta| last.as_ref().is_none_or(|last| meta.path > *last))
            })?;
            let path = next.as_ref().ok().map(|meta| meta.path.clone());
            Some((next.map(|meta| vec![meta]), (prefix, path)))
        })
        .boxed()
    }

    async fn delete(&self, path: &ObjectPath) -> cairn_storage::Result<()> {
        self.change(path, None).await;
        Ok(())
    }
}

fn subject() -> ObjectPath {
    layout::snapshot_path(&"contested".parse().unwrap())
}

fn value(writer: usize) -> Bytes {
    Bytes::from(format!("value of {writer}"))
}

type Writer<'a> = Pin<Box<dyn Future<Output = Result<Bytes>> + 'a>>;

/// A writer as it should be.
fn arbitrating(storage: &Stepwise, writer: usize) -> Writer<'_> {
    Box::pin(async move {
        // Names that are ordered unlike their owners, so that a later one may have the lower ballot.
        let name = (writer as u128 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        decide(storage, &subject(), name, &value(writer), &|_| Ok(())).await
    })
}

/// A writer that looks first and puts then.
fn looking_first(storage: &Stepwise, writer: usize) -> Writer<'_> {
    Box::pin(async move {
        match storage.get(&subject(), ByteRange::Full).await {
            Ok(holder) => Ok(holder),
            Err(_) => {
                let payload = Payload::from(value(writer));
                storage.put(&subject(), payload, PutMode::Create).await?;
                Ok(value(writer))
            }
        }
    })
}

/// Whose turn it is, for how many steps, and what happens then.
#[derive(Debug, Clone)]
struct Turn {
    writer: usize,
    steps: u8,
    then: Then,
}

#[derive(Debug, Clone, Copy)]
enum Then {
    GoOn,
    Crash,
    ApplyLate(usize),
}

fn turns() -> impl Strategy<Value = Vec<Turn>> {
    let then = prop_oneof![
        12 => Just(Then::GoOn),
        1 => Just(Then::Crash),
        2 => (0_usize..8).prop_map(Then::ApplyLate),
    ];
    // Short ones and long ones: a whole decision takes some thirty steps.
    let steps = prop_oneof![1_u8..5, 1_u8..40];
    let turn = (0_usize..WRITERS, steps, then);
    prop::collection::vec(
        turn.prop_map(|(writer, steps, then)| Turn { writer, steps, then }),
        0..60,
    )
}

const WRITERS: usize = 4;

/// More steps than any of the writers left has before it ends.
const MANY_STEPS: usize = 50_000;

/// What a play showed.
#[derive(Debug, Default)]
struct Seen {
    /// Writers that were told that their value is there.
    winners: Vec<usize>,
    /// What broke the claims.
    broken: Vec<String>,
}

struct Play<'a> {
    world: &'a World,
    writers: Vec<Option<Writer<'a>>>,
    seen: Seen,
}

impl Play<'_> {
    async fn step(&mut self, writer: usize) {
        let Some(task) = &mut self.writers[writer] else { return };
        let polled = poll_fn(|context| Poll::Ready(task.as_mut().poll(context))).await;
        // Whoever waits to try again has waited long enough.
        tokio::time::advance(MAX_WAIT + MAX_WAIT).await;
        let Poll::Ready(outcome) = polled else { return };
        self.writers[writer] = None;
        let Ok(decided) = outcome else { return };
        if self.world.holder().as_ref() != Some(&decided) {
            self.seen.broken.push(format!("{writer} was told what is not there"));
        }
        if decided == value(writer) {
            self.seen.winners.push(writer);
        }
    }

    async fn run(mut self, turns: &[Turn]) -> Seen {
        for turn in turns {
            for _ in 0..turn.steps {
                self.step(turn.writer).await;
            }
            match turn.then {
                Then::GoOn => {}
                Then::Crash => self.writers[turn.writer] = None,
                Then::ApplyLate(which) => self.world.apply_late(which),
            }
        }
        for number in 0..MANY_STEPS {
            if self.writers.iter().all(Option::is_none) {
                break;
            }
            // Unevenly, so that one gets ahead.
            self.step((number / 7) % WRITERS).await;
        }
        if self.writers.iter().any(Option::is_some) {
            self.seen.broken.push("a writer does not end".to_owned());
        }
        while !self.world.late.lock().unwrap().is_empty() {
            self.world.apply_late(0);
        }
        let mut values = self.world.subject.lock().unwrap().clone();
        values.dedup();
        if values.len() > 1 {
            self.seen.broken.push(format!("several values were put: {values:?}"));
        }
        if self.seen.winners.len() > 1 {
            self.seen.broken.push(format!("the winners are {:?}", self.seen.winners));
        }
        self.seen
    }
}

fn on_paused_time<T>(task: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_time().start_paused(true).build().unwrap().block_on(task)
}

/// Plays a script with four writers of one kind.
fn play(turns: &[Turn], kind: for<'a> fn(&'a Stepwise, usize) -> Writer<'a>) -> (Arc<World>, Seen) {
    on_paused_time(async {
        let world = Arc::new(World::default());
        let stores: Vec<_> = (0..WRITERS).map(|_| Stepwise(Arc::clone(&world))).collect();
        let writers = stores.iter().enumerate();
        let writers = writers.map(|(number, store)| Some(kind(store, number))).collect();
        let seen = Play { world: &world, writers, seen: Seen::default() }.run(turns).await;
        drop(stores);
        (world, seen)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_two_writers_win_and_what_was_told_is_there(turns in turns()) {
        let (world, seen) = play(&turns, arbitrating);
        prop_assert!(seen.broken.is_empty(), "{:?}", seen.broken);
        // One who comes later and alone ends, whatever the others left, and meets what was decided.
        let before = world.holder();
        let late = on_paused_time(async {
            let name = u128::MAX;
            decide(&world.objects, &subject(), name, &value(9), &|_| Ok(())).await.unwrap()
        });
        prop_assert_eq!(world.holder(), Some(late.clone()));
        if let Some(before) = before {
            prop_assert_eq!(before, late);
        }
    }
}

#[test]
fn the_scheduler_finds_what_is_wrong_with_looking_first() {
    let turn = |writer| Turn { writer, steps: 2, then: Then::GoOn };
    let (_, seen) = play(&[turn(0), turn(1), turn(2), turn(3)], looking_first);
    assert!(seen.broken.iter().any(|broken| broken.starts_with("the winners are")), "{seen:?}");
}

#[tokio::test]
async fn one_who_is_alone_wins_with_ten_requests_and_leaves_nothing() {
    let faulty = cairn_testkit::FaultStorage::new(Arc::new(MemoryStorage::new()));
    let decided = decide(&faulty, &subject(), 1, &value(1), &|_| Ok(())).await.unwrap();
    assert_eq!(decided, value(1));
    let calls = [Operation::Put, Operation::Get, Operation::List, Operation::Delete];
    assert_eq!(calls.map(|operation| faulty.calls(operation)), [3, 3, 2, 2]);
    let left: Vec<_> = faulty.list(&ObjectPath::root()).try_collect().await.unwrap();
    assert_eq!(left.into_iter().map(|meta| meta.path).collect::<Vec<_>>(), [subject()]);
}

#[tokio::test]
async fn what_a_dead_writer_voted_for_is_carried_through_if_it_can_be() {
    let memory = MemoryStorage::new();
    let dead = Ballot { round: 7, proposer: 5 };
    let vote = layout::arbitration_of(&subject()).join(&dead.object_name(Kind::Vote)).unwrap();
    memory.insert(vote.clone(), value(5));
    let judge = |bytes: &[u8]| match bytes.starts_with(b"value") {
        true => Ok(()),
        false => Err(Error::invalid("rotten")),
    };
    let decided = decide(&memory, &subject(), 1, &value(1), &judge).await.unwrap();
    assert_eq!(decided, value(5));
    assert_eq!(memory.objects()[&subject()], value(5));

    let memory = MemoryStorage::new();
    memory.insert(vote, "rotten".into());
    let error = decide(&memory, &subject(), 1, &value(1), &judge).await.unwrap_err();
    assert_eq!(error.to_string(), "rotten");
    assert!(!memory.objects().contains_key(&subject()));
}

#[tokio::test]
async fn an_error_after_a_vote_leaves_the_outcome_unknown_and_before_it_does_not() {
    use cairn_testkit::{Fault, FaultStorage};
    let kind = async |fault: Fault| {
        let faulty = FaultStorage::new(Arc::new(MemoryStorage::new()));
        faulty.plan(fault);
        match decide(&faulty, &subject(), 1, &value(1), &|_| Ok(())).await.unwrap_err() {
            Error::Storage(error) => error.kind(),
            error => panic!("{error}"),
        }
    };
    let denied = || Fault::fail(ErrorKind::PermissionDenied);
    let is_vote = |path: &ObjectPath| path.name().ends_with("-vote");
    assert_eq!(kind(denied().on(Operation::List)).await, ErrorKind::PermissionDenied);
    assert_eq!(kind(denied().at(is_vote)).await, ErrorKind::PermissionDenied);
    let lost = Fault::fail_after_effect(ErrorKind::Transient).at(is_vote);
    assert_eq!(kind(lost).await, ErrorKind::UnknownOutcome);
    assert_eq!(kind(denied().on(Operation::List).nth(2)).await, ErrorKind::UnknownOutcome);
    let last = denied().on(Operation::Put).at(|path| *path == subject());
    assert_eq!(kind(last).await, ErrorKind::UnknownOutcome);
}

#[test]
fn names_lead_back_and_foreign_ones_are_nobodys() {
    let ballot = Ballot { round: 0x1a, proposer: 0xbc };
    let name = ballot.object_name(Kind::Vote);
    assert_eq!(name, format!("0000001a-{:0>32}-vote", "bc"));
    assert_eq!(Ballot::parse(&name), Some((ballot, Kind::Vote)));
    for foreign in ["", "1a-bc-vote", "+000001a-00-vote", &name.to_uppercase(), &name[1..]] {
        assert_eq!(Ballot::parse(foreign), None, "{foreign}");
    }
    assert_eq!(Ballot::parse(&name.replace("vote", "veto")), None);
}

#[test]
fn the_round_comes_before_the_proposer() {
    let mut seen = super::Seen::default();
    let low = Ballot { round: 1, proposer: u128::MAX };
    let high = Ballot { round: 2, proposer: 0 };
    for name in [
        high.object_name(Kind::Intent),
        low.object_name(Kind::Vote),
        "rubbish".to_owned(),
        low.object_name(Kind::Intent),
    ] {
        seen.add(&name);
    }
    assert_eq!(seen, super::Seen { highest: high, highest_vote: Some(low) });
    assert_eq!(seen.next_round().unwrap(), 3);
    seen.add(&Ballot { round: u32::MAX, proposer: 0 }.object_name(Kind::Intent));
    assert!(seen.next_round().is_err());
}
