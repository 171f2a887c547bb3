//! Literals of definitions as values of their columns. Pure.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, StringArray};
use datafusion::common::ScalarValue;

use super::convert::convert;
use crate::arrow_types::query_type;
use crate::catalog::model::{Column, ColumnType};

/// What a column stores for a text; none where it cannot hold it.
pub(crate) fn stored(text: &str, column_type: ColumnType) -> Option<ScalarValue> {
    let column = Column {
        name: String::new(),
        column_type,
        nullable: true,
        default: None,
        auto_increment: false,
        comment: String::new(),
        stored_as: None,
        initial: None,
    };
    let texts: ArrayRef = Arc::new(StringArray::from(vec![text]));
    let values = convert(&texts, &column).ok()?;
    ScalarValue::try_from_array(&values, 0).ok()
}

/// The same as a query sees it.
pub(crate) fn scalar(text: &str, column_type: ColumnType) -> Option<ScalarValue> {
    stored(text, column_type)?.cast_to(&query_type(column_type)).ok()
}
