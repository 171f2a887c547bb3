//! [`Compressor`]: makes the stored form of a chunk, and spends no more on it than it is worth.
//!
//! A look at a few slices of the chunk tells what kind of bytes they are: the order-0 entropy of Parquet pages
//! that zstd compressed lies above 7.6 bits per byte, that of LZ4 and Snappy pages between 5.4 and 7.2, that of text and
//! plain columns below. The entropy also foretells what coding the literals can save, so where that is little for what it
//! costs it is left out. Each kind has a parameter set of zstd's fast strategy; `bench/` has the measurements.
//! Frames are ordinary zstd frames: the choice is the writer's and no part of the format.

use zstd::zstd_safe::{self, CCtx, CParameter, ParamSwitch, Strategy};

use crate::chunking::MAX_CHUNK_BYTES;
use crate::codec::Codec;
use crate::config::Compression;
use crate::{Error, Result};

/// Length of a slice that is looked at.
const SLICE_BYTES: usize = 4 << 10;
/// Slices of a long chunk; a shorter one has one for every 32 KiB.
const MAX_SLICES: usize = 8;
/// Bits per byte from which bytes are taken as compressed already: above it a saved MiB costs 10 ms of CPU, for text and
/// LZ4 pages 6 ms.
const SKIM_FROM_BITS: f32 = 6.7;
/// Bits per byte from which matches are rare and entropy coding does the work.
const BINARY_FROM_BITS: f32 = 5.4;
/// Below this length a smaller table is as good and stays in cache.
const SMALL_BYTES: usize = 128 << 10;
/// From this level on the user pays for size: what looks compressed is tried in earnest too.
const THOROUGH_LEVEL: i32 = 10;
/// Shorter chunks are stored as they are: a frame's header alone is a good part of them.
const MIN_BYTES: usize = 64;

/// What the bytes of a chunk look like, and so how they are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    /// Compressed already: a quick search for long matches, no entropy coding.
    Compressed,
    /// Binary, or compressed without entropy coding: Huffman does the work, few searches.
    Binary,
    /// Text and plain columns: matches matter.
    Dense,
}

/// Parameters of zstd's fast strategy.
#[derive(Debug, Clone, Copy)]
struct Fast {
    hash_log: u32,
    min_match: u32,
    /// How far the search steps on where it finds nothing.
    acceleration: u32,
    literals: ParamSwitch,
}

const SKIM: Fast =
    Fast { hash_log: 13, min_match: 7, acceleration: 60, literals: ParamSwitch::Disable };
const BINARY: Fast =
    Fast { hash_log: 14, min_match: 7, acceleration: 10, literals: ParamSwitch::Enable };
const DENSE: Fast =
    Fast { hash_log: 15, min_match: 7, acceleration: 2, literals: ParamSwitch::Enable };
const SMALL: Fast =
    Fast { hash_log: 12, min_match: 6, acceleration: 3, literals: ParamSwitch::Enable };
/// Reaches over the whole of the longest usual chunk, 4 MiB.
const WINDOW_LOG: u32 = 22;

impl Fast {
    /// Sets the parameters of a context; eight hundredths of a microsecond.
    fn apply(self, context: &mut CCtx<'_>) -> Option<()> {
        let parameters = [
            CParameter::CompressionLevel(1),
            CParameter::Strategy(Strategy::ZSTD_fast),
            CParameter::WindowLog(WINDOW_LOG),
            CParameter::HashLog(self.hash_log),
            CParameter::MinMatch(self.min_match),
            CParameter::TargetLength(self.acceleration),
            CParameter::LiteralCompressionMode(self.literals),
        ];
        parameters.into_iter().try_for_each(|it| context.set_parameter(it).ok().map(|_| ()))
    }
}

/// Makes stored forms. One per worker thread: it owns a zstd context and a scratch buffer that grows to
/// the longest chunk seen.
pub struct Compressor {
    compression: Compression,
    context: CCtx<'static>,
    /// `c * log2(c)` for every count that a slice can have.
    terms: Box<[f32]>,
    scratch: Vec<u8>,
}

