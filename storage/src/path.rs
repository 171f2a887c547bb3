//! [`ObjectPath`]: the only key type.

use std::fmt;

/// The name of an object: `/`-separated segments.
///
/// Invariants, checked by [`ObjectPath::parse`] and kept by [`ObjectPath::join`]:
/// 1. no leading, trailing or doubled `/`;
/// 2. no segment is empty, `.` or `..`;
/// 3. only ASCII letters, digits and `-_.=:+@` in a segment;
/// 4. a segment is at most 200 bytes long, the path at most 800.
///
/// The empty path is the root: a prefix, never an object.
///
/// ```
/// use cairn_storage::ObjectPath;
/// let path = ObjectPath::parse("packs/ab/abcd")?;
/// assert_eq!(path.join("x")?.to_string(), "packs/ab/abcd/x");
/// assert!(ObjectPath::parse("../escape").is_err());
/// # Ok::<(), cairn_storage::PathError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectPath(Box<str>);

/// Why a text is not an [`ObjectPath`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not an object path: {reason}")]
pub struct PathError {
    text: String,
    reason: &'static str,
}

const MAX_SEGMENT_BYTES: usize = 200;
const MAX_PATH_BYTES: usize = 800;
const TOO_LONG: &str = "longer than 800 bytes";

impl ObjectPath {
    /// The empty path.
    pub fn root() -> Self {
        Self("".into())
    }

    /// Checks a text against the invariants.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        let refuse = |reason| Err(PathError { text: text.to_owned(), reason });
        if text.is_empty() {
            return Ok(Self::root());
        }
        if text.len() > MAX_PATH_BYTES {
            return refuse(TOO_LONG);
        }
        match text.split('/').find_map(fault_of) {
            Some(reason) => refuse(reason),
            None => Ok(Self(text.into())),
        }
    }

    /// This path with more segments behind it.
    pub fn join(&self, more: &str) -> Result<Self, PathError> {
        match (self.is_root(), more.is_empty()) {
            (true, _) => Self::parse(more),
            (false, true) => Ok(self.clone()),
            (false, false) => {
                let joined = [&*self.0, "/", more].concat();
                let too_long = (joined.len() > MAX_PATH_BYTES).then_some(TOO_LONG);
                // What is here already was looked at.
                match too_long.or_else(|| more.split('/').find_map(fault_of)) {
                    Some(reason) => Err(PathError { text: joined, reason }),
                    None => Ok(Self(joined.into())),
                }
            }
        }
    }

    /// Whether this is the empty path.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The last segment; empty for the root.
    pub fn name(&self) -> &str {
        // Names are short: a search that is made for long texts shows in profiles of listings.
        let slash = self.0.bytes().rposition(|byte| byte == b'/');
        self.0.get(slash.map_or(0, |slash| slash + 1)..).unwrap_or_default()
    }

    /// Whether this path lies below `prefix` (or is it), by whole segments.
    pub fn starts_with(&self, prefix: &Self) -> bool {
        prefix.is_root()
            || self
                .0
                .strip_prefix(&*prefix.0)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// What is left of this path below `prefix`; `None` when it does not lie there.
    pub fn strip_prefix(&self, prefix: &Self) -> Option<Self> {
        if !self.starts_with(prefix) {
            return None;
        }
        let rest = self.0.get(prefix.0.len()..)?;
        Some(Self(rest.strip_prefix('/').unwrap_or(rest).into()))
    }
}

/// What is wrong with a segment.
fn fault_of(segment: &str) -> Option<&'static str> {
    match segment {
        "" => Some("empty segment"),
        "." | ".." => Some("relative segment"),
        _ if segment.len() > MAX_SEGMENT_BYTES => Some("segment over 200 bytes"),
        _ if !segment.bytes().all(is_allowed) => {
            Some("only letters, digits and -_.=:+@ are allowed")
        }
        _ => None,
    }
}

fn is_allowed(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.=:+@".contains(&byte)
}

impl fmt::Display for ObjectPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for ObjectPath {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Any valid path, the root among them.
    fn any_path() -> impl Strategy<Value = ObjectPath> {
        prop::collection::vec("[a-zA-Z0-9_=:+@.-]{1,40}", 0..6)
            .prop_map(|segments| segments.join("/"))
            .prop_filter_map("a relative segment", |text| ObjectPath::parse(&text).ok())
    }

    /// Texts near the border of what is valid.
    fn any_text() -> impl Strategy<Value = String> {
        prop_oneof!["[a-z./-]{0,12}", "\\PC{0,30}", "[a/]{790,810}", "[a]{195,205}(/[a]{195,205})?"]
    }

    proptest! {
        #[test]
        fn display_and_parse_are_inverse(path in any_path()) {
            prop_assert_eq!(ObjectPath::parse(&format!("{path}")), Ok(path));
        }

        #[test]
        fn what_parses_keeps_the_invariants(text in any_text()) {
            let Ok(path) = ObjectPath::parse(&text) else { return Ok(()) };
            prop_assert_eq!(path.as_str(), &text);
            prop_assert!(text.len() <= MAX_PATH_BYTES);
            if !path.is_root() {
                for segment in text.split('/') {
                    prop_assert!(!matches!(segment, "" | "." | ".."));
                    prop_assert!(segment.len() <= MAX_SEGMENT_BYTES);
                    prop_assert!(segment.bytes().all(is_allowed));
                }
            }
        }

        #[test]
        fn strip_prefix_undoes_join(prefix in any_path(), rest in any_path()) {
            let joined = prefix.join(rest.as_str()).unwrap();
            prop_assert!(joined.starts_with(&prefix));
            prop_assert_eq!(joined.strip_prefix(&prefix), Some(rest.clone()));
            let name = if rest.is_root() { prefix.name() } else { rest.name() };
            prop_assert_eq!(joined.name(), name);
        }

        #[test]
        fn a_prefix_ends_at_a_segment(path in any_path(), tail in "[a-z0-9-]{1,5}") {
            prop_assume!(!path.is_root());
            let longer = ObjectPath::parse(&format!("{path}{tail}")).unwrap();
            prop_assert!(!longer.starts_with(&path));
            prop_assert_eq!(longer.strip_prefix(&path), None);
        }

        #[test]
        fn strip_prefix_gives_a_valid_path(path in any_path(), prefix in any_path()) {
            if let Some(rest) = path.strip_prefix(&prefix) {
                prop_assert_eq!(prefix.join(rest.as_str()), Ok(path));
            }
        }
    }

    #[test]
    fn a_refusal_says_why() {
        let refusal = |text: &str| ObjectPath::parse(text).unwrap_err().to_string();
        assert_eq!(refusal("/a"), "\"/a\" is not an object path: empty segment");
        assert!(refusal("a/").ends_with("empty segment"));
        assert!(refusal("a/../b").ends_with("relative segment"));
        assert!(refusal("a b").ends_with("only letters, digits and -_.=:+@ are allowed"));
        assert!(refusal(&"a".repeat(201)).ends_with("segment over 200 bytes"));
        assert!(refusal(&"a/".repeat(401)).ends_with("longer than 800 bytes"));
    }

    #[test]
    fn a_join_that_is_too_long_is_refused() {
        let long = ObjectPath::parse(&vec!["a".repeat(199); 4].join("/")).unwrap();
        assert!(long.join("a").is_err());
        assert_eq!(long.join(""), Ok(long));
    }
}
