//! `TabletList`: decoding is total, and what decodes encodes to something that decodes to the same.
#![no_main]

use cairn_repository::manifest::{Document, TabletList};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(document) = TabletList::decode(bytes) {
        assert_eq!(TabletList::decode(&document.encode()), Ok(document));
    }
});
