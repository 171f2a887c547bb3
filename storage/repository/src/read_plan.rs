//! Which ranges of which packs to read for a set of chunks.

use bytes::Bytes;

use crate::pack::ChunkLocation;
use crate::{ChunkId, PackId};

/// One ranged read of a pack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadSpan {
    /// The pack.
    pub pack: PackId,
    /// First byte.
    pub offset: u32,
    /// Number of bytes.
    pub length: u32,
    /// The chunks that the read is for, in the order given, each with the number it was given with.
    pub chunks: Vec<(usize, ChunkId, ChunkLocation)>,
}

impl ReadSpan {
    /// The stored form of one of its chunks in the bytes of the span, not copied. `None` when the chunk is
    /// not one of this span.
    pub fn stored(&self, span: &Bytes, location: &ChunkLocation) -> Option<Bytes> {
        let start = location.offset.checked_sub(self.offset)? as usize;
        let end = start.checked_add(location.stored_len as usize)?;
        let is_inside = location.pack == self.pack && end <= span.len();
        is_inside.then(|| span.slice(start..end))
    }
}

/// Plans the reads for `wanted` chunks, each a number that the caller understands, an id and a place.
///
/// Chunks of one pack that lie at most `max_gap` bytes apart share a span, as long as it has at most
/// `max_span` bytes; a longer chunk has a span alone. No byte is in two spans. Spans come in the order in which
/// their first chunk was given, so that what is needed first is read first. A chunk that is wanted twice
/// is read once and listed twice. Memory: proportional to `wanted`, so callers bound it by asking in
/// batches.
pub fn coalesce(
    wanted: impl IntoIterator<Item = (usize, ChunkId, ChunkLocation)>,
    max_gap: u32,
    max_span: u32,
) -> Vec<ReadSpan> {
    let wanted: Vec<_> = wanted.into_iter().collect();
    let mut by_place: Vec<usize> = (0..wanted.len()).collect();
    let place =
        |&order: &usize| wanted.get(order).map(|(_, _, location)| (location.pack, location.offset));
    by_place.sort_by_key(place);

    let mut spans: Vec<(Vec<usize>, ReadSpan)> = Vec::new();
    for order in by_place {
        let Some(&(_, _, location)) = wanted.get(order) else {
            continue;
        };
        let last = spans.last_mut();
        let grown = last.and_then(|(orders, span)| {
            span.length = length_over(span, &location, max_gap, max_span)?;
            Some(orders)
        });
        match grown {
            Some(orders) => orders.push(order),
            None => spans.push((vec![order], ReadSpan::around(&location))),
        }
    }
    for (orders, span) in &mut spans {
        orders.sort_unstable();
        span.chunks = orders.iter().filter_map(|&order| wanted.get(order).copied()).collect();
    }
    spans.sort_by_key(|(orders, _)| orders.first().copied());
    spans.into_iter().map(|(_, span)| span).collect()
}

impl ReadSpan {
    fn around(location: &ChunkLocation) -> Self {
        let ChunkLocation { pack, offset, stored_len, .. } = *location;
        Self { pack, offset, length: stored_len, chunks: Vec::new() }
    }
}

