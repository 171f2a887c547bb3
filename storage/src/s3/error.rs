//! [`Failure`]: why a request failed, and the one place that says what a caller can do about it.
//!
//! A service's refusal is read by its `<Code>` first and by its status second. A failure of the network is a passing
//! fault once the endpoint has answered anything; before that it is a mistake in the location, which no retry mends
//! and of which the user shall hear within seconds.
//!
//! Invariant: no secret in any message. Requests are not quoted; of an answer only code and message are.

use std::fmt;
use std::time::Duration;

use super::BACKEND;
use super::credentials::CredentialsError;
use crate::{Error, ErrorKind, Operation};

/// A failed request.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error(transparent)]
    Network(NetworkFailure),
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Something answers, and it is not S3.
    #[error("{endpoint} does not answer as S3 does: {what}")]
    NotS3 { endpoint: String, what: String },
    /// The answer is not what was stored or asked for: the bytes were damaged on the way.
    #[error("the answer is damaged: {0}")]
    Damaged(String),
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    #[error("the object has {size} bytes")]
    Range { size: u64 },
    #[error("the root is not an object")]
    Root,
    #[error("the object has {size} bytes; one request stores at most {most}")]
    TooLarge { size: u64, most: u64 },
    #[error("an upload was completed with {stored} of {sent} bytes")]
    ShortUpload { sent: u64, stored: u64 },
    #[error("an object with this name is there already")]
    Taken,
    #[error("TLS: {0}")]
    Tls(String),
    #[error("a key, a token or the location holds characters that no request can carry")]
    Unsendable,
}

/// A request that got no answer.
#[derive(Debug, thiserror::Error)]
#[error("{fault}{}", if *.first_contact { " (it has not answered once: check the endpoint)" } else { "" })]
pub(super) struct NetworkFailure {
    pub(super) fault: NetworkFault,
    /// Whether the endpoint never answered anything.
    pub(super) first_contact: bool,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum NetworkFault {
    #[error("cannot connect to {endpoint}: {cause}")]
    Connect { endpoint: String, cause: String },
    #[error("{endpoint} was silent for {}", humantime::format_duration(*.limit))]
    Silent { endpoint: String, limit: Duration },
    #[error("the connection to {endpoint} broke: {cause}")]
    Broken { endpoint: String, cause: String },
    #[error(
        "the certificate of {endpoint} is not trusted: {cause}; aws.s3.ca_file names a certificate authority of one's own"
    )]
    Certificate { endpoint: String, cause: String },
    #[error("{endpoint} does not speak TLS; where plain HTTP is meant, aws.s3.enable_ssl is false")]
    NotTls { endpoint: String },
    #[error("{endpoint} does not speak HTTP; perhaps it expects https")]
    NotHttp { endpoint: String },
}

/// A service that says no.
#[derive(Debug, Default)]
pub(super) struct Refusal {
    pub(super) status: u16,
    /// Empty when the answer had none, as that to a HEAD.
    pub(super) code: String,
    pub(super) message: String,
    /// Where the bucket is, if the service told.
    pub(super) region: Option<String>,
    pub(super) retry_after: Option<Duration>,
    /// How far the service's clock is ahead of ours (or behind, if negative), in seconds.
    pub(super) clock_ahead_secs: Option<i64>,
}

impl Refusal {
    /// What the user should know beside the service's words.
    fn hint(&self) -> Option<String> {
        Some(match (&*self.code, self.status) {
            ("InvalidAccessKeyId", _) => "no such access key there".to_owned(),
            ("SignatureDoesNotMatch", _) => {
                "the secret key is not that of the access key".to_owned()
            }
            ("ExpiredToken" | "ExpiredTokenException" | "TokenRefreshRequired", _) => {
                "the session token has expired".to_owned()
            }
            ("NoSuchBucket", _) => "the bucket does not exist".to_owned(),
            ("RequestTimeTooSkewed", _) => match self.clock_ahead_secs {
                Some(secs) => format!("the service's clock is {secs} s ahead of this machine's"),
                None => "the clock of this machine is wrong".to_owned(),
            },
            (code, status) if is_other_region(code, status) => match &self.region {
                Some(region) => format!("the bucket is in region {region}: set aws.s3.region"),
                None => "the bucket is in another region or at another endpoint".to_owned(),
            },
            ("", 401 | 403) => "the keys may not do this".to_owned(),
            _ => return None,
        })
    }

