//! Passwords: what an account keeps of one, and how a client proves that it knows it.
//!
//! Pure. The server keeps a double hash and never a password; a client sends a single hash, masked by the double hash and
//! the salt of its connection, so that what is heard on one connection is worth nothing on another. Every comparison
//! takes the same time whatever differs.

use std::fmt;
use std::hint::black_box;

use ring::digest::{Algorithm, Context, SHA1_FOR_LEGACY_USE_ONLY, SHA256};
use ring::error::Unspecified;
use ring::rand::{SecureRandom, SystemRandom};
use thiserror::Error;

/// What a server adds to a proof, new for each connection.
pub(super) type Salt = [u8; 20];

type Sha1 = [u8; 20];
type Sha256 = [u8; 32];

/// What is kept of a password: a hash for each way to log in. No hash at all is no password. `Debug` does not show them.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Proofs {
    /// SHA1(SHA1(password)), for `mysql_native_password`.
    pub native: Option<[u8; 20]>,
    /// SHA256(SHA256(password)), for `caching_sha2_password`; none where only the other hash was told.
    pub sha2: Option<[u8; 32]>,
}

impl fmt::Debug for Proofs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Proofs(..)")
    }
}

/// A hash that is no hash. It does not show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the {0} hash of a password must be {1} hexadecimal digits")]
pub struct BadProof(&'static str, usize);

impl Proofs {
    /// Of a password; the empty one is none.
    pub fn of_password(password: &str) -> Self {
        if password.is_empty() {
            return Self::default();
        }
        let password = password.as_bytes();
        Self {
            native: Some(sha1(&[&sha1(&[password])])),
            sha2: Some(sha256(&[&sha256(&[password])])),
        }
    }

    /// From hexadecimal digits; an empty text is no hash.
    pub fn from_hex(native: &str, sha2: &str) -> Result<Self, BadProof> {
        Ok(Self { native: from_hex(native, "native")?, sha2: from_hex(sha2, "sha2")? })
    }

    /// The hashes as hexadecimal digits, first the native one; no hash is an empty text.
    pub fn to_hex(&self) -> (String, String) {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        (
            self.native.map(|hash| hex(&hash)).unwrap_or_default(),
            self.sha2.map(|hash| hex(&hash)).unwrap_or_default(),
        )
    }

    /// Whether it is that of this password; the empty one is none.
    pub(crate) fn is_of(&self, password: &str) -> bool {
        let proof = match password {
            "" => Proof::Absent,
            password => Proof::Clear(password.to_owned()),
        };
        self.accept(&proof, &Salt::default())
    }

    /// Of a password that nobody knows.
    pub(crate) fn of_nobody(random: &SystemRandom) -> Result<Self, Unspecified> {
        let (mut native, mut sha2) = ([0; 20], [0; 32]);
        random.fill(&mut native)?;
        random.fill(&mut sha2)?;
        Ok(Self { native: Some(native), sha2: Some(sha2) })
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.native.is_none() && self.sha2.is_none()
    }

    /// Whether a proof shows the knowledge of the password. Where the account has no such hash, none does.
    pub(super) fn accept(&self, proof: &Proof, salt: &Salt) -> bool {
        match proof {
            Proof::Absent => self.is_empty(),
            Proof::Native(answer) => native_matches(&self.native.unwrap_or_default(), salt, answer),
            Proof::Sha2(answer) => sha2_matches(&self.sha2.unwrap_or_default(), salt, answer),
            Proof::Clear(password) => {
                let shown = Self::of_password(password);
                !self.is_empty()
                    & !shown.is_empty()
                    & same_or_unknown(self.native, shown.native)
                    & same_or_unknown(self.sha2, shown.sha2)
            }
        }
    }
}

/// What a client shows of its password. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Proof {
    /// Nothing: it uses no password.
    Absent,
    /// By `mysql_native_password`.
    Native(Sha1),
    /// By `caching_sha2_password`.
    Sha2(Sha256),
    /// The password itself, inside TLS.
    Clear(String),
}

impl fmt::Debug for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Proof(..)")
    }
}

/// The salt of a new connection: 7 bits a byte, without NUL, which would end it, and without `$`, as MySQL's.
pub(super) fn new_salt(random: &SystemRandom) -> Result<Salt, Unspecified> {
    let mut salt = Salt::default();
    random.fill(&mut salt)?;
    for byte in &mut salt {
        *byte &= 0x7f;
        if matches!(*byte, 0 | b'$') {
            *byte += 1;
        }
    }
    Ok(salt)
}

/// `answer` is SHA1(password) xor SHA1(salt, kept), where kept is SHA1(SHA1(password)).
fn native_matches(kept: &Sha1, salt: &Salt, answer: &Sha1) -> bool {
    let hash = xor(answer, &sha1(&[salt, kept]));
    equal(&sha1(&[&hash]), kept)
}

/// `answer` is SHA256(password) xor SHA256(kept, salt), where kept is SHA256(SHA256(password)).
fn sha2_matches(kept: &Sha256, salt: &Salt, answer: &Sha256) -> bool {
    let hash = xor(answer, &sha256(&[kept, salt]));
    equal(&sha256(&[&hash]), kept)
}

fn sha1(parts: &[&[u8]]) -> Sha1 {
    digest(&SHA1_FOR_LEGACY_USE_ONLY, parts)
}

fn sha256(parts: &[&[u8]]) -> Sha256 {
    digest(&SHA256, parts)
}

