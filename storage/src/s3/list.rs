//! Listing: page by page, behind a stream.

use std::time::{Duration, SystemTime};

use futures::StreamExt;
use futures::stream;
use rusoto_s3::{ListObjectsV2Output, ListObjectsV2Request, Object, S3};

use super::answer::Answer;
use super::error::Failure;
use super::{S3Storage, version};
use crate::{ObjectMeta, ObjectPath, Operation, PageStream};

/// A listing under way.
struct Listing<'a> {
    storage: &'a S3Storage,
    /// Where the keys of all objects of the storage begin.
    root: String,
    prefix: ObjectPath,
    next: Next,
}

enum Next {
    First,
    Page { token: String },
    None,
}

/// All objects below a prefix, page by page.
pub(super) fn pages<'a>(storage: &'a S3Storage, prefix: ObjectPath) -> PageStream<'a> {
    let root = match &*storage.wire.config.prefix {
        "" => String::new(),
        root => format!("{root}/"),
    };
    let listing = Listing { storage, root, prefix, next: Next::First };
    stream::try_unfold(listing, |mut listing| async move {
        let next = listing.next().await;
        let next = next.map_err(|failure| failure.classify(Operation::List, &listing.prefix))?;
        Ok(next.map(|page| (page, listing)))
    })
    .boxed()
}

impl Listing<'_> {
    /// The next objects; none is the end.
    async fn next(&mut self) -> Result<Option<Vec<ObjectMeta>>, Failure> {
        let token = match std::mem::replace(&mut self.next, Next::None) {
            Next::First => None,
            Next::Page { token } => Some(token),
            Next::None => return Ok(None),
        };
        let page = self.page(token.clone()).await?;
        self.next = match (page.is_truncated, page.next_continuation_token) {
            (Some(true), next) if next.is_none() || next == token => {
                return Err(Failure::Damaged("a listing without its next page".to_owned()));
            }
            (Some(true), Some(token)) => Next::Page { token },
            _ => Next::None,
        };
        let objects = page.contents.unwrap_or_default().into_iter();
        let objects = objects.filter_map(|object| self.meta(object).transpose());
        objects.collect::<Result<_, _>>().map(Some)
    }

    async fn page(&self, token: Option<String>) -> Result<ListObjectsV2Output, Failure> {
        let below = if self.prefix.is_root() { String::new() } else { format!("{}/", self.prefix) };
        let request = ListObjectsV2Request {
            bucket: self.storage.bucket(),
            prefix: Some(format!("{}{below}", self.root)).filter(|prefix| !prefix.is_empty()),
            continuation_token: token,
            ..ListObjectsV2Request::default()
        };
        let answer = Answer::Document { root: "ListBucketResult" };
        self.storage.wire.call(answer).send(async |s3| s3.list_objects_v2(request).await).await
    }

    /// An object of ours; None for what somebody else put into the bucket under a name that no path has.
    fn meta(&self, object: Object) -> Result<Option<ObjectMeta>, Failure> {
        let key = object.key.unwrap_or_default();
        let Some(path) = key.strip_prefix(&self.root).and_then(|path| ObjectPath::parse(path).ok())
        else {
            tracing::debug!(key, "the listing leaves out a foreign object");
            return Ok(None);
        };
        if path == self.prefix || !path.starts_with(&self.prefix) {
            return Err(Failure::Damaged("a listing of something else".to_owned()));
        }
        let damaged = || Failure::Damaged("a listing without length or time".to_owned());
        let size = object.size.and_then(|size| u64::try_from(size).ok()).ok_or_else(damaged)?;
        let modified = object.last_modified.and_then(|time| humantime::parse_rfc3339(&time).ok());
        let modified = whole_seconds(modified.ok_or_else(damaged)?);
        let version = object.e_tag.as_deref().map(version);
        Ok(Some(ObjectMeta { version, ..ObjectMeta::new(path, size, modified) }))
    }
}

/// The time as a head tells it, which knows no fractions.
fn whole_seconds(time: SystemTime) -> SystemTime {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    SystemTime::UNIX_EPOCH + Duration::from_secs(since.as_secs())
}
