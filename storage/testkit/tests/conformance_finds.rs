//! The suite fails on a storage that breaks a rule: a suite that never fails proves nothing.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use cairn_storage::{
    ByteRange, Capabilities, ErrorKind, MemoryStorage, ObjectMeta, ObjectPath, Operation,
    PageStream, Payload, PutMode, Result, Storage, StorageExt,
};
use cairn_testkit::conformance::{Report, run_all};
use cairn_testkit::{Fault, FaultStorage};
use futures::{StreamExt, TryStreamExt};

/// What a sloppy backend gets wrong.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Sin {
    CreateOverwrites,
    CreateChecksFirst,
    ShortAnswers,
    ListsByText,
    ListsItself,
    DeleteOfAbsentFails,
    PublishesParts,
}

#[derive(Debug)]
struct Sloppy {
    inner: MemoryStorage,
    sin: Sin,
    /// How many creates found each path free.
    looks: Mutex<HashMap<ObjectPath, u32>>,
}

impl std::fmt::Display for Sloppy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "sloppy")
    }
}

#[async_trait]
impl Storage for Sloppy {
    fn capabilities(&self) -> Capabilities {
        Capabilities::FULL
    }

    async fn put(&self, path: &ObjectPath, payload: Payload, mode: PutMode) -> Result<()> {
        match self.sin {
            Sin::CreateOverwrites => self.inner.put(path, payload, PutMode::Overwrite).await,
            Sin::CreateChecksFirst if mode == PutMode::Create => {
                if self.inner.head(path).await.is_ok() {
                    return self.inner.put(path, payload, mode).await;
                }
                // The race is made certain: no writer goes on before two have looked.
                *self.looks.lock().unwrap().entry(path.clone()).or_insert(0) += 1;
                while path.as_str().contains("contested") && self.looks.lock().unwrap()[path] < 2 {
                    tokio::task::yield_now().await;
                }
                self.inner.put(path, payload, PutMode::Overwrite).await
            }
            Sin::PublishesParts => {
                let bytes = payload.to_bytes();
                self.inner.put(path, bytes.slice(..bytes.len() / 2).into(), mode).await?;
                tokio::task::yield_now().await;
                self.inner.put(path, payload, PutMode::Overwrite).await
            }
            _ => self.inner.put(path, payload, mode).await,
        }
    }

    async fn get(&self, path: &ObjectPath, range: ByteRange) -> Result<Bytes> {
        match (self.sin, range) {
            (Sin::ShortAnswers, ByteRange::Span { offset, length }) => {
                let bytes = self.inner.get(path, ByteRange::Full).await?;
                let within = |position: u64| usize::try_from(position).unwrap().min(bytes.len());
                Ok(bytes.slice(within(offset)..within(offset.saturating_add(length))))
            }
            _ => self.inner.get(path, range).await,
        }
    }

    async fn head(&self, path: &ObjectPath) -> Result<ObjectMeta> {
        self.inner.head(path).await
    }

    fn list_pages<'a>(&'a self, prefix: &ObjectPath) -> PageStream<'a> {
        let (text, sin) = (prefix.to_string(), self.sin);
        let all = self.inner.list(&ObjectPath::root());
        all.filter(move |meta| {
            let path = meta.as_ref().unwrap().path.to_string();
            let is_below = text.is_empty() || path.starts_with(&format!("{text}/"));
            std::future::ready(match sin {
                Sin::ListsByText => path.starts_with(&text),
                Sin::ListsItself => is_below || path == text,
                _ => is_below,
            })
        })
        .map_ok(|meta| vec![meta])
        .boxed()
    }

    async fn delete(&self, path: &ObjectPath) -> Result<()> {
        if self.sin == Sin::DeleteOfAbsentFails {
            self.inner.head(path).await?;
        }
        self.inner.delete(path).await
    }
}

async fn report(storage: impl Storage) -> Report {
    let storage: Arc<dyn Storage> = Arc::new(storage);
    run_all(&storage, &ObjectPath::root()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_sin_is_found_by_the_case_of_its_rule() {
    for (sin, case) in [
        (Sin::CreateOverwrites, "create_refuses_a_taken_path_and_changes_nothing"),
        (Sin::CreateChecksFirst, "one_of_many_creates_wins"),
        (Sin::ShortAnswers, "a_span_beyond_the_end_is_refused"),
        (Sin::ListsByText, "a_list_covers_whole_segments"),
        (Sin::ListsItself, "a_list_covers_whole_segments"),
        (Sin::DeleteOfAbsentFails, "deleting_an_absent_object_succeeds"),
        (Sin::PublishesParts, "a_cancelled_put_leaves_no_part"),
    ] {
        let report =
            report(Sloppy { inner: MemoryStorage::new(), sin, looks: Mutex::default() }).await;
        let found: Vec<&str> = report.failures().map(|(name, _)| name).collect();
        assert!(found.contains(&case), "{sin:?}: {report}");
    }
}

#[tokio::test]
async fn a_report_names_the_case_and_the_cause() {
    let storage = FaultStorage::new(Arc::new(MemoryStorage::new()));
    storage.plan(Fault::fail(ErrorKind::PermissionDenied).on(Operation::Put));
    let report = report(storage).await;
    let text = report.to_string();
    let line = text.lines().next().unwrap();
    assert!(
        line.starts_with(
            "FAILED  put_then_get_gives_the_same_bytes: a call that must succeed failed"
        ),
        "{line}"
    );
    assert!(line.ends_with("permission denied: a planned fault"), "{line}");
    assert!(text.ends_with("fault(memory): 29 passed, 0 skipped, 1 failed"), "{text}");
}
