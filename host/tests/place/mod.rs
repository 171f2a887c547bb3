//! A directory of its own for each test, with a small warehouse in it, and the program run there.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// The program under test.
pub(crate) const CAIRN: &str = env!("CARGO_BIN_EXE_cairn");

/// A temporary directory that holds a warehouse `wh`.
pub(crate) struct Place {
    directory: TempDir,
}

impl Place {
    /// Two tables of a database, one with two partitions: three tablets of two segments.
    pub(crate) fn new() -> Self {
        let place = Self { directory: TempDir::new().unwrap() };
        for tablet in ["shop/orders/p1/t1", "shop/orders/p2/t1", "shop/items/p1/t1"] {
            for segment in 0..2 {
                place.write(
                    &format!("wh/{tablet}/segment-{segment}.dat"),
                    &noise(tablet, segment, 20_000),
                );
            }
        }
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Whether there is something of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        fs::symlink_metadata(self.path(name)).is_ok()
    }

    /// Writes a file with its directories.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// The program with these arguments, here, with nothing of the environment of the test.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(CAIRN);
        command.args(arguments).current_dir(self.directory.path()).env_clear();
        command
    }

    /// What is in a directory tree: names, kinds, modes and contents.
    pub(crate) fn tree(&self, name: &str) -> BTreeMap<PathBuf, (u32, Vec<u8>)> {
        let mut tree = BTreeMap::new();
        let root = self.path(name);
        collect(&root, &root, &mut tree);
        tree
    }
}

fn collect(root: &Path, directory: &Path, tree: &mut BTreeMap<PathBuf, (u32, Vec<u8>)>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let metadata = fs::symlink_metadata(&path).unwrap();
        let content = if metadata.is_file() { fs::read(&path).unwrap() } else { Vec::new() };
        tree.insert(path.strip_prefix(root).unwrap().to_owned(), (metadata.mode(), content));
        if metadata.is_dir() {
            collect(root, &path, tree);
        }
    }
}

/// Bytes that no two segments share and that do not compress.
pub(crate) fn noise(content: &str, segment: u8, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    let mut hasher = blake3::Hasher::new();
    hasher.update(content.as_bytes()).update(&[segment]).finalize_xof().fill(&mut bytes);
    bytes
}
