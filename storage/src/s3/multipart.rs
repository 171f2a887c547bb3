//! Storing an object in parts.
//!
//! - *Does*: begins an upload, sends its parts several at once, each with its checksum, completes it, and compares the
//!   length of what is there then.
//! - *Memory*: parts are slices of the payload.
//! - *On failure, on cancel*: the upload is aborted in the background, so that its parts cost nothing. When the runtime
//!   ends first they stay, until a rule of the bucket removes them.
//! - *Completion*: a service may answer 200 and fail in the body; [`Answer::Document`] takes only the document of
//!   a success for one.

use std::sync::Arc;

use futures::stream::{self, StreamExt, TryStreamExt};
use rusoto_s3::{
    AbortMultipartUploadRequest, CompleteMultipartUploadRequest, CreateMultipartUploadRequest, S3,
    UploadPartRequest,
};
use tokio::runtime::Handle;
use tracing::Instrument;
use tracing::instrument::WithSubscriber;

use super::answer::Answer;
use super::config::Multipart;
use super::error::Failure;
use super::wire::Wire;
use super::{Looked, S3Storage, checksum};
use crate::{ErrorKind, Payload};

/// The most parts of an object. <https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html>
const MAX_PARTS: u64 = 10_000;

/// A part that the service has.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Part {
    number: i64,
    etag: String,
    checksum: String,
}

/// An upload that is aborted unless it was completed.
struct Upload {
    wire: Arc<Wire>,
    key: String,
    id: String,
    is_done: bool,
}

/// Stores an object in parts.
pub(super) async fn store(
    storage: &S3Storage,
    key: String,
    payload: Payload,
) -> Result<(), Failure> {
    let mut upload = begin(&storage.wire, key).await?;
    let config = &storage.wire.config.multipart;
    let sends: Vec<_> = cut(payload.len(), config)
        .zip(1..)
        .map(|(range, number)| upload.send_part(number, payload.slice(range)))
        .collect();
    let mut parts: Vec<Part> =
        stream::iter(sends).buffer_unordered(config.parallel_parts).try_collect().await?;
    parts.sort_by_key(|part| part.number);
    upload.complete(&parts).await?;
    upload.is_done = true;
    match storage.look(&upload.key).await {
        Ok(Looked { size, .. }) if size == payload.len() => Ok(()),
        Ok(Looked { size: stored, .. }) => {
            Err(Failure::ShortUpload { sent: payload.len(), stored })
        }
        // Who may write only cannot look; the service has checked each part.
        Err(failure) if failure.is(ErrorKind::PermissionDenied) => Ok(()),
        Err(failure) => Err(failure),
    }
}

/// The parts of an object of `length` bytes.
fn cut(length: u64, config: &Multipart) -> impl Iterator<Item = std::ops::Range<u64>> {
    let part = config.part_bytes.max(length.div_ceil(MAX_PARTS));
    (0..length.div_ceil(part)).map(move |number| number * part..length.min((number + 1) * part))
}

async fn begin(wire: &Arc<Wire>, key: String) -> Result<Upload, Failure> {
    let request = CreateMultipartUploadRequest {
        bucket: wire.config.bucket.clone(),
        key: key.clone(),
        ..CreateMultipartUploadRequest::default()
    };
    let begun = wire
        .call(Answer::Document { root: "InitiateMultipartUploadResult" })
        .maybe_header(wire.config.dialect.part_checksums())
        .send(async |s3| s3.create_multipart_upload(request).await)
        .await?;
    let id = begun.upload_id.filter(|id| !id.is_empty());
    let id = id.ok_or_else(|| Failure::Damaged("an upload without a name".to_owned()))?;
    Ok(Upload { wire: Arc::clone(wire), key, id, is_done: false })
}

impl Upload {
    async fn send_part(&self, number: i64, payload: Payload) -> Result<Part, Failure> {
        let (name, checksum) = self.wire.config.dialect.checksum(checksum(&payload));
        let request = UploadPartRequest {
            bucket: self.wire.config.bucket.clone(),
            key: self.key.clone(),
            upload_id: self.id.clone(),
            part_number: number,
            ..UploadPartRequest::default()
        };
        let sent = self
            .wire
            .call(Answer::Nothing)
            .header((name, &*checksum))
            .payload(payload)
            .send(async |s3| s3.upload_part(request).await)
            .await?;
        let etag = sent.e_tag.ok_or_else(|| Failure::Damaged("a part without ETag".to_owned()))?;
        Ok(Part { number, etag, checksum })
    }

    async fn complete(&self, parts: &[Part]) -> Result<(), Failure> {
        let has_checksums = self.wire.config.dialect.part_checksums().is_some();
        let document = document(parts, has_checksums);
        let request = CompleteMultipartUploadRequest {
            bucket: self.wire.config.bucket.clone(),
            key: self.key.clone(),
            upload_id: self.id.clone(),
            ..CompleteMultipartUploadRequest::default()
        };
        self.wire
            .call(Answer::Document { root: "CompleteMultipartUploadResult" })
            .payload(document.into_bytes().into())
            .send(async |s3| s3.complete_multipart_upload(request).await)
            .await?;
        Ok(())
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        let Ok(runtime) = Handle::try_current() else { return };
        if self.is_done {
            return;
        }
        let request = AbortMultipartUploadRequest {
            bucket: self.wire.config.bucket.clone(),
            key: self.key.clone(),
            upload_id: self.id.clone(),
            ..AbortMultipartUploadRequest::default()
        };
        let call = self.wire.call(Answer::Nothing);
        let abort = async move {
            if let Err(failure) =
                call.send(async |s3| s3.abort_multipart_upload(request).await).await
            {
                tracing::debug!(%failure, "an unfinished upload stays");
            }
        };
        runtime.spawn(abort.in_current_span().with_current_subscriber());
    }
}

/// The list of parts. rusoto's has no place for their checksums, without which S3 refuses it.
fn document(parts: &[Part], has_checksums: bool) -> String {
    let mut text =
        String::from("<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
    for Part { number, etag, checksum } in parts {
        let etag = etag.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;");
        text += &format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag>");
        if has_checksums {
            text += &format!("<ChecksumCRC32C>{checksum}</ChecksumCRC32C>");
        }
        text += "</Part>";
    }
    text + "</CompleteMultipartUpload>"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_the_object_and_are_not_too_many() {
        let config = Multipart { part_bytes: 10, ..Multipart::default() };
        let parts: Vec<_> = cut(25, &config).collect();
        assert_eq!(parts, [0..10, 10..20, 20..25]);
        assert_eq!(cut(20, &config).count(), 2);
        let many: Vec<_> = cut(1_000_001, &config).collect();
        assert!(many.len() as u64 <= MAX_PARTS, "{}", many.len());
        assert_eq!(many.last().unwrap().end, 1_000_001);
    }

    #[test]
    fn the_list_of_parts_is_escaped() {
        let part = Part { number: 1, etag: "\"a&b\"".to_owned(), checksum: "AAAAAA==".to_owned() };
        let with = document(std::slice::from_ref(&part), true);
        assert!(
            with.contains(
                "<ETag>&quot;a&amp;b&quot;</ETag><ChecksumCRC32C>AAAAAA==</ChecksumCRC32C></Part>"
            ),
            "{with}"
        );
        assert!(!document(&[part], false).contains("Checksum"));
    }
}
