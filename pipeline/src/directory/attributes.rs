//! *Does*: encodes what a segment is beside its bytes, and the modes of a table's directories.
//!
//! # Attributes of a segment
//! A CBOR array, trailing nulls left out; 14 bytes for a usual file:
//!
//! | position | what                                                                          |
//! |----------|-------------------------------------------------------------------------------|
//! | 0        | `st_mode`: the type (regular file, symbolic link, directory) and permissions  |
//! | 1, 2     | modification time: seconds since 1970, nanoseconds; null for a directory      |
//! | 3        | byte string: target of a symbolic link                                        |
//! | 4        | array of user and group, only with a set-user-ID or set-group-ID bit          |
//!
//! No bytes at all mean a regular file of mode 644 whose modification time does not matter.
//!
//! # Definition of a table
//! A CBOR array, trailing nulls left out; one byte when every directory has mode 755:
//!
//! | position | what                                                                          |
//! |----------|-------------------------------------------------------------------------------|
//! | 0        | permissions of the database's directory; null for 755                         |
//! | 1        | permissions of the table's directory; null for 755                            |
//! | 2        | array of [partition, tablet, permissions] of the others that are not 755; tablet "" for a partition's directory |
//!
//! *Invariants*: decoding is total; bytes from a store never cause a panic or a large allocation.

use cairn_actors::tablet::TabletError;
use minicbor::bytes::ByteSlice;
use minicbor::{Decode, Encode};
use rustix::fs::FileType;

use super::failure::invalid;
use super::stamp::Moment;

/// Permissions of a directory that are not worth recording.
pub(super) const USUAL_DIRECTORY: u32 = 0o755;
/// Permissions of a file without attributes.
const USUAL_FILE: u32 = 0o644;
/// The bits that let a file act as its owner or group.
pub(super) const SET_ID: u32 = 0o6000;
/// The longest target that Linux accepts.
const MAX_TARGET_BYTES: usize = 4095;

#[derive(Encode, Decode)]
#[cbor(array)]
struct Encoded<'a> {
    #[n(0)]
    mode: u32,
    #[n(1)]
    secs: Option<i64>,
    #[n(2)]
    nanos: Option<u32>,
    #[b(3)]
    target: Option<&'a ByteSlice>,
    #[n(4)]
    owner: Option<(u32, u32)>,
}

/// What a segment is beside its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Attributes<'a> {
    /// A regular file.
    File {
        /// Permissions with the set-ID and sticky bits.
        permissions: u32,
        /// Modification time.
        mtime: Option<Moment>,
        /// User and group, where a set-ID bit makes them matter.
        owner: Option<(u32, u32)>,
    },
    /// A symbolic link.
    Link {
        /// Where it points.
        target: &'a [u8],
        /// Modification time of the link itself.
        mtime: Option<Moment>,
    },
    /// A directory below a tablet.
    Directory {
        /// Permissions with the set-ID and sticky bits.
        permissions: u32,
    },
}

impl<'a> Attributes<'a> {
    /// Their bytes.
    pub(super) fn encode(&self) -> Box<[u8]> {
        let (file_type, permissions, mtime) = match self {
            Self::File { permissions, mtime, .. } => (FileType::RegularFile, *permissions, *mtime),
            Self::Link { mtime, .. } => (FileType::Symlink, 0o777, *mtime),
            Self::Directory { permissions } => (FileType::Directory, *permissions, None),
        };
        let encoded = Encoded {
            mode: file_type.as_raw_mode() | permissions,
            secs: mtime.map(|moment| moment.secs),
            nanos: mtime.map(|moment| moment.nanos),
            target: match self {
                Self::Link { target, .. } => Some((*target).into()),
                _ => None,
            },
            owner: match self {
                Self::File { owner, .. } => *owner,
                _ => None,
            },
        };
        encode_whole(&encoded).into()
    }

