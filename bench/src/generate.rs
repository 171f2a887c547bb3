//! Trees of generated data, in two states: `Today`, and `Tomorrow` for the scenario `incremental`.
//!
//! What a tree consists of is planned first, as plain values ([`plan`]); what both states have in common is
//! then hard-linked, as a store that never rewrites a segment leaves it.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;

use crate::content::{Content, Random};
use crate::disk;

/// The shape of a generated set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Many files of 4 to 64 KiB, half pages, half rows.
    Small,
    /// One file of pages.
    Large,
    /// Exports as text.
    Rows,
    /// Segments of a columnar store.
    Segments,
    /// Segments that are holes but for a sixteenth, to make more bytes than memory holds.
    Sparse,
}

/// A state of a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Today,
    Tomorrow,
}

/// A part of a file, generated from its own seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Part {
    content: Content,
    seed: u64,
    bytes: u64,
}

/// A file of the plan: the parts, one behind the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PlannedFile {
    path: String,
    parts: Vec<Part>,
    is_sparse: bool,
    /// Modification time, in days after the first state.
    day: u64,
}

impl PlannedFile {
    fn new(path: String, parts: Vec<Part>) -> Self {
        Self { path, parts, is_sparse: false, day: 0 }
    }

    fn bytes(&self) -> u64 {
        self.parts.iter().map(|part| part.bytes).sum()
    }
}

/// Of a hundred files, ten are rewritten from one state to the next.
const REWRITTEN: usize = 10;
/// Of a hundred files, one is added for each of these five.
const ADDED: usize = 5;
/// Bytes of rows that are inserted into a file that changes.
const INSERTED_BYTES: u64 = 256 << 10;
/// Seeds of what is new tomorrow differ from those of today by this.
const TOMORROW_SEED: u64 = 1 << 32;

/// The files of a tree of about `bytes` in `pieces` files (one, for [`Shape::Large`]).
pub(crate) fn plan(shape: Shape, bytes: u64, pieces: u64, state: State) -> Vec<PlannedFile> {
    let sizes = match shape {
        Shape::Large => vec![bytes],
        Shape::Small => small_sizes(pieces),
        Shape::Rows | Shape::Segments => spread_sizes(bytes, pieces),
        Shape::Sparse => vec![bytes / pieces.max(1); usize::try_from(pieces).unwrap_or(1)],
    };
    let mut files: Vec<PlannedFile> =
        sizes.iter().enumerate().map(|(at, bytes)| planned(shape, at, *bytes)).collect();
    if state == State::Tomorrow {
        tomorrow(shape, &mut files);
    }
    files
}

fn planned(shape: Shape, at: usize, bytes: u64) -> PlannedFile {
    let seed = at as u64;
    let one = |content| vec![Part { content, seed, bytes }];
    match shape {
        Shape::Small => {
            let content = if at.is_multiple_of(2) { Content::Pages } else { Content::Csv };
            let path =
                format!("app/t{}/p{}/tablet_{}/{at:06}.dat", at % 8, at / 8 % 8, at / 64 % 64);
            PlannedFile::new(path, one(content))
        }
        Shape::Large => {
            let tenth = |part: u64| Part {
                content: Content::Pages,
                seed: part,
                bytes: bytes / 10 + if part == 9 { bytes % 10 } else { 0 },
            };
            PlannedFile::new(
                "lake/facts/p0/tablet_0/segment_0.dat".into(),
                (0..10).map(tenth).collect(),
            )
        }
        Shape::Rows => {
            let content = if at % 4 == 3 { Content::Json } else { Content::Csv };
            let half = |part: u64, bytes| Part { content, seed: seed * 2 + part, bytes };
            let path = format!("sales/exports/p{}/tablet_{at}/export.txt", at % 12);
            PlannedFile::new(path, vec![half(0, bytes / 2), half(1, bytes - bytes / 2)])
        }
        Shape::Segments => PlannedFile::new(segment_path(at, 0), one(Content::Pages)),
        Shape::Sparse => PlannedFile {
            is_sparse: true,
            ..PlannedFile::new(segment_path(at, 0), one(Content::Noise))
        },
    }
}

