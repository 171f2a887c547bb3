//! Data sets: what they are called, and how one is put in place.

use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, Result, bail, ensure};
use bytesize::ByteSize;

use crate::generate::{self, SPARSE_SHARE, Shape, State};
use crate::scenario::Scenario;
use crate::tree::{self, Copier};

/// A set as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetSpec {
    name: String,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A folder below `--data`.
    Folder,
    /// Made from nothing.
    Generated { shape: Shape, bytes: u64, pieces: u64 },
}

impl SetSpec {
    /// What the results call it. Sets that differ in one measure have names like `segments@10x`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Parquet-like segments: so many bytes in so many files.
    pub fn segments(name: &str, bytes: u64, pieces: u64) -> Self {
        Self::generated(name, Shape::Segments, bytes, pieces)
    }

    /// Segments that are mostly holes.
    pub fn sparse(name: &str, bytes: u64) -> Self {
        /// Length of each segment.
        const SEGMENT_BYTES: u64 = 64 << 20;
        Self::generated(name, Shape::Sparse, bytes, bytes.div_ceil(SEGMENT_BYTES))
    }

    fn generated(name: &str, shape: Shape, bytes: u64, pieces: u64) -> Self {
        Self { name: name.to_owned(), kind: Kind::Generated { shape, bytes, pieces } }
    }

    /// Whether the scenario makes sense for the set itself. Holes come back as bytes, and would not fit.
    pub fn has(&self, scenario: Scenario) -> bool {
        let is_sparse = matches!(self.kind, Kind::Generated { shape: Shape::Sparse, .. });
        !(is_sparse && scenario == Scenario::Restore)
    }
}

/// Sizes when none is given.
const SMALL_FILES: u64 = 50_000;
const LARGE_BYTES: u64 = 8 << 30;
const OTHER_BYTES: u64 = 2 << 30;
/// Average length of a generated segment or export.
const PIECE_BYTES: u64 = 48 << 20;
/// Fewer files than this make no tree.
const MIN_PIECES: u64 = 20;

impl FromStr for SetSpec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, size) = match text.split_once(':') {
            Some((name, size)) => (name, Some(size)),
            None => (text, None),
        };
        let bytes = |default| match size {
            Some(size) => size.parse::<ByteSize>().map(|size| size.0),
            None => Ok(default),
        };
        let in_pieces = |shape| {
            let bytes = bytes(OTHER_BYTES)?;
            Ok(Self::generated(name, shape, bytes, (bytes / PIECE_BYTES).max(MIN_PIECES)))
        };
        match name {
            "small" => {
                let files = size.map_or(Ok(SMALL_FILES), str::parse);
                let files = files.map_err(|error| format!("number of files: {error}"))?;
                Ok(Self::generated(name, Shape::Small, 0, files))
            }
            "large" => Ok(Self::generated(name, Shape::Large, bytes(LARGE_BYTES)?, 1)),
            "rows" => in_pieces(Shape::Rows),
            "segments" => in_pieces(Shape::Segments),
            _ if size.is_some() => Err(format!("{name} is no generated set, so it has no size")),
            "" | "." | ".." => Err("a set needs a name".to_owned()),
            _ if name.contains(['/', '@']) => Err(format!("{name} is no name of a folder")),
            _ => Ok(Self { name: name.to_owned(), kind: Kind::Folder }),
        }
    }
}

/// A set in place: its trees, ready to be renamed to where tools see them.
#[derive(Debug)]
pub struct Dataset {
    /// The tree.
    pub today: PathBuf,
    /// Its next state, if there is one and it is needed.
    pub tomorrow: Option<PathBuf>,
    /// Sum of the lengths of the files of the first state.
    pub bytes: u64,
    /// Their number.
    pub files: u64,
    /// What they take on the file system: holes take nothing.
    pub allocated_bytes: u64,
}

/// Tools need room for the source, its next state, a repository, a restored tree and temporary files: about
/// this many tenths of the source.
const ROOM_TENTHS: u64 = 36;

