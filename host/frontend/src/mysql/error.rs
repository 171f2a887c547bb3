//! Errors of the protocol itself, with MySQL's numbers and words.

use std::io;
use std::net::IpAddr;

use thiserror::Error;

use super::packet::Malformed;
use super::service::SqlError;

/// Why a connection cannot go on. Nobody is told of it but the log.
#[derive(Debug, Error)]
pub(super) enum WireError {
    /// The client has closed it, between two packets.
    #[error("closed by the client")]
    Closed,
    /// The client has closed it inside a packet.
    #[error("cut off inside a packet")]
    CutOff,
    /// A packet has the number of another one.
    #[error("packet {got} came where packet {expected} was due")]
    OutOfOrder {
        /// The number that was due.
        expected: u8,
        /// The one that came.
        got: u8,
    },
    /// A payload is longer than may be; it has been read and dropped.
    #[error("a payload of more than {limit} bytes")]
    TooLarge {
        /// How long it may be.
        limit: usize,
    },
    /// A payload is so long that it was not even read to its end.
    #[error("a payload without end")]
    Endless,
    /// The client takes nothing of what it asked for.
    #[error("the client has read nothing for {0:?}")]
    Stalled(std::time::Duration),
    /// Sockets and TLS.
    #[error("{doing}: {source}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// What came of it.
        source: io::Error,
    },
}

pub(super) fn io_error(doing: &'static str) -> impl FnOnce(io::Error) -> WireError {
    move |source| WireError::Io { doing, source }
}

pub(super) fn too_many_connections() -> SqlError {
    SqlError::new(1040, "08004", "Too many connections")
}

pub(super) fn too_many_of_user(user: &str) -> SqlError {
    let message =
        format!("User '{user}' already has more than 'max_user_connections' active connections");
    SqlError::new(1203, "42000", message)
}

pub(super) fn tls_required() -> SqlError {
    let message = "Connections using insecure transport are prohibited: this server requires TLS";
    SqlError::new(3159, "HY000", message)
}

pub(super) fn bad_handshake(why: &Malformed) -> SqlError {
    SqlError::new(1043, "08S01", format!("Bad handshake: {}", why.0))
}

pub(super) fn access_denied(user: &str, peer: IpAddr, with_password: bool) -> SqlError {
    let password = if with_password { "YES" } else { "NO" };
    let peer = peer.to_canonical();
    let message = format!("Access denied for user '{user}'@'{peer}' (using password: {password})");
    SqlError::new(1045, "28000", message)
}

pub(super) fn too_many_attempts(user: &str, peer: IpAddr) -> SqlError {
    let peer = peer.to_canonical();
    let message = format!(
        "Host '{peer}' is blocked because of many failed logins, last of user '{user}'; try again in a few seconds"
    );
    SqlError::new(1129, "HY000", message)
}

pub(super) fn unknown_command() -> SqlError {
    SqlError::new(1047, "08S01", "Unknown command")
}

pub(super) fn empty_query() -> SqlError {
    SqlError::new(1065, "42000", "Query was empty")
}

pub(super) fn malformed(why: &Malformed) -> SqlError {
    SqlError::new(1835, "HY000", format!("Malformed communication packet: {}", why.0))
}

pub(super) fn packet_too_large(limit: usize) -> SqlError {
    let message = format!("Got a packet bigger than 'max_allowed_packet' bytes, which is {limit}");
    SqlError::new(1153, "08S01", message)
}

pub(super) fn not_utf8() -> SqlError {
    SqlError::new(1300, "HY000", "Invalid utf8mb4 character string: send statements as UTF-8")
}

pub(super) fn interrupted() -> SqlError {
    SqlError::new(1317, "70100", "Query execution was interrupted")
}

pub(super) fn unknown_statement(id: u32, command: &str) -> SqlError {
    let message = format!("Unknown prepared statement handler ({id}) given to {command}");
    SqlError::new(1243, "HY000", message)
}

pub(super) fn too_many_statements(limit: usize) -> SqlError {
    let message = format!(
        "Can't create more than {limit} prepared statements on a connection, nor ones of more than 'max_allowed_packet' bytes together; close some"
    );
    SqlError::new(1461, "42000", message)
}

pub(super) fn too_many_placeholders() -> SqlError {
    SqlError::new(1390, "HY000", "Prepared statement contains too many placeholders")
}

pub(super) fn wrong_arguments(why: impl std::fmt::Display) -> SqlError {
    SqlError::new(1210, "HY000", format!("Incorrect arguments to EXECUTE: {why}"))
}

/// What the service said of its own rows is not so.
pub(super) fn bad_rows(why: impl std::fmt::Display) -> SqlError {
    SqlError::new(1105, "HY000", format!("the result cannot be sent: {why}"))
}

pub(super) fn cannot_change_user() -> SqlError {
    let message = "A connection keeps its user; log in as another one on a new connection";
    SqlError::new(1047, "08S01", message)
}