/// The length of `span` once it covers a chunk that starts in it or behind it; `None` when it may not.
fn length_over(
    span: &ReadSpan,
    location: &ChunkLocation,
    max_gap: u32,
    max_span: u32,
) -> Option<u32> {
    let start = u64::from(span.offset);
    let end = start + u64::from(span.length);
    let is_near = u64::from(location.offset) <= end + u64::from(max_gap);
    if location.pack != span.pack || !is_near {
        return None;
    }
    if location.end() <= end {
        return Some(span.length);
    }
    u32::try_from(location.end() - start).ok().filter(|&length| length <= max_span)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::codec::Codec;
    use crate::pack::ChunkKind;

    fn chunk(number: usize, pack: u8, offset: u32, length: u32) -> (usize, ChunkId, ChunkLocation) {
        let location = ChunkLocation {
            pack: PackId::from_bytes([pack; 32]),
            offset,
            stored_len: length,
            raw_len: length,
            codec: Codec::Raw,
            kind: ChunkKind::Segment,
        };
        let name = [&[pack][..], &offset.to_le_bytes()].concat();
        (number, ChunkId::of(&name), location)
    }

    fn outline(spans: &[ReadSpan]) -> Vec<(u8, u32, u32, Vec<usize>)> {
        let numbers = |span: &ReadSpan| span.chunks.iter().map(|chunk| chunk.0).collect();
        spans
            .iter()
            .map(|span| (span.pack.as_bytes()[0], span.offset, span.length, numbers(span)))
            .collect()
    }

    #[test]
    fn neighbours_merge_and_first_needs_come_first() {
        let wanted =
            [chunk(0, 2, 108, 50), chunk(1, 1, 8, 10), chunk(2, 2, 8, 90), chunk(3, 1, 500, 10)];
        assert_eq!(
            outline(&coalesce(wanted, 10, 1000)),
            [(2, 8, 150, vec![0, 2]), (1, 8, 10, vec![1]), (1, 500, 10, vec![3])]
        );
    }

    #[test]
    fn a_gap_one_byte_too_wide_and_a_span_one_byte_too_long_divide() {
        let wanted = [chunk(0, 1, 8, 10), chunk(1, 1, 28, 10)];
        assert_eq!(coalesce(wanted, 10, 30).len(), 1);
        assert_eq!(coalesce(wanted, 9, 30).len(), 2);
        assert_eq!(coalesce(wanted, 10, 29).len(), 2);
    }

    #[test]
    fn a_chunk_wanted_twice_is_read_once() {
        let wanted = [chunk(4, 1, 8, 100), chunk(5, 1, 8, 100)];
        assert_eq!(outline(&coalesce(wanted, 0, 1)), [(1, 8, 100, vec![4, 5])]);
    }

    #[test]
    fn the_stored_form_is_a_slice_of_the_span() {
        let wanted = [chunk(0, 1, 8, 2), chunk(1, 1, 11, 3)];
        let spans = coalesce(wanted, 10, 100);
        let span_bytes = Bytes::from_static(b"ab-cde");
        assert_eq!(spans[0].stored(&span_bytes, &wanted[1].2).unwrap(), "cde");
        assert_eq!(spans[0].stored(&span_bytes, &chunk(0, 1, 12, 3).2), None);
        assert_eq!(spans[0].stored(&span_bytes, &chunk(0, 1, 7, 3).2), None);
        assert_eq!(spans[0].stored(&span_bytes, &chunk(0, 2, 8, 2).2), None);
    }

    proptest! {
        #[test]
        fn every_chunk_is_read_once_within_the_limits(
            places in prop::collection::vec((0_u8..3, 0_u32..40), 0..60),
            max_gap in 0_u32..60,
            max_span in 1_u32..300,
        ) {
            let wanted: Vec<_> = places
                .iter()
                .enumerate()
                .map(|(number, &(pack, slot))| chunk(number, pack, 8 + slot * 20, 1 + slot % 20))
                .collect();
            let spans = coalesce(wanted.clone(), max_gap, max_span);
            let mut numbers: Vec<usize> =
                spans.iter().flat_map(|span| span.chunks.iter().map(|chunk| chunk.0)).collect();
            numbers.sort_unstable();
            prop_assert_eq!(numbers, (0..wanted.len()).collect::<Vec<_>>());
            for span in &spans {
                let end = span.offset + span.length;
                let covers = span.chunks.iter().all(|(_, _, location)| {
                    location.offset >= span.offset && location.end() <= u64::from(end)
                });
                prop_assert!(covers);
                prop_assert!(span.length <= max_span || span.length <= 20);
            }
            let firsts: Vec<usize> = spans.iter().map(|span| span.chunks[0].0).collect();
            prop_assert!(firsts.is_sorted());
        }
    }
}
