//! The key ring: the object that keeps the data keys, sealed with what follows from the master key.

use cairn_storage::ObjectPath;
use zeroize::Zeroizing;

use super::keys::{DataKey, Keys, MAX_DATA_KEYS};
use super::kind::ObjectKind;
use crate::Malformed;
use crate::bounded::refuse_longer;
use crate::cbor::{Reader, Writer};

/// Longest ring: with so many, sealed. What is decided between writers is not longer than a record.
pub(crate) const MAX_RING_BYTES: u64 = 1 << 20;

const RING_VERSION: u64 = 1;

impl Keys {
    /// The same with the data keys of another ring.
    pub(crate) fn with_ring(&self, path: &ObjectPath, sealed: &[u8]) -> Result<Self, Malformed> {
        refuse_longer(sealed, MAX_RING_BYTES)?;
        // What follows from the master key opens it, and no data key.
        let master = self.with_data_keys(Vec::new());
        let ring = Zeroizing::new(master.open(ObjectKind::Ring, path, sealed)?);
        Ok(self.with_data_keys(decode(&ring)?))
    }

    /// The object that keeps the data keys.
    pub(crate) fn seal_ring(&self, path: &ObjectPath) -> Vec<u8> {
        let ring = encode(self.data_keys());
        self.seal_as(ObjectKind::Ring, path, 0, &ring)
    }
}

fn encode(data: &[DataKey]) -> Zeroizing<Vec<u8>> {
    let mut writer = Writer::new();
    writer.array(2).uint(RING_VERSION).array(data.len());
    for data in data {
        writer.array(2).uint(data.created_ms).bytes(data.key.as_slice());
    }
    Zeroizing::new(writer.finish())
}

fn decode(bytes: &[u8]) -> Result<Vec<DataKey>, Malformed> {
    let mut reader = Reader::new(bytes);
    let data = reader.tuple(2, |reader| {
        if reader.uint()? != RING_VERSION {
            return Err(reader.malformed("unknown version of key rings"));
        }
        reader.list(|reader| {
            reader.tuple(2, |reader| {
                let created_ms = reader.uint()?;
                let key = reader.bytes()?.try_into();
                let key = key.map_err(|_| reader.malformed("not the length of a key"))?;
                Ok(DataKey::new(created_ms, Zeroizing::new(key)))
            })
        })
    })?;
    reader.finish()?;
    match data.len() {
        1..=MAX_DATA_KEYS => Ok(data),
        _ => Err(Malformed::new("a key ring with no key, or too many")),
    }
}
