//! [`Codec`]: which stored form a chunk has: plaintext, or one zstd frame; sealed in an encrypted repository.

/// How the stored form of a chunk is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Codec {
    /// The plaintext as it is.
    Raw = 0,
    /// One zstd frame, shorter than the plaintext.
    Zstd = 1,
    /// [`Codec::Raw`], sealed.
    SealedRaw = 2,
    /// [`Codec::Zstd`], sealed.
    SealedZstd = 3,
}

impl Codec {
    /// The codec of this number in the format.
    pub fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Raw),
            1 => Some(Self::Zstd),
            2 => Some(Self::SealedRaw),
            3 => Some(Self::SealedZstd),
            _ => None,
        }
    }

    /// The codec of the sealed form.
    pub(crate) fn sealed(self) -> Self {
        match self {
            Self::Raw | Self::SealedRaw => Self::SealedRaw,
            Self::Zstd | Self::SealedZstd => Self::SealedZstd,
        }
    }

    /// The codec of what was sealed; `None` when nothing is.
    pub(crate) fn unsealed(self) -> Option<Self> {
        match self {
            Self::Raw | Self::Zstd => None,
            Self::SealedRaw => Some(Self::Raw),
            Self::SealedZstd => Some(Self::Zstd),
        }
    }
}
