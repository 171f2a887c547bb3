//! A storage on which everything takes its time, so that hosts meet in every order.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use cairn_storage::{
    ByteRange, Capabilities, ObjectMeta, ObjectPath, PageStream, Payload, PutMode, Storage,
};
use futures::StreamExt;
use futures::stream;

/// A storage whose requests and answers take all sorts of time on their way.
#[derive(Debug)]
struct Unhurried(Arc<dyn Storage>);

impl Unhurried {
    async fn dawdle(&self) {
        tokio::time::sleep(Duration::from_millis(rand::random_range(0..200))).await;
    }
}

impl fmt::Display for Unhurried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unhurried({})", self.0)
    }
}

#[async_trait]
impl Storage for Unhurried {
    fn capabilities(&self) -> Capabilities {
        self.0.capabilities()
    }

    async fn put(
        &self,
        path: &ObjectPath,
        payload: Payload,
        mode: PutMode,
    ) -> cairn_storage::Result<()> {
        self.dawdle().await;
        let done = self.0.put(path, payload, mode).await;
        self.dawdle().await;
        done
    }

    async fn get(&self, path: &ObjectPath, range: ByteRange) -> cairn_storage::Result<Bytes> {
        self.dawdle().await;
        let bytes = self.0.get(path, range).await;
        self.dawdle().await;
        bytes
    }

    async fn head(&self, path: &ObjectPath) -> cairn_storage::Result<ObjectMeta> {
        self.dawdle().await;
        self.0.head(path).await
    }

    fn list_pages<'a>(&'a self, prefix: &ObjectPath) -> PageStream<'a> {
        let prefix = prefix.clone();
        let listed = async move {
            self.dawdle().await;
            let listed: Vec<_> = self.0.list_pages(&prefix).collect().await;
            self.dawdle().await;
            stream::iter(listed)
        };
        stream::once(listed).flatten().boxed()
    }

    async fn delete(&self, path: &ObjectPath) -> cairn_storage::Result<()> {
        self.dawdle().await;
        let done = self.0.delete(path).await;
        self.dawdle().await;
        done
    }
}

pub(crate) fn slow(inner: Arc<dyn Storage>) -> Arc<dyn Storage> {
    Arc::new(Unhurried(inner))
}
