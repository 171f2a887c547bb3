//! [`Names`]: which path of HDFS an object has, and back.
//!
//! Object paths allow what HDFS refuses: a colon anywhere, and the names that it keeps for itself. A colon is
//! stored as `;`, a reserved name with a `%` behind it. Neither sign can be in an object path, so no two objects
//! meet, and a segment that fits (200 bytes of 255) still does.

use std::borrow::Cow;

use crate::ObjectPath;

/// The directory below the root in which objects are written; `~` keeps it out of every object path.
const STAGING: &str = ".staging~";

/// Names that HDFS refuses: `.snapshot` everywhere, `.reserved` below `/`.
const RESERVED: [&str; 2] = [".snapshot", ".reserved"];

/// The paths of one storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Names {
    /// Absolute, without a slash at the end: empty for `/`.
    root: String,
}

/// Why a text is no root.
#[derive(Debug, thiserror::Error)]
#[error("the path of an HDFS location is absolute and has no empty or relative segment")]
pub(super) struct RootError;

impl Names {
    /// The names below `root`, an absolute path of HDFS.
    pub(super) fn below(root: &str) -> Result<Self, RootError> {
        let segments = root.strip_prefix('/').ok_or(RootError)?.trim_end_matches('/');
        let is_odd = |segment: &str| matches!(segment, "" | "." | "..");
        if !segments.is_empty() && segments.split('/').any(is_odd) {
            return Err(RootError);
        }
        Ok(Self { root: root.trim_end_matches('/').to_owned() })
    }

    /// The directory of the storage.
    pub(super) fn root(&self) -> &str {
        if self.root.is_empty() { "/" } else { &self.root }
    }

    /// Where an object, or a directory of them, is.
    pub(super) fn path(&self, object: &ObjectPath) -> String {
        if object.is_root() {
            return self.root().to_owned();
        }
        let segments = object.as_str().split('/');
        segments.fold(self.root.clone(), |path, segment| format!("{path}/{}", encode(segment)))
    }

    /// The object that an entry of a directory is. A name that no object can have is none.
    pub(super) fn object(&self, directory: &ObjectPath, name: &str) -> Option<ObjectPath> {
        let segment = decode(name);
        // Only what `path` would write: another name for the same object is not one of ours.
        if segment.is_empty() || encode(&segment) != name {
            return None;
        }
        directory.join(&segment).ok()
    }

    /// The directory in which objects are written.
    pub(super) fn staging(&self) -> String {
        format!("{}/{STAGING}", self.root)
    }
}

fn encode(segment: &str) -> Cow<'_, str> {
    if RESERVED.contains(&segment) {
        return format!("{segment}%").into();
    }
    if segment.contains(':') { segment.replace(':', ";").into() } else { segment.into() }
}

fn decode(name: &str) -> Cow<'_, str> {
    let name = name.strip_suffix('%').unwrap_or(name);
    if name.contains(';') { name.replace(';', ":").into() } else { name.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(text: &str) -> ObjectPath {
        ObjectPath::parse(text).unwrap()
    }

    #[test]
    fn an_object_lies_below_the_root() {
        let names = Names::below("/backup/cairn/").unwrap();
        assert_eq!(names.root(), "/backup/cairn");
        assert_eq!(names.path(&ObjectPath::root()), "/backup/cairn");
        assert_eq!(names.path(&object("packs/ab")), "/backup/cairn/packs/ab");
        assert_eq!(names.staging(), "/backup/cairn/.staging~");
        let whole = Names::below("/").unwrap();
        assert_eq!(whole.path(&ObjectPath::root()), "/");
        assert_eq!(whole.path(&object("a")), "/a");
        assert_eq!(whole.staging(), "/.staging~");
    }

    #[test]
    fn what_hdfs_refuses_is_stored_under_another_name_and_found_again() {
        let names = Names::below("/r").unwrap();
        for (segment, stored) in [
            ("a:b", "a;b"),
            (":", ";"),
            (".snapshot", ".snapshot%"),
            (".reserved", ".reserved%"),
            (".staging", ".staging"),
            ("a.b-c_d=e+f@g", "a.b-c_d=e+f@g"),
        ] {
            let directory = object("in/here");
            let path = directory.join(segment).unwrap();
            assert_eq!(names.path(&path), format!("/r/in/here/{stored}"));
            assert_eq!(names.object(&directory, stored), Some(path), "{stored}");
        }
    }

    #[test]
    fn names_that_nobody_gave_are_no_objects() {
        let names = Names::below("/r").unwrap();
        for name in [".staging~", "a%", "a:b", ".snapshot", "a b", "", "a%%", "\u{e9}"] {
            assert_eq!(names.object(&ObjectPath::root(), name), None, "{name}");
        }
    }

    #[test]
    fn a_root_is_absolute_and_plain() {
        for root in ["", "a", "a/b", "/a//b", "//a", "/a/../b", "/./a"] {
            assert!(Names::below(root).is_err(), "{root}");
        }
    }
}
