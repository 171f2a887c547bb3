//! Names: ids of content, random ids, the label of a snapshot.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

/// A text that is not the lowercase hexadecimal form of an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an id in lowercase hexadecimal")]
pub struct ParseIdError;

macro_rules! content_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        ///
        /// 32 bytes, shown as 64 lowercase hexadecimal digits.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub struct $name([u8; 32]);

        impl $name {
            /// Length in bytes.
            pub const BYTES: usize = 32;

            /// The id made of these bytes.
            pub const fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// The bytes.
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }

            /// The first eight bytes as a big-endian number: orders as the id does, and is uniform.
            pub(crate) fn leading(&self) -> u64 {
                let [a, b, c, d, e, f, g, h, ..] = self.0;
                u64::from_be_bytes([a, b, c, d, e, f, g, h])
            }
        }

        /// The first eight bytes only: ids are BLAKE3 output, hence uniform already.
        impl Hash for $name {
            fn hash<H: Hasher>(&self, state: &mut H) {
                state.write_u64(self.leading());
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&blake3::Hash::from_bytes(self.0).to_hex())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                let hash = blake3::Hash::from_hex(text).map_err(|_| ParseIdError)?;
                if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
                    return Err(ParseIdError);
                }
                Ok(Self(*hash.as_bytes()))
            }
        }
    };
}

content_id! {
    /// Name of a chunk: the BLAKE3 of its plaintext (R2).
    ChunkId
}
content_id! {
    /// Name of a pack: the BLAKE3 of its directory and trailer.
    PackId
}
content_id! {
    /// Name of an index run: the BLAKE3 of all its bytes but the last 32, which repeat it.
    IndexId
}

impl ChunkId {
    /// The name of these plaintext bytes.
    pub fn of(plaintext: &[u8]) -> Self {
        Self(*blake3::hash(plaintext).as_bytes())
    }
}

impl PackId {
    /// The name of the pack with this directory and trailer.
    pub(crate) fn of(directory_and_trailer: &[u8]) -> Self {
        Self(*blake3::hash(directory_and_trailer).as_bytes())
    }
}

impl IndexId {
    /// The name of the run with this body (all bytes but the closing hash).
    pub(crate) fn of(body: &[u8]) -> Self {
        Self(*blake3::hash(body).as_bytes())
    }
}

macro_rules! random_id {
    ($(#[$doc:meta])* $name:ident, made by $made:vis fn) => {
        $(#[$doc])*
        ///
        /// 16 random bytes, shown as 32 lowercase hexadecimal digits.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 16]);

        impl $name {
            /// A new one.
            $made fn random() -> Self {
                Self(rand::random())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:032x}", u128::from_be_bytes(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
                if text.len() != 32 || !text.bytes().all(is_digit) {
                    return Err(ParseIdError);
                }
                let number = u128::from_str_radix(text, 16).map_err(|_| ParseIdError)?;
                Ok(Self(number.to_be_bytes()))
            }
        }
    };
}

random_id! {
    /// Tells repositories apart; given at creation.
    RepositoryId, made by pub fn
}
random_id! {
    /// Tells the marks of prunes apart.
    MarkId, made by pub(crate) fn
}
random_id! {
    /// Name of a key slot.
    SlotId, made by pub(crate) fn
}

impl RepositoryId {
    /// The id made of these bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl SlotId {
    /// The bytes.
    pub(crate) const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

/// The user's unique name of a snapshot in a repository.
///
/// 1 to 128 of the ASCII letters, digits and `_-.:`, not starting with a dot.
///
/// ```
/// use cairn_repository::Label;
/// let label: Label = "orders-2026.11.23".parse()?;
/// assert_eq!(label.as_str(), "orders-2026.11.23");
/// assert_eq!(
///     "a/b".parse::<Label>().unwrap_err().to_string(),
///     "a label is no path: '/' at position 1",
/// );
/// # Ok::<(), cairn_repository::LabelError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label(Box<str>);

/// Why a text is not a [`Label`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LabelError {
    /// No character at all.
    #[error("a label is not empty")]
    Empty,
    /// More than [`Label::MAX_BYTES`].
    #[error("a label has at most {} characters, not {length}", Label::MAX_BYTES)]
    TooLong {
        /// Its length in bytes.
        length: usize,
    },
    /// A dot in front, which some storages hide.
    #[error("a label does not start with a dot")]
    LeadingDot,
    /// `/` or `\`.
    #[error("a label is no path: {separator:?} at position {position}")]
    PathSeparator {
        /// Which one.
        separator: char,
        /// Byte offset, from 0.
        position: usize,
    },
    /// Any other character that is not allowed.
    #[error(
        "a label has only letters, digits and _-.: in it, not {character:?} at position {position}"
    )]
    Character {
        /// The first such.
        character: char,
        /// Byte offset, from 0.
        position: usize,
    },
}

impl Label {
    /// Longest label in bytes (all characters are one byte).
    pub const MAX_BYTES: usize = 128;

    /// Checks a text.
    pub fn parse(text: &str) -> Result<Self, LabelError> {
        if text.is_empty() {
            return Err(LabelError::Empty);
        }
        if text.starts_with('.') {
            return Err(LabelError::LeadingDot);
        }
        for (position, character) in text.char_indices() {
            match character {
                '/' | '\\' => {
                    return Err(LabelError::PathSeparator { separator: character, position });
                }
                'A'..='Z' | 'a'..='z' | '0'..='9' | '_' | '-' | '.' | ':' => {}
                _ => {
                    return Err(LabelError::Character { character, position });
                }
            }
        }
        if text.len() > Self::MAX_BYTES {
            return Err(LabelError::TooLong { length: text.len() });
        }
        Ok(Self(text.into()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Label {
    type Err = LabelError;

    fn from_str(text: &str) -> Result<Self, LabelError> {
        Self::parse(text)
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl From<Label> for String {
    fn from(label: Label) -> Self {
        label.0.into_string()
    }
}

impl AsRef<str> for Label {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_round_trip_as_text() {
        let id = ChunkId::of(b"cairn");
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(id.to_string().to_uppercase().parse::<ChunkId>(), Err(ParseIdError));
        assert_eq!("ab".parse::<PackId>(), Err(ParseIdError));
        let repository = RepositoryId::from_bytes([7; 16]);
        assert_eq!(repository.to_string().parse(), Ok(repository));
        let mark = MarkId::random();
        assert_eq!(mark.to_string().parse(), Ok(mark));
        for foreign in ["", "ab", "+00000000000000000000000000000ab", &"AB".repeat(16)] {
            assert_eq!(foreign.parse::<MarkId>(), Err(ParseIdError), "{foreign}");
        }
    }

    #[test]
    fn a_label_says_what_is_wrong_with_it() {
        let refused = |text: &str| Label::parse(text).unwrap_err();
        assert_eq!(refused(""), LabelError::Empty);
        assert_eq!(refused(".hidden"), LabelError::LeadingDot);
        assert_eq!(refused(&"x".repeat(129)), LabelError::TooLong { length: 129 });
        assert_eq!(refused("a\\b"), LabelError::PathSeparator { separator: '\\', position: 1 });
        assert_eq!(refused("aä"), LabelError::Character { character: 'ä', position: 1 });
        assert_eq!(refused("a\0"), LabelError::Character { character: '\0', position: 1 });
        assert!(Label::parse(&"x".repeat(128)).is_ok());
        assert!(Label::parse("A-z_0.9:").is_ok());
    }
}
