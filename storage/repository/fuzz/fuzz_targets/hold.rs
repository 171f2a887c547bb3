//! What holds say, given without its hash: decoding is total, and what decodes encodes to the same value.
#![no_main]

use cairn_repository::hold::HoldNote;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let signed = [bytes, blake3::hash(bytes).as_bytes()].concat();
    if let Ok(note) = HoldNote::decode(&signed) {
        assert_eq!(HoldNote::decode(&note.encode()), Ok(note));
    }
});
