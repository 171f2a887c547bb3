//! What a test on a real server does where the server cannot be had.

use std::io::Write;

/// Says loudly that tests of a system are skipped, or fails them where `CAIRN_REQUIRE`, a list such as `s3,hdfs,mysql`, names it:
/// there nothing may be skipped.
///
/// # Panics
/// When the system is required.
#[expect(clippy::disallowed_methods, reason = "what is required is the environment's to say")]
#[expect(clippy::panic, reason = "this is how a test fails")]
pub fn skip_unless_required(system: &str, why: &str) {
    let required = std::env::var("CAIRN_REQUIRE").unwrap_or_default();
    if required.split(',').any(|name| name.trim() == system) {
        panic!("CAIRN_REQUIRE names {system}, and {why}");
    }
    // Not by the macro, whose output the test runner keeps to itself.
    let _ = writeln!(std::io::stderr(), "SKIPPED: tests with the real {system}: {why}");
}