    /// Whether a request that is signed with newer credentials may be taken. The answer to a HEAD has a status only.
    pub(super) fn may_be_expired_token(&self) -> bool {
        match &*self.code {
            "" => self.status == 400,
            code => {
                matches!(code, "ExpiredToken" | "ExpiredTokenException" | "TokenRefreshRequired")
            }
        }
    }

    /// Whether a request that is signed at the service's time may be taken.
    pub(super) fn is_skewed_clock(&self) -> bool {
        self.code == "RequestTimeTooSkewed"
    }

    /// Whether the service does not know what was asked of it.
    pub(super) fn is_not_implemented(&self) -> bool {
        self.status == 501 || self.code == "NotImplemented"
    }

    fn kind(&self) -> ErrorKind {
        match &*self.code {
            "NoSuchKey" => ErrorKind::NotFound,
            "PreconditionFailed" => ErrorKind::AlreadyExists,
            "InvalidRange" => ErrorKind::InvalidRange,
            "AccessDenied" | "AccountProblem" | "AllAccessDisabled" | "ExpiredToken"
            | "ExpiredTokenException" | "InvalidAccessKeyId" | "InvalidSecurity" | "InvalidToken"
            | "NotSignedUp" | "SignatureDoesNotMatch" | "TokenRefreshRequired" | "UnauthorizedAccess" => {
                ErrorKind::PermissionDenied
            }
            "EntityTooLarge" | "QuotaExceeded" | "XMinioStorageFull" => ErrorKind::NoSpace,
            "NotImplemented" | "MethodNotAllowed" => ErrorKind::Unsupported,
            // Damaged on the way to the service.
            "BadDigest" | "IncompleteBody" | "InvalidDigest" | "XAmzContentSHA256Mismatch"
            | "XAmzContentChecksumMismatch"
            // Somebody else is changing the same object.
            | "ConditionalRequestConflict" | "OperationAborted"
            // An upload that was aborted behind our back begins again.
            | "NoSuchUpload" | "RequestTimeout" => ErrorKind::Transient,
            "SlowDown" | "Throttling" | "ThrottlingException" | "RequestLimitExceeded"
            | "BandwidthLimitExceeded" | "TooManyRequests" | "ServiceUnavailable" => {
                ErrorKind::Throttled
            }
            "NoSuchBucket" | "RequestTimeTooSkewed" => ErrorKind::Other,
            code if is_other_region(code, self.status) => ErrorKind::Other,
            _ => match self.status {
                401 | 403 => ErrorKind::PermissionDenied,
                404 if self.code.is_empty() => ErrorKind::NotFound,
                405 | 501 => ErrorKind::Unsupported,
                429 | 503 => ErrorKind::Throttled,
                408 | 500 | 502 | 504 => ErrorKind::Transient,
                412 => ErrorKind::AlreadyExists,
                416 => ErrorKind::InvalidRange,
                507 => ErrorKind::NoSpace,
                // A completion that was begun with 200 and failed.
                _ if self.code == "InternalError" => ErrorKind::Transient,
                _ => ErrorKind::Other,
            },
        }
    }
}