    /// What the bytes say; `what` names the segment in the error.
    pub(super) fn decode(bytes: &'a [u8], what: &str) -> Result<Self, TabletError> {
        if bytes.is_empty() {
            return Ok(Self::File { permissions: USUAL_FILE, mtime: None, owner: None });
        }
        let encoded: Encoded<'a> = decode_whole(bytes)
            .ok_or_else(|| invalid(what, "attributes that cannot be decoded"))?;
        Self::from_encoded(&encoded).map_err(|problem| invalid(what, problem))
    }

    fn from_encoded(encoded: &Encoded<'a>) -> Result<Self, &'static str> {
        let permissions = encoded.mode & 0o7777;
        if encoded.mode > 0o177_777 {
            return Err("attributes with an impossible mode");
        }
        let mtime = match (encoded.secs, encoded.nanos) {
            (Some(secs), Some(nanos)) if nanos < 1_000_000_000 => Some(Moment { secs, nanos }),
            (None, None) => None,
            _ => return Err("attributes with an impossible time"),
        };
        match FileType::from_raw_mode(encoded.mode) {
            FileType::RegularFile => Ok(Self::File { permissions, mtime, owner: encoded.owner }),
            FileType::Directory => Ok(Self::Directory { permissions }),
            FileType::Symlink => match encoded.target.map(|target| target as &[u8]) {
                Some(target) if is_target(target) => Ok(Self::Link { target, mtime }),
                _ => Err("attributes with an impossible link target"),
            },
            _ => Err("attributes of something that is neither file, link nor directory"),
        }
    }
}

fn is_target(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.len() <= MAX_TARGET_BYTES && !bytes.contains(&0)
}

/// The modes of a table's directories.
#[derive(Debug, Clone, PartialEq, Eq, Default, Encode, Decode)]
#[cbor(array)]
pub(super) struct Definition {
    /// Permissions of the database's directory unless they are usual.
    #[n(0)]
    pub(super) database: Option<u32>,
    /// Permissions of the table's directory unless they are usual.
    #[n(1)]
    pub(super) table: Option<u32>,
    /// Partition, tablet and permissions of the others that are not usual.
    #[n(2)]
    pub(super) nested: Option<Vec<(String, String, u32)>>,
}

impl Definition {
    /// Its bytes.
    pub(super) fn encode(&self) -> Vec<u8> {
        encode_whole(self)
    }

    /// What the bytes say; no bytes mean usual modes. `what` names the table in the error.
    pub(super) fn decode(bytes: &[u8], what: &str) -> Result<Self, TabletError> {
        if bytes.is_empty() {
            return Ok(Self::default());
        }
        let definition: Self = decode_whole(bytes)
            .ok_or_else(|| invalid(what, "a definition that cannot be decoded"))?;
        let is_possible = definition.permissions().all(|mode| mode <= 0o7777);
        match is_possible {
            true => Ok(definition),
            false => Err(invalid(what, "a definition with an impossible mode")),
        }
    }

    /// Records the mode of a partition's or tablet's directory.
    pub(super) fn add(&mut self, partition: &str, tablet: &str, permissions: u32) {
        if permissions != USUAL_DIRECTORY {
            let entry = (partition.to_owned(), tablet.to_owned(), permissions);
            self.nested.get_or_insert_default().push(entry);
        }
    }

    fn permissions(&self) -> impl Iterator<Item = u32> {
        let nested = self.nested.iter().flatten().map(|(_, _, mode)| *mode);
        self.database.into_iter().chain(self.table).chain(nested)
    }
}

/// What is recorded of a directory's permissions: nothing when they are usual.
pub(super) fn unusual(permissions: u32) -> Option<u32> {
    (permissions != USUAL_DIRECTORY).then_some(permissions)
}

/// The bytes of a value. A vector accepts every write, so there is no failure to report.
pub(super) fn encode_whole<T: Encode<()>>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(16);
    minicbor::encode(value, &mut bytes).map_or_else(|_| Vec::new(), |()| bytes)
}