/// Eight segments a tablet.
fn segment_path(at: usize, version: u32) -> String {
    let tablet = at / 8;
    format!("web/events/p{}/tablet_{tablet}/rowset_{at}_{version}.dat", tablet % 12)
}

/// Turns the first state into the second.
fn tomorrow(shape: Shape, files: &mut Vec<PlannedFile>) {
    let count = files.len();
    let added = match shape {
        Shape::Large => 0,
        _ => (count * ADDED / 100).max(1),
    };
    let is_changed = |at: usize| count < REWRITTEN || at % REWRITTEN == REWRITTEN / 2;
    for (at, file) in files.iter_mut().enumerate().filter(|(at, _)| is_changed(*at)) {
        file.day = 1;
        match shape {
            Shape::Large | Shape::Rows => insert_in_the_middle(file),
            Shape::Small => renew(file),
            // A compaction writes a new file and removes the old one.
            Shape::Segments | Shape::Sparse => {
                file.path = segment_path(at, 1);
                renew(file);
            }
        }
    }
    let new = (0..added).filter_map(|at| {
        let mut file = planned(shape, count + at, files.get(at * 7 % count)?.bytes());
        file.day = 1;
        Some(file)
    });
    let new: Vec<PlannedFile> = new.collect();
    files.extend(new);
}

fn renew(file: &mut PlannedFile) {
    for part in &mut file.parts {
        part.seed += TOMORROW_SEED;
    }
}

/// Every later byte moves; of a file in ten parts one is rewritten as well.
fn insert_in_the_middle(file: &mut PlannedFile) {
    let middle = file.parts.len() / 2;
    let Some(before) = middle.checked_sub(1).and_then(|at| file.parts.get(at)).copied() else {
        return;
    };
    if file.parts.len() >= 10
        && let Some(part) = file.parts.get_mut(middle)
    {
        part.seed += TOMORROW_SEED;
    }
    let bytes = INSERTED_BYTES.min(before.bytes);
    file.parts.insert(middle, Part { seed: before.seed + TOMORROW_SEED, bytes, ..before });
}

fn small_sizes(pieces: u64) -> Vec<u64> {
    let mut random = Random::new(4);
    (0..pieces).map(|_| rounded(random.log_uniform(4096.0, 65536.0))).collect()
}

/// Sizes that differ by up to eight times and sum up to `bytes`, but for rounding.
fn spread_sizes(bytes: u64, pieces: u64) -> Vec<u64> {
    let mut random = Random::new(pieces);
    let weights: Vec<f64> = (0..pieces).map(|_| random.log_uniform(1.0, 8.0)).collect();
    let sum: f64 = weights.iter().sum();
    weights.iter().map(|weight| rounded(weight / sum * bytes as f64).max(1)).collect()
}

#[expect(clippy::cast_possible_truncation, reason = "sizes are positive and far below 2^53")]
#[expect(clippy::cast_sign_loss, reason = "sizes are positive and far below 2^53")]
fn rounded(size: f64) -> u64 {
    size.round() as u64
}

/// Writes the files of `state` below `root`; those that `earlier` has in the same form are linked to it.
pub(crate) fn write(
    files: &[PlannedFile],
    root: &Path,
    earlier: Option<(&[PlannedFile], &Path)>,
) -> io::Result<()> {
    let (known, known_root) = earlier.unwrap_or((&[], root));
    let known: HashMap<&str, &PlannedFile> =
        known.iter().map(|file| (file.path.as_str(), file)).collect();
    for file in files {
        let path = root.join(&file.path);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        if known.get(file.path.as_str()) == Some(&file) {
            fs::hard_link(known_root.join(&file.path), path)?;
        } else {
            write_file(file, &path)?;
        }
    }
    Ok(())
}

/// Bytes that are generated at once, each block from a seed of its own.
const BLOCK_BYTES: u64 = 1 << 20;
/// A sparse file has `SPARSE_DATA` bytes at every multiple of `SPARSE_PERIOD`.
const SPARSE_DATA: u64 = 4 << 10;
const SPARSE_PERIOD: u64 = 64 << 10;
/// Bytes in memory of a byte of a sparse file, inverted.
pub(crate) const SPARSE_SHARE: u64 = SPARSE_PERIOD / SPARSE_DATA;

