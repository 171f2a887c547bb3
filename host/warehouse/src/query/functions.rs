//! Functions with the meaning that MySQL gives them, where the planner has none of that name or another meaning.
//!
//! NULL in gives NULL out, and so does an argument that makes no sense. All of them are pure, so the planner computes
//! those of literals, and a partition is found by the result.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, Date32Array, Int32Array, Int64Array, StringArray,
    TimestampMicrosecondArray,
};
use datafusion::arrow::compute::{CastOptions, cast, cast_with_options};
use datafusion::arrow::datatypes::{
    DataType, Date32Type, Field, FieldRef, Int64Type, TimeUnit as ArrowTimeUnit,
    TimestampMicrosecondType,
};
use datafusion::common::{DataFusionError, Result, ScalarValue, plan_err};
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};

use crate::civil::{self, MICROS_PER_DAY, MICROS_PER_SECOND, TimeUnit};
use crate::text::{to_text, to_text_array};
use field::{FIELDS, TimeField};

mod field;
mod format;

/// A time without zone, as DATETIME is.
const DATETIME: DataType = DataType::Timestamp(ArrowTimeUnit::Microsecond, None);

/// The functions, for the registry of the planner.
pub(super) fn all() -> Vec<Arc<ScalarUDF>> {
    let fields = FIELDS.iter().map(|(name, field)| (*name, Kind::Field(*field)));
    let named = NAMED.iter().copied().chain(fields);
    named
        .map(|(name, kind)| Arc::new(ScalarUDF::new_from_impl(MySqlFunction::new(name, kind))))
        .collect()
}

/// None of these is an alias of a function of the planner, or the name of one that has aliases: which one were found would
/// be a matter of luck.
const NAMED: &[(&str, Kind)] = &[
    ("cast_text", Kind::CastText),
    ("cast_date", Kind::CastDate),
    ("date", Kind::CastDate),
    ("to_date", Kind::CastDate),
    ("cast_datetime", Kind::CastDateTime),
    ("timestamp", Kind::CastDateTime),
    ("concat", Kind::Concat),
    ("mysql_substring", Kind::Substring),
    ("date_shift", Kind::Shift),
    ("mysql_date_trunc", Kind::Truncate),
    ("date_difference", Kind::Difference),
    ("datediff", Kind::DateDiff),
    ("mysql_date_format", Kind::Format),
    ("str_to_date", Kind::Parse),
    ("from_unixtime", Kind::FromUnixTime),
    ("unix_timestamp", Kind::UnixTimestamp),
    ("last_day", Kind::LastDay),
];

/// What a function does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    CastText,
    CastDate,
    CastDateTime,
    Concat,
    Substring,
    Shift,
    Truncate,
    Difference,
    DateDiff,
    Format,
    Parse,
    FromUnixTime,
    UnixTimestamp,
    LastDay,
    Field(TimeField),
}

/// What an argument is made before the function sees it.
#[derive(Debug, Clone, Copy)]
enum Argument {
    /// Anything.
    Any,
    /// A day, a time, or text that spells one.
    Time,
    Integer,
    Text,
}

