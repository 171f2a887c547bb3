//! Signature Version 4: who sends a request, and that nobody changed it.
//!
//! Pure: it is told the time, which a server may correct. All headers are signed but those that proxies change. rusoto
//! has a signature too; it reads the clock by itself, so it can neither be corrected nor tested.

use std::collections::BTreeMap;
use std::time::SystemTime;

use ring::{digest, hmac};

use super::credentials::Credentials;
use super::dialect::SigningTerms;

/// Stands for the hash of a body that is guarded otherwise.
pub(super) const UNSIGNED_PAYLOAD: &str = "UNSIGNED-PAYLOAD";

/// Headers that are not signed: they are set or changed on the way.
const UNSIGNED_HEADERS: [&str; 3] = ["authorization", "content-length", "user-agent"];

/// What is signed.
#[derive(Debug)]
pub(super) struct Signable<'a> {
    pub(super) method: &'a str,
    /// Encoded, as it is sent.
    pub(super) path: &'a str,
    /// Encoded and sorted, as it is sent.
    pub(super) query: &'a str,
    /// Names in lower case; `host` is among them.
    pub(super) headers: &'a mut BTreeMap<String, String>,
    pub(super) payload_hash: &'a str,
}

/// Who signs, where and when.
#[derive(Debug)]
pub(super) struct Signer<'a> {
    pub(super) terms: &'static SigningTerms,
    pub(super) region: &'a str,
    pub(super) credentials: &'a Credentials,
    pub(super) now: SystemTime,
}

impl Signer<'_> {
    /// Adds the headers that make a request a signed one.
    pub(super) fn sign(&self, request: Signable<'_>) {
        let Signable { method, path, query, headers, payload_hash } = request;
        let time = compact_time(self.now);
        let date = time.split('T').next().unwrap_or_default();
        headers.insert(self.terms.date_header.to_owned(), time.clone());
        headers.insert(self.terms.payload_header.to_owned(), payload_hash.to_owned());
        if let Some(token) = &self.credentials.session_token {
            headers.insert(self.terms.token_header.to_owned(), token.reveal().to_owned());
        }
        let signed = || headers.iter().filter(|(name, _)| !UNSIGNED_HEADERS.contains(&&***name));
        let lines: String =
            signed().map(|(name, value)| format!("{name}:{}\n", value.trim())).collect();
        let names: Vec<&str> = signed().map(|(name, _)| name.as_str()).collect();
        let names = names.join(";");
        let canonical = format!("{method}\n{path}\n{query}\n{lines}\n{names}\n{payload_hash}");

        let terms = self.terms;
        let scope = format!("{date}/{}/{}/{}", self.region, terms.service, terms.terminator);
        let text =
            format!("{}\n{time}\n{scope}\n{}", terms.algorithm, sha256_hex(canonical.as_bytes()));
        let signature = hex(mac(&self.key(date), &text).as_ref());
        let authorization = format!(
            "{} Credential={}/{scope}, SignedHeaders={names}, Signature={signature}",
            terms.algorithm, self.credentials.access_key,
        );
        headers.insert("authorization".to_owned(), authorization);
    }

    /// The key of a day, a region and a service.
    fn key(&self, date: &str) -> hmac::Tag {
        let secret = format!("{}{}", self.terms.key_prefix, self.credentials.secret_key.reveal());
        let first =
            hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), date.as_bytes());
        [self.region, self.terms.service, self.terms.terminator]
            .iter()
            .fold(first, |key, part| mac(&key, part))
    }
}

fn mac(key: &hmac::Tag, text: &str) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key.as_ref()), text.as_bytes())
}

/// The SHA-256 of bytes, as the protocol writes it.
pub(super) fn sha256_hex(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

/// The same of bytes in pieces.
pub(super) fn sha256_hex_of(pieces: &[bytes::Bytes]) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    pieces.iter().for_each(|piece| context.update(piece));
    hex(context.finish().as_ref())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `20260102T030405Z`.
fn compact_time(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time).to_string().replace(['-', ':'], "")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::dialect::Dialect;
    use super::*;

    fn credentials() -> Credentials {
        Credentials::fixed("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", None)
    }

    fn headers(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn sign(dialect: Dialect, headers: &mut BTreeMap<String, String>) -> String {
        // Friday, 24 May 2013 00:00:00 UTC
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_369_353_600);
        let (credentials, terms) = (credentials(), dialect.signing());
        let signer = Signer { terms, region: "us-east-1", credentials: &credentials, now };
        let (path, query, payload_hash) = ("/test.txt", "", &*sha256_hex(b""));
        signer.sign(Signable { method: "GET", path, query, headers, payload_hash });
        headers["authorization"].clone()
    }

    /// The first example of "Signature Calculations for the Authorization Header" in Amazon's documentation.
    #[test]
    fn the_documented_example_has_the_documented_signature() {
        let mut headers =
            headers(&[("host", "examplebucket.s3.amazonaws.com"), ("range", "bytes=0-9")]);
        assert_eq!(
            sign(Dialect::Aws, &mut headers),
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, \
             SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, \
             Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
        );
    }

    #[test]
    fn google_is_spoken_to_in_its_own_words_only() {
        let mut headers = headers(&[("host", "storage.googleapis.com"), ("content-length", "0")]);
        let authorization = sign(Dialect::Gcs, &mut headers);
        assert!(authorization.starts_with(
            "GOOG4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/storage/goog4_request, \
             SignedHeaders=host;x-goog-content-sha256;x-goog-date, Signature="
        ), "{authorization}");
        assert!(!headers.keys().any(|name| name.starts_with("x-amz-")), "{headers:?}");
    }

    #[test]
    fn pieces_hash_like_the_whole() {
        let pieces = [bytes::Bytes::from_static(b"ab"), bytes::Bytes::from_static(b"c")];
        assert_eq!(sha256_hex_of(&pieces), sha256_hex(b"abc"));
    }
}
