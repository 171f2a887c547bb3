//! [`LocalPlaces`]: where repositories may lie that are directories of this machine.
//!
//! Links are followed as far as there is something, and what is not there yet may not go up, so that no spelling leads out of an
//! allowed directory. Never into the data directory: a backup would then die with what it is to save.

use std::path::{Component, Path, PathBuf};

use cairn_pipeline::storage::StorageUrl;

use crate::mysql::SqlError;
use crate::refusal;

/// Directories below which a repository may lie, and the one where it may not.
#[derive(Debug)]
pub struct LocalPlaces {
    allowed: Vec<PathBuf>,
    data_dir: PathBuf,
}

impl LocalPlaces {
    /// Below these directories, and not below this one.
    pub fn new(allowed: &[PathBuf], data_dir: &Path) -> Self {
        let real = |path: &Path| real(path).unwrap_or_else(|| path.to_owned());
        Self { allowed: allowed.iter().map(|path| real(path)).collect(), data_dir: real(data_dir) }
    }

    /// Refuses a location on this machine that is not allowed. Whatever lies elsewhere, or makes no sense, is for others to judge.
    pub(super) fn check(&self, location: &str) -> Result<(), SqlError> {
        let Ok(StorageUrl::Local(path)) = StorageUrl::parse(location) else { return Ok(()) };
        if !path.is_absolute() {
            return Err(refusal::analysis(format_args!(
                "'{location}' does not say where it is: give a whole path, such as file:///backup"
            )));
        }
        let real = real(&path).ok_or_else(|| {
            refusal::analysis(format_args!("'{location}': give the path without '..'"))
        })?;
        if real.starts_with(&self.data_dir) {
            return Err(refusal::general(format!(
                "Failed to create repository: '{location}' lies inside the data directory {}, and would be lost with it",
                self.data_dir.display()
            )));
        }
        if !self.allowed.iter().any(|allowed| real.starts_with(allowed)) {
            return Err(refusal::general(format!(
                "Repositories may not lie at '{location}': allow its directory with sql.repositories in the server's \
                 configuration file"
            )));
        }
        Ok(())
    }
}

/// The path with its links followed, as far as it exists; none where the rest goes up.
fn real(path: &Path) -> Option<PathBuf> {
    let mut missing = Vec::new();
    for there in path.ancestors() {
        if let Ok(mut real) = there.canonicalize() {
            real.extend(missing.iter().rev());
            return Some(real);
        }
        match there.components().next_back() {
            Some(Component::Normal(name)) => missing.push(name),
            _ => return None,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_lies_where_it_may() {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().canonicalize().unwrap();
        for directory in ["allowed", "data", "other"] {
            std::fs::create_dir(root.join(directory)).unwrap();
        }
        std::os::unix::fs::symlink(root.join("other"), root.join("allowed/link")).unwrap();
        let places = LocalPlaces::new(&[root.join("allowed")], &root.join("data"));
        let check = |path: &str| places.check(&format!("file://{}/{path}", root.display()));
        for fine in ["allowed", "allowed/a/b"] {
            assert!(check(fine).is_ok(), "{fine}");
        }
        for outside in ["other", "", "allowed/../other", "allowed/link", "allowed/link/new"] {
            let error = check(outside).unwrap_err().message;
            assert!(error.contains("sql.repositories"), "{outside}: {error}");
        }
        assert!(check("allowed/a/../../other").unwrap_err().message.contains("without '..'"));
        assert!(check("data/x").unwrap_err().message.contains("inside the data directory"));
        assert!(places.check("relative/path").unwrap_err().message.contains("a whole path"));
        for elsewhere in ["s3://bucket/x", "hdfs://host:1/x", "gopher://x"] {
            assert!(places.check(elsewhere).is_ok(), "{elsewhere}");
        }
    }

    #[test]
    fn everywhere_is_not_in_the_data_directory() {
        let place = tempfile::tempdir().unwrap();
        let places = LocalPlaces::new(&[PathBuf::from("/")], place.path());
        assert!(places.check("file:///backup").is_ok());
        assert!(places.check(&format!("file://{}", place.path().display())).is_err());
    }
}
