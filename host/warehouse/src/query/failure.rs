//! What DataFusion says, in words of a MySQL client: no types of Rust, no plans, no files of tablets.

use datafusion::arrow::error::ArrowError;
use datafusion::common::{DataFusionError, SchemaError};

use crate::{Error, ErrorKind, Subject};

/// How DataFusion begins what it says of a function that is not there.
const UNKNOWN_FUNCTION: &str = "Invalid function '";
/// How it begins what it says of arguments that a function does not take.
const UNKNOWN_SIGNATURE: &str = "No function matches the given name and argument types '";

/// An error of a query, classified.
pub(crate) fn query_error(error: DataFusionError) -> Error {
    match error {
        DataFusionError::External(inner) => match inner.downcast::<Error>() {
            Ok(ours) => *ours,
            Err(other) => failed(other.to_string()),
        },
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => {
            query_error(*inner)
        }
        DataFusionError::Collection(errors) => match errors.into_iter().next() {
            Some(first) => query_error(first),
            None => failed("the query failed"),
        },
        // Several consumers of one stream: none of them owns it.
        DataFusionError::Shared(shared) => borrowed_error(&shared),
        other => borrowed_error(&other),
    }
}

/// The same of an error that others hold, too.
fn borrowed_error(error: &DataFusionError) -> Error {
    match error {
        DataFusionError::SchemaError(error, _) => schema_error(error),
        DataFusionError::Plan(message) | DataFusionError::Configuration(message) => {
            plan_error(first_part(message))
        }
        DataFusionError::NotImplemented(message) => {
            Error::unsupported(format!("not supported: {}", first_part(message)))
        }
        DataFusionError::Execution(message) => failed(first_part(message)),
        DataFusionError::ArrowError(error, _) => arrow_error(error),
        DataFusionError::ResourcesExhausted(message) => failed(format!(
            "Memory of queries exhausted: {}; raise query_memory_limit or let the query touch less",
            first_part(message)
        )),
        DataFusionError::IoError(error) => {
            Error::new(ErrorKind::Io, format!("a file of the query failed: {error}"))
        }
        DataFusionError::ObjectStore(error) => {
            Error::new(ErrorKind::Io, format!("a file of the query failed: {error}"))
        }
        DataFusionError::ParquetError(error) => {
            Error::new(ErrorKind::Corrupt, format!("a Parquet file cannot be read: {error}"))
        }
        DataFusionError::SQL(error, _) => failed(error.to_string()),
        DataFusionError::External(inner) => match inner.downcast_ref::<Error>() {
            Some(ours) => Error::new(ours.kind(), ours.to_string()),
            None => failed(inner.to_string()),
        },
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => {
            borrowed_error(inner)
        }
        DataFusionError::Shared(inner) => borrowed_error(inner),
        other => failed(first_part(&other.strip_backtrace())),
    }
}

fn schema_error(error: &SchemaError) -> Error {
    let unknown = |message: String| Error::new(ErrorKind::NotFound, message).about(Subject::Column);
    match error {
        SchemaError::FieldNotFound { field, .. } => {
            unknown(format!("Unknown column '{}'", field.flat_name()))
        }
        SchemaError::AmbiguousReference { field } => {
            failed(format!("Column '{}' is ambiguous", field.name))
        }
        SchemaError::DuplicateQualifiedField { name, .. }
        | SchemaError::DuplicateUnqualifiedField { name } => {
            failed(format!("Duplicate column name '{name}'"))
        }
    }
}

fn plan_error(message: &str) -> Error {
    let quoted = |prefix: &str| {
        message.strip_prefix(prefix).and_then(|rest| rest.split_once('\'')).map(|(name, _)| name)
    };
    if let Some(name) = quoted(UNKNOWN_FUNCTION) {
        return Error::new(ErrorKind::NotFound, format!("FUNCTION {name} does not exist"))
            .about(Subject::Function);
    }
    if message.ends_with("' not found")
        && let Some(name) = quoted("table '")
    {
        return Error::unknown_table(name);
    }
    if let Some(signature) = quoted(UNKNOWN_SIGNATURE) {
        return failed(format!("No matching function with signature: {signature}"));
    }
    failed(message)
}

fn arrow_error(error: &ArrowError) -> Error {
    match error {
        ArrowError::DivideByZero => failed("Division by 0"),
        ArrowError::ExternalError(inner) => match inner.downcast_ref::<DataFusionError>() {
            Some(inner) => borrowed_error(inner),
            None => failed(inner.to_string()),
        },
        ArrowError::CastError(message)
        | ArrowError::ComputeError(message)
        | ArrowError::ArithmeticOverflow(message)
        | ArrowError::InvalidArgumentError(message)
        | ArrowError::ParseError(message) => failed(message.as_str()),
        other => failed(other.to_string()),
    }
}

fn failed(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Query, message)
}

/// The message without the candidates and traces that DataFusion adds in paragraphs of their own.
fn first_part(message: &str) -> &str {
    message.split("\n\n").next().unwrap_or(message).split("\n\tCandidate").next().unwrap_or(message)
}

/// An error of ours on its way through DataFusion.
pub(crate) fn external(error: Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

#[cfg(test)]
mod tests {
    use datafusion::common::Column;

    use super::*;

    #[test]
    fn an_error_of_ours_comes_back_as_it_was() {
        let error = external(Error::unknown_table("t")).context("while planning");
        let back = query_error(error);
        assert_eq!((back.kind(), back.subject()), (ErrorKind::NotFound, Some(Subject::Table)));
        assert_eq!(back.to_string(), "Unknown table 't'");
    }

    #[test]
    fn messages_name_the_thing_and_nothing_of_the_planner() {
        let column = Box::new(Column::new(Some("t"), "x"));
        let missing = SchemaError::FieldNotFound { field: column, valid_fields: vec![] };
        let cases = [
            (
                DataFusionError::SchemaError(Box::new(missing), Box::new(None)),
                "Unknown column 't.x'",
            ),
            (
                DataFusionError::Plan("Invalid function 'foo'.\nDid you mean 'floor'?".to_owned()),
                "FUNCTION foo does not exist",
            ),
            (
                DataFusionError::Plan(format!("{UNKNOWN_SIGNATURE}round(Utf8)'. You might")),
                "No matching function with signature: round(Utf8)",
            ),
            (
                DataFusionError::ArrowError(Box::new(ArrowError::DivideByZero), None),
                "Division by 0",
            ),
        ];
        for (error, expected) in cases {
            assert_eq!(query_error(error).to_string(), expected);
        }
    }
}
