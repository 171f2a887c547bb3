//! Texts that become names: parsing is total, and what parses shows itself as it was.
#![no_main]

use cairn_repository::config::Compression;
use cairn_repository::{ChunkId, Label, RepositoryId, Timestamp, layout};
use cairn_storage::ObjectPath;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(label) = text.parse::<Label>() {
        assert_eq!(label.as_str(), text);
        assert_eq!(layout::parse_snapshot_path(&layout::snapshot_path(&label)), Some(label));
    }
    if let Ok(timestamp) = text.parse::<Timestamp>() {
        assert_eq!(timestamp.to_string(), text);
    }
    if let Ok(compression) = text.parse::<Compression>() {
        assert_eq!(compression.to_string(), text);
    }
    if let Ok(id) = text.parse::<ChunkId>() {
        assert_eq!(id.to_string(), text);
    }
    if let Ok(id) = text.parse::<RepositoryId>() {
        assert_eq!(id.to_string(), text);
    }
    if let Ok(path) = ObjectPath::parse(text) {
        let _ = layout::parse_pack_path(&path);
        let _ = layout::parse_index_path(&path);
        let _ = layout::parse_snapshot_path(&path);
    }
});
