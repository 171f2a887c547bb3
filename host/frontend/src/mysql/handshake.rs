//! The packets of a login: the greeting, what a client answers, and the request to prove itself in another way.
//!
//! Pure. What a client sends is bounded by whoever reads it from the wire, and checked here.

use super::auth::Salt;
use super::capability::Capabilities;
use super::packet::{EOF, Fields, MORE_DATA, Malformed, Put};

/// `mysql_native_password`: what every client knows, but for those of MySQL 9.
pub(super) const NATIVE: &str = "mysql_native_password";
/// `caching_sha2_password`: what clients of MySQL 8 and later know.
pub(super) const SHA2: &str = "caching_sha2_password";

/// utf8mb4_general_ci, the first of the collations of utf8mb4.
pub(super) const UTF8MB4: u8 = 45;

/// After [`MORE_DATA`]: the answer was right.
const FAST_LOGIN: u8 = 3;
/// After [`MORE_DATA`]: the password itself is wanted.
const FULL_LOGIN: u8 = 4;

/// Longest name of a user or a database that is looked at, in bytes; MySQL's are a quarter of it.
const LONGEST_NAME: usize = 256;

/// The first packet of a connection.
pub(super) struct Greeting<'a> {
    pub(super) version: &'a str,
    pub(super) connection_id: u32,
    pub(super) capabilities: Capabilities,
    pub(super) status: u16,
    pub(super) salt: &'a Salt,
}

impl Greeting<'_> {
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        let (first, second) = self.salt.split_at(8);
        let [low_1, low_2, high_1, high_2] = self.capabilities.0.to_le_bytes();
        out.put_u8(10);
        out.put_until_nul(self.version);
        out.put_u32(self.connection_id);
        out.put(first);
        out.put_u8(0);
        out.put(&[low_1, low_2]);
        out.put_u8(UTF8MB4);
        out.put_u16(self.status);
        out.put(&[high_1, high_2]);
        // Of the salt and its NUL.
        out.put_u8(21);
        out.put(&[0; 10]);
        out.put(second);
        out.put_u8(0);
        out.put_until_nul(NATIVE);
    }
}

/// What a client answers to the greeting.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reply<'a> {
    /// TLS first, then a login.
    StartTls,
    /// A login.
    Login(LoginRequest<'a>),
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct LoginRequest<'a> {
    pub(super) capabilities: Capabilities,
    pub(super) user: &'a str,
    pub(super) database: Option<&'a str>,
    /// How it proves itself; none from clients that know of one way only.
    pub(super) plugin: Option<&'a str>,
    pub(super) answer: &'a [u8],
}

impl<'a> Reply<'a> {
    /// Connection attributes and what follows them are not read.
    pub(super) fn parse(payload: &'a [u8]) -> Result<Self, Malformed> {
        let mut fields = Fields::new(payload);
        let capabilities = Capabilities(fields.u32("capabilities")?);
        if !capabilities.has(Capabilities::PROTOCOL_41) {
            return Err(Malformed("the client speaks a protocol older than MySQL 4.1"));
        }
        fields.u32("the largest packet")?;
        fields.u8("the character set")?;
        fields.bytes(23, "23 zeros")?;
        if capabilities.has(Capabilities::SSL) && fields.is_empty() {
            return Ok(Self::StartTls);
        }
        let user = name(fields.until_nul(), "the user is no name")?;
        let answer = answer(&mut fields, capabilities)?;
        let database = if capabilities.has(Capabilities::CONNECT_WITH_DB) {
            Some(name(fields.until_nul(), "the database is no name")?)
                .filter(|name| !name.is_empty())
        } else {
            None
        };
        let plugin = if capabilities.has(Capabilities::PLUGIN_AUTH) {
            Some(name(fields.until_nul(), "the plugin is no name")?)
        } else {
            None
        };
        Ok(Self::Login(LoginRequest { capabilities, user, database, plugin, answer }))
    }
}

fn answer<'a>(fields: &mut Fields<'a>, capabilities: Capabilities) -> Result<&'a [u8], Malformed> {
    const WHAT: &str = "the proof of the password";
    if capabilities.has(Capabilities::PLUGIN_AUTH_LENENC_CLIENT_DATA) {
        fields.counted(WHAT)
    } else if capabilities.has(Capabilities::SECURE_CONNECTION) {
        let count = fields.u8(WHAT)?;
        fields.bytes(usize::from(count), WHAT)
    } else {
        Ok(fields.until_nul())
    }
}

fn name<'a>(bytes: &'a [u8], what: &'static str) -> Result<&'a str, Malformed> {
    str::from_utf8(bytes).ok().filter(|name| name.len() <= LONGEST_NAME).ok_or(Malformed(what))
}

