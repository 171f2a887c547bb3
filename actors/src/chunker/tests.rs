use cairn_repository::chunking::ChunkingParams;

use super::*;
use crate::buffer::BufferPool;
use crate::cancel::CancelToken;

const HEADROOM: usize = 4 << 20;
const SLOT: SegmentSlot = SegmentSlot { plan: 3, position: 5 };

fn noise(len: usize) -> Vec<u8> {
    let mut state = 88_172_645_463_325_252_u64;
    (0..len)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[0]
        })
        .collect()
}

/// The chunks of one segment that arrives in windows of this size.
fn cut(segment: &[u8], window_bytes: usize) -> (Vec<Vec<u8>>, Vec<SegmentCut>) {
    let pool = BufferPool::new(3, HEADROOM + window_bytes);
    let mut cutter = WindowCutter::new(Chunker::new(ChunkingParams::SEGMENTS));
    let (mut chunks, mut cuts) = (Vec::new(), Vec::new());
    let windows: Vec<&[u8]> = segment.chunks(window_bytes).collect();
    for (number, bytes) in windows.iter().enumerate() {
        let mut buffer = pool.take(&CancelToken::new()).unwrap();
        buffer.as_mut()[HEADROOM..HEADROOM + bytes.len()].copy_from_slice(bytes);
        let is_last = number + 1 == windows.len();
        let end = is_last.then(|| Box::from(*b"identity"));
        let parts = vec![SegmentPart { slot: SLOT, start: HEADROOM, len: bytes.len(), end }];
        let batch = cutter.cut(SegmentRead { buffer, parts });
        for chunk in batch.chunks {
            assert_eq!((chunk.slot, chunk.position as usize), (SLOT, chunks.len()));
            chunks.push(chunk.bytes.to_vec());
        }
        cuts.extend(batch.cuts);
    }
    (chunks, cuts)
}

#[test]
fn cuts_do_not_depend_on_where_windows_end() {
    let segment = noise(9_000_000);
    let (whole, cuts) = cut(&segment, segment.len());
    assert_eq!(whole.concat(), segment);
    assert!(whole.len() > 2);
    assert_eq!((cuts[0].num_chunks as usize, cuts[0].len), (whole.len(), 9_000_000));
    for window_bytes in [64 << 10, 1 << 20, 4_194_303, 8_999_999] {
        let (chunks, cuts) = cut(&segment, window_bytes);
        assert!(chunks == whole, "windows of {window_bytes} bytes");
        assert_eq!(&*cuts[0].identity, b"identity");
    }
}

#[test]
fn bytes_without_any_boundary_are_cut_at_the_longest_chunk() {
    let longest = ChunkingParams::SEGMENTS.max() as usize;
    let (chunks, _) = cut(&vec![0; 2 * longest + 1000], 1 << 20);
    let lengths: Vec<_> = chunks.iter().map(Vec::len).collect();
    assert_eq!(lengths, [longest, longest, 1000]);
}

#[test]
fn many_small_segments_share_a_window() {
    let pool = BufferPool::new(1, HEADROOM + 1000);
    let mut cutter = WindowCutter::new(Chunker::new(ChunkingParams::SEGMENTS));
    let buffer = pool.take(&CancelToken::new()).unwrap();
    let parts = (0..10)
        .map(|position| SegmentPart {
            slot: SegmentSlot { plan: 0, position },
            start: HEADROOM + 100 * position as usize,
            len: 100,
            end: Some(Box::default()),
        })
        .collect();
    let batch = cutter.cut(SegmentRead { buffer, parts });
    assert_eq!((batch.chunks.len(), batch.cuts.len()), (10, 10));
    assert!(batch.chunks.iter().all(|chunk| chunk.bytes.len() == 100 && chunk.position == 0));
}