fn is_other_region(code: &str, status: u16) -> bool {
    let codes = [
        "AuthorizationHeaderMalformed",
        "IllegalLocationConstraintException",
        "PermanentRedirect",
        "TemporaryRedirect",
    ];
    codes.contains(&code) || (code.is_empty() && (300..400).contains(&status))
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.code {
            "" => write!(f, "the service answers with status {}", self.status)?,
            code => write!(f, "the service answers {code} (status {})", self.status)?,
        }
        if !self.message.is_empty() {
            write!(f, ": {}", self.message)?;
        }
        match self.hint() {
            Some(hint) => write!(f, " ({hint})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Refusal {}

impl Failure {
    /// Why there are no credentials, where they were asked for.
    pub(super) fn of_credentials(&self, from: &'static str) -> CredentialsError {
        let is_passing = self.kind(Operation::Head).is_retryable();
        CredentialsError::Failed { from, cause: self.to_string(), is_passing }
    }

    /// What the caller can do about a failure in `operation`.
    pub(super) fn kind(&self, operation: Operation) -> ErrorKind {
        match self {
            Self::Network(network) => network.kind(operation),
            Self::Refused(refusal) => refusal.kind(),
            Self::Damaged(_) => ErrorKind::Transient,
            Self::Credentials(error) => error.kind(),
            Self::Range { .. } => ErrorKind::InvalidRange,
            Self::Root => ErrorKind::Unsupported,
            Self::TooLarge { .. } => ErrorKind::NoSpace,
            Self::Taken => ErrorKind::AlreadyExists,
            Self::NotS3 { .. } | Self::ShortUpload { .. } | Self::Tls(_) | Self::Unsendable => {
                ErrorKind::Other
            }
        }
    }

    /// The public error.
    pub(super) fn classify(self, operation: Operation, path: impl fmt::Display) -> Error {
        let error = Error::new(self.kind(operation), operation, BACKEND, path);
        let retry_after = match &self {
            Self::Refused(refusal) => refusal.retry_after,
            _ => None,
        };
        let error = error.with_source(self);
        match retry_after {
            Some(wait) => error.with_retry_after(wait),
            None => error,
        }
    }

    pub(super) fn is(&self, kind: ErrorKind) -> bool {
        // No kind that is asked for depends on the operation.
        self.kind(Operation::Head) == kind
    }
}

impl NetworkFailure {
    fn kind(&self, operation: Operation) -> ErrorKind {
        let changes = matches!(operation, Operation::Put | Operation::Delete);
        match &self.fault {
            NetworkFault::Certificate { .. }
            | NetworkFault::NotTls { .. }
            | NetworkFault::NotHttp { .. } => ErrorKind::Other,
            _ if self.first_contact => ErrorKind::Other,
            NetworkFault::Silent { .. } | NetworkFault::Broken { .. } if changes => {
                ErrorKind::UnknownOutcome
            }
            _ => ErrorKind::Transient,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(status: u16, code: &str) -> Refusal {
        Refusal { status, code: code.to_owned(), ..Refusal::default() }
    }

    #[test]
    fn refusals_are_classified_by_code_and_then_by_status() {
        for (status, code, kind) in [
            (404, "NoSuchKey", ErrorKind::NotFound),
            (404, "", ErrorKind::NotFound),
            (404, "NoSuchBucket", ErrorKind::Other),
            (404, "NoSuchUpload", ErrorKind::Transient),
            (412, "", ErrorKind::AlreadyExists),
            (409, "ConditionalRequestConflict", ErrorKind::Transient),
            (416, "InvalidRange", ErrorKind::InvalidRange),
            (403, "InvalidAccessKeyId", ErrorKind::PermissionDenied),
            (400, "ExpiredToken", ErrorKind::PermissionDenied),
            (403, "RequestTimeTooSkewed", ErrorKind::Other),
            (301, "PermanentRedirect", ErrorKind::Other),
            (503, "SlowDown", ErrorKind::Throttled),
            (200, "InternalError", ErrorKind::Transient),
            (500, "", ErrorKind::Transient),
            (501, "", ErrorKind::Unsupported),
            (507, "", ErrorKind::NoSpace),
            (400, "InvalidRequest", ErrorKind::Other),
        ] {
            assert_eq!(refusal(status, code).kind(), kind, "{status} {code}");
        }
    }

    #[test]
    fn the_wait_that_a_service_asks_for_is_kept() {
        let wait = Duration::from_secs(3);
        let slow = Refusal { retry_after: Some(wait), ..refusal(503, "SlowDown") };
        let error = Failure::from(slow).classify(Operation::Get, "a");
        assert_eq!((error.is_retryable(), error.retry_after()), (true, Some(wait)));
    }

    #[test]
    fn a_broken_put_may_have_happened_and_a_refused_connection_cannot() {
        let endpoint = "http://there".to_owned();
        let broken =
            || NetworkFault::Broken { endpoint: endpoint.clone(), cause: "reset".to_owned() };
        let connect =
            NetworkFault::Connect { endpoint: endpoint.clone(), cause: "refused".to_owned() };
        let of = |fault, first_contact| NetworkFailure { fault, first_contact };
        assert_eq!(of(broken(), false).kind(Operation::Put), ErrorKind::UnknownOutcome);
        assert_eq!(of(broken(), false).kind(Operation::Get), ErrorKind::Transient);
        assert_eq!(of(connect, false).kind(Operation::Put), ErrorKind::Transient);
        assert_eq!(of(broken(), true).kind(Operation::Get), ErrorKind::Other);
    }
}
