//! Large texts: ten times the text takes about ten times as long, whatever it is made of.

use std::time::{Duration, Instant};

use cairn_sql::{mask, parse_one, parse_script};

fn time(work: impl FnOnce()) -> Duration {
    #[expect(clippy::disallowed_methods, reason = "the test is about time")]
    let begin = Instant::now();
    work();
    begin.elapsed()
}

/// `shape` makes a text of about so many bytes. Quadratic work would take a hundred times as long for ten times the text, each time;
/// a machine that does something else meanwhile only once or twice.
#[track_caller]
fn is_linear(shape: impl Fn(usize) -> String, work: impl Fn(&str)) {
    let [small, large] = [shape(100_000), shape(1_000_000)];
    let once = time(|| work(&small)).max(Duration::from_millis(20));
    let is_quick = |_| time(|| work(&large)) < once * 40;
    assert!((0..3).any(is_quick), "{once:?}, then three times more than forty times that");
}

fn repeated(
    head: &'static str,
    part: &'static str,
    tail: &'static str,
) -> impl Fn(usize) -> String {
    move |bytes| format!("{head}{}{tail}", part.repeat(bytes / part.len()))
}

#[test]
fn what_parses() {
    let parses = |text: &str| assert!(parse_one(text).is_ok());
    is_linear(repeated("INSERT INTO t VALUES (0, 'x')", ", (12345, 'some text')", ""), parses);
    is_linear(repeated("SELECT '", "some ''text'' \\' ", "'"), parses);
    is_linear(repeated("SELECT 1 /* ", "don't ", "*/"), parses);
    is_linear(repeated("SET a = 1", ", bcd = concat(1, 'x')", ""), parses);
    is_linear(repeated("ADMIN SET FRONTEND CONFIG ('a' = 'b'", ", 'token' = 'b'", ")"), parses);
    is_linear(
        repeated("CREATE RESOURCE GROUP g TO (a)", ", (user = 'x')", " WITH ('a' = 'b')"),
        parses,
    );
    is_linear(repeated("SELECT * FROM t WHERE a IN (1", ", 23456", ")"), parses);
    is_linear(repeated("BACKUP SNAPSHOT l TO r ON (a", ", b PARTITION (c)", ")"), parses);
}

#[test]
fn what_does_not_parse() {
    let fails = |text: &str| assert!(parse_one(text).is_err());
    is_linear(repeated("INSERT INTO t VALUES (0)", ", (12345, 'some text')", ", ("), fails);
    is_linear(repeated("SELECT ", "1 + ", ""), fails);
    is_linear(repeated("SELECT ", "(", ""), fails);
    is_linear(repeated("USE ", "x ", ""), fails);
    is_linear(repeated("USE 5 ", "'password' = 'x' ", ""), fails);
}

#[test]
fn scripts_and_masks() {
    is_linear(repeated("", "USE d;\n", ""), |text| assert!(parse_script(text).is_ok()));
    is_linear(repeated("", "USE d; ", "USE 5"), |text| assert!(parse_script(text).is_err()));
    for part in [
        "IDENTIFIED BY 'x' ",
        "-- -- ",
        "/* ",
        "'password' ",
        "('token' = x) ",
        "/*!1 */",
        "SET PASSWORD ",
    ] {
        is_linear(repeated("", part, ""), |text| assert!(!mask(text).is_empty()));
    }
}

#[test]
fn ten_megabytes() {
    let text =
        repeated("INSERT INTO t VALUES (0, 'x')", ", (12345, 'some text, as rows have it')", "")(
            10_000_000,
        );
    let took = time(|| assert!(parse_one(&text).is_ok()));
    assert!(took < Duration::from_secs(60), "{took:?}");
}
