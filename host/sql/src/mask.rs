//! Hides secrets in the text of a statement, for logs and for everyone who may see what others run.
//!
//! It reads words and quotes only, so that it works on a statement that does not parse, and it would rather hide too much:
//! values of properties whose key names a secret, what follows `IDENTIFIED BY`, `PASSWORD(` and `SET PASSWORD`, and the keys
//! in a URL, also inside of comments.

use std::borrow::Cow;
use std::ops::Range;

use crate::scan::{Kind, Piece, Scan};

/// What stands for a secret.
pub(crate) const MASK: &str = "***";

/// Parts of names of secrets, without case and separators: `aws.s3.access_key` holds `accesskey`.
const SECRET_NAMES: [&str; 11] = [
    "passphrase",
    "password",
    "passwd",
    "secret",
    "token",
    "credential",
    "accesskey",
    "accountkey",
    "sharedkey",
    "privatekey",
    "keytabcontent",
];

/// `text` with `***` in place of each secret.
///
/// ```
/// let text = r#"CREATE REPOSITORY r WITH BROKER ON LOCATION "s3a://b/x" PROPERTIES ("aws.s3.secret_key" = "hunter2")"#;
/// assert!(cairn_sql::mask(text).ends_with(r#"("aws.s3.secret_key" = "***")"#));
/// ```
pub fn mask(text: &str) -> Cow<'_, str> {
    let secrets = secrets(text);
    if secrets.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut masked = String::with_capacity(text.len());
    let mut copied = 0;
    for secret in secrets {
        masked.push_str(text.get(copied..secret.start).unwrap_or_default());
        masked.push_str(MASK);
        copied = secret.end;
    }
    masked.push_str(text.get(copied..).unwrap_or_default());
    Cow::Owned(masked)
}

/// Where the secrets are, in order and apart from each other.
pub(crate) fn secrets(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut finder = Finder::new(text);
    for piece in Scan::new(text) {
        match piece.kind {
            Kind::Space | Kind::Version => {}
            Kind::Comment => found.extend(secrets_in_comment(text, piece)),
            _ => found.extend(finder.step(piece)),
        }
    }
    // A bare secret may reach over what was taken for a comment.
    found.sort_by_key(|secret: &Range<usize>| secret.start);
    found.dedup_by(|next, kept| {
        let overlaps = next.start < kept.end;
        kept.end = if overlaps { kept.end.max(next.end) } else { kept.end };
        overlaps
    });
    found
}

fn secrets_in_comment(text: &str, comment: Piece) -> Vec<Range<usize>> {
    let inside = text.get(comment.start..comment.end).unwrap_or_default();
    let inside = inside.strip_suffix("*/").unwrap_or(inside);
    let mut finder = Finder::new(inside);
    Scan::without_comments(inside)
        .filter(|piece| piece.kind != Kind::Space)
        .filter_map(|piece| finder.step(piece))
        .map(|secret| comment.start + secret.start..comment.start + secret.end)
        .collect()
}

/// What was read, as far as it tells that a secret is near.
#[derive(Debug, Clone, Copy)]
enum State {
    Plain,
    /// `SET`
    Set,
    /// The name of a secret: its value is hidden behind `=`, and behind a quoted name also without.
    Named {
        quoted: bool,
        assigned: bool,
    },
    /// The word `PASSWORD`
    Password,
    /// `PASSWORD(`: all that is quoted, up to `)`.
    Call,
    /// `SET PASSWORD`: all that is quoted but the name and host of the user.
    SetPassword {
        user_next: bool,
    },
    /// `IDENTIFIED`
    Identified,
    /// `IDENTIFIED WITH`
    Plugin,
    /// `IDENTIFIED WITH plugin`
    AfterPlugin,
    /// The next is a secret, whatever it is.
    Secret,
}

struct Finder<'a> {
    text: &'a str,
    state: State,
    /// Up to where a bare secret reached.
    covered: usize,
}

impl<'a> Finder<'a> {
    fn new(text: &'a str) -> Self {
        Self { text, state: State::Plain, covered: 0 }
    }