impl Compressor {
    /// A compressor for this choice.
    pub fn new(compression: Compression) -> Self {
        let term = |count: usize| match count {
            0 => 0.0,
            count => count as f32 * (count as f32).log2(),
        };
        Self {
            compression,
            context: CCtx::create(),
            terms: (0..=SLICE_BYTES).map(term).collect(),
            scratch: Vec::new(),
        }
    }

    /// The stored form of a chunk: `plain` itself when compressing it is off or saves less than 2 %.
    ///
    /// [`crate::ErrorKind::Invalid`] when `plain` is no chunk: empty, or longer than
    /// [`MAX_CHUNK_BYTES`].
    pub fn encode<'a>(&'a mut self, plain: &'a [u8]) -> Result<(Codec, &'a [u8])> {
        if plain.is_empty() || plain.len() > MAX_CHUNK_BYTES as usize {
            return Err(Error::invalid(format_args!("a chunk of {} bytes", plain.len())));
        }
        // Any failure of zstd ends in the raw form, which is right for every chunk.
        let length = self.prepare(plain).and_then(|()| self.compress(plain));
        let worthwhile = length.filter(|&length| length <= largest_worthwhile(plain.len()));
        match worthwhile.and_then(|length| self.scratch.get(..length)) {
            Some(stored) => Ok((Codec::Zstd, stored)),
            None => Ok((Codec::Raw, plain)),
        }
    }

    /// Sets the context up for these bytes; `None` when they are to be stored as they are.
    fn prepare(&mut self, plain: &[u8]) -> Option<()> {
        if plain.len() < MIN_BYTES {
            return None;
        }
        let level = match self.compression {
            Compression::Off => return None,
            Compression::Auto => None,
            Compression::Level(level) => Some(i32::from(level.get())),
        };
        let is_thorough = level.is_some_and(|level| level >= THOROUGH_LEVEL);
        let look = if is_thorough { Look::Dense } else { look_of(self.entropy(plain)) };
        let fast = match (look, level) {
            (Look::Compressed, _) => SKIM,
            (_, Some(level)) => return use_level(&mut self.context, level),
            (Look::Binary, None) => BINARY,
            _ if plain.len() < SMALL_BYTES => SMALL,
            (Look::Dense, None) => DENSE,
        };
        fast.apply(&mut self.context)
    }

    fn compress(&mut self, plain: &[u8]) -> Option<usize> {
        self.scratch.clear();
        self.scratch.reserve(zstd_safe::compress_bound(plain.len()));
        self.context.compress2(&mut self.scratch, plain).ok()
    }

    /// Mean order-0 entropy in bits per byte of slices spread evenly over the chunk.
    fn entropy(&self, plain: &[u8]) -> f32 {
        let num_slices = (plain.len() / (8 * SLICE_BYTES)).clamp(1, MAX_SLICES);
        let length = plain.len().min(SLICE_BYTES);
        let gap = (plain.len() - length) / num_slices;
        let starts = (0..num_slices).map(|number| gap * number + gap / 2);
        let slices = starts.filter_map(|start| plain.get(start..start + length));
        slices.map(|slice| self.slice_entropy(slice)).sum::<f32>() / num_slices as f32
    }

    fn slice_entropy(&self, slice: &[u8]) -> f32 {
        // Two tables: a run of one byte does not make every count wait for the one before.
        let (mut even, mut odd) = ([0_u16; 256], [0_u16; 256]);
        for pair in slice.chunks(2) {
            if let [first, second] = *pair {
                even[usize::from(first)] += 1;
                odd[usize::from(second)] += 1;
            }
        }
        let num_seen = slice.len() & !1;
        let term = |count: usize| self.terms.get(count).copied().unwrap_or_default();
        let counts = even.iter().zip(&odd).map(|(a, b)| usize::from(*a) + usize::from(*b));
        let used: f32 = counts.map(term).sum();
        (term(num_seen) - used) / num_seen.max(1) as f32
    }
}