impl Kind {
    /// Its arguments, of which the first `required` must be there; the last one may repeat for CONCAT.
    fn arguments(self) -> (&'static [Argument], usize) {
        use Argument::{Any, Integer, Text, Time};
        match self {
            Self::CastText => (&[Any], 1),
            Self::CastDate
            | Self::CastDateTime
            | Self::UnixTimestamp
            | Self::LastDay
            | Self::Field(_) => (&[Time], 1),
            Self::Concat => (&[Any], 1),
            Self::Substring => (&[Text, Integer, Integer], 2),
            Self::Shift => (&[Time, Integer, Text], 3),
            Self::Truncate => (&[Text, Time], 2),
            Self::Difference => (&[Time, Time, Text], 3),
            Self::DateDiff => (&[Time, Time], 2),
            Self::Format => (&[Time, Text], 2),
            Self::Parse => (&[Text, Text], 2),
            Self::FromUnixTime => (&[Integer, Text], 1),
        }
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct MySqlFunction {
    name: &'static str,
    kind: Kind,
    signature: Signature,
}

impl MySqlFunction {
    fn new(name: &'static str, kind: Kind) -> Self {
        Self { name, kind, signature: Signature::user_defined(Volatility::Immutable) }
    }

    /// The type of the result, which may hang on the value of a literal.
    fn result(&self, types: &[&DataType], literals: &[Option<&ScalarValue>]) -> DataType {
        let text_of = |place: usize| -> Option<&str> {
            literals
                .get(place)
                .copied()
                .flatten()
                .and_then(|literal| literal.try_as_str().flatten())
        };
        match self.kind {
            Kind::CastText | Kind::Concat | Kind::Substring | Kind::Format => DataType::Utf8,
            Kind::CastDate | Kind::LastDay => DataType::Date32,
            Kind::CastDateTime => DATETIME,
            Kind::Difference | Kind::DateDiff | Kind::UnixTimestamp => DataType::Int64,
            Kind::Field(_) => DataType::Int32,
            Kind::FromUnixTime => DataType::Utf8,
            Kind::Shift => of_unit(types.first(), text_of(2)),
            Kind::Truncate => of_unit(types.get(1), text_of(0)),
            Kind::Parse => match text_of(1) {
                Some(letters) if !format::has_time(letters) => DataType::Date32,
                _ => DATETIME,
            },
        }
    }

    fn compute(&self, arguments: &[ArrayRef], result: &DataType) -> Result<ArrayRef> {
        let argument = |place: usize| -> Result<&ArrayRef> {
            let wrong = || DataFusionError::Execution(format!("{} lacks an argument", self.name));
            arguments.get(place).ok_or_else(wrong)
        };
        let texts = |place: usize| -> Result<StringArray> { Ok(to_text(argument(place)?)?) };
        Ok(match self.kind {
            Kind::CastText => to_text_array(argument(0)?)?,
            Kind::CastDate => as_result(times(argument(0)?)?, &DataType::Date32)?,
            Kind::CastDateTime => as_result(times(argument(0)?)?, &DATETIME)?,
            Kind::Concat => concat(arguments)?,
            Kind::Substring => {
                let lengths = arguments.get(2).map(integers).transpose()?;
                substring(&texts(0)?, &integers(argument(1)?)?, lengths.as_ref())
            }
            Kind::Shift => {
                let units = texts(2)?;
                let shift = |time, amount, row| {
                    civil::shift(time, amount, TimeUnit::parse(text_at(&units, row)?)?)
                };
                as_result(zip(&times(argument(0)?)?, &integers(argument(1)?)?, shift), result)?
            }
            Kind::Truncate => {
                let (units, times) = (texts(0)?, times(argument(1)?)?);
                let begin = |row| {
                    civil::truncate(value_at(&times, row)?, TimeUnit::parse(text_at(&units, row)?)?)
                };
                as_result((0..times.len()).map(begin).collect(), result)?
            }
            Kind::Difference => {
                let units = texts(2)?;
                let between = |from, to, row| {
                    civil::difference(from, to, TimeUnit::parse(text_at(&units, row)?)?)
                };
                as_result(zip(&times(argument(0)?)?, &times(argument(1)?)?, between), result)?
            }
            Kind::DateDiff => {
                let day = |time: i64| time.div_euclid(MICROS_PER_DAY);
                let between = |to, from, _| Some(day(to) - day(from));
                as_result(zip(&times(argument(0)?)?, &times(argument(1)?)?, between), result)?
            }
            Kind::Format => {
                let letters = texts(1)?;
                let times = times(argument(0)?)?;
                let print = |row| format::format(value_at(&times, row)?, text_at(&letters, row)?);
                Arc::new((0..times.len()).map(print).collect::<StringArray>())
            }
            Kind::Parse => {
                let (texts, letters) = (texts(0)?, texts(1)?);
                let read = |row| format::parse(text_at(&texts, row)?, text_at(&letters, row)?);
                as_result((0..texts.len()).map(read).collect(), result)?
            }
            Kind::FromUnixTime => {
                let seconds = integers(argument(0)?)?;
                let letters = if arguments.len() > 1 { Some(texts(1)?) } else { None };
                let print = |row| {
                    let time = value_at(&seconds, row)?.checked_mul(MICROS_PER_SECOND)?;
                    match &letters {
                        Some(letters) => format::format(time, text_at(letters, row)?),
                        None => civil::format_datetime(time),
                    }
                };
                Arc::new((0..seconds.len()).map(print).collect::<StringArray>())
            }
            Kind::UnixTimestamp => {
                let seconds = |time: i64| time.div_euclid(MICROS_PER_SECOND);
                as_result(
                    times(argument(0)?)?.iter().map(|time| time.map(seconds)).collect(),
                    result,
                )?
            }
            Kind::LastDay => {
                let last = |time: i64| {
                    let day = crate::catalog::calendar::from_micros(time)?.date().last_of_month();
                    Some(civil::midnight(crate::catalog::calendar::to_days(day)))
                };
                as_result(times(argument(0)?)?.iter().map(|time| last(time?)).collect(), result)?
            }
            Kind::Field(field) => {
                let times = times(argument(0)?)?;
                Arc::new(times.iter().map(|time| field.of(time?)).collect::<Int32Array>())
            }
        })
    }
}

impl ScalarUDFImpl for MySqlFunction {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(self.result(&types.iter().collect::<Vec<_>>(), &[]))
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let types: Vec<_> = args.arg_fields.iter().map(|field| field.data_type()).collect();
        let result = self.result(&types, args.scalar_arguments);
        Ok(Arc::new(Field::new(self.name, result, true)))
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let (arguments, required) = self.kind.arguments();
        let is_variadic = self.kind == Kind::Concat;
        if types.len() < required || types.len() > arguments.len() && !is_variadic {
            return plan_err!("{} takes {required} arguments, not {}", self.name, types.len());
        }
        let last = arguments.last().copied().unwrap_or(Argument::Any);
        let wanted = arguments.iter().copied().chain(std::iter::repeat(last));
        Ok(types.iter().zip(wanted).map(|(given, wanted)| coerced(given, wanted)).collect())
    }

    fn simplify(&self, args: Vec<Expr>, info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        // A cast that the planner knows keeps what it knows of order and bounds.
        let target = match self.kind {
            Kind::CastDate => DataType::Date32,
            Kind::CastDateTime => DATETIME,
            _ => return Ok(ExprSimplifyResult::Original(args)),
        };
        let [argument] = args.as_slice() else { return Ok(ExprSimplifyResult::Original(args)) };
        let given = info.get_data_type(argument)?;
        Ok(match given {
            _ if given == target => ExprSimplifyResult::Simplified(argument.clone()),
            DataType::Date32 | DataType::Timestamp(_, None) => ExprSimplifyResult::Simplified(
                datafusion::logical_expr::cast(argument.clone(), target),
            ),
            _ => ExprSimplifyResult::Original(args),
        })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let is_scalar = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let rows = if is_scalar { 1 } else { args.number_rows };
        let arrays: Vec<ArrayRef> =
            args.args.iter().map(|arg| arg.to_array(rows)).collect::<Result<_>>()?;
        let result = self.compute(&arrays, args.return_field.data_type())?;
        match is_scalar {
            true => Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?)),
            false => Ok(ColumnarValue::Array(result)),
        }
    }
}

