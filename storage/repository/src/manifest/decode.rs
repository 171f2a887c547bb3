//! CBOR to manifests. Total: no input panics, recurses or allocates more than a few times its length.

use super::{
    ChunkList, Database, Document, DocumentRef, MAX_DOCUMENT_BYTES, Object, ObjectList, Partition,
    Root, Segment, Tablet, TabletList, can_have_length, encode, is_strictly_ascending,
};
use crate::Malformed;
use crate::cbor::Reader;

impl Document for Root {
    fn encode(&self) -> Vec<u8> {
        encode::root(self)
    }

    fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let databases = only_list(bytes, database)?;
        ordered(is_strictly_ascending(&databases, |database| &database.name))?;
        Ok(Self { databases })
    }
}

impl Document for ObjectList {
    fn encode(&self) -> Vec<u8> {
        encode::object_list(self)
    }

    fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let objects = only_list(bytes, object)?;
        ordered(is_strictly_ascending(&objects, |object| (&object.kind, &object.name)))?;
        Ok(Self { objects })
    }
}

impl Document for TabletList {
    fn encode(&self) -> Vec<u8> {
        encode::tablet_list(self)
    }

    fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let tablets = only_list(bytes, tablet)?;
        ordered(is_strictly_ascending(&tablets, |tablet| (&tablet.index, &tablet.name)))?;
        Ok(Self { tablets })
    }
}

/// The list that is the one known element of each document.
fn only_list<T>(
    bytes: &[u8],
    item: impl FnMut(&mut Reader<'_>) -> Result<T, Malformed>,
) -> Result<Vec<T>, Malformed> {
    if bytes.len() as u64 > MAX_DOCUMENT_BYTES {
        return Err(Malformed::new("a document of more than 1 GiB"));
    }
    let mut reader = Reader::new(bytes);
    let items = reader.tuple(1, |reader| reader.list(item))?;
    reader.finish()?;
    Ok(items)
}

fn ordered(is_ordered: bool) -> Result<(), Malformed> {
    is_ordered.then_some(()).ok_or(Malformed::new("a list is out of order"))
}

pub(crate) fn document_ref(reader: &mut Reader<'_>) -> Result<DocumentRef, Malformed> {
    let (len, chunks) =
        reader.tuple(2, |reader| Ok((reader.uint()?, reader.list(Reader::chunk_id)?)))?;
    let chunks = ChunkList::from(chunks);
    if len == 0 || len > MAX_DOCUMENT_BYTES || !can_have_length(&chunks, len) {
        return Err(reader.malformed("a reference whose chunks cannot have its length"));
    }
    Ok(DocumentRef { len, chunks })
}

fn database(reader: &mut Reader<'_>) -> Result<Database, Malformed> {
    reader.tuple(2, |reader| {
        Ok(Database { name: reader.text()?.to_owned(), objects: document_ref(reader)? })
    })
}

fn object(reader: &mut Reader<'_>) -> Result<Object, Malformed> {
    let object = reader.growing_tuple(6, 7, |reader, length| {
        Ok(Object {
            kind: reader.text()?.to_owned(),
            name: reader.text()?.to_owned(),
            depends_on: reader.list(|reader| reader.text().map(str::to_owned))?,
            fingerprint: reader.bytes()?.to_vec(),
            definition: reader.bytes()?.to_vec(),
            partitions: reader.list(partition)?,
            is_partial: length > 6 && reader.truth()?,
        })
    })?;
    ordered(is_strictly_ascending(&object.partitions, |partition| &partition.name))?;
    Ok(object)
}

fn partition(reader: &mut Reader<'_>) -> Result<Partition, Malformed> {
    reader.tuple(4, |reader| {
        Ok(Partition {
            name: reader.text()?.to_owned(),
            tablets: document_ref(reader)?,
            segments: reader.uint()?,
            bytes: reader.uint()?,
        })
    })
}

fn tablet(reader: &mut Reader<'_>) -> Result<Tablet, Malformed> {
    let tablet = reader.tuple(3, |reader| {
        Ok(Tablet {
            index: reader.text()?.to_owned(),
            name: reader.text()?.to_owned(),
            segments: reader.list(segment)?,
        })
    })?;
    ordered(is_strictly_ascending(&tablet.segments, |segment| &segment.name))?;
    Ok(tablet)
}

fn segment(reader: &mut Reader<'_>) -> Result<Segment, Malformed> {
    reader.tuple(5, |reader| {
        let segment = Segment {
            name: reader.text()?.to_owned(),
            len: reader.uint()?,
            identity: reader.bytes()?.to_vec(),
            attributes: reader.bytes()?.to_vec(),
            chunks: ChunkList::from_bytes(reader.bytes()?)
                .ok_or_else(|| reader.malformed("chunk ids of a broken length"))?,
        };
        if !can_have_length(&segment.chunks, segment.len) {
            return Err(reader.malformed("a segment whose chunks cannot have its length"));
        }
        Ok(segment)
    })
}
