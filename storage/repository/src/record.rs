//! Records: the objects that make snapshots exist.

use std::collections::BTreeSet;

use crate::cbor::{Reader, Writer};
use crate::manifest::{DocumentRef, decode_document_ref, encode_document_ref};
use crate::period::Period;
use crate::{Label, Malformed, Timestamp, hashed};

/// Longest record in bytes; a listing that shows a longer one shows damage.
pub const MAX_RECORD_BYTES: u64 = 1 << 20;

const MAGIC: [u8; 8] = *b"CAIRNSS1";
const FORMAT_VERSION: u64 = 1;
/// Names of databases beyond that are not listed: a record stays short.
const MAX_DATABASES_BYTES: usize = 64 << 10;

/// A snapshot: who took it, of what and when, and the root of what it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The user's name for it.
    pub label: Label,
    /// When it was taken.
    pub timestamp: Timestamp,
    /// Where the tablets came from. Identities of segments compare only within one origin.
    pub origin: String,
    /// The machine that took it.
    pub host: String,
    /// Its [`crate::manifest::Root`].
    pub root: DocumentRef,
    /// How big it is and what it cost.
    pub stats: RecordStats,
    /// How long it is to be kept; none is for ever.
    pub ttl: Option<Period>,
    /// Its databases, ascending ([`Record::databases_of`]).
    pub databases: Vec<String>,
}

/// Sizes of a snapshot and of the backup that took it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RecordStats {
    /// Catalog objects in it.
    pub objects: u64,
    /// Partitions in it.
    pub partitions: u64,
    /// Tablets in it.
    pub tablets: u64,
    /// Segments in it.
    pub segments: u64,
    /// Bytes of its segments.
    pub raw_bytes: u64,
    /// Bytes of segments that were read to take it; the others were known to be unchanged.
    pub read_bytes: u64,
    /// Chunks that the repository did not have.
    pub new_chunks: u64,
    /// Bytes of their plaintext.
    pub new_raw_bytes: u64,
    /// Bytes that were put for it.
    pub stored_bytes: u64,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
}

/// Numbers of [`RecordStats`] in the format.
const NUM_STATS: usize = 10;

impl RecordStats {
    fn to_numbers(self) -> [u64; NUM_STATS] {
        [
            self.objects,
            self.partitions,
            self.tablets,
            self.segments,
            self.raw_bytes,
            self.read_bytes,
            self.new_chunks,
            self.new_raw_bytes,
            self.stored_bytes,
            self.duration_ms,
        ]
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            objects: reader.uint()?,
            partitions: reader.uint()?,
            tablets: reader.uint()?,
            segments: reader.uint()?,
            raw_bytes: reader.uint()?,
            read_bytes: reader.uint()?,
            new_chunks: reader.uint()?,
            new_raw_bytes: reader.uint()?,
            stored_bytes: reader.uint()?,
            duration_ms: reader.uint()?,
        })
    }
}

impl Record {
    /// The bytes of the object.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        let has_retention = self.ttl.is_some() || !self.databases.is_empty();
        writer
            .array(if has_retention { 9 } else { 8 })
            .uint(FORMAT_VERSION)
            .text(self.label.as_str());
        writer.text(&self.timestamp.to_string()).uint(self.timestamp.as_unix_millis());
        writer.text(&self.origin).text(&self.host);
        encode_document_ref(&mut writer, &self.root);
        writer.array(NUM_STATS);
        for number in self.stats.to_numbers() {
            writer.uint(number);
        }
        if has_retention {
            let ttl = self.ttl.map_or((0, 0), |ttl| (ttl.months(), ttl.millis()));
            writer.array(3).uint(ttl.0.into()).uint(ttl.1).array(self.databases.len());
            for name in &self.databases {
                writer.text(name);
            }
        }
        hashed::encode(&MAGIC, writer)
    }

    /// The record of these bytes, which its own hash proves to be whole.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        if bytes.len() as u64 > MAX_RECORD_BYTES {
            return Err(Malformed::new("a record of more than 1 MiB"));
        }
        let mut reader = Reader::new(hashed::content(&MAGIC, bytes)?);
        let record = reader.growing_tuple(8, 9, Self::decode_fields)?;
        reader.finish()?;
        Ok(record)
    }

    fn decode_fields(reader: &mut Reader<'_>, length: u64) -> Result<Self, Malformed> {
        if reader.uint()? != FORMAT_VERSION {
            return Err(reader.malformed("unknown version of records"));
        }
        let label = reader.text()?.parse().map_err(|_| reader.malformed("not a label"))?;
        let timestamp: Timestamp =
            reader.text()?.parse().map_err(|_| reader.malformed("not a timestamp"))?;
        if reader.uint()? != timestamp.as_unix_millis() {
            return Err(reader.malformed("two different timestamps"));
        }
        let (origin, host) = (reader.text()?.to_owned(), reader.text()?.to_owned());
        let root = decode_document_ref(reader)?;
        let stats = reader.tuple(NUM_STATS as u64, RecordStats::decode)?;
        let (ttl, databases) = match length {
            9 => reader.tuple(3, decode_retention)?,
            _ => (None, Vec::new()),
        };
        Ok(Self { label, timestamp, origin, host, root, stats, ttl, databases })
    }

    /// The names of databases as a record lists them: ascending, each once; none at all when they are too long for it.
    pub fn databases_of<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
        let names: BTreeSet<&str> = names.into_iter().collect();
        let bytes: usize = names.iter().map(|name| name.len()).sum();
        match bytes + names.len() > MAX_DATABASES_BYTES {
            true => Vec::new(),
            false => names.into_iter().map(str::to_owned).collect(),
        }
    }
}