fn look_of(entropy_bits: f32) -> Look {
    match entropy_bits {
        bits if bits >= SKIM_FROM_BITS => Look::Compressed,
        bits if bits >= BINARY_FROM_BITS => Look::Binary,
        _ => Look::Dense,
    }
}

/// Plain zstd of a level, whatever the context was set to before.
fn use_level(context: &mut CCtx<'_>, level: i32) -> Option<()> {
    context.reset(zstd_safe::ResetDirective::SessionAndParameters).ok()?;
    context.set_parameter(CParameter::CompressionLevel(level)).ok().map(|_| ())
}

/// The longest stored form that is worth decompressing at each read: 2 % shorter than the plaintext.
fn largest_worthwhile(raw_len: usize) -> usize {
    raw_len - raw_len.div_ceil(50)
}

impl std::fmt::Debug for Compressor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Compressor").field("compression", &self.compression).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decompressor::tests::{noise, text};

    fn codec_of(plain: &[u8], compression: Compression) -> Codec {
        Compressor::new(compression).encode(plain).unwrap().0
    }

    /// Bytes of which each has about this many of 8 bits.
    fn of_entropy(bits: u32, length: usize) -> Vec<u8> {
        noise(length).into_iter().map(|byte| byte >> (8 - bits)).collect()
    }

    #[test]
    fn two_percent_is_the_least_gain() {
        assert_eq!(largest_worthwhile(100), 98);
        assert_eq!(largest_worthwhile(1), 0);
        assert_eq!(largest_worthwhile(1 << 20), (1 << 20) - 20_972);
    }

    #[test]
    fn what_does_not_compress_is_stored_as_it_is() {
        for length in [1, 100, 128 << 10, 1 << 20] {
            let plain = noise(length);
            for compression in [Compression::Auto, Compression::level(19).unwrap()] {
                assert_eq!(codec_of(&plain, compression), Codec::Raw, "{length} bytes");
            }
        }
        assert_eq!(codec_of(&text(1 << 20), Compression::Off), Codec::Raw);
    }

    #[test]
    fn the_look_follows_the_entropy() {
        let compressor = Compressor::new(Compression::Auto);
        let look = |plain: &[u8]| look_of(compressor.entropy(plain));
        assert_eq!(look(&noise(1 << 20)), Look::Compressed);
        assert_eq!(look(&of_entropy(6, 1 << 20)), Look::Binary);
        assert_eq!(look(&text(1 << 20)), Look::Dense);
        assert_eq!(look(&[7; 100]), Look::Dense);
    }

    #[test]
    fn entropy_is_that_of_the_bytes() {
        let compressor = Compressor::new(Compression::Auto);
        for bits in 1..=6 {
            let entropy = compressor.entropy(&of_entropy(bits, 1 << 20));
            assert!((entropy - bits as f32).abs() < 0.05, "{bits} bits look like {entropy}");
        }
    }

    #[test]
    fn settings_of_one_chunk_do_not_reach_the_next() {
        for compression in [Compression::Auto, Compression::level(3).unwrap()] {
            let mut one = Compressor::new(compression);
            for plain in [text(300_000), noise(300_000), of_entropy(6, 300_000), text(1000)] {
                let fresh = Compressor::new(compression).encode(&plain).unwrap().1.to_vec();
                assert!(one.encode(&plain).unwrap().1 == fresh);
            }
        }
    }

    #[test]
    fn a_chunk_has_bounds() {
        let mut compressor = Compressor::new(Compression::Auto);
        assert_eq!(compressor.encode(b"").unwrap_err().to_string(), "a chunk of 0 bytes");
        assert!(compressor.encode(&vec![0; 1 << 24]).is_err());
        assert!(compressor.encode(&vec![0; (1 << 24) - 1]).is_ok());
    }
}
