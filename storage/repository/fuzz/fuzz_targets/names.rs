//! Texts that become names: parsing is total, and what parses shows itself as it was.
#![no_main]

use cairn_repository::browse::SnapshotPath;
use cairn_repository::config::Compression;
use cairn_repository::retention::Period;
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
        if let Some(hold) = layout::parse_hold_path(&path) {
            assert_eq!(layout::hold_path(&hold), path);
        }
    }
    if let Ok(period) = text.parse::<Period>() {
        assert_eq!(period.to_string().parse(), Ok(period));
    }
    if let Ok(path) = text.parse::<SnapshotPath>() {
        assert_eq!(path.to_string().parse(), Ok(path));
    }
});
