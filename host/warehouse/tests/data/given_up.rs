//! Statements that are given up: by a client that goes, or by KILL. What was committed stays, whatever comes next.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::task::Poll;
use std::thread::JoinHandle;
use std::time::Duration;

use cairn_warehouse::Warehouse;

use crate::place::{Place, into, table};

/// How long a thing may take that is about to happen.
const SOON: Duration = Duration::from_secs(10);

/// A transaction that holds up all others until it is told to end.
struct Holdup {
    end: SyncSender<()>,
    thread: JoinHandle<()>,
}

impl Holdup {
    fn begin(warehouse: &Warehouse) -> Self {
        let warehouse = warehouse.clone();
        let (begun, has_begun) = sync_channel(1);
        let (end, is_over) = sync_channel(1);
        let thread = std::thread::spawn(move || {
            let held = warehouse.store().transact(|_| {
                begun.send(()).expect("is waited for");
                is_over.recv().expect("is told");
                Ok(())
            });
            held.expect("changes nothing");
        });
        has_begun.recv().expect("begins");
        Self { end, thread }
    }

    fn end(self) {
        self.end.send(()).expect("waits");
        self.thread.join().expect("ends well");
    }
}

/// Lets a future run until its `polls`-th await, or for good; whether it ended.
pub(crate) async fn run<T>(future: &mut Pin<Box<impl Future<Output = T>>>, polls: usize) -> bool {
    let mut left = polls;
    poll_fn(|context| {
        if future.as_mut().poll(context).is_ready() {
            return Poll::Ready(true);
        }
        left -= 1;
        if left == 0 { Poll::Ready(false) } else { Poll::Pending }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_that_is_given_up_at_any_await_undoes_nothing() {
    let place = Place::new().await;
    place.create(table("t")).await;
    for given_up_at in 1.. {
        place.warehouse.truncate_table("d", "t", &[]).await.expect("truncates");
        let request = into("t");
        let rows = place.stream("VALUES (1, NULL, 'a')").await.expect("plans");
        let other_rows = place.stream("VALUES (2, NULL, 'b')").await.expect("plans");
        let holdup = Holdup::begin(&place.warehouse);
        let mut load = Box::pin(place.loader.load_query(&request, rows));
        // Behind its last await a load waits for the transaction.
        let polled = tokio::time::timeout(SOON, run(&mut load, given_up_at)).await;
        drop(load);

        // Drafts, if the table's lock is free.
        let mut next = Box::pin(place.loader.load_query(&request, other_rows));
        assert!(!run(&mut next, 1).await);
        holdup.end();
        next.await.expect("inserts");
        let rows = place.rows("SELECT k FROM t ORDER BY k").await;
        if rows == ["1", "2"] {
            // Its commit had begun, and went on.
            break;
        }
        assert_eq!(rows, ["2"], "given up at await {given_up_at}");
        assert!(polled.is_ok(), "the commit of the first load was undone");
    }
    place.warehouse.truncate_table("d", "t", &[]).await.expect("truncates");
    let is_clean = async {
        while !place.tablet_files().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(SOON, is_clean).await.expect("what was given up leaves no file");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_is_given_up_is_not_undone_by_the_next_load() {
    let place = Place::new().await;
    place.create(table("t")).await;
    place.insert("t", "VALUES (1, NULL, 'a')").await;
    let holdup = Holdup::begin(&place.warehouse);
    let mut truncate = Box::pin(place.warehouse.truncate_table("d", "t", &[]));
    assert!(!run(&mut truncate, 1).await, "it waits for the transaction");
    drop(truncate);

    let rows = place.stream("VALUES (2, NULL, 'b')").await.expect("plans");
    let request = into("t");
    let mut load = Box::pin(place.loader.load_query(&request, rows));
    assert!(!run(&mut load, 1).await);
    holdup.end();
    load.await.expect("inserts");
    assert_eq!(place.rows("SELECT k FROM t").await, ["2"]);
}
