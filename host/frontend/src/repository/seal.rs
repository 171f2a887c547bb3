//! [`Seal`]: secrets at rest.
//!
//! What is said of a repository must outlive the server, and secrets among it must not stand in the catalog in clear: whoever
//! copies that file or a snapshot of its disk block does not get them. They are sealed with AES-256-GCM under a random key in a
//! file of its own that only the server's user may read. Whoever can read both files has the secrets.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};

use crate::mysql::SqlError;
use crate::refusal;

const KEY_FILE: &str = "secret.key";
const KEY_BYTES: usize = 32;

/// Seals texts and opens them again.
pub(crate) struct Seal {
    key: LessSafeKey,
    random: SystemRandom,
}

/// Why a secret cannot be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SealError {
    /// The key file cannot be used.
    #[error("the key file {path}: {problem}")]
    KeyFile {
        /// Where it is.
        path: String,
        /// What is wrong.
        problem: String,
    },
    /// It was sealed with another key, or was changed.
    #[error("a stored secret cannot be opened: it was sealed with another {KEY_FILE}")]
    Foreign,
    /// The system has no randomness to give.
    #[error("no random numbers from the system")]
    NoRandom,
}

impl From<SealError> for SqlError {
    fn from(error: SealError) -> Self {
        refusal::general(error.to_string())
    }
}

impl std::fmt::Debug for Seal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seal(..)")
    }
}

impl Seal {
    /// The seal of a data directory; the key is made when there is none.
    pub(crate) fn open(data_dir: &Path) -> Result<Self, SealError> {
        let path = data_dir.join(KEY_FILE);
        let fault = |error: std::io::Error| SealError::KeyFile {
            path: path.display().to_string(),
            problem: error.to_string(),
        };
        let random = SystemRandom::new();
        let bytes = match File::open(&path) {
            Ok(mut file) => {
                let mut bytes = Vec::new();
                file.read_to_end(&mut bytes).map_err(fault)?;
                bytes
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let mut bytes = vec![0; KEY_BYTES];
                random.fill(&mut bytes).map_err(|_| SealError::NoRandom)?;
                let mut options = OpenOptions::new();
                let file = options.write(true).create_new(true).mode(0o600).open(&path);
                let mut file = file.map_err(fault)?;
                file.write_all(&bytes).and_then(|()| file.sync_all()).map_err(fault)?;
                let synced = File::open(data_dir).and_then(|directory| directory.sync_all());
                synced.map_err(fault)?;
                bytes
            }
            Err(error) => return Err(fault(error)),
        };
        let key = UnboundKey::new(&AES_256_GCM, &bytes).map_err(|_| SealError::KeyFile {
            path: path.display().to_string(),
            problem: format!("{} bytes, expected {KEY_BYTES}", bytes.len()),
        })?;
        Ok(Self { key: LessSafeKey::new(key), random })
    }

    /// Seals a text; `about` says what it belongs to, and only under the same name is it opened.
    pub(crate) fn seal(&self, about: &str, text: &str) -> Result<String, SealError> {
        // 96 random bits: a repository is made some thousand times, not 2^32 times.
        let mut nonce = [0; NONCE_LEN];
        self.random.fill(&mut nonce).map_err(|_| SealError::NoRandom)?;
        let mut sealed = text.as_bytes().to_vec();
        let unique = Nonce::assume_unique_for_key(nonce);
        let aad = Aad::from(about.as_bytes());
        let done = self.key.seal_in_place_append_tag(unique, aad, &mut sealed);
        done.map_err(|_| SealError::NoRandom)?;
        Ok(STANDARD.encode([&nonce[..], &sealed].concat()))
    }

    /// Opens what was sealed about the same thing.
    pub(crate) fn open_text(&self, about: &str, sealed: &str) -> Result<String, SealError> {
        let bytes = STANDARD.decode(sealed).map_err(|_| SealError::Foreign)?;
        let (nonce, rest) = bytes.split_first_chunk::<NONCE_LEN>().ok_or(SealError::Foreign)?;
        let mut rest = rest.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let aad = Aad::from(about.as_bytes());
        let plain =
            self.key.open_in_place(nonce, aad, &mut rest).map_err(|_| SealError::Foreign)?;
        String::from_utf8(plain.to_vec()).map_err(|_| SealError::Foreign)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn what_is_sealed_is_opened_by_the_same_key_about_the_same_thing() {
        let place = tempfile::tempdir().unwrap();
        let seal = Seal::open(place.path()).unwrap();
        let sealed = seal.seal("repo", "hidden").unwrap();
        assert!(!sealed.contains("hidden"));
        assert_ne!(sealed, seal.seal("repo", "hidden").unwrap());
        let again = Seal::open(place.path()).unwrap();
        assert_eq!(again.open_text("repo", &sealed).unwrap(), "hidden");
        assert!(matches!(again.open_text("other", &sealed), Err(SealError::Foreign)));
        let elsewhere = tempfile::tempdir().unwrap();
        let other = Seal::open(elsewhere.path()).unwrap();
        assert!(matches!(other.open_text("repo", &sealed), Err(SealError::Foreign)));
        for damaged in ["", "AAAA", "no base64!"] {
            assert!(matches!(again.open_text("repo", damaged), Err(SealError::Foreign)));
        }
    }

    #[test]
    fn the_key_is_the_users_alone_and_a_short_one_is_refused() {
        let place = tempfile::tempdir().unwrap();
        Seal::open(place.path()).unwrap();
        let path = place.path().join(KEY_FILE);
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::write(&path, "short").unwrap();
        let error = Seal::open(place.path()).unwrap_err().to_string();
        assert!(error.contains("5 bytes, expected 32"), "{error}");
    }
}
