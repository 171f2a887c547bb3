//! Manifests to CBOR.

use super::{
    Database, DocumentRef, Object, ObjectList, Partition, Root, Segment, Tablet, TabletList,
};
use crate::cbor::Writer;

pub(super) fn root(root: &Root) -> Vec<u8> {
    let mut writer = Writer::new();
    list(writer.array(1), &root.databases, database);
    writer.finish()
}

pub(super) fn object_list(list_of: &ObjectList) -> Vec<u8> {
    let mut writer = Writer::new();
    list(writer.array(1), &list_of.objects, object);
    writer.finish()
}

pub(super) fn tablet_list(list_of: &TabletList) -> Vec<u8> {
    let mut writer = Writer::new();
    list(writer.array(1), &list_of.tablets, tablet);
    writer.finish()
}

pub(crate) fn document_ref(writer: &mut Writer, reference: &DocumentRef) {
    writer.array(2).uint(reference.len).array(reference.chunks.len());
    for chunk in reference.chunks.iter() {
        writer.bytes(chunk.as_bytes());
    }
}

fn list<T>(writer: &mut Writer, items: &[T], item: impl Fn(&mut Writer, &T)) {
    writer.array(items.len());
    for each in items {
        item(writer, each);
    }
}

fn database(writer: &mut Writer, database: &Database) {
    writer.array(2).text(&database.name);
    document_ref(writer, &database.objects);
}

fn object(writer: &mut Writer, object: &Object) {
    writer.array(if object.is_partial { 7 } else { 6 }).text(&object.kind).text(&object.name);
    list(writer, &object.depends_on, |writer, name| {
        writer.text(name);
    });
    writer.bytes(&object.fingerprint).bytes(&object.definition);
    list(writer, &object.partitions, partition);
    if object.is_partial {
        writer.bool(true);
    }
}

fn partition(writer: &mut Writer, partition: &Partition) {
    writer.array(4).text(&partition.name);
    document_ref(writer, &partition.tablets);
    writer.uint(partition.segments).uint(partition.bytes);
}

fn tablet(writer: &mut Writer, tablet: &Tablet) {
    writer.array(3).text(&tablet.index).text(&tablet.name);
    list(writer, &tablet.segments, segment);
}

fn segment(writer: &mut Writer, segment: &Segment) {
    writer.array(5).text(&segment.name).uint(segment.len).bytes(&segment.identity);
    writer.bytes(&segment.attributes).bytes(segment.chunks.as_bytes());
}
