//! Whole packs under the name that fits: reading is total, and entries lie inside, one behind the other.
#![no_main]

use cairn_repository::{PackId, Sealer};
use cairn_repository::pack::{MAGIC, entries_of_pack, parse_trailer};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(trailer) = parse_trailer(&Sealer::plain(), bytes, bytes.len() as u64) else { return };
    let start = bytes.len() - usize::try_from(trailer.tail_bytes()).unwrap();
    let pack = PackId::from_bytes(*blake3::hash(&bytes[start..]).as_bytes());
    if let Ok(entries) = entries_of_pack(&Sealer::plain(), &pack, bytes) {
        let mut end = MAGIC.len() as u64;
        for entry in entries {
            assert_eq!(u64::from(entry.location.offset), end);
            end = entry.location.end();
        }
        assert_eq!(end, start as u64);
    }
});
