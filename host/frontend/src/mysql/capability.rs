//! What a server and its client can do, as bits: what is announced, and what both agreed on.

/// A set of capabilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Capabilities(pub(super) u32);

impl Capabilities {
    /// The login may name a database.
    pub(super) const CONNECT_WITH_DB: Self = Self(1 << 3);
    /// Packets are those of MySQL 4.1 and later.
    pub(super) const PROTOCOL_41: Self = Self(1 << 9);
    /// TLS begins before the login.
    pub(super) const SSL: Self = Self(1 << 11);
    /// A proof of a password is counted, not ended by NUL.
    pub(super) const SECURE_CONNECTION: Self = Self(1 << 15);
    /// A query may hold several statements.
    pub(super) const MULTI_STATEMENTS: Self = Self(1 << 16);
    /// The login names its plugin.
    pub(super) const PLUGIN_AUTH: Self = Self(1 << 19);
    /// A proof of a password is counted by a length-encoded integer.
    pub(super) const PLUGIN_AUTH_LENENC_CLIENT_DATA: Self = Self(1 << 21);
    /// Rows end with an OK packet; column definitions end with nothing.
    pub(super) const DEPRECATE_EOF: Self = Self(1 << 24);

    /// What every connection may use: beside the above LONG_PASSWORD (without which MariaDB's clients would take us for a
    /// MariaDB), FOUND_ROWS, LONG_FLAG, TRANSACTIONS, MULTI_RESULTS, PS_MULTI_RESULTS, CONNECT_ATTRS and SESSION_TRACK, by which
    /// clients read the text of an OK packet as it is written; no change of state is ever told.
    const ALWAYS: u32 = 1
        | 1 << 1
        | 1 << 2
        | 1 << 13
        | 1 << 17
        | 1 << 18
        | 1 << 20
        | 1 << 23
        | Self::CONNECT_WITH_DB.0
        | Self::PROTOCOL_41.0
        | Self::SECURE_CONNECTION.0
        | Self::MULTI_STATEMENTS.0
        | Self::PLUGIN_AUTH.0
        | Self::PLUGIN_AUTH_LENENC_CLIENT_DATA.0
        | Self::DEPRECATE_EOF.0;

    /// What the server announces.
    pub(super) const fn of_server(tls: bool) -> Self {
        Self(if tls { Self::ALWAYS | Self::SSL.0 } else { Self::ALWAYS })
    }

    pub(super) const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Those that both have.
    pub(super) const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// With another one, or without it.
    pub(super) const fn with(self, other: Self, on: bool) -> Self {
        Self(if on { self.0 | other.0 } else { self.0 & !other.0 })
    }
}