fn digest<const N: usize>(algorithm: &'static Algorithm, parts: &[&[u8]]) -> [u8; N] {
    let mut context = Context::new(algorithm);
    for part in parts {
        context.update(part);
    }
    let mut hash = [0; N];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

fn xor<const N: usize>(a: &[u8; N], b: &[u8; N]) -> [u8; N] {
    std::array::from_fn(|at| a[at] ^ b[at])
}

fn same_or_unknown<const N: usize>(kept: Option<[u8; N]>, shown: Option<[u8; N]>) -> bool {
    kept.zip(shown).is_none_or(|(kept, shown)| equal(&kept, &shown))
}

/// Looks at every byte, however early they differ.
fn equal<const N: usize>(a: &[u8; N], b: &[u8; N]) -> bool {
    a.iter().zip(b).fold(0, |seen, (a, b)| black_box(seen | (a ^ b))) == 0
}

fn from_hex<const N: usize>(text: &str, name: &'static str) -> Result<Option<[u8; N]>, BadProof> {
    if text.is_empty() {
        return Ok(None);
    }
    let digits = text.as_bytes();
    let mut bytes = [0; N];
    let (pairs, odd) = digits.as_chunks::<2>();
    if pairs.len() != N || !odd.is_empty() {
        return Err(BadProof(name, 2 * N));
    }
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        let digit =
            |digit: &u8| char::from(*digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        *byte = digit(high)
            .zip(digit(low))
            .map(|(high, low)| high << 4 | low)
            .ok_or(BadProof(name, 2 * N))?;
    }
    Ok(Some(bytes))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// What a client answers.
    pub(in crate::mysql) fn native_answer(password: &str, salt: &Salt) -> Sha1 {
        let hash = sha1(&[password.as_bytes()]);
        xor(&hash, &sha1(&[salt, &sha1(&[&hash])]))
    }

    pub(in crate::mysql) fn sha2_answer(password: &str, salt: &Salt) -> Sha256 {
        let hash = sha256(&[password.as_bytes()]);
        xor(&hash, &sha256(&[&sha256(&[&hash]), salt]))
    }

    #[test]
    fn hashes_are_those_of_mysql() {
        // SELECT PASSWORD('password') of MySQL 5.7 is this with a star before it.
        let (native, sha2) = Proofs::of_password("password").to_hex();
        assert_eq!(native, "2470c0c06dee42fd1618bb99005adca2ec9d1e19");
        assert_eq!(sha2, "73641c99f7719f57d8f4beb11a303afcd190243a51ced8782ca6d3dbe014d146");
    }

    #[test]
    fn hashes_survive_their_digits() {
        for password in ["", "password", "\u{fc}\u{1f511}"] {
            let proofs = Proofs::of_password(password);
            let (native, sha2) = proofs.to_hex();
            assert_eq!(Proofs::from_hex(&native, &sha2), Ok(proofs));
            assert_eq!(Proofs::from_hex(&native.to_uppercase(), &sha2), Ok(proofs));
        }
        for bad in [
            "2470",
            "g470c0c06dee42fd1618bb99005adca2ec9d1e19",
            "*470c0c06dee42fd1618bb99005adca2ec9d1e19",
        ] {
            let error = Proofs::from_hex(bad, "").unwrap_err();
            assert_eq!(
                error.to_string(),
                "the native hash of a password must be 40 hexadecimal digits"
            );
        }
        assert_eq!(Proofs::from_hex("", "00"), Err(BadProof("sha2", 64)));
    }

    #[test]
    fn only_the_password_is_accepted() {
        let salt = *b"01234567890123456789";
        let proofs = Proofs::of_password("secret");
        let shown = |password: &str, salt: &Salt| {
            [
                Proof::Native(native_answer(password, salt)),
                Proof::Sha2(sha2_answer(password, salt)),
                Proof::Clear(password.to_owned()),
            ]
        };
        for proof in shown("secret", &salt) {
            assert!(proofs.accept(&proof, &salt));
            assert!(!Proofs::default().accept(&proof, &salt), "no password is not any password");
        }
        for proof in shown("Secret", &salt) {
            assert!(!proofs.accept(&proof, &salt));
        }
        for proof in &shown("secret", b"91234567890123456789")[..2] {
            assert!(!proofs.accept(proof, &salt), "an answer to another salt");
        }
        assert!(!proofs.accept(&Proof::Absent, &salt));
    }

    #[test]
    fn no_password_is_proven_by_none() {
        let salt = Salt::default();
        assert!(Proofs::default().accept(&Proof::Absent, &salt));
        assert!(!Proofs::default().accept(&Proof::Clear(String::new()), &salt));
        // The masks of hashes that are all zeros, were they taken for hashes.
        for proof in
            [Proof::Native(sha1(&[&salt, &[0; 20]])), Proof::Sha2(sha256(&[&[0; 32], &salt]))]
        {
            assert!(!Proofs::default().accept(&proof, &salt));
        }
    }

    #[test]
    fn one_hash_is_enough_for_its_own_way() {
        let salt = Salt::default();
        let proofs = Proofs { sha2: None, ..Proofs::of_password("secret") };
        assert!(proofs.accept(&Proof::Native(native_answer("secret", &salt)), &salt));
        assert!(proofs.accept(&Proof::Clear("secret".to_owned()), &salt));
        assert!(!proofs.accept(&Proof::Clear("other".to_owned()), &salt));
        assert!(!proofs.accept(&Proof::Sha2(sha2_answer("secret", &salt)), &salt));
        assert!(!proofs.accept(&Proof::Absent, &salt));
    }

    #[test]
    fn salts_differ_and_hold_no_nul() {
        let random = SystemRandom::new();
        let salts: Vec<Salt> = (0..500).map(|_| new_salt(&random).unwrap()).collect();
        assert!(salts.iter().flatten().all(|byte| (1..0x80).contains(byte) && *byte != b'$'));
        assert_ne!(salts[0], salts[1]);
    }
}
