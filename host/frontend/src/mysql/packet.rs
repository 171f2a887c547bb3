//! What packets are made of: little-endian integers, length-encoded integers and bytes, text that ends with NUL.
//!
//! Pure. Reading trusts nothing: a length is checked against what is there before it is used, and what is missing is
//! named. Reading never panics, whatever the bytes are.

use thiserror::Error;

/// The most that one packet carries; a payload of this many bytes goes on in the next packet.
pub(super) const MAX_PAYLOAD: usize = 0xff_ffff;

/// First byte of an OK packet.
pub(super) const OK: u8 = 0x00;
/// First byte of more data for a login.
pub(super) const MORE_DATA: u8 = 0x01;
/// NULL, in a row of text.
pub(super) const NULL: u8 = 0xfb;
/// First byte of an EOF packet, and of a request for another way to log in.
pub(super) const EOF: u8 = 0xfe;
/// First byte of an error packet.
pub(super) const ERR: u8 = 0xff;

/// A packet that ends too early or says what cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("malformed packet: {0}")]
pub(super) struct Malformed(pub(super) &'static str);

/// What has not been read of a packet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    pub(super) const fn new(payload: &'a [u8]) -> Self {
        Self(payload)
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Everything that is left.
    pub(super) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    pub(super) fn bytes(
        &mut self,
        count: usize,
        what: &'static str,
    ) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Malformed(what))?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], Malformed> {
        let (taken, rest) = self.0.split_first_chunk::<N>().ok_or(Malformed(what))?;
        self.0 = rest;
        Ok(*taken)
    }

    pub(super) fn u8(&mut self, what: &'static str) -> Result<u8, Malformed> {
        self.array(what).map(u8::from_le_bytes)
    }

    pub(super) fn u16(&mut self, what: &'static str) -> Result<u16, Malformed> {
        self.array(what).map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self, what: &'static str) -> Result<u32, Malformed> {
        self.array(what).map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self, what: &'static str) -> Result<u64, Malformed> {
        self.array(what).map(u64::from_le_bytes)
    }

    /// A length-encoded integer.
    pub(super) fn length(&mut self, what: &'static str) -> Result<u64, Malformed> {
        match self.u8(what)? {
            small @ 0..=0xfa => Ok(u64::from(small)),
            0xfc => self.u16(what).map(u64::from),
            0xfd => {
                let [a, b, c] = self.array(what)?;
                Ok(u64::from(u32::from_le_bytes([a, b, c, 0])))
            }
            0xfe => self.u64(what),
            NULL | ERR => Err(Malformed(what)),
        }
    }

    /// Bytes after their length-encoded length.
    pub(super) fn counted(&mut self, what: &'static str) -> Result<&'a [u8], Malformed> {
        let count = usize::try_from(self.length(what)?).map_err(|_| Malformed(what))?;
        self.bytes(count, what)
    }

    /// Bytes up to the next NUL, which is read as well, or to the end.
    pub(super) fn until_nul(&mut self) -> &'a [u8] {
        let end = self.0.iter().position(|&byte| byte == 0);
        let taken = &self.0[..end.unwrap_or(self.0.len())];
        self.0 = end.and_then(|end| self.0.get(end + 1..)).unwrap_or_default();
        taken
    }
}

/// Writing of what packets are made of.
pub(super) trait Put {
    fn put(&mut self, bytes: &[u8]);

    fn put_u8(&mut self, value: u8) {
        self.put(&[value]);
    }

    fn put_u16(&mut self, value: u16) {
        self.put(&value.to_le_bytes());
    }

    fn put_u32(&mut self, value: u32) {
        self.put(&value.to_le_bytes());
    }

    /// A length-encoded integer.
    fn put_length(&mut self, value: u64) {
        let bytes = value.to_le_bytes();
        match value {
            0..=0xfa => self.put(&bytes[..1]),
            0xfb..=0xffff => {
                self.put_u8(0xfc);
                self.put(&bytes[..2]);
            }
            0x1_0000..=0xff_ffff => {
                self.put_u8(0xfd);
                self.put(&bytes[..3]);
            }
            _ => {
                self.put_u8(0xfe);
                self.put(&bytes);
            }
        }
    }

    /// Bytes after their length-encoded length.
    fn put_counted(&mut self, bytes: &[u8]) {
        self.put_length(bytes.len() as u64);
        self.put(bytes);
    }

    /// Text and a NUL.
    fn put_until_nul(&mut self, text: &str) {
        self.put(text.as_bytes());
        self.put_u8(0);
    }
}

impl Put for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lengths_are_as_short_as_they_can_be() {
        for (value, size) in [
            (0, 1),
            (250, 1),
            (251, 3),
            (0xffff, 3),
            (0x1_0000, 4),
            (0xff_ffff, 4),
            (0x100_0000, 9),
            (u64::MAX, 9),
        ] {
            let mut out = Vec::new();
            out.put_length(value);
            assert_eq!(out.len(), size, "{value}");
            assert_eq!(Fields::new(&out).length("value"), Ok(value));
        }
    }

    #[test]
    fn a_length_beyond_the_packet_is_named() {
        let mut fields = Fields::new(&[0xfe, 255, 255, 255, 255, 255, 255, 255, 255, 1]);
        assert_eq!(fields.counted("the name"), Err(Malformed("the name")));
        assert_eq!(Fields::new(&[NULL]).length("a length"), Err(Malformed("a length")));
    }

    #[test]
    fn text_ends_at_a_nul_or_with_the_packet() {
        let mut fields = Fields::new(b"one\0\0two");
        assert_eq!(fields.until_nul(), b"one");
        assert_eq!(fields.until_nul(), b"");
        assert_eq!(fields.until_nul(), b"two");
        assert!(fields.is_empty());
        assert_eq!(fields.until_nul(), b"");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(value: u64, bytes: Vec<u8>, text in "[^\0]{0,20}") {
            let mut out = Vec::new();
            out.put_length(value);
            out.put_counted(&bytes);
            out.put_until_nul(&text);
            let mut fields = Fields::new(&out);
            prop_assert_eq!(fields.length("value"), Ok(value));
            prop_assert_eq!(fields.counted("bytes"), Ok(bytes.as_slice()));
            prop_assert_eq!(fields.until_nul(), text.as_bytes());
            prop_assert!(fields.is_empty());
        }

        #[test]
        fn reading_never_panics(bytes: Vec<u8>, steps in prop::collection::vec(0..6u8, 0..20)) {
            let mut fields = Fields::new(&bytes);
            for step in steps {
                let _ = match step {
                    0 => fields.u8("").map(|_| ()),
                    1 => fields.u16("").map(|_| ()),
                    2 => fields.u32("").map(|_| ()),
                    3 => fields.length("").map(|_| ()),
                    4 => fields.counted("").map(|_| ()),
                    _ => { fields.until_nul(); Ok(()) }
                };
            }
        }
    }
}
