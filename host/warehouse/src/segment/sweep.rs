//! What a crash left over: files and directories of tablets that no row names.
//!
//! Only names that this program gives are removed; whatever else somebody put there stays.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{SegmentFiles, file_name};
use crate::catalog::model::Id;
use crate::{Error, Result};

impl SegmentFiles {
    /// Removes what is not `named`, at the start, before anybody writes. Says of what is named and gone.
    pub(crate) fn sweep(&self, named: &BTreeMap<Id, BTreeSet<u64>>) -> Result<()> {
        let none = BTreeSet::new();
        let mut removed = 0_usize;
        let mut missing = named.clone();
        for (directory, name) in list(&self.root)? {
            let Some(tablet) = number(&name) else { continue };
            let numbers = named.get(&tablet).unwrap_or(&none);
            for (file, name) in list(&directory)? {
                let is_part = name.strip_suffix(".part");
                let segment = is_part.unwrap_or(&name).strip_suffix(".parquet").and_then(number);
                let Some(segment) = segment else { continue };
                if is_part.is_none() && numbers.contains(&segment) {
                    missing.get_mut(&tablet).map(|numbers| numbers.remove(&segment));
                    continue;
                }
                fs::remove_file(&file).map_err(|error| Error::io("remove", &file, error))?;
                removed += 1;
            }
            if numbers.is_empty() {
                // It stays where it holds something foreign.
                drop(fs::remove_dir(&directory));
            }
        }
        if removed > 0 {
            tracing::info!(removed, "files of segments that nothing names were removed");
        }
        for (tablet, segment) in missing
            .iter()
            .flat_map(|(tablet, numbers)| numbers.iter().map(move |number| (tablet, number)))
        {
            let path = self.root.join(tablet.to_string()).join(file_name(*segment));
            tracing::error!(path = %path.display(), "a segment is missing: restore its partition");
        }
        Ok(())
    }
}

/// The entries of a directory whose names are text.
fn list(directory: &Path) -> Result<Vec<(PathBuf, String)>> {
    let failed = |error| Error::io("list", directory, error);
    let mut entries = Vec::new();
    match fs::read_dir(directory) {
        // A foreign file with the name of a tablet.
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {}
        found => {
            for entry in found.map_err(failed)? {
                let entry = entry.map_err(failed)?;
                entries
                    .extend(entry.file_name().into_string().ok().map(|name| (entry.path(), name)));
            }
        }
    }
    Ok(entries)
}

/// A number as this program writes it.
fn number(text: &str) -> Option<u64> {
    text.parse().ok().filter(|number: &u64| number.to_string() == text)
}
