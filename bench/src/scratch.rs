//! The directory for data, repositories and restores: one user at a time, empty at first, gone at last.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::tool::Places;

/// Name of the folder that is ours in the scratch directory; everything in it may be removed.
const FOLDER: &str = "cairn-bench";
const LOCK: &str = "lock";

/// The folder. It is removed when this is dropped.
#[derive(Debug)]
pub(crate) struct Scratch {
    root: PathBuf,
    /// Held until the process ends, whatever ends it.
    _lock: File,
}

impl Scratch {
    /// Takes the folder below `parent`, and removes what an interrupted run has left in it.
    pub(crate) fn take(parent: &Path) -> Result<Self> {
        let parent = std::path::absolute(parent)?;
        let root = parent.join(FOLDER);
        fs::create_dir_all(&root).with_context(|| format!("create {}", root.display()))?;
        let lock = File::options().create(true).append(true).open(root.join(LOCK))?;
        lock.try_lock().with_context(|| format!("{} is used by another run", root.display()))?;
        let scratch = Self { root, _lock: lock };
        scratch.clear()?;
        Ok(scratch)
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Where a data set is prepared.
    pub(crate) fn sets(&self) -> PathBuf {
        self.root.join("sets")
    }

    /// Where the helper of the measuring answers.
    pub(crate) fn answer(&self) -> PathBuf {
        self.root.join("answer.json")
    }

    /// The places of a step. The source has the same path in all of them.
    pub(crate) fn places(&self) -> Places {
        let cycle = self.cycle();
        Places {
            source: self.root.join("source"),
            repo: cycle.join("repo"),
            target: cycle.join("target"),
            work: cycle.join("work"),
            store: None,
        }
    }

    /// Everything that a cycle of one tool leaves.
    fn cycle(&self) -> PathBuf {
        self.root.join("cycle")
    }

    /// Makes the places of a cycle, empty; not the source and not the repository.
    pub(crate) fn begin_cycle(&self) -> Result<()> {
        self.end_cycle()?;
        let places = self.places();
        fs::create_dir_all(places.target)?;
        fs::create_dir_all(places.work)?;
        Ok(())
    }

    pub(crate) fn end_cycle(&self) -> Result<()> {
        remove(&self.cycle())
    }

    fn clear(&self) -> Result<()> {
        for entry in fs::read_dir(&self.root)? {
            let entry = entry?;
            if entry.file_name() != LOCK {
                remove(&entry.path())?;
            }
        }
        Ok(())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed now is removed by the next run.
        let _ = self.clear();
        let _ = remove(&self.root);
    }
}

/// Removes a file or a tree, if there is one.
pub(crate) fn remove(path: &Path) -> Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    };
    removed.with_context(|| format!("remove {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_user_at_a_time_and_nothing_is_left() {
        let place = tempfile::tempdir().unwrap();
        let leftover = place.path().join(FOLDER).join("sets/old");
        fs::create_dir_all(&leftover).unwrap();
        let scratch = Scratch::take(place.path()).unwrap();
        assert!(!leftover.try_exists().unwrap());
        let error = Scratch::take(place.path()).unwrap_err();
        assert!(format!("{error:#}").contains("another run"), "{error:#}");
        scratch.begin_cycle().unwrap();
        assert!(scratch.places().target.try_exists().unwrap());
        drop(scratch);
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
    }
}
