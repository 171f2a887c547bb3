//! Where segments and documents are cut.
//!
//! Cuts depend on content only, so an inserted byte moves the cuts near it and no others. The
//! algorithm is FastCDC of 2020 with normalisation level 1, no seed; a reader never needs it.

use fastcdc::v2020;

/// Longest chunk of any repository, in bytes (the format keeps 24 bits for it).
pub const MAX_CHUNK_BYTES: u32 = (1 << 24) - 1;

/// Sizes that cuts keep to, in bytes.
///
/// Invariants: even (the algorithm looks at pairs of bytes), `64 <= min <= avg <= max`, `min` at most
/// 1 MiB, `avg` from 256 bytes to 4 MiB, `max` from 1 KiB to 16 MiB - 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkingParams {
    min: u32,
    avg: u32,
    max: u32,
}

/// Sizes that no chunker works with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("chunk sizes {min}/{avg}/{max}: {reason}")]
pub struct ChunkingError {
    min: u32,
    avg: u32,
    max: u32,
    reason: &'static str,
}

impl ChunkingParams {
    /// The default for segments: 512 KiB / 512 KiB / 2 MiB, a little under 800 KiB in the mean.
    ///
    /// A minimum as long as the average means that two thirds of the bytes are passed over unseen: the search
    /// begins where a cut may be and ends, a quarter of a MiB later on average, at the first place that looks like one.
    /// That halves the cost of cutting against 256 KiB / 1 MiB / 4 MiB and finds more of what is the same.
    pub const SEGMENTS: Self = Self { min: 512 << 10, avg: 512 << 10, max: 2 << 20 };

    /// For documents, always: 16 KiB / 64 KiB / 256 KiB, so that a changed entry of a large document
    /// costs one small chunk.
    pub const DOCUMENTS: Self = Self { min: 16 << 10, avg: 64 << 10, max: 256 << 10 };

    /// Checks the invariants.
    pub fn new(min: u32, avg: u32, max: u32) -> Result<Self, ChunkingError> {
        let refuse = |reason| Err(ChunkingError { min, avg, max, reason });
        let fits = |value: u32, least: usize, most: usize| {
            (least..=most).contains(&(value as usize)) && value <= MAX_CHUNK_BYTES
        };
        if min > avg || avg > max {
            refuse("not in ascending order")
        } else if [min, avg, max].iter().any(|size| size % 2 != 0) {
            refuse("not even")
        } else if !fits(min, v2020::MINIMUM_MIN, v2020::MINIMUM_MAX) {
            refuse("the minimum is 64 bytes to 1 MiB")
        } else if !fits(avg, v2020::AVERAGE_MIN, v2020::AVERAGE_MAX) {
            refuse("the average is 256 bytes to 4 MiB")
        } else if !fits(max, v2020::MAXIMUM_MIN, v2020::MAXIMUM_MAX) {
            refuse("the maximum is 1 KiB to 16 MiB - 2")
        } else {
            Ok(Self { min, avg, max })
        }
    }

    /// Shortest chunk but the last of a segment.
    pub const fn min(self) -> u32 {
        self.min
    }

    /// About the average length.
    pub const fn avg(self) -> u32 {
        self.avg
    }

    /// Longest chunk. This much look-ahead always suffices to cut.
    pub const fn max(self) -> u32 {
        self.max
    }
}

/// Finds cuts. Stateless between calls: one chunker serves any number of segments and threads.
#[derive(Debug, Clone, Copy)]
pub struct Chunker {
    params: ChunkingParams,
    /// Judges positions before the average: one bit stricter.
    strict_mask: u64,
    /// Judges positions behind the average: one bit looser.
    loose_mask: u64,
}

impl Chunker {
    /// A chunker for these sizes.
    pub fn new(params: ChunkingParams) -> Self {
        let (strict_mask, loose_mask) =
            v2020::select_masks(params.avg as usize, v2020::Normalization::Level1);
        Self { params, strict_mask, loose_mask }
    }

    /// The sizes it keeps to.
    pub fn params(&self) -> ChunkingParams {
        self.params
    }

    /// Length of the next chunk at the start of `data`, or `None` when more bytes are needed to tell.
    ///
    /// `data` starts where the previous chunk ended; `end_of_segment` says that nothing follows it.
    /// The cuts of a segment are the same however its bytes are split into calls. `None` is never
    /// given for `max` bytes or more, nor at the end of a segment unless `data` is empty. Each call scans
    /// from the start of `data`, so a caller with few bytes does well to wait for `max` of them.
    pub fn next_cut(&self, data: &[u8], end_of_segment: bool) -> Option<usize> {
        if data.is_empty() {
            return None;
        }
        let max = self.params.max as usize;
        let (_, cut) = v2020::cut(
            data,
            self.params.min as usize,
            self.params.avg as usize,
            max,
            self.strict_mask,
            self.loose_mask,
            self.strict_mask << 1,
            self.loose_mask << 1,
        );
        // A position judged a cut lies before the end of `data` and is judged from the bytes before
        // it alone. The end itself is only the answer "none found".
        (cut < data.len() || cut == max || end_of_segment).then_some(cut)
    }

