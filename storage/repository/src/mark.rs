//! Marks: what a prune announces, and how far it is. The bytes, and what a host has seen of all marks.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::SystemTime;

use crate::cbor::{Reader, Writer};
use crate::layout::{MARK, SETTLED, SWEPT};
use crate::{IndexId, Malformed, MarkId, PackId, hashed};

/// Most packs, and most runs, that a mark names.
pub(crate) const MAX_NAMED: usize = 1 << 20;
/// Longest object of a mark: so many of both, sealed.
pub(crate) const MAX_MARK_BYTES: u64 = 72 << 20;

const MAGIC: [u8; 8] = *b"CAIRNMK1";
const FORMAT_VERSION: u64 = 1;

/// What a mark names: all of it goes, a grace later.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mark {
    /// Condemned packs.
    pub packs: Vec<PackId>,
    /// Superseded runs.
    pub runs: Vec<IndexId>,
    /// Bytes of the packs.
    pub bytes: u64,
}

impl Mark {
    /// The bytes of the object.
    pub fn encode(&self) -> Vec<u8> {
        let packs: Vec<u8> = self.packs.iter().flat_map(|id| *id.as_bytes()).collect();
        let runs: Vec<u8> = self.runs.iter().flat_map(|id| *id.as_bytes()).collect();
        let mut writer = Writer::new();
        writer.array(4).uint(FORMAT_VERSION).bytes(&packs).bytes(&runs).uint(self.bytes);
        hashed::encode(&MAGIC, writer)
    }

    /// The mark of these bytes, which its own hash proves to be whole.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(hashed::content(&MAGIC, bytes)?);
        let mark = reader.tuple(4, |reader| {
            if reader.uint()? != FORMAT_VERSION {
                return Err(reader.malformed("unknown version of marks"));
            }
            let packs = ids(reader)?.iter().map(|id| PackId::from_bytes(*id)).collect();
            let runs = ids(reader)?.iter().map(|id| IndexId::from_bytes(*id)).collect();
            Ok(Self { packs, runs, bytes: reader.uint()? })
        })?;
        reader.finish()?;
        Ok(mark)
    }
}

fn ids<'a>(reader: &mut Reader<'a>) -> Result<&'a [[u8; 32]], Malformed> {
    let (ids, rest) = reader.bytes()?.as_chunks();
    if rest.is_empty() { Ok(ids) } else { Err(reader.malformed("half an id")) }
}

/// What was seen of one mark.
#[derive(Debug, Clone, Default)]
pub(crate) struct SeenMark {
    /// What it names, whether or not that is there.
    pub(crate) mark: Mark,
    /// When it was put; `None` when it was not listed.
    pub(crate) put: Option<SystemTime>,
    /// When it was settled.
    pub(crate) settled: Option<SystemTime>,
    /// When its sweep is said to have ended.
    pub(crate) swept: Option<SystemTime>,
}

impl SeenMark {
    /// Since when its grace runs: it was put, and it was settled. Whoever may only append could have put either first.
    pub(crate) fn settled_since(&self) -> Option<SystemTime> {
        self.put.zip(self.settled).map(|(put, settled)| put.max(settled))
    }
}

/// The marks that somebody has seen.
#[derive(Debug, Clone, Default)]
pub(crate) struct Marks {
    seen: BTreeMap<MarkId, SeenMark>,
}

impl Marks {
    /// Notes an object of a mark.
    pub(crate) fn note(&mut self, id: MarkId, name: &str, modified: SystemTime) {
        let time: fn(&mut SeenMark) -> &mut Option<SystemTime> = match name {
            MARK => |seen| &mut seen.put,
            SETTLED => |seen| &mut seen.settled,
            SWEPT => |seen| &mut seen.swept,
            _ => return,
        };
        *time(self.seen.entry(id).or_default()) = Some(modified);
    }

    /// What was seen of each.
    pub(crate) fn seen(&self) -> impl Iterator<Item = (&MarkId, &SeenMark)> {
        self.seen.iter()
    }

    /// What was seen of each.
    pub(crate) fn seen_mut(&mut self) -> impl Iterator<Item = (&MarkId, &mut SeenMark)> {
        self.seen.iter_mut()
    }

    /// The marks that were put. Of one of which only the other objects are there nobody knows what it will name: once it is put it is new.
    pub(crate) fn ids(&self) -> BTreeSet<MarkId> {
        let put = self.seen.iter().filter(|(_, seen)| seen.put.is_some());
        put.map(|(id, _)| *id).collect()
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.seen.is_empty()
    }

    /// Everything that they name. What is swept is named as well: that it is gone is only said, and who counted on it could see it go.
    pub(crate) fn named(&self) -> Named {
        Named::by(self.seen.values())
    }

    /// What those name that are not swept.
    pub(crate) fn waiting(&self) -> Named {
        Named::by(self.seen.values().filter(|seen| seen.swept.is_none()))
    }

    /// What those name that were settled: nobody needs it any more.
    pub(crate) fn settled(&self) -> Named {
        self.settled_before(|_| true)
    }

    /// What those name that were settled at a time of which this holds.
    pub(crate) fn settled_before(&self, is_before: impl Fn(SystemTime) -> bool) -> Named {
        let settled =
            self.seen.values().filter(|seen| seen.settled_since().is_some_and(&is_before));
        Named::by(settled)
    }
}

/// What goes, by the marks that were seen.
#[derive(Debug, Clone, Default)]
pub(crate) struct Named {
    pub(crate) packs: HashSet<PackId>,
    pub(crate) runs: HashSet<IndexId>,
}

impl Named {
    fn by<'a>(marks: impl Iterator<Item = &'a SeenMark>) -> Self {
        let mut named = Self::default();
        for SeenMark { mark, .. } in marks {
            named.packs.extend(&mark.packs);
            named.runs.extend(&mark.runs);
        }
        named
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_mark_reads_as_it_was_written(
            packs: Vec<[u8; 32]>,
            runs: Vec<[u8; 32]>,
            size: u64,
            at: prop::sample::Index,
            flip in 1_u8..,
        ) {
            let mark = Mark {
                packs: packs.into_iter().map(PackId::from_bytes).collect(),
                runs: runs.into_iter().map(IndexId::from_bytes).collect(),
                bytes: size,
            };
            let mut bytes = mark.encode();
            prop_assert_eq!(Mark::decode(&bytes), Ok(mark));
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
            prop_assert!(Mark::decode(&bytes).is_err());
        }

        #[test]
        fn reading_is_total(bytes: Vec<u8>) {
            let _ = Mark::decode(&bytes);
            let mut signed = [&MAGIC[..], &bytes].concat();
            signed.extend_from_slice(blake3::hash(&signed).as_bytes());
            let _ = Mark::decode(&signed);
        }
    }
}
