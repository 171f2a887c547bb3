//! [`RecordCopy`]: what a record and the config say, once more, in a pack. Pure.
//!
//! A repository of which only packs are left is recovered from these (`DESIGN.md`, section 13). The copy of a record follows
//! from the record and the config, so that whoever has both knows its chunk id.

use crate::cbor::{Reader, Writer};
use crate::chunking::ChunkingParams;
use crate::config::{RepositoryConfig, RepositorySettings};
use crate::record::{Record, RecordStats};
use crate::{ChunkId, Malformed, RepositoryId, Timestamp, hashed};

const MAGIC: [u8; 8] = *b"CAIRNRC1";
const FORMAT_VERSION: u64 = 1;

/// A record without its figures, and which repository it is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordCopy {
    /// The record; its figures were not known yet.
    pub record: Record,
    /// The repository.
    pub id: RepositoryId,
    /// When that was created.
    pub created: Timestamp,
    /// What it was created with.
    pub settings: RepositorySettings,
}

impl RecordCopy {
    /// The copy of a record of the repository with this config.
    pub fn of(config: &RepositoryConfig, record: &Record) -> Self {
        let RepositoryConfig { id, created, chunking, compression, pack_bytes, .. } = *config;
        Self {
            record: Record { stats: RecordStats::default(), ..record.clone() },
            id,
            created,
            settings: RepositorySettings { chunking, compression, pack_bytes },
        }
    }

    /// The plaintext of the chunk.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.array(9).uint(FORMAT_VERSION).bytes(&self.record.encode());
        writer.bytes(self.id.as_bytes()).text(&self.created.to_string());
        let RepositorySettings { chunking, compression, pack_bytes } = &self.settings;
        for size in [chunking.min(), chunking.avg(), chunking.max()] {
            writer.uint(size.into());
        }
        writer.text(&compression.to_string()).uint((*pack_bytes).into());
        hashed::encode(&MAGIC, writer)
    }

    /// The copy of these bytes, which its own hash proves to be whole.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(hashed::content(&MAGIC, bytes)?);
        let copy = reader.tuple(9, |reader| {
            if reader.uint()? != FORMAT_VERSION {
                return Err(reader.malformed("unknown version of copies of records"));
            }
            let record = Record::decode(reader.bytes()?)?;
            let id = reader.bytes()?.try_into();
            let id = id.map_err(|_| reader.malformed("a repository id of another length"))?;
            let created = reader.text()?.parse();
            let created = created.map_err(|_| reader.malformed("not a timestamp"))?;
            let settings = decode_settings(reader)?;
            Ok(Self { record, id: RepositoryId::from_bytes(id), created, settings })
        })?;
        reader.finish()?;
        RepositoryConfig::new(copy.id, copy.created, &copy.settings)
            .map_err(|_| Malformed::new("settings that no repository has"))?;
        Ok(copy)
    }
}

fn decode_settings(reader: &mut Reader<'_>) -> Result<RepositorySettings, Malformed> {
    let [min, avg, max] = [size(reader)?, size(reader)?, size(reader)?];
    let chunking = ChunkingParams::new(min, avg, max)
        .map_err(|_| reader.malformed("chunk sizes that no chunker works with"))?;
    let compression = reader.text()?.parse();
    let compression = compression.map_err(|_| reader.malformed("unknown compression"))?;
    Ok(RepositorySettings { chunking, compression, pack_bytes: size(reader)? })
}

fn size(reader: &mut Reader<'_>) -> Result<u32, Malformed> {
    let size = reader.uint()?;
    u32::try_from(size).map_err(|_| reader.malformed("a size of more than 32 bits"))
}

impl crate::Repository {
    /// The copy of a record of this repository.
    pub fn record_copy(&self, record: &Record) -> Vec<u8> {
        RecordCopy::of(self.config(), record).encode()
    }

    /// The chunk that the copy of a record is.
    pub(crate) fn record_copy_id(&self, record: &Record) -> ChunkId {
        self.sealer().chunk_id(&self.record_copy(record))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::config::Compression;
    use crate::manifest::DocumentRef;

    fn copy(origin: &str) -> RecordCopy {
        let record = Record {
            label: "nightly".parse().unwrap(),
            timestamp: Timestamp::from_unix_millis(7),
            origin: origin.to_owned(),
            host: "host".to_owned(),
            root: DocumentRef::of(b"root"),
            stats: RecordStats { objects: 3, ..RecordStats::default() },
            ttl: None,
            databases: vec!["shop".to_owned()],
        };
        let settings =
            RepositorySettings { compression: Compression::Off, ..RepositorySettings::default() };
        let created = Timestamp::from_unix_millis(5);
        let id = RepositoryId::from_bytes([0xab; 16]);
        RecordCopy::of(&RepositoryConfig::new(id, created, &settings).unwrap(), &record)
    }

    #[test]
    fn figures_are_left_out_so_that_the_copy_follows_from_what_is_known_before_the_last_writes() {
        assert_eq!(copy("o").record.stats, RecordStats::default());
    }

    #[test]
    fn the_bytes_are_those_of_the_design() {
        let copy = copy("o");
        let mut expected = b"CAIRNRC1\x89\x01\x58".to_vec();
        let record = copy.record.encode();
        expected.push(u8::try_from(record.len()).unwrap());
        expected.extend(&record);
        expected.push(0x50);
        expected.extend([0xab; 16]);
        expected.extend(b"\x771970-01-01-00-00-00-005");
        expected.extend(b"\x1a\x00\x08\x00\x00\x1a\x00\x08\x00\x00\x1a\x00\x20\x00\x00");
        expected.extend(b"\x63off\x1a\x01\x00\x00\x00");
        let bytes = copy.encode();
        assert_eq!(bytes[..bytes.len() - 32], expected);
        assert_eq!(bytes[bytes.len() - 32..], *blake3::hash(&expected).as_bytes());
    }

    proptest! {
        #[test]
        fn a_copy_reads_as_it_was_written_and_any_change_is_noticed(
            origin in ".{0,20}",
            at: prop::sample::Index,
            flip in 1_u8..,
        ) {
            let copy = copy(&origin);
            let mut bytes = copy.encode();
            prop_assert_eq!(RecordCopy::decode(&bytes), Ok(copy));
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
            prop_assert!(RecordCopy::decode(&bytes).is_err());
        }

        #[test]
        fn reading_is_total(bytes: Vec<u8>) {
            let _ = RecordCopy::decode(&bytes);
            let mut signed = [&MAGIC[..], &bytes].concat();
            signed.extend_from_slice(blake3::hash(&signed).as_bytes());
            let _ = RecordCopy::decode(&signed);
        }
    }
}
