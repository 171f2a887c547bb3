//! Repositories written by earlier versions stay readable, byte for byte, for ever.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use cairn_repository::pack::{IndexEntry, entries_of_pack};
use cairn_repository::{Sealer, layout};
use cairn_storage::{MemoryStorage, ObjectPath};

use crate::check::check;
use crate::sample;

fn directory(version: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(version)
}

/// The golden repository of a format version, as a storage that a test may damage.
pub(crate) fn golden(version: &str) -> MemoryStorage {
    let memory = MemoryStorage::new();
    let mut directories = vec![directory(version)];
    while let Some(next) = directories.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else {
                let name = path.strip_prefix(directory(version)).unwrap().to_str().unwrap();
                let bytes = fs::read(&path).unwrap();
                memory.insert(ObjectPath::parse(name).unwrap(), bytes.into());
            }
        }
    }
    memory
}

#[tokio::test]
async fn version_1_opens_and_is_sound() {
    let repository = sample::open(&golden("v1")).await;
    assert_eq!(repository.config().chunking, sample::settings().chunking);
    let report = check(&repository).await;
    assert_eq!(report.findings, []);
    assert_eq!((report.num_snapshots, report.num_packs, report.num_orphan_packs), (2, 4, 0));
}

#[tokio::test]
async fn version_1_gives_back_every_segment() {
    let repository = sample::open(&golden("v1")).await;
    for label in ["first", "second"] {
        assert_eq!(sample::read_back(&repository, label).await, sample::expected(label));
    }
}

/// Chunks (with their kinds and lengths) and records of a repository: what does not depend on the release of zstd.
fn content(memory: &MemoryStorage) -> BTreeSet<String> {
    let mut content = BTreeSet::new();
    for (path, bytes) in memory.objects() {
        if let Some(pack) = layout::parse_pack_path(&path) {
            for IndexEntry { id, location } in
                entries_of_pack(&Sealer::plain(), &pack, &bytes).unwrap()
            {
                content.insert(format!("{id} {:?} {}", location.kind, location.raw_len));
            }
        } else if layout::parse_snapshot_path(&path).is_some() {
            content.insert(format!("{path} {bytes:?}"));
        }
    }
    content
}

/// A difference is a change of chunking or of documents, which wants a new version and a new golden repository
/// beside this one.
#[tokio::test]
async fn what_is_written_today_is_version_1() {
    assert_eq!(content(&sample::sample().await), content(&golden("v1")));
}

/// `cargo test -p cairn-repository --test format -- --ignored` wrote `tests/golden/v1` once.
#[tokio::test]
#[ignore = "writes the golden repository, which is never written again"]
async fn write_version_1() {
    write("v1", &sample::sample().await);
}

#[tokio::test]
async fn version_1_encrypted_opens_and_gives_back_every_segment() {
    let repository = sample::unlock(&golden("v1-encrypted")).await;
    let report = check(&repository).await;
    assert_eq!(report.findings, []);
    assert_eq!((report.num_snapshots, report.num_packs, report.num_orphan_packs), (2, 4, 0));
    for label in ["first", "second"] {
        assert_eq!(sample::read_back(&repository, label).await, sample::expected(label));
    }
    let rotated = repository.rotate_keys().await.unwrap();
    assert_eq!(rotated.sealer().generation(), 2);
    assert_eq!(sample::read_back(&rotated, "first").await, sample::expected("first"));
}

/// `cargo test -p cairn-repository --test format -- --ignored` wrote `tests/golden/v1-encrypted` once.
#[tokio::test]
#[ignore = "writes the golden repository, which is never written again"]
async fn write_version_1_encrypted() {
    write("v1-encrypted", &sample::encrypted_sample().await);
}

fn write(version: &str, memory: &MemoryStorage) {
    assert!(!directory(version).try_exists().unwrap(), "a golden repository is never regenerated");
    for (path, bytes) in memory.objects() {
        let file = directory(version).join(path.as_str());
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, bytes).unwrap();
    }
}
