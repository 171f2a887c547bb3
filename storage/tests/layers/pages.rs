//! What layers do with the pages of a listing: empty ones, late ones, and those that come again.

use std::collections::VecDeque;
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use cairn_storage::layer::{Limit, Metered, Prefix, Retry, RetryConfig, Timeout, TimeoutConfig};
use cairn_storage::{
    ByteRange, Capabilities, Error, ErrorKind, ObjectMeta, Operation, PageStream, PutMode,
};
use futures::StreamExt;
use futures::stream;

use super::*;

/// A page, or a failure of this kind, after so many seconds.
type Step = (u64, std::result::Result<&'static [&'static str], ErrorKind>);

/// Answers every listing by a script of its own.
#[derive(Debug)]
struct Scripted(Mutex<VecDeque<Vec<Step>>>);

fn scripted(listings: &[&[Step]]) -> Arc<dyn Storage> {
    Arc::new(Scripted(Mutex::new(listings.iter().map(|steps| steps.to_vec()).collect())))
}

impl fmt::Display for Scripted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("scripted")
    }
}

#[async_trait::async_trait]
impl Storage for Scripted {
    fn capabilities(&self) -> Capabilities {
        Capabilities::FULL
    }

    async fn put(&self, _: &ObjectPath, _: Payload, _: PutMode) -> Result<()> {
        unreachable!("only listings are scripted")
    }

    async fn get(&self, _: &ObjectPath, _: ByteRange) -> Result<Bytes> {
        unreachable!("only listings are scripted")
    }

    async fn head(&self, _: &ObjectPath) -> Result<ObjectMeta> {
        unreachable!("only listings are scripted")
    }

    fn list_pages<'a>(&'a self, _: &ObjectPath) -> PageStream<'a> {
        let steps = self.0.lock().unwrap().pop_front().unwrap();
        let answer = async |(seconds, page): Step| {
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            let meta = |name: &&str| ObjectMeta::new(path(name), 1, SystemTime::UNIX_EPOCH);
            let failed = |kind| Error::new(kind, Operation::List, "other", "");
            page.map(|names| names.iter().map(meta).collect()).map_err(failed)
        };
        stream::iter(steps).then(answer).boxed()
    }

    async fn delete(&self, _: &ObjectPath) -> Result<()> {
        unreachable!("only listings are scripted")
    }
}

/// Puts a layer around a storage.
type Layer = fn(Arc<dyn Storage>) -> Arc<dyn Storage>;

/// The pages of one listing.
async fn pages(storage: &dyn Storage) -> Result<Vec<Vec<String>>> {
    let names = |page: Vec<ObjectMeta>| page.iter().map(|meta| meta.path.to_string()).collect();
    storage.list_pages(&ObjectPath::root()).map_ok(names).try_collect().await
}

#[tokio::test(start_paused = true)]
async fn a_listing_that_began_anew_leaves_out_what_it_gave() {
    let broken = Err(ErrorKind::Transient);
    let storage = scripted(&[
        &[(0, Ok(&["a", "b"])), (0, broken)],
        &[(0, Ok(&["b", "c"])), (0, Ok(&[])), (0, Ok(&["a"])), (0, broken)],
        &[(0, Ok(&["d", "c", "b", "a"]))],
    ]);
    let storage = Retry::new(storage, RetryConfig::default());
    assert_eq!(pages(&storage).await.unwrap(), [vec!["a", "b"], vec!["c"], vec!["d"]]);
}

#[tokio::test(start_paused = true)]
async fn each_page_has_the_whole_time() {
    let seconds = TimeoutConfig::default().request.as_secs();
    let storage = scripted(&[
        &[(seconds - 1, Ok(&["a"])), (seconds - 1, Ok(&["b"])), (seconds - 1, Ok(&["c"]))],
        &[(0, Ok(&["a"])), (seconds + 1, Ok(&["b"]))],
    ]);
    let storage = Timeout::new(storage, TimeoutConfig::default());
    assert_eq!(list(&storage).await.unwrap(), ["a", "b", "c"]);
    assert_eq!(list(&storage).await.unwrap_err().kind(), ErrorKind::Transient);
}

#[tokio::test(start_paused = true)]
async fn an_empty_page_is_not_the_end() {
    let listing: &[Step] = &[(0, Ok(&[])), (0, Ok(&["p/a"])), (0, Ok(&[])), (0, Ok(&["p/b"]))];
    let layers: [Layer; 5] = [
        |inner| Arc::new(Retry::new(inner, RetryConfig::default())),
        |inner| Arc::new(Timeout::new(inner, TimeoutConfig::default())),
        |inner| Arc::new(Limit::new(inner, NonZeroUsize::MIN)),
        |inner| Arc::new(Metered::new(inner)),
        |inner| Arc::new(Prefix::new(inner, path("p"))),
    ];
    for layer in layers {
        let storage = layer(scripted(&[listing]));
        let found = list(&*storage).await.unwrap();
        let names = found.iter().map(|path| path.trim_start_matches("p/"));
        assert_eq!(names.collect::<Vec<_>>(), ["a", "b"], "{storage:#}");
    }
}