/// Asks for a proof by another plugin.
pub(super) fn put_switch(out: &mut Vec<u8>, plugin: &str, salt: &Salt) {
    out.put_u8(EOF);
    out.put_until_nul(plugin);
    out.put(salt);
    out.put_u8(0);
}

/// Says that the answer of `caching_sha2_password` was right; an OK packet follows.
pub(super) fn put_fast_login(out: &mut Vec<u8>) {
    out.put(&[MORE_DATA, FAST_LOGIN]);
}

/// Asks for the password itself.
pub(super) fn put_full_login(out: &mut Vec<u8>) {
    out.put(&[MORE_DATA, FULL_LOGIN]);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BASE: u32 = Capabilities::PROTOCOL_41.0 | Capabilities::SECURE_CONNECTION.0;

    fn request(capabilities: u32, rest: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        out.put_u32(capabilities);
        out.put_u32(1 << 24);
        out.put_u8(UTF8MB4);
        out.put(&[0; 23]);
        out.put(rest);
        out
    }

    fn login(payload: &[u8]) -> LoginRequest<'_> {
        match Reply::parse(payload) {
            Ok(Reply::Login(login)) => login,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_login_is_read_in_each_of_its_forms() {
        let old = request(BASE, b"ann\0\x02ab");
        let read = login(&old);
        assert_eq!((read.user, read.answer), ("ann", &b"ab"[..]));
        assert_eq!((read.database, read.plugin), (None, None));

        let capabilities = BASE
            | Capabilities::CONNECT_WITH_DB.0
            | Capabilities::PLUGIN_AUTH.0
            | Capabilities::PLUGIN_AUTH_LENENC_CLIENT_DATA.0;
        let new = request(capabilities, b"ann\0\x02abshop\0caching_sha2_password\0\x05attrs");
        let read = login(&new);
        assert_eq!((read.user, read.answer), ("ann", &b"ab"[..]));
        assert_eq!((read.database, read.plugin), (Some("shop"), Some(SHA2)));

        let nameless = request(capabilities, b"\0\x00\0\0");
        assert_eq!(login(&nameless).user, "");
        assert_eq!(login(&nameless).database, None);
    }

    #[test]
    fn a_request_for_tls_ends_before_the_user() {
        let capabilities = BASE | Capabilities::SSL.0;
        assert_eq!(Reply::parse(&request(capabilities, b"")), Ok(Reply::StartTls));
        assert!(matches!(Reply::parse(&request(capabilities, b"ann\0\0")), Ok(Reply::Login(_))));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let of = |payload: &[u8]| Reply::parse(payload).unwrap_err().0;
        assert_eq!(of(b"GET"), "capabilities");
        assert_eq!(
            of(b"GET / HTTP/1.1\r\n\r\n"),
            "the client speaks a protocol older than MySQL 4.1"
        );
        assert_eq!(of(&request(BASE, b"ann\0\xffab")), "the proof of the password");
        assert_eq!(of(&request(BASE, b"\xff\xfe\0\0")), "the user is no name");
        assert_eq!(of(&request(BASE, &[b'a'; 300])), "the user is no name");
        assert_eq!(of(&request(BASE, b"")[..20]), "23 zeros");
    }

    #[test]
    fn the_greeting_is_laid_out_as_clients_read_it() {
        let mut out = Vec::new();
        let salt = *b"abcdefghijklmnopqrst";
        let capabilities = Capabilities::of_server(true);
        Greeting { version: "8.0.33", connection_id: 7, capabilities, status: 2, salt: &salt }
            .put(&mut out);
        let mut fields = Fields::new(&out);
        assert_eq!(fields.u8(""), Ok(10));
        assert_eq!(fields.until_nul(), b"8.0.33");
        assert_eq!(fields.u32(""), Ok(7));
        assert_eq!(fields.until_nul(), b"abcdefgh");
        let low = u32::from(fields.u16("").unwrap());
        assert_eq!(fields.u8(""), Ok(UTF8MB4));
        assert_eq!(fields.u16(""), Ok(2));
        assert_eq!(Capabilities(u32::from(fields.u16("").unwrap()) << 16 | low), capabilities);
        assert_eq!(fields.u8(""), Ok(21));
        assert_eq!(fields.bytes(10, ""), Ok(&[0; 10][..]));
        assert_eq!(fields.until_nul(), b"ijklmnopqrst");
        assert_eq!(fields.until_nul(), NATIVE.as_bytes());
        assert!(fields.is_empty());
    }

    proptest! {
        #[test]
        fn parsing_never_panics(payload: Vec<u8>, rest: Vec<u8>, capabilities: u32) {
            let _ = Reply::parse(&payload);
            let _ = Reply::parse(&request(capabilities | BASE, &rest));
        }
    }
}
