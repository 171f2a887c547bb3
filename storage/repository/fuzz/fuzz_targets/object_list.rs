//! `ObjectList`: decoding is total, and what decodes encodes to something that decodes to the same.
#![no_main]

use cairn_repository::manifest::{Document, ObjectList};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(document) = ObjectList::decode(bytes) {
        assert_eq!(ObjectList::decode(&document.encode()), Ok(document));
    }
});
