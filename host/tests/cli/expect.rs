//! A run of the program and what it must come to.

use std::process::{Command, Output};

use serde_json::Value;

use crate::place::Place;

/// The program is about to run; says what it must come to.
#[must_use = "nothing runs before `run`"]
pub(crate) struct Expect {
    command: Command,
    status: i32,
    stdout: Option<String>,
    stderr: Option<String>,
}

impl Place {
    /// The program with these arguments; without more words it must succeed.
    pub(crate) fn cairn(&self, arguments: &[&str]) -> Expect {
        Expect { command: self.command(arguments), status: 0, stdout: None, stderr: None }
    }

    /// Backs the warehouse up into the repository `repo`, which must succeed.
    pub(crate) fn back_up(&self, label: &str) {
        self.cairn(&["backup", "--repo", "repo", "--label", label, "wh"]).run();
    }
}

impl Expect {
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    pub(crate) fn status(mut self, status: i32) -> Self {
        self.status = status;
        self
    }

    /// The whole of stdout; `[..]` stands for anything within a line, `...` for any lines.
    pub(crate) fn stdout(mut self, pattern: &str) -> Self {
        self.stdout = Some(pattern.to_owned());
        self
    }

    /// The whole of stderr; `[..]` stands for anything within a line, `...` for any lines.
    pub(crate) fn stderr(mut self, pattern: &str) -> Self {
        self.stderr = Some(pattern.to_owned());
        self
    }

    /// Runs and compares; answers stdout.
    #[track_caller]
    pub(crate) fn run(mut self) -> String {
        let Output { status, stdout, stderr } = self.command.output().unwrap();
        let (stdout, stderr) = (text(stdout), text(stderr));
        let shown = format!("{:?}\n--- stdout\n{stdout}--- stderr\n{stderr}", self.command);
        assert_eq!(status.code(), Some(self.status), "{shown}");
        for (pattern, actual) in [(&self.stdout, &stdout), (&self.stderr, &stderr)] {
            if let Some(pattern) = pattern {
                assert!(matches(pattern, actual), "{shown}--- instead of\n{pattern}");
            }
        }
        stdout
    }

    /// Runs with `--json`; stdout must be one document.
    #[track_caller]
    pub(crate) fn json(mut self) -> Value {
        self.command.arg("--json");
        serde_json::from_str(&self.run()).unwrap()
    }
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

fn matches(pattern: &str, actual: &str) -> bool {
    let (pattern, actual): (Vec<_>, Vec<_>) = (pattern.lines().collect(), actual.lines().collect());
    lines_match(&pattern, &actual)
}

fn lines_match(pattern: &[&str], lines: &[&str]) -> bool {
    match (pattern, lines) {
        (["...", behind @ ..], _) => {
            (0..=lines.len()).any(|skip| lines_match(behind, &lines[skip..]))
        }
        ([first, behind @ ..], [line, rest @ ..]) => {
            line_matches(first, line) && lines_match(behind, rest)
        }
        (pattern, lines) => pattern.is_empty() && lines.is_empty(),
    }
}

fn line_matches(pattern: &str, line: &str) -> bool {
    let mut parts = pattern.split("[..]");
    let Some(mut rest) = parts.next().and_then(|first| line.strip_prefix(first)) else {
        return false;
    };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.split_once(part) {
            Some((_, behind)) => rest = behind,
            None => return false,
        }
    }
    true
}

#[test]
fn patterns_match_whole_lines() {
    assert!(matches("a [..] c\n", "a b c\n"));
    assert!(matches("[..]x[..]\ny\n", "axb\ny\n"));
    assert!(matches("a\n...\nd\n", "a\nb\nc\nd\n"));
    assert!(matches("...\na\n", "a\n"));
    assert!(!matches("a\n", "a\nb\n"));
    assert!(!matches("a", "ab"));
    assert!(!matches("a[..]c", "abcd"));
}
