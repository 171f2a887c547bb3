//! The seeds of the fuzz targets: the objects of the golden repository, and names.

use std::fs;
use std::path::Path;

use cairn_repository::codec::Codec;
use cairn_repository::config::RepositoryConfig;
use cairn_repository::decompressor::{Decompressor, open_chunk};
use cairn_repository::pack::{ChunkKind, entries_of_pack};
use cairn_repository::record::Record;
use cairn_repository::record_copy::RecordCopy;
use cairn_repository::{Sealer, layout};

use crate::golden::golden;

/// Seeds as pairs of target and bytes. A hash at the end is left out: the targets make it.
fn seeds() -> Vec<(&'static str, Vec<u8>)> {
    let mut seeds = Vec::new();
    for (path, bytes) in golden("v1").objects() {
        let without_hash = bytes.len().saturating_sub(32);
        if path == layout::config_path() {
            seeds.push(("config", bytes.to_vec()));
        } else if layout::parse_snapshot_path(&path).is_some() {
            seeds.push(("record", bytes[..without_hash].to_vec()));
            let config = golden("v1").objects()[&layout::config_path()].clone();
            let config = RepositoryConfig::decode(&config).unwrap();
            let copy = RecordCopy::of(&config, &Record::decode(&bytes).unwrap()).encode();
            seeds.push(("record_copy", copy[..copy.len() - 32].to_vec()));
        } else if layout::parse_index_path(&path).is_some() {
            seeds.push(("index_run", bytes[..without_hash].to_vec()));
        } else if let Some(pack) = layout::parse_pack_path(&path) {
            if bytes.len() < 10_000 {
                seeds.push(("pack_directory", bytes.to_vec()));
            }
            for entry in entries_of_pack(&Sealer::plain(), &pack, &bytes).unwrap() {
                let location = entry.location;
                let start = location.offset as usize;
                let stored = bytes.slice(start..start + location.stored_len as usize);
                if location.codec == Codec::Zstd {
                    let raw_len = location.raw_len.to_le_bytes();
                    seeds.push(("stored_chunk", [&raw_len[..], &stored].concat()));
                }
                if location.kind == ChunkKind::Document {
                    let mut decompressor = Decompressor::new(&Sealer::plain());
                    let plain =
                        open_chunk(&mut decompressor, &entry.id, &location, &stored).unwrap();
                    for target in ["root", "object_list", "tablet_list"] {
                        seeds.push((target, plain.to_vec()));
                    }
                }
            }
        }
    }
    let hex = "0123456789abcdef".repeat(4);
    let pack = format!("packs/01/{hex}");
    for name in ["nightly-2026.11.23", "2026-11-23-08-00-00-123", "19", "auto", &hex, &pack] {
        seeds.push(("names", name.as_bytes().to_vec()));
    }
    for (path, bytes) in golden("v1-encrypted").objects() {
        if layout::parse_key_slot_path(&path).is_some() {
            seeds.push(("key_slot", bytes[..bytes.len() - 32].to_vec()));
        } else if path == layout::config_path() {
            seeds.push(("config", bytes.to_vec()));
        }
    }
    seeds
}

/// `cargo test -p cairn-repository --test format -- --ignored write_seeds`
#[test]
#[ignore = "writes the seeds of the fuzz targets"]
fn write_seeds() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    for (number, (target, bytes)) in seeds().into_iter().enumerate() {
        let directory = corpus.join(target);
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join(format!("seed-{number:02}")), bytes).unwrap();
    }
}
