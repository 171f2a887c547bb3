//! `cairn.json`: decoding is total, and what decodes encodes to something that decodes to the same.
#![no_main]

use cairn_repository::config::RepositoryConfig;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(config) = RepositoryConfig::decode(bytes) {
        assert_eq!(RepositoryConfig::decode(&config.encode()), Ok(config));
    }
});
