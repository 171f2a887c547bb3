//! Marks of prunes, given without their hash: decoding is total, and what decodes encodes to the same value.
#![no_main]

use cairn_repository::mark::Mark;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let signed = [bytes, blake3::hash(bytes).as_bytes()].concat();
    if let Ok(mark) = Mark::decode(&signed) {
        assert_eq!(Mark::decode(&mark.encode()), Ok(mark));
    }
});