/// A day stays one where whole days are counted.
fn of_unit(time: Option<&&DataType>, unit: Option<&str>) -> DataType {
    let is_days = unit.and_then(TimeUnit::parse).is_some_and(TimeUnit::is_whole_days);
    let is_date = time.is_some_and(|time| **time == DataType::Date32);
    if is_date && is_days { DataType::Date32 } else { DATETIME }
}

fn coerced(given: &DataType, wanted: Argument) -> DataType {
    match (wanted, given) {
        (Argument::Any, given) => given.clone(),
        (Argument::Integer, _) => DataType::Int64,
        (Argument::Text, _) => DataType::Utf8,
        (Argument::Time, DataType::Date32) => DataType::Date32,
        (Argument::Time, DataType::Null | DataType::Timestamp(..) | DataType::Date64) => DATETIME,
        // A number spells a time by its digits.
        (Argument::Time, _) => DataType::Utf8,
    }
}

/// Times of days, times and texts.
fn times(array: &ArrayRef) -> Result<Int64Array> {
    Ok(match array.data_type() {
        DataType::Date32 => {
            let days = array.as_primitive::<Date32Type>();
            days.iter().map(|days| days.map(civil::midnight)).collect()
        }
        DataType::Timestamp(..) => {
            let micros = cast(array, &DATETIME)?;
            let micros = micros.as_primitive::<TimestampMicrosecondType>();
            micros.iter().collect()
        }
        _ => to_text(array)?.iter().map(|text| civil::parse_datetime(text?)).collect(),
    })
}