fn write_file(planned: &PlannedFile, path: &Path) -> io::Result<()> {
    let mut file = File::create(path)?;
    let (block, written) = match planned.is_sparse {
        true => (SPARSE_PERIOD, SPARSE_DATA),
        false => (BLOCK_BYTES, BLOCK_BYTES),
    };
    for part in &planned.parts {
        let mut seeds = Random::new(part.seed);
        let mut left = part.bytes;
        while left > 0 {
            let length = left.min(written);
            let bytes = part.content.bytes(seeds.bits(), usize::try_from(length).unwrap_or(0));
            file.write_all(&bytes)?;
            let step = left.min(block);
            file.seek(SeekFrom::Current(i64::try_from(step - length).unwrap_or(0)))?;
            left -= step;
        }
    }
    file.set_len(planned.bytes())?;
    disk::set_modified(&file, planned.day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree;

    fn total(files: &[PlannedFile]) -> u64 {
        files.iter().map(PlannedFile::bytes).sum()
    }

    #[test]
    fn sets_have_the_size_asked_for() {
        for (shape, pieces) in
            [(Shape::Large, 1), (Shape::Rows, 30), (Shape::Segments, 400), (Shape::Sparse, 16)]
        {
            let files = plan(shape, 1 << 30, pieces, State::Today);
            assert_eq!(files.len() as u64, pieces);
            assert!(total(&files).abs_diff(1 << 30) < 1000, "{shape:?}");
        }
        let small = plan(Shape::Small, 0, 1000, State::Today);
        assert!(small.iter().all(|file| (4096..=65536).contains(&file.bytes())));
    }

    #[test]
    fn a_tenth_changes_and_a_twentieth_is_added() {
        for shape in [Shape::Small, Shape::Rows, Shape::Segments] {
            let today = plan(shape, 1 << 30, 200, State::Today);
            let tomorrow = plan(shape, 1 << 30, 200, State::Tomorrow);
            let kept = tomorrow.iter().filter(|file| today.contains(file)).count();
            assert_eq!((tomorrow.len(), kept), (210, 180), "{shape:?}");
        }
        let (today, tomorrow) = (
            plan(Shape::Large, 100 << 20, 1, State::Today),
            plan(Shape::Large, 100 << 20, 1, State::Tomorrow),
        );
        assert_eq!(total(&tomorrow) - total(&today), INSERTED_BYTES);
    }

    #[test]
    fn what_stays_is_one_file_with_two_names() {
        let place = tempfile::tempdir().unwrap();
        let (a, b) = (place.path().join("a"), place.path().join("b"));
        let today = plan(Shape::Rows, 40_000, 20, State::Today);
        let tomorrow = plan(Shape::Rows, 40_000, 20, State::Tomorrow);
        write(&today, &a, None).unwrap();
        write(&tomorrow, &b, Some((&today, &a))).unwrap();
        assert_eq!(tree::extent(&a).unwrap().bytes, total(&today));
        assert_eq!(tree::extent(&b).unwrap().bytes, total(&tomorrow));
        let both = tree::extent(place.path()).unwrap();
        assert_eq!(both.files, 20 + 21);
        assert_eq!(both.linked, 2 * 18);
    }

    #[test]
    fn holes_take_no_memory_and_read_as_planned() {
        let place = tempfile::tempdir().unwrap();
        let files = plan(Shape::Sparse, 1 << 20, 2, State::Today);
        write(&files, place.path(), None).unwrap();
        let extent = tree::extent(place.path()).unwrap();
        assert_eq!((extent.files, extent.bytes), (2, 1 << 20));
        let bytes = fs::read(place.path().join(&files[0].path)).unwrap();
        let filled = bytes.iter().filter(|byte| **byte != 0).count();
        assert!((30_000..=32_768).contains(&filled), "{filled}");
    }
}
