//! [`S3Timeouts`]: how long is waited for a service.

use std::time::Duration;

/// Limits of waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct S3Timeouts {
    /// For a TCP connection.
    pub connect: Duration,
    /// From the last byte of a request to the first of its answer.
    pub first_byte: Duration,
    /// Between two sights of bytes that move.
    pub stall: Duration,
    /// For an endpoint that has never answered, in the place of the last two.
    pub first_contact: Duration,
}

impl Default for S3Timeouts {
    fn default() -> Self {
        Self {
            // Thrice the three retransmissions of a lost SYN within a continent.
            connect: Duration::from_secs(5),
            // A large object takes a service that long to make durable, or to put together.
            first_byte: Duration::from_secs(30),
            stall: Duration::from_secs(20),
            // A mistyped endpoint is told within ten seconds.
            first_contact: Duration::from_secs(8),
        }
    }
}
