//! Key slots, given without their hash: decoding is total, and asks for nothing that a reader does not give.
#![no_main]

use cairn_repository::SlotLabel;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let signed = [bytes, blake3::hash(bytes).as_bytes()].concat();
    if let Ok(label) = SlotLabel::decode(&signed) {
        assert!(label.note.len() <= 256);
    }
});
