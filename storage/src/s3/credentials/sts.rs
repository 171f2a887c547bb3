//! [`AssumedRole`] and [`WebIdentity`]: keys of a role, from the security token service.
//!
//! Its requests are one form each and its answers are flat: they are written and read here, and no further crate of
//! thousands of generated lines is needed.

use std::collections::BTreeMap;
use std::path::PathBuf;

use async_trait::async_trait;
use hyper::Request;

use super::super::answer::{element, refusal};
use super::super::clock::Clock;
use super::super::dialect::STS;
use super::super::error::Failure;
use super::super::signature::{Signable, Signer, sha256_hex};
use super::super::timeouts::S3Timeouts;
use super::super::transport::Transport;
use super::{Cached, Credentials, CredentialsError, Source, read_file};
use crate::{Payload, Secret};

const API_VERSION: &str = "2011-06-15";
const MAX_ANSWER_BYTES: u64 = 64 << 10;
const ROLE: &str = "the assumed role";
const IDENTITY: &str = "the web identity";

/// A role to take on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Role {
    pub(super) arn: String,
    pub(super) external_id: Option<Secret>,
    /// What the role's owner finds in the records of its use.
    pub(super) session_name: String,
}

/// The service, in a region.
#[derive(Debug)]
pub(super) struct Sts {
    transport: Transport,
    region: String,
    clock: Clock,
}

/// Where the security token service is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StsPlace {
    url: String,
    region: String,
    ca_file: Option<PathBuf>,
}

impl StsPlace {
    pub(super) fn new(url: String, region: String, ca_file: Option<PathBuf>) -> Self {
        Self { url, region, ca_file }
    }

    pub(super) fn open(&self, clock: &Clock) -> Result<Sts, Failure> {
        Sts::new(self.url.clone(), self.region.clone(), self.ca_file.as_deref(), clock.clone())
    }
}

/// A role on top of other credentials.
#[derive(Debug)]
pub(super) struct AssumedRole {
    pub(super) sts: Sts,
    pub(super) role: Role,
    pub(super) base: Cached,
}

/// A role by a token that somebody keeps fresh in a file.
#[derive(Debug)]
pub(super) struct WebIdentity {
    pub(super) sts: Sts,
    pub(super) role: Role,
    pub(super) token_file: PathBuf,
}

impl Sts {
    pub(super) fn new(
        url: String,
        region: String,
        ca_file: Option<&std::path::Path>,
        clock: Clock,
    ) -> Result<Self, Failure> {
        let transport = Transport::new(url, ca_file, S3Timeouts::default())?;
        Ok(Self { transport, region, clock })
    }

    /// Sends a form, signed by `signer` where the action wants that, and reads the keys of the answer.
    async fn ask(
        &self,
        from: &'static str,
        form: &[(&str, &str)],
        signer: Option<&Credentials>,
    ) -> Result<Credentials, CredentialsError> {
        let form = encode_form(form);
        let host = self.transport.endpoint().split_once("://").map_or("", |(_, host)| host);
        let mut headers = BTreeMap::from([
            ("host".to_owned(), host.to_owned()),
            ("content-type".to_owned(), "application/x-www-form-urlencoded".to_owned()),
        ]);
        if let Some(credentials) = signer {
            let signer =
                Signer { terms: &STS, region: &self.region, credentials, now: self.clock.now() };
            let (path, query, payload_hash) = ("/", "", &*sha256_hex(form.as_bytes()));
            signer.sign(Signable {
                method: "POST",
                path,
                query,
                headers: &mut headers,
                payload_hash,
            });
        }
        let mut request =
            Request::builder().method("POST").uri(format!("{}/", self.transport.endpoint()));
        for (name, value) in &headers {
            request = request.header(name, value);
        }
        let request = request.body(Payload::from(form.into_bytes())).map_err(|_| {
            CredentialsError::unusable(from, "a key or a name has an odd character")
        })?;
        let failed = |failure: Failure| failure.of_credentials(from);
        let response = self.transport.send(request).await.map_err(failed)?;
        let (status, headers) = (response.status, response.headers.clone());
        let body = response.collect(MAX_ANSWER_BYTES).await.map_err(failed)?;
        if !status.is_success() {
            return Err(failed(refusal(status, &headers, &body, self.clock.uncorrected()).into()));
        }
        keys(&String::from_utf8_lossy(&body))
            .ok_or_else(|| CredentialsError::unusable(from, "the answer holds no keys"))
    }
}

/// The keys of an answer.
fn keys(document: &str) -> Option<Credentials> {
    Some(Credentials {
        access_key: element(document, "AccessKeyId")?,
        secret_key: Secret::new(element(document, "SecretAccessKey")?),
        session_token: Some(Secret::new(element(document, "SessionToken")?)),
        expires: Some(humantime::parse_rfc3339(&element(document, "Expiration")?).ok()?),
    })
}

fn encode_form(form: &[(&str, &str)]) -> String {
    let encode =
        |text: &str| -> String {
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
            text.bytes()
                .map(|byte| {
                    if is_plain(byte) {
                        char::from(byte).to_string()
                    } else {
                        format!("%{byte:02X}")
                    }
                })
                .collect()
        };
    let pairs: Vec<String> =
        form.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
    pairs.join("&")
}

#[async_trait]
impl Source for AssumedRole {
    async fn fetch(&self) -> Result<Credentials, CredentialsError> {
        let base = self.base.get().await?;
        let mut form = vec![
            ("Action", "AssumeRole"),
            ("Version", API_VERSION),
            ("RoleArn", &self.role.arn),
            ("RoleSessionName", &self.role.session_name),
        ];
        form.extend(self.role.external_id.as_ref().map(|id| ("ExternalId", id.reveal())));
        self.sts.ask(ROLE, &form, Some(&base)).await
    }
}

#[async_trait]
impl Source for WebIdentity {
    async fn fetch(&self) -> Result<Credentials, CredentialsError> {
        let token = read_file(IDENTITY, self.token_file.clone()).await?;
        let form = [
            ("Action", "AssumeRoleWithWebIdentity"),
            ("Version", API_VERSION),
            ("RoleArn", &self.role.arn),
            ("RoleSessionName", &self.role.session_name),
            ("WebIdentityToken", token.trim()),
        ];
        self.sts.ask(IDENTITY, &form, None).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_encoded() {
        assert_eq!(
            encode_form(&[("A", "arn:aws:iam::1:role/x y"), ("B", "~é")]),
            "A=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fx%20y&B=~%C3%A9"
        );
    }
}
