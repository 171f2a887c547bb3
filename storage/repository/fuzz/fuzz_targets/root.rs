//! `Root`: decoding is total, and what decodes encodes to something that decodes to the same.
#![no_main]

use cairn_repository::manifest::{Document, Root};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(document) = Root::decode(bytes) {
        assert_eq!(Root::decode(&document.encode()), Ok(document));
    }
});
