//! [`InstanceProfile`]: the role of the machine, from the metadata service beside it.
//!
//! Version 2 of its protocol first: a token, then what it opens. Where the service has no tokens, version 1. Outside
//! Amazon's cloud nothing answers at its address, so it gets a second, not the seconds that a storage gets.

use std::time::Duration;

use async_trait::async_trait;
use hyper::{Request, StatusCode};
use serde::Deserialize;

use super::super::error::Failure;
use super::super::timeouts::S3Timeouts;
use super::super::transport::Transport;
use super::{Credentials, CredentialsError, Source};
use crate::{Payload, Secret};

const NAME: &str = "the instance profile";
const ROLES: &str = "/latest/meta-data/iam/security-credentials/";
const TIMEOUT: Duration = Duration::from_secs(1);
/// A token serves for two requests.
const TOKEN_SECS: &str = "60";
const MAX_ANSWER_BYTES: u64 = 64 << 10;

/// Where Amazon's machines find it.
pub(super) const ADDRESS: &str = "http://169.254.169.254";

/// The metadata service at an address.
#[derive(Debug)]
pub(super) struct InstanceProfile {
    transport: Transport,
}

/// What the service says of a role.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Role {
    code: Option<String>,
    access_key_id: String,
    secret_access_key: String,
    token: String,
    expiration: String,
}

impl InstanceProfile {
    pub(super) fn new(address: &str) -> Result<Self, Failure> {
        let timeouts = S3Timeouts {
            connect: TIMEOUT,
            first_byte: TIMEOUT,
            stall: TIMEOUT,
            first_contact: TIMEOUT,
        };
        let address = address.trim_end_matches('/').to_owned();
        Ok(Self { transport: Transport::new(address, None, timeouts)? })
    }

    /// The token of version 2; None where the service has none.
    async fn token(&self) -> Result<Option<String>, CredentialsError> {
        let header = ("x-aws-ec2-metadata-token-ttl-seconds", TOKEN_SECS);
        let (status, token) = self.ask("PUT", "/latest/api/token", header).await?;
        match status {
            StatusCode::OK => Ok(Some(token)),
            StatusCode::FORBIDDEN | StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => {
                Ok(None)
            }
            status => Err(CredentialsError::status(NAME, status)),
        }
    }

    async fn read(&self, path: &str, token: Option<&str>) -> Result<String, CredentialsError> {
        // An empty header is the request of version 1.
        let header = ("x-aws-ec2-metadata-token", token.unwrap_or_default());
        match self.ask("GET", path, header).await? {
            (StatusCode::OK, text) => Ok(text),
            (StatusCode::NOT_FOUND, _) => {
                Err(CredentialsError::absent(NAME, "the machine has no role"))
            }
            (status, _) => Err(CredentialsError::status(NAME, status)),
        }
    }

    async fn ask(
        &self,
        method: &str,
        path: &str,
        header: (&str, &str),
    ) -> Result<(StatusCode, String), CredentialsError> {
        let mut request =
            Request::builder().method(method).uri(format!("{}{path}", self.transport.endpoint()));
        if !header.1.is_empty() {
            request = request.header(header.0, header.1);
        }
        let request = request
            .body(Payload::default())
            .map_err(|error| CredentialsError::unusable(NAME, error.to_string()))?;
        let silent = |failure: Failure| match failure {
            Failure::Network(network) if network.first_contact => {
                CredentialsError::absent(NAME, network.fault.to_string())
            }
            failure => failure.of_credentials(NAME),
        };
        let response = self.transport.send(request).await.map_err(silent)?;
        let status = response.status;
        let body = response.collect(MAX_ANSWER_BYTES).await.map_err(silent)?;
        Ok((status, String::from_utf8_lossy(&body).trim().to_owned()))
    }
}

#[async_trait]
impl Source for InstanceProfile {
    async fn fetch(&self) -> Result<Credentials, CredentialsError> {
        let token = self.token().await?;
        let roles = self.read(ROLES, token.as_deref()).await?;
        let role = roles.lines().next().unwrap_or_default();
        let text = self.read(&format!("{ROLES}{role}"), token.as_deref()).await?;
        // The cause could quote what it could not read.
        let role: Role = serde_json::from_str(&text)
            .map_err(|_| CredentialsError::unusable(NAME, "the answer holds no keys"))?;
        if let Some(code) = role.code.filter(|code| code != "Success") {
            return Err(CredentialsError::unusable(NAME, format!("the service answers {code}")));
        }
        let expires = humantime::parse_rfc3339(&role.expiration)
            .map_err(|_| CredentialsError::unusable(NAME, "the time of expiry cannot be read"))?;
        Ok(Credentials {
            access_key: role.access_key_id,
            secret_key: Secret::new(role.secret_access_key),
            session_token: Some(Secret::new(role.token)),
            expires: Some(expires),
        })
    }
}
