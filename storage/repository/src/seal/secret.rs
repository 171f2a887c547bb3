//! [`RepositorySecret`]: what a user has to open a repository.

use std::fmt;

use zeroize::Zeroizing;

use super::error::KeyError;
use super::kind::SecretKind;

/// Least bytes of a key file: as many as the keys that it guards.
const MIN_KEY_BYTES: usize = 32;

/// A passphrase, or the content of a key file. Cleared when dropped, shown by nothing.
#[derive(Clone)]
pub struct RepositorySecret {
    kind: SecretKind,
    bytes: Zeroizing<Vec<u8>>,
}

impl RepositorySecret {
    /// What a person can remember; the form it is typed in counts, to the byte.
    pub fn passphrase(text: &str) -> Result<Self, KeyError> {
        if text.is_empty() {
            return Err(KeyError::EmptyPassphrase);
        }
        let bytes = Zeroizing::new(text.as_bytes().to_vec());
        Ok(Self { kind: SecretKind::Passphrase, bytes })
    }

    /// The same, as a file or a program gives it: a line's end behind it is no part of it.
    pub fn passphrase_line(bytes: Vec<u8>) -> Result<Self, KeyError> {
        let bytes = Zeroizing::new(bytes);
        let text = str::from_utf8(&bytes).map_err(|_| KeyError::NotText)?;
        Self::passphrase(text.trim_end_matches(['\n', '\r']))
    }

    /// At least 32 bytes that nobody can guess.
    pub fn key(bytes: Vec<u8>) -> Result<Self, KeyError> {
        let bytes = Zeroizing::new(bytes);
        match bytes.len() {
            ..MIN_KEY_BYTES => Err(KeyError::ShortKey),
            _ => Ok(Self { kind: SecretKind::Key, bytes }),
        }
    }

    /// Which of the two.
    pub fn kind(&self) -> SecretKind {
        self.kind
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl fmt::Debug for RepositorySecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RepositorySecret({}, ***)", self.kind)
    }
}
