//! Index runs, given without their hash: decoding is total, and the entries make the same run again.
#![no_main]

use cairn_repository::{IndexId, Sealer};
use cairn_repository::index::{decode_run, encode_run};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let hash = blake3::hash(bytes);
    let whole = [bytes, hash.as_bytes()].concat().into();
    if let Ok(run) = decode_run(&Sealer::plain(), &IndexId::from_bytes(*hash.as_bytes()), &whole) {
        let entries: Vec<_> = run.entries().collect();
        assert_eq!(entries.len(), run.num_entries());
        let again = encode_run(&Sealer::plain(), entries.clone());
        let decoded = decode_run(&Sealer::plain(), &again.id, &again.bytes).map(|run| run.entries().collect());
        assert_eq!(decoded, Ok(entries));
    }
});
