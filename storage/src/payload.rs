//! What a put stores: bytes that can be sent again.

use std::ops::Range;

use bytes::Bytes;

/// The bytes of an object: cheap to clone, so that a retry sends the same bytes without a copy.
///
/// One or more pieces, sent in order; pieces let a writer store a header and a body that lie apart
/// in memory without joining them.
#[derive(Debug, Clone, Default)]
pub struct Payload {
    pieces: Vec<Bytes>,
}

impl Payload {
    /// A payload of pieces in order.
    pub fn from_pieces(pieces: Vec<Bytes>) -> Self {
        Self { pieces }
    }

    /// The pieces in order.
    pub fn pieces(&self) -> &[Bytes] {
        &self.pieces
    }

    /// Total length in bytes.
    pub fn len(&self) -> u64 {
        self.pieces.iter().map(|piece| piece.len() as u64).sum()
    }

    /// Whether there is no byte at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes of a range, sharing those of the pieces; what lies beyond the end is left out.
    #[must_use]
    pub fn slice(&self, range: Range<u64>) -> Self {
        let mut pieces = Vec::new();
        let mut begin = 0_u64;
        for piece in &self.pieces {
            let length = piece.len() as u64;
            let from = range.start.clamp(begin, begin + length) - begin;
            let to = range.end.clamp(begin, begin + length) - begin;
            // Both lie within the piece, whose length is a usize.
            if let (Ok(from), Ok(to)) = (usize::try_from(from), usize::try_from(to))
                && from < to
            {
                pieces.push(piece.slice(from..to));
            }
            begin += length;
        }
        Self { pieces }
    }

    /// One contiguous buffer: the only piece as it is, or a copy of several.
    pub fn to_bytes(&self) -> Bytes {
        match self.pieces.as_slice() {
            [one] => one.clone(),
            pieces => pieces.concat().into(),
        }
    }
}

impl From<Bytes> for Payload {
    fn from(bytes: Bytes) -> Self {
        Self { pieces: vec![bytes] }
    }
}

impl From<Vec<u8>> for Payload {
    fn from(bytes: Vec<u8>) -> Self {
        Bytes::from(bytes).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slice_goes_across_pieces_and_shares_them() {
        let payload = Payload::from_pieces(vec![
            Bytes::from_static(b"abc"),
            Bytes::new(),
            Bytes::from_static(b"defg"),
        ]);
        let slice = |range| payload.slice(range).to_bytes();
        assert_eq!(slice(0..7), "abcdefg");
        assert_eq!(slice(2..5), "cde");
        assert_eq!(slice(3..3), "");
        assert_eq!(slice(5..u64::MAX), "fg");
        assert_eq!(slice(9..12), "");
        assert_eq!(payload.slice(1..2).pieces()[0].as_ptr(), payload.pieces()[0][1..].as_ptr());
    }
}
