//! [`Place`]: the directory of the quickstart, and the care not to empty one that is somebody else's.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::exit::Refusal;

/// Marks a directory as made by the quickstart.
const MARKER: &str = "made-by-cairn-quickstart";
/// What it makes there: a warehouse, what is loaded into it, a repository.
const CONTENTS: [&str; 3] = ["data", "files", "repository"];

/// Where everything is.
#[derive(Debug)]
pub(super) struct Place {
    data: PathBuf,
    files: PathBuf,
    repository: PathBuf,
}

impl Place {
    /// Makes the directory, or empties the one that an earlier quickstart made. One with anything else in it is refused.
    pub(super) fn prepare(directory: &Path) -> anyhow::Result<Self> {
        let about = || format!("cannot use {}", directory.display());
        fs::create_dir_all(directory).with_context(about)?;
        let directory = fs::canonicalize(directory).with_context(about)?;
        let marker = directory.join(MARKER);
        let is_empty = fs::read_dir(&directory).with_context(about)?.next().is_none();
        if !is_empty && !marker.try_exists().with_context(about)? {
            return Err(Refusal::usage(format!(
                "{} is not empty and not from an earlier quickstart; choose another with --dir",
                directory.display(),
            )));
        }
        for name in CONTENTS {
            match fs::remove_dir_all(directory.join(name)) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(error).with_context(about);
                }
                _ => {}
            }
        }
        fs::write(&marker, "cairn quickstart empties this directory when it runs again.\n")
            .with_context(about)?;
        let [data, files, repository] = CONTENTS.map(|name| directory.join(name));
        fs::create_dir_all(&files).with_context(about)?;
        Ok(Self { data, files, repository })
    }

    /// The data directory of the warehouse.
    pub(super) fn data(&self) -> &Path {
        &self.data
    }

    /// What is loaded.
    pub(super) fn files(&self) -> &Path {
        &self.files
    }

    pub(super) fn repository(&self) -> &Path {
        &self.repository
    }
}