    /// The chunks of a segment or document that lies in memory whole; none for an empty one.
    pub fn chunks<'a>(&self, data: &'a [u8]) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let chunker = *self;
        let mut rest = data;
        std::iter::from_fn(move || {
            let cut = chunker.next_cut(rest, true)?;
            let (chunk, behind) = rest.split_at_checked(cut)?;
            rest = behind;
            Some(chunk)
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn small() -> ChunkingParams {
        ChunkingParams::new(64, 256, 1024).unwrap()
    }

    /// Cuts as a reader of a stream would, with `step` more bytes whenever the chunker asks.
    fn cut_in_steps(chunker: &Chunker, data: &[u8], steps: &[usize]) -> Vec<usize> {
        let mut steps = steps.iter().copied().cycle();
        let (mut start, mut end, mut cuts) = (0, 0, Vec::new());
        while start < data.len() {
            match chunker.next_cut(&data[start..end], end == data.len()) {
                Some(length) => {
                    start += length;
                    cuts.push(length);
                }
                None => end = (end + steps.next().unwrap()).min(data.len()),
            }
        }
        cuts
    }

    #[test]
    fn the_defaults_keep_the_invariants() {
        for params in [ChunkingParams::SEGMENTS, ChunkingParams::DOCUMENTS] {
            assert_eq!(ChunkingParams::new(params.min, params.avg, params.max), Ok(params));
        }
    }

    #[test]
    fn sizes_that_cannot_work_are_refused() {
        for (min, avg, max) in [
            (0, 0, 0),
            (64, 255, 1024),
            (128, 64, 1024),
            (65, 256, 1024),
            (64, 256, 1 << 24),
            (2 << 20, 4 << 20, 8 << 20),
        ] {
            assert!(ChunkingParams::new(min, avg, max).is_err(), "{min}/{avg}/{max}");
        }
    }

    #[test]
    fn an_empty_segment_has_no_chunk_and_a_short_one_has_one() {
        let chunker = Chunker::new(small());
        assert_eq!(chunker.next_cut(b"", true), None);
        assert_eq!(chunker.next_cut(b"", false), None);
        assert_eq!(chunker.next_cut(b"abc", false), None);
        assert_eq!(chunker.next_cut(b"abc", true), Some(3));
        assert_eq!(chunker.chunks(b"").count(), 0);
    }

    #[test]
    fn cuts_are_those_of_the_reference_iterator() {
        let data = noise(7, 300_000);
        let params = small();
        let reference: Vec<usize> =
            v2020::FastCDC::new(&data, 64, 256, 1024).map(|chunk| chunk.length).collect();
        let ours: Vec<usize> = Chunker::new(params).chunks(&data).map(<[u8]>::len).collect();
        assert_eq!(ours, reference);
    }

    #[test]
    fn an_inserted_byte_moves_few_chunks() {
        let data = noise(1, 200_000);
        let mut changed = data.clone();
        changed.insert(100_000, 42);
        let chunker = Chunker::new(small());
        let before: std::collections::HashSet<&[u8]> = chunker.chunks(&data).collect();
        let new = chunker.chunks(&changed).filter(|chunk| !before.contains(chunk)).count();
        assert!(new <= 4, "{new} chunks are new");
    }

    /// Bytes that look random and are the same each time.
    fn noise(seed: u8, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        blake3::Hasher::new().update(&[seed]).finalize_xof().fill(&mut bytes);
        bytes
    }

    proptest! {
        #[test]
        fn cuts_do_not_depend_on_how_the_bytes_come(
            seed: u8,
            length in 0_usize..20_000,
            steps in prop::collection::vec(1_usize..1500, 1..6),
        ) {
            let data = noise(seed, length);
            let chunker = Chunker::new(small());
            let whole: Vec<usize> = chunker.chunks(&data).map(<[u8]>::len).collect();
            prop_assert_eq!(cut_in_steps(&chunker, &data, &steps), whole);
        }

        #[test]
        fn chunks_concatenate_and_keep_the_bounds(
            pieces in prop::collection::vec((any::<u8>(), 0_usize..3000, any::<bool>()), 0..8),
        ) {
            let data: Vec<u8> = pieces
                .into_iter()
                .flat_map(|(seed, length, flat)| {
                    if flat { vec![seed; length] } else { noise(seed, length) }
                })
                .collect();
            let chunks: Vec<&[u8]> = Chunker::new(small()).chunks(&data).collect();
            prop_assert_eq!(chunks.concat(), &data[..]);
            if let Some((last, others)) = chunks.split_last() {
                prop_assert!((1..=1024).contains(&last.len()));
                prop_assert!(others.iter().all(|chunk| (64..=1024).contains(&chunk.len())));
            }
        }
    }
}
