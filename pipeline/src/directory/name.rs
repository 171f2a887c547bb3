//! *Does*: says which names may become files of a warehouse.
//!
//! *Invariants*: a name that passes stays below the directory it is meant for, and outside of `.cairn`.

use cairn_actors::tablet::TabletError;

use super::failure::invalid;
use super::hidden::HIDDEN;

/// The longest name that Linux file systems accept.
const MAX_NAME_BYTES: usize = 255;

/// Refuses what cannot be the name of a directory entry; `role` says what the name is for.
pub(super) fn check_name(role: &str, name: &str) -> Result<(), TabletError> {
    match fault_of(name) {
        None => Ok(()),
        Some(fault) => Err(invalid(format!("{role} {name:?}"), fault)),
    }
}

/// Refuses what cannot be an entry of the warehouse directory itself.
pub(super) fn check_top_name(role: &str, name: &str) -> Result<(), TabletError> {
    match name == HIDDEN {
        true => Err(invalid(format!("{role} {name:?}"), "is reserved for Cairn")),
        false => check_name(role, name),
    }
}

/// Refuses what cannot be the name of a segment within a tablet's directory.
pub(super) fn check_segment(name: &str) -> Result<(), TabletError> {
    match name.split('/').find_map(fault_of) {
        None => Ok(()),
        Some(fault) => Err(invalid(format!("segment {name:?}"), fault)),
    }
}

fn fault_of(name: &str) -> Option<&'static str> {
    match name {
        "" => Some("an empty name or part of a name"),
        "." | ".." => Some("a name that leads elsewhere"),
        _ if name.contains('/') => Some("a name with a slash"),
        _ if name.contains('\0') => Some("a name with a NUL"),
        _ if name.len() > MAX_NAME_BYTES => Some("a name of more than 255 bytes"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use cairn_actors::tablet::TabletErrorKind;

    use super::*;

    #[test]
    fn odd_but_legal_names_pass() {
        for name in ["a b", "ü", "...", "-", "\n", ".hidden", &"x".repeat(255)] {
            check_name("table", name).unwrap();
            check_segment(&format!("{name}/{name}")).unwrap();
        }
        check_name("table", ".cairn").unwrap();
    }

    #[test]
    fn bad_names_are_invalid_and_shown() {
        for name in ["", ".", "..", "a/b", "a\0b", &"x".repeat(256)] {
            let error = check_name("table", name).unwrap_err();
            assert_eq!(error.kind(), TabletErrorKind::Invalid);
            assert_eq!(error.what(), format!("table {name:?}"));
        }
        for name in ["", "/a", "a/", "a//b", "../a", "a/..", "a/./b"] {
            let error = check_segment(name).unwrap_err();
            assert_eq!(error.kind(), TabletErrorKind::Invalid);
            assert_eq!(error.what(), format!("segment {name:?}"));
        }
        let error = check_top_name("database", ".cairn").unwrap_err();
        assert_eq!(error.to_string(), "database \".cairn\": is reserved for Cairn");
    }
}
