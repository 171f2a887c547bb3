//! `IF EXISTS` and `IF NOT EXISTS`: which failures they make a success. Pure.

use cairn_warehouse::{Error, ErrorKind, Subject};

use crate::mysql::SqlError;
use crate::refusal;

/// What was made; none where its name is taken and may be.
pub(super) fn made<T>(
    result: Result<T, Error>,
    if_not_exists: bool,
) -> Result<Option<T>, SqlError> {
    match result {
        Ok(made) => Ok(Some(made)),
        // A column of the same name is in the statement itself.
        Err(error)
            if if_not_exists
                && error.kind() == ErrorKind::AlreadyExists
                && error.subject() != Some(Subject::Column) =>
        {
            Ok(None)
        }
        Err(error) => Err(refusal::of_warehouse(error)),
    }
}

/// That something of this kind was dropped, or is not there and need not be.
pub(super) fn dropped(
    result: Result<(), Error>,
    if_exists: bool,
    kind: Subject,
) -> Result<(), SqlError> {
    match result {
        Err(error)
            if if_exists
                && error.kind() == ErrorKind::NotFound
                && error.subject() == Some(kind) =>
        {
            Ok(())
        }
        result => result.map_err(refusal::of_warehouse),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_named_may_be_there() {
        let taken = || Err::<(), _>(Error::table_exists("t"));
        assert_eq!(made(taken(), true).unwrap(), None);
        assert_eq!(made(taken(), false).unwrap_err().code, 1050);
        let column = Error::new(ErrorKind::AlreadyExists, "twice").about(Subject::Column);
        assert!(made(Err::<(), _>(column), true).is_err());
        assert_eq!(made(Ok(7), true).unwrap(), Some(7));
    }

    #[test]
    fn only_what_was_named_may_be_missing() {
        let missing = || Err(Error::unknown_table("t"));
        assert!(dropped(missing(), true, Subject::Table).is_ok());
        assert_eq!(dropped(missing(), false, Subject::Table).unwrap_err().code, 5502);
        let database = Err(Error::unknown_database("d"));
        assert_eq!(dropped(database, true, Subject::Table).unwrap_err().code, 1049);
        assert!(dropped(Err(Error::restoring("t")), true, Subject::Table).is_err());
    }
}
