//! Work apart from the threads of connections: a query computes for as long as it likes, and nobody waits for it to log in, to
//! look, or to end it.
//!
//! What runs apart ends with whoever waits for it, at the next point where it pauses. Its rows come through a queue, and only
//! what was said to be the end is one.

use datafusion::arrow::array::RecordBatch;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::result::QueryStream;
use crate::{Error, ErrorKind, Result};

/// Batches that are computed before they are asked for: while one is sent the next one is made.
const AHEAD: usize = 1;

/// A task that ends with its owner.
struct Apart<T>(JoinHandle<T>);

impl<T> Drop for Apart<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Does some work on other threads.
pub(super) async fn run<T: Send + 'static>(
    threads: &Handle,
    work: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    let mut task = Apart(threads.spawn(work));
    (&mut task.0).await.map_err(|error| given_up().with_source(error))?
}

/// What the rows of a query say besides themselves.
enum Told {
    Batch(Result<RecordBatch>),
    End,
}

/// Plans a query on other threads and computes its rows there.
pub(super) async fn query(
    threads: &Handle,
    planned: impl Future<Output = Result<QueryStream>> + Send + 'static,
) -> Result<QueryStream> {
    let rows = run(threads, planned).await?;
    Ok(rows.map_rows(|rows| computed(threads, rows)))
}

/// The same rows, computed on other threads.
fn computed(
    threads: &Handle,
    mut rows: BoxStream<'static, Result<RecordBatch>>,
) -> BoxStream<'static, Result<RecordBatch>> {
    let (tell, told) = mpsc::channel(AHEAD);
    let task = Apart(threads.spawn(async move {
        while let Some(batch) = rows.next().await {
            if tell.send(Told::Batch(batch)).await.is_err() {
                return;
            }
        }
        // Whoever has gone meanwhile needs no end.
        let _ = tell.send(Told::End).await;
    }));
    let next = |(mut told, task): (mpsc::Receiver<Told>, Apart<()>)| async move {
        match told.recv().await {
            Some(Told::Batch(batch)) => batch.map(|batch| Some((batch, (told, task)))),
            Some(Told::End) => Ok(None),
            None => Err(given_up()),
        }
    };
    stream::try_unfold((told, task), next).into_stream().boxed()
}

/// It panicked, or the server ends.
fn given_up() -> Error {
    Error::new(ErrorKind::Query, "the query was given up: the log of the server says why")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::datatypes::Schema;

    use super::*;

    fn rows(ends: bool) -> BoxStream<'static, Result<RecordBatch>> {
        let batch = || Ok(RecordBatch::new_empty(Arc::new(Schema::empty())));
        let end = stream::poll_fn(move |_| {
            assert!(ends, "on purpose");
            std::task::Poll::Ready(None)
        });
        stream::iter([batch(), batch()]).chain(end).boxed()
    }

    #[tokio::test]
    async fn rows_come_in_full_or_with_an_error() {
        let told: Vec<_> = computed(&Handle::current(), rows(true)).collect().await;
        assert!(told.len() == 2 && told.iter().all(Result::is_ok));
        let told: Vec<_> = computed(&Handle::current(), rows(false)).collect().await;
        assert!(told.len() == 3 && told[2].is_err(), "a panic is no end");
    }

    #[tokio::test]
    async fn work_ends_with_whoever_waits_for_it() {
        let (held, holder) = tokio::sync::oneshot::channel::<()>();
        let work = async move {
            let _held = held;
            std::future::pending::<Result<()>>().await
        };
        let threads = Handle::current();
        tokio::select! {
            _ = run(&threads, work) => panic!("it never ends"),
            () = tokio::task::yield_now() => {}
        }
        assert!(holder.await.is_err(), "what it held is free");
    }
}
