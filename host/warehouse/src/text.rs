//! Values as text, the way a MySQL client sees them: `1` for true, a space between day and time, no exponent unless it is
//! needed. Casts, `CONCAT` and messages about rows print alike.

use std::fmt::{Display, LowerExp};
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{
    DataType, Date32Type, Float32Type, Float64Type, TimeUnit, TimestampMicrosecondType,
};
use datafusion::arrow::error::ArrowError;

use crate::civil;

/// Prints every value of a column; NULL stays NULL.
pub(crate) fn to_text(array: &ArrayRef) -> Result<StringArray, ArrowError> {
    let printed: StringArray = match array.data_type() {
        DataType::Boolean => {
            let digit = |truth| if truth { "1" } else { "0" };
            array.as_boolean().iter().map(|value| value.map(digit)).collect()
        }
        DataType::Float32 => {
            array.as_primitive::<Float32Type>().iter().map(|value| value.map(float)).collect()
        }
        DataType::Float64 => {
            array.as_primitive::<Float64Type>().iter().map(|value| value.map(float)).collect()
        }
        DataType::Date32 => array
            .as_primitive::<Date32Type>()
            .iter()
            .map(|value| civil::format_date(value?))
            .collect(),
        DataType::Timestamp(..) => {
            let micros = cast(array, &DataType::Timestamp(TimeUnit::Microsecond, None))?;
            let micros = micros.as_primitive::<TimestampMicrosecondType>();
            micros.iter().map(|value| civil::format_datetime(value?)).collect()
        }
        _ => cast(array, &DataType::Utf8)?.as_string::<i32>().clone(),
    };
    Ok(printed)
}

/// One value; `NULL` for none, and quotes around no text.
pub(crate) fn value_text(array: &ArrayRef, row: usize) -> String {
    let one = array.slice(row, 1);
    match to_text(&one) {
        Ok(text) if text.is_valid(0) => text.value(0).to_owned(),
        Ok(_) => "NULL".to_owned(),
        Err(_) => format!("<{}>", array.data_type()),
    }
}

/// The shortest digits that are read back as the same number.
fn float<F: Display + LowerExp + Into<f64> + Copy>(value: F) -> String {
    let magnitude = value.into().abs();
    if magnitude != 0.0 && magnitude.is_finite() && !(1e-5..1e15).contains(&magnitude) {
        let text = format!("{value:e}");
        return match text.split_once('e') {
            Some((digits, exponent)) if !exponent.starts_with('-') => {
                format!("{digits}e+{exponent}")
            }
            _ => text,
        };
    }
    value.to_string()
}

/// The same as an array of any kind.
pub(crate) fn to_text_array(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    Ok(Arc::new(to_text(array)?))
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{
        BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array,
        TimestampMicrosecondArray,
    };

    use super::*;

    fn printed(array: impl Array + 'static) -> Vec<Option<String>> {
        let array: ArrayRef = Arc::new(array);
        let text = to_text(&array).expect("prints");
        text.iter().map(|value| value.map(str::to_owned)).collect()
    }

    fn some(texts: &[&str]) -> Vec<Option<String>> {
        texts.iter().map(|text| Some((*text).to_owned())).collect()
    }

    #[test]
    fn values_print_as_a_client_sees_them() {
        assert_eq!(printed(BooleanArray::from(vec![true, false])), some(&["1", "0"]));
        assert_eq!(
            printed(Float64Array::from(vec![1.0, 0.1, -2.5, 1e300, 1e-7, 0.0])),
            some(&["1", "0.1", "-2.5", "1e+300", "1e-7", "0"])
        );
        assert_eq!(printed(Float32Array::from(vec![0.1])), some(&["0.1"]));
        assert_eq!(printed(Date32Array::from(vec![0])), some(&["1970-01-01"]));
        assert_eq!(
            printed(TimestampMicrosecondArray::from(vec![0, 1])),
            some(&["1970-01-01 00:00:00", "1970-01-01 00:00:00.000001"])
        );
        let decimal = Decimal128Array::from(vec![12_345]).with_precision_and_scale(9, 2);
        assert_eq!(printed(decimal.expect("fits")), some(&["123.45"]));
        assert_eq!(printed(Date32Array::from(vec![None])), [None]);
    }
}
