//! CBOR as the format uses it: unsigned numbers, texts, byte strings, arrays of definite length.
//!
//! Reading is total and bounded: nothing is allocated that the input does not hold, and elements
//! behind those that are known are skipped without recursion.

use crate::{ChunkId, Malformed};

/// Writes CBOR into memory, which cannot fail: that is why results of the encoder are dropped.
pub(crate) struct Writer(minicbor::Encoder<Vec<u8>>);

impl Writer {
    pub(crate) fn new() -> Self {
        Self(minicbor::Encoder::new(Vec::new()))
    }

    pub(crate) fn array(&mut self, length: usize) -> &mut Self {
        let _ = self.0.array(length as u64);
        self
    }

    pub(crate) fn uint(&mut self, number: u64) -> &mut Self {
        let _ = self.0.u64(number);
        self
    }

    pub(crate) fn bool(&mut self, value: bool) -> &mut Self {
        let _ = self.0.bool(value);
        self
    }

    pub(crate) fn text(&mut self, text: &str) -> &mut Self {
        let _ = self.0.str(text);
        self
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        let _ = self.0.bytes(bytes);
        self
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.0.into_writer()
    }
}

/// Reads CBOR from memory.
pub(crate) struct Reader<'a>(minicbor::Decoder<'a>);

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(minicbor::Decoder::new(bytes))
    }

    /// A finding at the current position.
    pub(crate) fn malformed(&self, what: &'static str) -> Malformed {
        Malformed::at(what, self.0.position())
    }

    pub(crate) fn uint(&mut self) -> Result<u64, Malformed> {
        let at = self.0.position();
        self.0.u64().map_err(|_| Malformed::at("a number is missing", at))
    }

    pub(crate) fn text(&mut self) -> Result<&'a str, Malformed> {
        let at = self.0.position();
        self.0.str().map_err(|_| Malformed::at("a text is missing", at))
    }

    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], Malformed> {
        let at = self.0.position();
        self.0.bytes().map_err(|_| Malformed::at("a byte string is missing", at))
    }

    pub(crate) fn chunk_id(&mut self) -> Result<ChunkId, Malformed> {
        let at = self.0.position();
        let bytes = self.bytes()?;
        let id = bytes.try_into().map_err(|_| Malformed::at("not a chunk id", at))?;
        Ok(ChunkId::from_bytes(id))
    }

    /// The number of elements of an array that starts here.
    fn array(&mut self) -> Result<u64, Malformed> {
        let at = self.0.position();
        match self.0.array() {
            Ok(Some(length)) => Ok(length),
            Ok(None) | Err(_) => Err(Malformed::at("an array of definite length is missing", at)),
        }
    }

    /// An array of any number of equal elements.
    pub(crate) fn list<T>(
        &mut self,
        mut element: impl FnMut(&mut Self) -> Result<T, Malformed>,
    ) -> Result<Vec<T>, Malformed> {
        let length = self.array()?;
        // An element takes a byte of input at least, but may take much more memory than that: beyond a
        // page of them, growing by what was really there is cheap enough.
        let left = self.0.input().len().saturating_sub(self.0.position());
        let bound = usize::try_from(length).unwrap_or(usize::MAX).min(left).min(4096);
        let mut elements = Vec::with_capacity(bound);
        for _ in 0..length {
            elements.push(element(self)?);
        }
        Ok(elements)
    }

    /// `true`: its opposite is written by leaving it out, so that one value has one encoding.
    pub(crate) fn truth(&mut self) -> Result<bool, Malformed> {
        let at = self.0.position();
        match self.0.bool() {
            Ok(true) => Ok(true),
            _ => Err(Malformed::at("not the truth value true", at)),
        }
    }

    /// An array of at least `known` elements, of which `fields` reads exactly that many; others, which a
    /// newer version wrote behind them, are skipped.
    pub(crate) fn tuple<T>(
        &mut self,
        known: u64,
        fields: impl FnOnce(&mut Self) -> Result<T, Malformed>,
    ) -> Result<T, Malformed> {
        self.growing_tuple(known, known, |reader, _| fields(reader))
    }

    /// The same, but of the elements behind the first `least` up to `known` may be absent: `fields` is told how
    /// many there are, and reads those.
    pub(crate) fn growing_tuple<T>(
        &mut self,
        least: u64,
        known: u64,
        fields: impl FnOnce(&mut Self, u64) -> Result<T, Malformed>,
    ) -> Result<T, Malformed> {
        let at = self.0.position();
        let length = self.array()?;
        if length < least {
            return Err(Malformed::at("an array is too short", at));
        }
        let value = fields(self, length.min(known))?;
        for _ in known..length {
            let at = self.0.position();
            self.0.skip().map_err(|_| Malformed::at("an unknown element is damaged", at))?;
        }
        Ok(value)
    }

    /// Ends reading: nothing may follow.
    pub(crate) fn finish(self) -> Result<(), Malformed> {
        if self.0.position() == self.0.input().len() {
            Ok(())
        } else {
            Err(self.malformed("bytes behind the end"))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_length_prefix_allocates_nothing_that_is_not_there() {
        let bytes = [0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
        let mut reader = Reader::new(&bytes);
        assert!(reader.list(|reader| reader.uint()).is_err());
        let mut reader = Reader::new(&bytes);
        assert!(reader.tuple(1, |reader| reader.uint()).is_err());
    }

    #[test]
    fn deep_nesting_behind_the_known_is_skipped_without_recursion() {
        let mut bytes = vec![0x82, 7];
        bytes.extend(vec![0x81; 1_000_000]);
        bytes.push(0);
        let mut reader = Reader::new(&bytes);
        assert_eq!(reader.tuple(1, |reader| reader.uint()), Ok(7));
        assert_eq!(reader.finish(), Ok(()));
    }

    proptest! {
        #[test]
        fn skipping_is_total(bytes: Vec<u8>) {
            let mut reader = Reader::new(&bytes);
            let _ = reader.tuple(0, |_| Ok(()));
            let _ = reader.finish();
        }
    }
}
