//! [`Answer`]: what is expected of an answer, and how one is judged before rusoto sees it.
//!
//! rusoto takes a 200 with an `<Error>` in its body for a success, panics on a header that is no number, reads a document
//! that ends too early for ever, and loses what a refusal says. So it is handed only what passed here: successes, whose document has the expected root, with
//! the few headers that are of use and can be read.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use hyper::{HeaderMap, StatusCode, header};
use rusoto_core::ByteStream;
use rusoto_core::request::HttpResponse;

use super::dialect::Dialect;
use super::error::{Failure, Refusal};
use super::transport::{Response, content_length};

/// A page of a listing has a thousand keys of at most 1024 bytes, and what stands around them.
const MAX_DOCUMENT_BYTES: u64 = 16 << 20;
/// Enough for every refusal; a longer one is no S3's.
const MAX_REFUSAL_BYTES: u64 = 64 << 10;
/// What of a service's message is shown.
const MAX_MESSAGE_CHARS: usize = 300;

/// What a request expects.
#[derive(Debug, Clone, Copy)]
pub(super) enum Answer {
    /// No body that matters.
    Nothing,
    /// The head of an object, without its body.
    Head,
    /// At most so many bytes of an object.
    Content { most: u64 },
    /// An XML document with this root.
    Document { root: &'static str },
}

impl Answer {
    /// Reads an answer to its end. Whatever is not the expected success is a failure.
    pub(super) async fn read(
        self,
        response: Response<'_>,
        endpoint: &str,
        dialect: Dialect,
        now: SystemTime,
    ) -> Result<HttpResponse, Failure> {
        let (status, headers) = (response.status, response.headers.clone());
        let not_s3 = |what: String| Failure::NotS3 { endpoint: endpoint.to_owned(), what };
        if !status.is_success() {
            let body = match self {
                // The length is that of the body that a GET would have had.
                Self::Head => Bytes::new(),
                _ => response.collect(MAX_REFUSAL_BYTES).await?,
            };
            let refusal = refusal(status, &headers, &body, now);
            let is_s3 = !refusal.code.is_empty()
                || (body.is_empty() && !is_html(&headers))
                || status.is_server_error()
                || status == StatusCode::TOO_MANY_REQUESTS;
            return Err(if is_s3 {
                refusal.into()
            } else {
                not_s3(format!("status {status} and {}", kind_of(&headers, &body)))
            });
        }
        let body = match self {
            Self::Nothing => {
                response.collect(MAX_REFUSAL_BYTES).await?;
                Bytes::new()
            }
            Self::Head | Self::Content { .. }
                if is_html(&headers) || !headers.contains_key(header::ETAG) =>
            {
                return Err(not_s3(format!("no object but {}", kind_of(&headers, b""))));
            }
            Self::Head => Bytes::new(),
            Self::Content { most } => {
                let body = response.collect(most).await?;
                check_content(status, &headers, &body, dialect)?;
                body
            }
            Self::Document { root } => {
                let body = response.collect(MAX_DOCUMENT_BYTES).await?;
                match root_of(&body) {
                    Some(found) if found == root && is_well_formed(&body) => body,
                    Some(found) if found == root => {
                        return Err(not_s3(format!("a document <{root}> that cannot be read")));
                    }
                    Some("Error") => return Err(refusal(status, &headers, &body, now).into()),
                    _ => {
                        return Err(not_s3(format!(
                            "{} instead of {root}",
                            kind_of(&headers, &body)
                        )));
                    }
                }
            }
        };
        Ok(handed_on(&headers, body))
    }
}

/// An object that came whole has its length, and its checksum where the service knows one.
fn check_content(
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
    dialect: Dialect,
) -> Result<(), Failure> {
    if content_length(headers).is_none() {
        return Err(Failure::Damaged("an object without a length".to_owned()));
    }
    match dialect.stated_checksum(headers) {
        Some(stated) if status == StatusCode::OK && stated != crc32c::crc32c(body) => {
            Err(Failure::Damaged("its checksum is not that of the object".to_owned()))
        }
        _ => Ok(()),
    }
}

/// What rusoto gets to see. A header that is no ASCII, or a length that is no number, is left out.
fn handed_on(headers: &HeaderMap, body: Bytes) -> HttpResponse {
    let mut answer =
        HttpResponse { status: Default::default(), body: whole(body), headers: Default::default() };
    for name in ["etag", "last-modified", "content-range"] {
        if let Some(Ok(value)) = headers.get(name).map(|value| value.to_str()) {
            answer.headers.insert(name, value.to_owned());
        }
    }
    if let Some(length) = content_length(headers).and_then(|length| i64::try_from(length).ok()) {
        answer.headers.insert("content-length", length.to_string());
    }
    answer
}

fn whole(body: Bytes) -> ByteStream {
    ByteStream::new(futures::stream::once(std::future::ready(Ok(body))))
}

/// Reads a refusal.
pub(super) fn refusal(
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
    now: SystemTime,
) -> Refusal {
    let document = if root_of(body) == Some("Error") || root_of(body) == Some("ErrorResponse") {
        String::from_utf8_lossy(body)
    } else {
        "".into()
    };
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    Refusal {
        status: status.as_u16(),
        code: element(&document, "Code").unwrap_or_default(),
        message: shown(&element(&document, "Message").unwrap_or_default()),
        region: text("x-amz-bucket-region")
            .map(shown)
            .or_else(|| element(&document, "Region").as_deref().map(shown)),
        retry_after: text("retry-after").and_then(|wait| retry_after(wait, now)),
        clock_ahead_secs: text("date").and_then(|date| clock_ahead_secs(date, now)),
    }
}

/// The text of the first element of a name. Enough for the flat documents of errors and of credentials.
pub(super) fn element(document: &str, name: &str) -> Option<String> {
    let (_, rest) = document.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once(&format!("</{name}>"))?;
    let plain = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"");
    Some(plain.replace("&apos;", "'").replace("&#39;", "'").replace("&amp;", "&"))
}

