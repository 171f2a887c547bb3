//! Bytes of segments: given, or noise that is the same for the same seed.

use bytes::Bytes;

/// What a segment holds.
#[derive(Debug, Clone)]
pub(crate) enum Content {
    Bytes(Bytes),
    /// Does not compress, and costs no memory however long it is.
    Noise {
        seed: u64,
        len: u64,
    },
}

impl Content {
    pub(crate) fn noise(seed: u64, len: u64) -> Self {
        Self::Noise { seed, len }
    }

    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Noise { len, .. } => *len,
        }
    }

    /// Fills `buffer` with the bytes from `offset` on, as far as there are any; returns how many.
    pub(crate) fn read(&self, offset: u64, buffer: &mut [u8]) -> usize {
        let left = usize::try_from(self.len() - offset).unwrap_or(usize::MAX);
        let len = left.min(buffer.len());
        match self {
            Self::Bytes(bytes) => {
                let start = usize::try_from(offset).unwrap();
                buffer[..len].copy_from_slice(&bytes[start..start + len]);
            }
            Self::Noise { seed, .. } => fill_with_noise(*seed, offset, &mut buffer[..len]),
        }
        len
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; usize::try_from(self.len()).unwrap()];
        self.read(0, &mut bytes);
        bytes
    }
}

impl From<&[u8]> for Content {
    fn from(bytes: &[u8]) -> Self {
        Self::Bytes(Bytes::copy_from_slice(bytes))
    }
}

impl From<&str> for Content {
    fn from(text: &str) -> Self {
        text.as_bytes().into()
    }
}

/// Bytes that do not compress, the same for the same seed.
pub(crate) fn noise(seed: u64, len: usize) -> Vec<u8> {
    Content::noise(seed, len as u64).to_bytes()
}

fn fill_with_noise(seed: u64, offset: u64, mut buffer: &mut [u8]) {
    let mut word = offset / 8;
    let mut skip = usize::try_from(offset % 8).unwrap();
    while !buffer.is_empty() {
        let bytes = mixed(seed, word).to_le_bytes();
        let len = buffer.len().min(8 - skip);
        let (head, tail) = buffer.split_at_mut(len);
        head.copy_from_slice(&bytes[skip..skip + len]);
        (buffer, word, skip) = (tail, word + 1, 0);
    }
}

/// The finisher of splitmix64: neighbouring inputs give unrelated words.
fn mixed(seed: u64, word: u64) -> u64 {
    let mut state = seed.wrapping_mul(0xD1B5_4A32_D192_ED03) ^ word;
    state = state.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    state = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    state = (state ^ (state >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    state ^ (state >> 31)
}