impl Dataset {
    /// Copies or generates `set` below `home`, which is empty.
    pub fn place(
        set: &SetSpec,
        data: Option<&Path>,
        home: &Path,
        with_tomorrow: bool,
        available: u64,
    ) -> Result<Self> {
        let (today, tomorrow) = (home.join("today"), home.join("tomorrow"));
        let has_tomorrow = match set.kind {
            Kind::Folder => {
                let data = data.with_context(|| format!("set {} needs --data", set.name))?;
                place_folder(&set.name, data, [&today, &tomorrow], with_tomorrow, available)?
            }
            Kind::Generated { shape, bytes, pieces } => {
                let estimate = match shape {
                    Shape::Small => pieces * (22 << 10),
                    Shape::Sparse => bytes / SPARSE_SHARE,
                    _ => bytes,
                };
                ensure_room(&set.name, estimate, available)?;
                let files = generate::plan(shape, bytes, pieces, State::Today);
                generate::write(&files, &today, None)?;
                if with_tomorrow {
                    let next = generate::plan(shape, bytes, pieces, State::Tomorrow);
                    generate::write(&next, &tomorrow, Some((&files, &today)))?;
                }
                with_tomorrow
            }
        };
        let extent = tree::extent(&today)?;
        let tomorrow = has_tomorrow.then_some(tomorrow);
        let tree::Extent { files, bytes, allocated_bytes, .. } = extent;
        Ok(Self { today, tomorrow, bytes, files, allocated_bytes })
    }
}

/// Copies a folder and its next state; says whether there is one.
fn place_folder(
    name: &str,
    data: &Path,
    [today, tomorrow]: [&Path; 2],
    with_tomorrow: bool,
    available: u64,
) -> Result<bool> {
    let from = data.join(name);
    ensure!(
        fs::metadata(&from).is_ok_and(|metadata| metadata.is_dir()),
        "set {name}: no folder {}",
        from.display()
    );
    ensure_room(name, tree::extent(&from)?.bytes, available)?;
    let mut copier = Copier::default();
    copier.copy(&from, today)?;
    let next = data.join(next_of(name));
    let has_next = with_tomorrow && next.try_exists()?;
    if has_next {
        copier.copy(&next, tomorrow)?;
    }
    Ok(has_next)
}

/// The folder with the next state of a set.
fn next_of(name: &str) -> String {
    match name {
        "T1" => "T3".to_owned(),
        "T2" => "T2i".to_owned(),
        other => format!("{other}-next"),
    }
}

fn ensure_room(name: &str, bytes: u64, available: u64) -> Result<()> {
    let needed = bytes / 10 * ROOM_TENTHS;
    if needed > available {
        let (needed, available) = (ByteSize(needed), ByteSize(available));
        bail!(
            "set {name} needs about {needed} of scratch space, and {available} are there; \
             choose a smaller set ({name}:SIZE) or another --scratch"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_sizes_are_parsed() {
        let small: SetSpec = "small:70".parse().unwrap();
        assert_eq!(small, SetSpec::generated("small", Shape::Small, 0, 70));
        let large: SetSpec = "large".parse().unwrap();
        assert_eq!(large, SetSpec::generated("large", Shape::Large, 8 << 30, 1));
        let rows: SetSpec = "rows:96MiB".parse().unwrap();
        assert_eq!(rows, SetSpec::generated("rows", Shape::Rows, 96 << 20, MIN_PIECES));
        let folder: SetSpec = "T1".parse().unwrap();
        assert_eq!((folder.name(), folder.kind), ("T1", Kind::Folder));
        for wrong in ["", "..", "a/b", "T1:3GiB", "small:many", "rows:many", "x@2"] {
            assert!(wrong.parse::<SetSpec>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_folder_comes_with_its_next_state() {
        let place = tempfile::tempdir().unwrap();
        let data = place.path().join("data");
        for (set, text) in [("T1", "1"), ("T3", "22")] {
            fs::create_dir_all(data.join(set)).unwrap();
            fs::write(data.join(set).join("file"), text).unwrap();
        }
        let set: SetSpec = "T1".parse().unwrap();
        let put = |home: &str, with_tomorrow| {
            let home = place.path().join(home);
            Dataset::place(&set, Some(&data), &home, with_tomorrow, u64::MAX).unwrap()
        };
        let dataset = put("one", true);
        assert_eq!((dataset.files, dataset.bytes), (1, 1));
        assert_eq!(tree::extent(&dataset.tomorrow.unwrap()).unwrap().bytes, 2);
        assert!(put("two", false).tomorrow.is_none());
    }

    #[test]
    fn what_does_not_fit_is_refused_before_it_is_written() {
        let place = tempfile::tempdir().unwrap();
        let set: SetSpec = "large:1TiB".parse().unwrap();
        let error = Dataset::place(&set, None, place.path(), true, 1 << 30).unwrap_err();
        assert!(error.to_string().contains("large:SIZE"), "{error}");
        assert_eq!(tree::extent(place.path()).unwrap(), tree::Extent::default());
    }
}