/// The name of the root of an XML document.
fn root_of(body: &[u8]) -> Option<&str> {
    let mut rest = body.trim_ascii_start();
    rest = rest.strip_prefix(b"\xef\xbb\xbf").unwrap_or(rest);
    while let Some(inner) = rest.strip_prefix(b"<?") {
        let end = inner.windows(2).position(|two| two == b"?>")?;
        rest = inner[end + 2..].trim_ascii_start();
    }
    let name = rest.strip_prefix(b"<")?;
    let end = name.iter().position(|byte| !byte.is_ascii_alphanumeric())?;
    let name = str::from_utf8(&name[..end]).ok()?;
    (!name.is_empty()).then_some(name)
}

/// Whether a document can be read to its end.
fn is_well_formed(body: &[u8]) -> bool {
    xml::EventReader::new(body).into_iter().all(|event| event.is_ok())
}

fn is_html(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"))
}

/// What a stranger's answer looks like.
fn kind_of(headers: &HeaderMap, body: &[u8]) -> String {
    match (root_of(body), headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok())) {
        _ if is_html(headers) => "an HTML page".to_owned(),
        (Some(root), _) => format!("a document <{}>", shown(root)),
        (None, Some(kind)) => format!("content of type {}", shown(kind)),
        (None, None) => "content of no type".to_owned(),
    }
}

/// A service's words, fit for one line.
fn shown(text: &str) -> String {
    text.chars()
        .map(|char| if char.is_control() { ' ' } else { char })
        .take(MAX_MESSAGE_CHARS)
        .collect()
}

/// Seconds, or a date.
fn retry_after(text: &str, now: SystemTime) -> Option<Duration> {
    if let Ok(secs) = text.trim().parse() {
        return Some(Duration::from_secs(secs));
    }
    Some(httpdate::parse_http_date(text).ok()?.duration_since(now).unwrap_or_default())
}

fn clock_ahead_secs(date: &str, now: SystemTime) -> Option<i64> {
    let theirs = httpdate::parse_http_date(date).ok()?;
    let (ahead, sign) = match theirs.duration_since(now) {
        Ok(ahead) => (ahead, 1),
        Err(behind) => (behind.duration(), -1),
    };
    Some(sign * i64::try_from(ahead.as_secs()).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_is_found_behind_whatever_may_stand_before_it() {
        assert_eq!(root_of(b"<?xml version=\"1.0\"?>\n\n <Error><Code>"), Some("Error"));
        assert_eq!(root_of(b"  \n<ListBucketResult xmlns=\"x\">"), Some("ListBucketResult"));
        assert_eq!(root_of(b"\xef\xbb\xbf<Error/>"), Some("Error"));
        for none in [&b""[..], b"text", b"<", b"<!DOCTYPE html>", b"<?xml", b"\xff\xfe<"] {
            assert_eq!(root_of(none), None, "{none:?}");
        }
    }

    #[test]
    fn a_refusal_is_read_whole() {
        let mut headers = HeaderMap::new();
        headers.insert("retry-after", "7".parse().unwrap());
        headers.insert("date", "Thu, 01 Jan 1970 00:01:40 GMT".parse().unwrap());
        headers.insert("x-amz-bucket-region", "eu-west-1".parse().unwrap());
        let body = b"<Error><Code>SlowDown</Code><Message>a &amp; b\nc &lt;d&gt;</Message></Error>";
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(150);
        let read = refusal(StatusCode::SERVICE_UNAVAILABLE, &headers, body, now);
        assert_eq!((&*read.code, &*read.message), ("SlowDown", "a & b c <d>"));
        assert_eq!(read.region.as_deref(), Some("eu-west-1"));
        assert_eq!(read.retry_after, Some(Duration::from_secs(7)));
        assert_eq!(read.clock_ahead_secs, Some(-50));
    }

    #[test]
    fn a_wait_may_be_a_date() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(90);
        let wait = |text| retry_after(text, now);
        assert_eq!(wait("Thu, 01 Jan 1970 00:01:40 GMT"), Some(Duration::from_secs(10)));
        assert_eq!(wait("Thu, 01 Jan 1970 00:00:00 GMT"), Some(Duration::ZERO));
        assert_eq!(wait("soon"), None);
    }

    #[test]
    fn rusoto_sees_no_header_that_it_cannot_read() {
        let mut headers = HeaderMap::new();
        headers.insert("content-length", "abc".parse().unwrap());
        headers.insert("x-amz-missing-meta", "abc".parse().unwrap());
        headers.insert("etag", header::HeaderValue::from_bytes(b"\xfc").unwrap());
        assert!(handed_on(&headers, Bytes::new()).headers.is_empty());
    }
}