fn integers(array: &ArrayRef) -> Result<Int64Array> {
    let options = CastOptions { safe: true, ..CastOptions::default() };
    Ok(cast_with_options(array, &DataType::Int64, &options)?.as_primitive::<Int64Type>().clone())
}

/// Numbers as what the function gives: days of times, times, or the numbers themselves.
fn as_result(numbers: Int64Array, result: &DataType) -> Result<ArrayRef> {
    Ok(match result {
        DataType::Date32 => {
            let day = |time: i64| i32::try_from(time.div_euclid(MICROS_PER_DAY)).ok();
            Arc::new(numbers.iter().map(|time| day(time?)).collect::<Date32Array>())
        }
        DataType::Timestamp(..) => Arc::new(numbers.iter().collect::<TimestampMicrosecondArray>()),
        _ => Arc::new(numbers),
    })
}

fn zip(
    left: &Int64Array,
    right: &Int64Array,
    compute: impl Fn(i64, i64, usize) -> Option<i64>,
) -> Int64Array {
    let row = |row| compute(value_at(left, row)?, value_at(right, row)?, row);
    (0..left.len()).map(row).collect()
}

fn value_at(array: &Int64Array, row: usize) -> Option<i64> {
    array.is_valid(row).then(|| array.value(row))
}

fn text_at(array: &StringArray, row: usize) -> Option<&str> {
    array.is_valid(row).then(|| array.value(row))
}

/// NULL if any of them is.
fn concat(arguments: &[ArrayRef]) -> Result<ArrayRef> {
    let texts: Vec<StringArray> = arguments.iter().map(to_text).collect::<Result<_, _>>()?;
    let rows = texts.first().map_or(0, Array::len);
    let joined = |row| texts.iter().map(|text| text_at(text, row)).collect::<Option<String>>();
    Ok(Arc::new((0..rows).map(joined).collect::<StringArray>()))
}

/// From a place on that counts from 1, or from the end where it is negative.
fn substring(texts: &StringArray, places: &Int64Array, lengths: Option<&Int64Array>) -> ArrayRef {
    let part = |row| -> Option<String> {
        let (text, place) = (text_at(texts, row)?, value_at(places, row)?);
        let length = match lengths {
            Some(lengths) => usize::try_from(value_at(lengths, row)?).unwrap_or(0),
            None => usize::MAX,
        };
        let begin = match place {
            1.. => usize::try_from(place - 1).ok()?,
            0 => return Some(String::new()),
            _ => {
                let count = text.chars().count();
                match count.checked_sub(usize::try_from(place.unsigned_abs()).ok()?) {
                    Some(begin) => begin,
                    None => return Some(String::new()),
                }
            }
        };
        Some(text.chars().skip(begin).take(length).collect())
    };
    Arc::new((0..texts.len()).map(part).collect::<StringArray>())
}

#[cfg(test)]
mod tests {
    use datafusion::execution::session_state::SessionStateBuilder;

    use super::*;

    #[test]
    fn no_name_is_an_alias_of_the_planner() {
        let planner = SessionStateBuilder::new_with_default_features().build();
        for function in all() {
            let name = function.name();
            for other in planner.scalar_functions().values() {
                let is_alias = other.aliases().iter().any(|alias| alias == name);
                let has_alias = other.name() == name && !other.aliases().is_empty();
                assert!(!is_alias && !has_alias, "{name}");
            }
        }
    }
}
