//! Copies of records, given without their hash: decoding is total, and what decodes encodes to the same value.
#![no_main]

use cairn_repository::record_copy::RecordCopy;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let signed = [bytes, blake3::hash(bytes).as_bytes()].concat();
    if let Ok(copy) = RecordCopy::decode(&signed) {
        assert_eq!(RecordCopy::decode(&copy.encode()), Ok(copy));
    }
});
