//! Records, given without their hash: decoding is total, and what decodes encodes to the same value.
#![no_main]

use cairn_repository::record::Record;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let signed = [bytes, blake3::hash(bytes).as_bytes()].concat();
    if let Ok(record) = Record::decode(&signed) {
        assert_eq!(Record::decode(&record.encode()), Ok(record));
    }
});