fn decode_retention(reader: &mut Reader<'_>) -> Result<(Option<Period>, Vec<String>), Malformed> {
    let months = reader.uint()?;
    let months = u32::try_from(months).map_err(|_| reader.malformed("a ttl of too many months"))?;
    let ttl = Period::new(months, reader.uint()?);
    let databases = reader.list(|reader| Ok(reader.text()?.to_owned()))?;
    match databases.is_sorted_by(|a, b| a < b) {
        true => Ok((ttl, databases)),
        false => Err(reader.malformed("databases out of order")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn record(origin: &str, millis: u64, number: u64) -> Record {
        Record {
            label: "nightly".parse().unwrap(),
            timestamp: Timestamp::from_unix_millis(millis),
            origin: origin.to_owned(),
            host: "host".to_owned(),
            root: DocumentRef::of(b"root"),
            stats: RecordStats { objects: number, duration_ms: 7, ..RecordStats::default() },
            ttl: None,
            databases: Vec::new(),
        }
    }

    /// The same with everything that retention wants to know.
    fn kept(mut record: Record) -> Record {
        record.ttl = Period::new(1, 2);
        record.databases = vec!["a".to_owned(), "b".to_owned()];
        record
    }

    /// A record whose CBOR was changed by someone who also made the hash fit.
    fn with_body(change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut bytes = record("origin", 1, 2).encode();
        bytes.truncate(bytes.len() - 32);
        change(&mut bytes);
        let hash = blake3::hash(&bytes);
        bytes.extend_from_slice(hash.as_bytes());
        bytes
    }

    #[test]
    fn the_bytes_are_those_of_the_design() {
        let bytes = record("o", 0, 3).encode();
        let mut expected = b"CAIRNSS1\x88\x01\x67nightly\x77".to_vec();
        expected.extend(b"1970-01-01-00-00-00-000\x00\x61o\x64host\x82\x04\x81\x58\x20");
        expected.extend(blake3::hash(b"root").as_bytes());
        expected.extend([0x8a, 3, 0, 0, 0, 0, 0, 0, 0, 0, 7]);
        assert_eq!(bytes[..bytes.len() - 32], expected);
        assert_eq!(bytes[bytes.len() - 32..], *blake3::hash(&expected).as_bytes());
    }

    #[test]
    fn what_retention_wants_to_know_stands_last() {
        let (plain, kept) = (record("o", 0, 3), kept(record("o", 0, 3)));
        let (short, long) = (plain.encode(), kept.encode());
        assert_eq!(long[8], 0x89);
        assert_eq!(long[9..short.len() - 32], short[9..short.len() - 32]);
        assert_eq!(long[short.len() - 32..long.len() - 32], *b"\x83\x01\x02\x82\x61a\x61b");
        assert_eq!(Record::decode(&long), Ok(kept));
    }

    #[test]
    fn databases_are_listed_in_order_or_not_at_all() {
        assert_eq!(Record::databases_of(["b", "a", "b", ""]), ["", "a", "b"]);
        let many: Vec<String> = (0..5000).map(|number| format!("database {number}")).collect();
        assert_eq!(Record::databases_of(many.iter().map(String::as_str)), [""; 0]);
    }

    #[test]
    fn each_finding_has_its_words() {
        let what = |bytes: &[u8]| Record::decode(bytes).unwrap_err().what();
        assert_eq!(what(b""), "no room for its hash");
        assert_eq!(what(&[0; 100]), "another magic at its start");
        assert_eq!(what(&with_body(|body| body[9] = 2)), "unknown version of records");
        assert_eq!(what(&with_body(|body| body[11] = b'/')), "not a label");
        assert_eq!(what(&with_body(|body| body[23] = b'/')), "not a timestamp");
        assert_eq!(what(&with_body(|body| body[22] = b'6')), "two different timestamps");
        assert_eq!(what(&with_body(|body| body.push(0))), "bytes behind the end");
        assert_eq!(what(&with_body(|body| body[8] = 0x87)), "an array is too short");
        let behind = |more: &[u8]| {
            what(&with_body(|body| {
                body[8] = 0x89;
                body.extend(more);
            }))
        };
        assert_eq!(behind(b"\x83\x00\x00\x82\x61b\x61a"), "databases out of order");
        assert_eq!(behind(b"\x83\x1b\x01\0\0\0\0\0\0\0\0\x80"), "a ttl of too many months");
        assert_eq!(behind(b"\x82\x00\x00"), "an array is too short");
    }

    proptest! {
        #[test]
        fn round_trips(origin in ".{0,20}", millis: u64, number: u64) {
            let record = record(&origin, millis, number);
            let kept = kept(record.clone());
            prop_assert_eq!(Record::decode(&kept.encode()), Ok(kept));
            prop_assert_eq!(Record::decode(&record.encode()), Ok(record));
        }

        #[test]
        fn any_change_is_noticed(at: prop::sample::Index, flip in 1_u8..) {
            let mut bytes = record("origin", 1, 2).encode();
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
            prop_assert!(Record::decode(&bytes).is_err());
            prop_assert!(Record::decode(&bytes[..at]).is_err());
        }

        #[test]
        fn decoding_is_total(bytes: Vec<u8>, at: prop::sample::Index, with: u8) {
            let _ = Record::decode(&bytes);
            let _ = Record::decode(&with_body(|body| {
                let at = at.index(body.len());
                body[at] = with;
            }));
            let _ = Record::decode(&with_body(|body| {
                body.truncate(MAGIC.len());
                body.extend(bytes);
            }));
        }
    }
}
