//! Directory trees: how much they hold, copies of them, and whether two are the same.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::{self, DirEntry, File, FileTimes};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// How much a tree holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Extent {
    /// Regular files.
    pub(crate) files: u64,
    /// Sum of their lengths.
    pub(crate) bytes: u64,
    /// What they take on the file system: holes take nothing.
    pub(crate) allocated_bytes: u64,
    /// Files that have another name somewhere.
    pub(crate) linked: u64,
}

/// The unit of `st_blocks`, whatever the file system.
const BLOCK_BYTES: u64 = 512;

/// Measures a tree. What does not exist holds nothing.
pub(crate) fn extent(root: &Path) -> Result<Extent> {
    let mut extent = Extent::default();
    if !root.try_exists()? {
        return Ok(extent);
    }
    walk(root, &mut |entry| {
        let metadata = entry.metadata()?;
        if metadata.is_file() {
            extent.files += 1;
            extent.bytes += metadata.len();
            extent.allocated_bytes += metadata.blocks() * BLOCK_BYTES;
            extent.linked += u64::from(metadata.nlink() > 1);
        }
        Ok(())
    })?;
    Ok(extent)
}

/// Calls `visit` for everything below `root`, a directory before what is in it.
pub(crate) fn walk(root: &Path, visit: &mut dyn FnMut(&DirEntry) -> Result<()>) -> Result<()> {
    let entries = fs::read_dir(root).with_context(|| format!("list {}", root.display()))?;
    for entry in entries {
        let entry = entry?;
        visit(&entry).with_context(|| entry.path().display().to_string())?;
        if entry.file_type()?.is_dir() {
            walk(&entry.path(), visit)?;
        }
    }
    Ok(())
}

/// Copies trees with modification times; files with several names in the originals, also in different
/// trees, have them in the copies as well.
#[derive(Debug, Default)]
pub(crate) struct Copier {
    /// Where a file with several names was copied first, by device and inode.
    copied: HashMap<(u64, u64), PathBuf>,
}

impl Copier {
    pub(crate) fn copy(&mut self, from: &Path, to: &Path) -> Result<()> {
        fs::create_dir_all(to)?;
        walk(from, &mut |entry| {
            let target = to.join(entry.path().strip_prefix(from)?);
            let metadata = entry.metadata()?;
            if metadata.is_dir() {
                fs::create_dir(&target)?;
            } else if metadata.is_file() {
                let file = (metadata.dev(), metadata.ino());
                match self.copied.get(&file) {
                    Some(first) => fs::hard_link(first, &target)?,
                    None => copy_file(&entry.path(), &target, &metadata)?,
                }
                if metadata.nlink() > 1 {
                    self.copied.entry(file).or_insert(target);
                }
            }
            Ok(())
        })
    }
}

fn copy_file(from: &Path, to: &Path, metadata: &fs::Metadata) -> Result<()> {
    fs::copy(from, to)?;
    let times = FileTimes::new().set_modified(metadata.modified()?);
    File::options().write(true).open(to)?.set_times(times)?;
    Ok(())
}

/// Whether two trees have the same names, types and bytes.
pub(crate) fn is_same(left: &Path, right: &Path) -> Result<bool> {
    let (left_entries, right_entries) = (sorted(left)?, sorted(right)?);
    if left_entries.len() != right_entries.len() {
        return Ok(false);
    }
    for (left, right) in left_entries.iter().zip(&right_entries) {
        let (left_type, right_type) = (left.1.file_type()?, right.1.file_type()?);
        let (left_path, right_path) = (left.1.path(), right.1.path());
        let is_same = left.0 == right.0
            && left_type == right_type
            && match left_type.is_dir() {
                true => is_same(&left_path, &right_path)?,
                false => !left_type.is_file() || is_same_file(&left_path, &right_path)?,
            };
        if !is_same {
            return Ok(false);
        }
    }
    Ok(true)
}

fn sorted(folder: &Path) -> Result<Vec<(OsString, DirEntry)>> {
    let entries = fs::read_dir(folder).with_context(|| format!("list {}", folder.display()))?;
    let mut entries: Vec<(OsString, DirEntry)> = entries
        .map(|entry| entry.map(|entry| (entry.file_name(), entry)))
        .collect::<io::Result<_>>()?;
    entries.sort_by(|left, right| left.0.cmp(&right.0));
    Ok(entries)
}

fn is_same_file(left: &Path, right: &Path) -> Result<bool> {
    /// Enough that two reads cost more than two calls.
    const BUFFER_BYTES: u64 = 1 << 20;
    let (mut left, mut right) = (File::open(left)?, File::open(right)?);
    if left.metadata()?.len() != right.metadata()?.len() {
        return Ok(false);
    }
    let (mut left_bytes, mut right_bytes) = (Vec::new(), Vec::new());
    loop {
        left_bytes.clear();
        right_bytes.clear();
        (&mut left).take(BUFFER_BYTES).read_to_end(&mut left_bytes)?;
        (&mut right).take(BUFFER_BYTES).read_to_end(&mut right_bytes)?;
        if left_bytes != right_bytes {
            return Ok(false);
        }
        if left_bytes.is_empty() {
            return Ok(true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_are_the_same_and_keep_links_and_times() {
        let place = tempfile::tempdir().unwrap();
        let [a, b, c, d] = ["a", "b", "c", "d"].map(|name| place.path().join(name));
        fs::create_dir_all(a.join("x")).unwrap();
        fs::create_dir_all(&b).unwrap();
        fs::write(a.join("x/one"), "1").unwrap();
        fs::hard_link(a.join("x/one"), b.join("two")).unwrap();
        let mut copier = Copier::default();
        copier.copy(&a, &c).unwrap();
        copier.copy(&b, &d).unwrap();
        assert!(is_same(&a, &c).unwrap() && is_same(&b, &d).unwrap());
        let metadata = fs::metadata(d.join("two")).unwrap();
        assert_eq!(metadata.ino(), fs::metadata(c.join("x/one")).unwrap().ino());
        assert_eq!(
            metadata.modified().unwrap(),
            fs::metadata(a.join("x/one")).unwrap().modified().unwrap()
        );
    }

    #[test]
    fn differences_are_seen() {
        let place = tempfile::tempdir().unwrap();
        let [a, b] = ["a", "b"].map(|name| place.path().join(name));
        for root in [&a, &b] {
            fs::create_dir_all(root.join("x")).unwrap();
            fs::write(root.join("x/file"), "same").unwrap();
        }
        assert!(is_same(&a, &b).unwrap());
        fs::write(b.join("x/file"), "sane").unwrap();
        assert!(!is_same(&a, &b).unwrap());
        fs::write(b.join("x/file"), "same").unwrap();
        fs::create_dir(b.join("x/folder")).unwrap();
        assert!(!is_same(&a, &b).unwrap());
        assert_eq!(extent(&place.path().join("none")).unwrap(), Extent::default());
    }
}
