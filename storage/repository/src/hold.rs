//! [`Hold`]: what keeps a snapshot from being forgotten, and the bytes that say why.
//!
//! A hold holds by being there; its bytes are for people. So one that is damaged holds as well.

use std::collections::BTreeMap;
use std::fmt;

use crate::cbor::{Reader, Writer};
use crate::{Label, Malformed, Timestamp, hashed};

const MAGIC: [u8; 8] = *b"CAIRNHD1";
const FORMAT_VERSION: u64 = 1;

/// Longest reason and longest name of who placed a hold, in bytes.
const MAX_TEXT_BYTES: usize = 1 << 10;

/// Longest object of a hold: two such texts, sealed.
pub(crate) const MAX_HOLD_BYTES: u64 = 4 << 10;

/// A hold on a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// The label of the snapshot.
    pub label: Label,
    /// When the snapshot was taken: one that has the label later is not held.
    pub taken: Timestamp,
    /// The name of the hold; a snapshot may have several.
    pub name: Label,
    /// What it says; none where that is damaged.
    pub note: Option<HoldNote>,
}

/// What a hold says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoldNote {
    /// Why.
    pub reason: String,
    /// Who placed it.
    pub by: String,
    /// When, by the clock of who placed it.
    pub placed: Timestamp,
}

impl Hold {
    /// Whether it holds the snapshot of its label that was taken then. What a damaged record was cannot be told: every hold
    /// of the label counts for it.
    pub fn counts_for(&self, taken: Option<Timestamp>) -> bool {
        taken.is_none_or(|taken| taken == self.taken)
    }
}

/// Which snapshots are held, and under which names.
#[derive(Debug, Clone, Default)]
pub struct HoldNames(BTreeMap<Label, Vec<Hold>>);

impl HoldNames {
    /// The names of the holds on the snapshot of a label that was taken then; `None` where its record is damaged.
    pub fn on(&self, label: &Label, taken: Option<Timestamp>) -> Vec<Label> {
        let holds = self.0.get(label).into_iter().flatten();
        holds.filter(|hold| hold.counts_for(taken)).map(|hold| hold.name.clone()).collect()
    }
}

impl FromIterator<Hold> for HoldNames {
    fn from_iter<I: IntoIterator<Item = Hold>>(holds: I) -> Self {
        let mut names = Self::default();
        for hold in holds {
            names.0.entry(hold.label.clone()).or_default().push(hold);
        }
        names
    }
}

impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.name)?;
        match &self.note {
            Some(HoldNote { reason, by, placed }) if reason.is_empty() => {
                write!(f, " (placed by {by} at {placed})")
            }
            Some(HoldNote { reason, by, placed }) => {
                write!(f, " ({reason:?}, placed by {by} at {placed})")
            }
            None => f.write_str(" (what it says is damaged)"),
        }
    }
}

impl HoldNote {
    /// Refuses texts that are too long for one look.
    pub(crate) fn validate(&self) -> Result<(), &'static str> {
        match self.reason.len() > MAX_TEXT_BYTES || self.by.len() > MAX_TEXT_BYTES {
            true => Err("a hold's reason, and the name of who places it, have at most 1 KiB"),
            false => Ok(()),
        }
    }

    /// The bytes of the object.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.array(4).uint(FORMAT_VERSION).text(&self.reason).text(&self.by);
        writer.uint(self.placed.as_unix_millis());
        hashed::encode(&MAGIC, writer)
    }

    /// What these bytes say.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(hashed::content(&MAGIC, bytes)?);
        let note = reader.tuple(4, |reader| {
            if reader.uint()? != FORMAT_VERSION {
                return Err(reader.malformed("unknown version of holds"));
            }
            let (reason, by) = (reader.text()?.to_owned(), reader.text()?.to_owned());
            Ok(Self { reason, by, placed: Timestamp::from_unix_millis(reader.uint()?) })
        })?;
        reader.finish()?;
        Ok(note)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn note(reason: &str) -> HoldNote {
        let placed = Timestamp::from_unix_millis(1);
        HoldNote { reason: reason.to_owned(), by: "root@h".to_owned(), placed }
    }

    #[test]
    fn the_bytes_are_those_of_the_design() {
        let bytes = note("tax").encode();
        let expected = b"CAIRNHD1\x84\x01\x63tax\x66root@h\x01";
        assert_eq!(bytes[..bytes.len() - 32], expected[..]);
        assert_eq!(bytes[bytes.len() - 32..], *blake3::hash(expected).as_bytes());
    }

    #[test]
    fn it_says_who_holds() {
        let hold = |note| Hold {
            label: "nightly".parse().unwrap(),
            taken: Timestamp::from_unix_millis(0),
            name: "audit".parse().unwrap(),
            note,
        };
        assert_eq!(
            hold(Some(note("tax"))).to_string(),
            "audit (\"tax\", placed by root@h at 1970-01-01-00-00-00-001)"
        );
        assert_eq!(
            hold(Some(note(""))).to_string(),
            "audit (placed by root@h at 1970-01-01-00-00-00-001)"
        );
        assert_eq!(hold(None).to_string(), "audit (what it says is damaged)");
        assert!(note(&"x".repeat(1025)).validate().is_err());
    }

    proptest! {
        #[test]
        fn round_trips(reason in ".{0,40}") {
            prop_assert_eq!(HoldNote::decode(&note(&reason).encode()), Ok(note(&reason)));
        }

        #[test]
        fn any_change_is_noticed(at: prop::sample::Index, flip in 1_u8..) {
            let mut bytes = note("tax").encode();
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
            prop_assert!(HoldNote::decode(&bytes).is_err());
            prop_assert!(HoldNote::decode(&bytes[..at]).is_err());
        }
    }
}