    /// Reads one piece; says which part of it, and of what follows, is a secret.
    fn step(&mut self, piece: Piece) -> Option<Range<usize>> {
        if piece.start < self.covered {
            return None;
        }
        let raw = self.text.get(piece.start..piece.end).unwrap_or_default();
        let word = |word: &str| piece.kind == Kind::Word && raw.eq_ignore_ascii_case(word);
        let string = matches!(piece.kind, Kind::Quoted { quote: b'\'' | b'"', .. });
        let (next, hide) = match self.state {
            _ if raw == ";" => (State::Plain, false),
            State::Set if word("PASSWORD") => (State::SetPassword { user_next: false }, false),
            State::Named { quoted, .. } if matches!(raw, "=" | ":" | ">") => {
                (State::Named { quoted, assigned: true }, false)
            }
            State::Named { quoted, assigned } if string && (quoted || assigned) => {
                (State::Plain, true)
            }
            State::Named { quoted: true, assigned: true } => (State::Plain, true),
            State::Password if raw == "(" => (State::Call, false),
            State::Password if raw == "=" => {
                (State::Named { quoted: false, assigned: true }, false)
            }
            State::Call if raw == ")" => (State::Plain, false),
            State::Call => (State::Call, piece.kind != Kind::Symbol),
            State::SetPassword { .. } if raw == "=" => (State::Secret, false),
            State::SetPassword { .. } if raw == "@" || word("FOR") => {
                (State::SetPassword { user_next: true }, false)
            }
            State::SetPassword { user_next: false } if string => (State::Plain, true),
            State::SetPassword { .. } => (State::SetPassword { user_next: false }, false),
            State::Identified if word("BY") => (State::Secret, false),
            State::Identified if word("WITH") => (State::Plugin, false),
            State::Plugin => (State::AfterPlugin, false),
            State::AfterPlugin if word("BY") || word("AS") => (State::Secret, false),
            State::Secret if word("PASSWORD") || matches!(raw, "(" | "=") => (State::Secret, false),
            State::Secret => (State::Plain, true),
            _ => (begin(piece, raw), false),
        };
        self.state = next;
        if hide {
            return Some(self.hide(piece));
        }
        string.then(|| keys_in_url(raw)).flatten().map(|keys| {
            let (start, end) = (piece.start + keys.start, piece.start + keys.end);
            start..end
        })
    }

    fn hide(&mut self, piece: Piece) -> Range<usize> {
        let secret = match piece.kind {
            Kind::Quoted { closed, .. } => piece.start + 1..piece.end - usize::from(closed),
            // Unquoted, which does not parse: everything up to a blank.
            _ => {
                let rest = self.text.get(piece.end..).unwrap_or_default();
                let ends = |c: char| c.is_whitespace() || matches!(c, ';' | ',' | ')');
                piece.start..piece.end + rest.find(ends).unwrap_or(rest.len())
            }
        };
        self.covered = secret.end.max(piece.end);
        secret
    }
}

/// The keys of `scheme://key:secret@place`. A secret may hold slashes, so that a path with `:` and `@` is hidden, too.
fn keys_in_url(raw: &str) -> Option<Range<usize>> {
    let begin = raw.find("://")? + "://".len();
    let rest = raw.get(begin..)?;
    let end = rest.rfind('@')?;
    rest.get(..end)?.contains(':').then(|| begin..begin + end)
}

/// The state after a piece that continues nothing.
fn begin(piece: Piece, raw: &str) -> State {
    match piece.kind {
        Kind::Quoted { quote: b'`', .. } if names_secret(raw) => {
            State::Named { quoted: false, assigned: false }
        }
        Kind::Quoted { .. } if names_secret(raw) || ends_in_key(raw) => {
            State::Named { quoted: true, assigned: false }
        }
        Kind::Word if raw.eq_ignore_ascii_case("SET") => State::Set,
        Kind::Word if raw.eq_ignore_ascii_case("IDENTIFIED") => State::Identified,
        Kind::Word if raw.eq_ignore_ascii_case("PASSWORD") => State::Password,
        Kind::Word if names_secret(raw) => State::Named { quoted: false, assigned: false },
        _ => State::Plain,
    }
}

/// Longer names than this are values.
const MAX_NAME: usize = 256;

fn bare_name(raw: &str) -> String {
    if raw.len() > MAX_NAME {
        return String::new();
    }
    raw.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

fn names_secret(raw: &str) -> bool {
    let name = bare_name(raw);
    SECRET_NAMES.iter().any(|secret| name.contains(secret))
}

/// `encryption.key`, but not `key`.
fn ends_in_key(raw: &str) -> bool {
    let name = bare_name(raw);
    name.ends_with("key") && name.len() > 3
}

#[cfg(test)]
mod tests;