/// Decodes bytes of which none may be left over.
pub(super) fn decode_whole<'b, T: Decode<'b, ()>>(bytes: &'b [u8]) -> Option<T> {
    let mut decoder = minicbor::Decoder::new(bytes);
    let value = decoder.decode().ok()?;
    (decoder.position() == bytes.len()).then_some(value)
}

#[cfg(test)]
mod tests {
    use cairn_actors::tablet::TabletErrorKind;
    use proptest::prelude::*;

    use super::*;

    const MTIME: Option<Moment> = Some(Moment { secs: 1_763_862_000, nanos: 123_456_789 });

    #[test]
    fn usual_file_takes_14_bytes() {
        let file = Attributes::File { permissions: 0o644, mtime: MTIME, owner: None };
        let bytes = file.encode();
        assert_eq!(bytes.len(), 14);
        assert_eq!(Attributes::decode(&bytes, "f").unwrap(), file);
    }

    #[test]
    fn links_directories_and_owners_round_trip() {
        for attributes in [
            Attributes::Link { target: b"../\xff target", mtime: MTIME },
            Attributes::Directory { permissions: 0o2750 },
            Attributes::File { permissions: 0o4755, mtime: MTIME, owner: Some((0, 1000)) },
        ] {
            assert_eq!(Attributes::decode(&attributes.encode(), "x").unwrap(), attributes);
        }
        assert_eq!(Attributes::Directory { permissions: 0o755 }.encode().len(), 4);
    }

    #[test]
    fn no_attributes_mean_a_usual_file() {
        let expected = Attributes::File { permissions: 0o644, mtime: None, owner: None };
        assert_eq!(Attributes::decode(b"", "x").unwrap(), expected);
    }

    #[test]
    fn impossible_attributes_are_invalid_and_named() {
        let encode = |mode, nanos, target: Option<&[u8]>| {
            let target = target.map(Into::into);
            let encoded = Encoded { mode, secs: Some(1), nanos, target, owner: None };
            minicbor::to_vec(encoded).unwrap()
        };
        for bytes in [
            encode(0o1_100_644, Some(0), None),
            encode(0o010_644, Some(0), None),
            encode(0o100_644, Some(1_000_000_000), None),
            encode(0o100_644, None, None),
            encode(0o120_777, Some(0), None),
            encode(0o120_777, Some(0), Some(b"")),
            encode(0o120_777, Some(0), Some(b"a\0b")),
            encode(0o120_777, Some(0), Some(&[b'a'; 4096])),
            [encode(0o100_644, Some(0), None), vec![0]].concat(),
            vec![0xff],
        ] {
            let error = Attributes::decode(&bytes, "db/t/x").unwrap_err();
            assert_eq!(error.kind(), TabletErrorKind::Invalid);
            assert_eq!(error.what(), "db/t/x");
        }
    }

    #[test]
    fn usual_definition_takes_one_byte() {
        let definition = Definition::default();
        assert_eq!(definition.encode(), [0x80]);
        assert_eq!(Definition::decode(&[0x80], "t").unwrap(), definition);
        assert_eq!(Definition::decode(&[], "t").unwrap(), definition);
    }

    #[test]
    fn definition_round_trips_and_refuses_impossible_modes() {
        let mut definition = Definition { database: Some(0o700), ..Definition::default() };
        definition.add("p", "", 0o755);
        definition.add("p", "t", 0o1777);
        assert_eq!(definition.nested.as_ref().unwrap().len(), 1);
        assert_eq!(Definition::decode(&definition.encode(), "t").unwrap(), definition);
        definition.table = Some(0o10_000);
        let error = Definition::decode(&definition.encode(), "db.t").unwrap_err();
        assert_eq!((error.kind(), error.what()), (TabletErrorKind::Invalid, "db.t"));
    }

    proptest! {
        #[test]
        fn decoding_is_total(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = Attributes::decode(&bytes, "x");
            let _ = Definition::decode(&bytes, "x");
        }
    }
}
