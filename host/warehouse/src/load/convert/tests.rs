use datafusion::arrow::array::{
    Decimal128Array, Float64Array, Int64Array, StringViewArray, TimestampNanosecondArray,
};

use super::*;

fn column(column_type: ColumnType, nullable: bool) -> Column {
    Column {
        name: "c".to_owned(),
        column_type,
        nullable,
        default: None,
        auto_increment: false,
        comment: String::new(),
        stored_as: None,
        initial: None,
    }
}

fn converted(values: impl Array + 'static, to: ColumnType) -> Result<Vec<String>, BadValue> {
    let values: ArrayRef = Arc::new(values);
    let array = convert(&values, &column(to, true))?;
    assert_eq!(*array.data_type(), stored_type(to));
    Ok((0..array.len()).map(|row| value_text(&array, row)).collect())
}

#[test]
fn texts_become_values_of_every_type() {
    for (to, text) in [
        (ColumnType::Boolean, "1"),
        (ColumnType::TinyInt, "-128"),
        (ColumnType::SmallInt, "32767"),
        (ColumnType::Int, "-5"),
        (ColumnType::BigInt, "9223372036854775807"),
        (ColumnType::LargeInt, "99999999999999999999999999999999999999"),
        (ColumnType::Float, "2.5"),
        (ColumnType::Double, "1e+300"),
        (ColumnType::Decimal { precision: 9, scale: 2 }, "123.40"),
        (ColumnType::Date, "2024-02-29"),
        (ColumnType::DateTime, "2024-02-29 10:11:12.000013"),
        (ColumnType::Char(5), "abc"),
        (ColumnType::Varchar(5), "abcde"),
        (ColumnType::Json, "{\"a\": [1, null]}"),
    ] {
        let texts = StringViewArray::from(vec![Some(text), None]);
        assert_eq!(converted(texts, to), Ok(vec![text.to_owned(), "NULL".to_owned()]), "{to}");
    }
}

#[test]
fn numbers_and_times_become_what_they_mean() {
    let date = converted(Int64Array::from(vec![20_240_229]), ColumnType::Date);
    assert_eq!(date, Ok(vec!["2024-02-29".to_owned()]));
    let truth = converted(Int64Array::from(vec![1, 0]), ColumnType::Boolean);
    assert_eq!(truth, Ok(vec!["1".to_owned(), "0".to_owned()]));
    let text = converted(Float64Array::from(vec![1.0]), ColumnType::Varchar(9));
    assert_eq!(text, Ok(vec!["1".to_owned()]));
    let time = converted(TimestampNanosecondArray::from(vec![1_000]), ColumnType::Varchar(30));
    assert_eq!(time, Ok(vec!["1970-01-01 00:00:00.000001".to_owned()]));
    let day = converted(TimestampNanosecondArray::from(vec![86_400_000_000_000]), ColumnType::Date);
    assert_eq!(day, Ok(vec!["1970-01-02".to_owned()]));
}

#[test]
fn what_does_not_fit_names_row_value_and_column() {
    let problem = |result: Result<Vec<String>, BadValue>| {
        let bad = result.expect_err("does not fit");
        (bad.row, bad.problem)
    };
    assert_eq!(
        problem(converted(Int64Array::from(vec![1, 300]), ColumnType::TinyInt)),
        (1, "Value '300' is out of range. The type of 'c' is TINYINT".to_owned())
    );
    let decimal = Decimal128Array::from(vec![12_345]).with_precision_and_scale(9, 2);
    assert_eq!(
        problem(converted(decimal.expect("fits"), ColumnType::Decimal { precision: 3, scale: 1 })),
        (0, "Value '123.45' is out of range. The type of 'c' is DECIMAL(3,1)".to_owned())
    );
    assert_eq!(
        problem(converted(StringViewArray::from(vec!["äöü", "äöüß"]), ColumnType::Varchar(6))),
        (1, "String 'äöüß' is too long. The type of 'c' is VARCHAR(6)".to_owned())
    );
    assert_eq!(
        problem(converted(StringViewArray::from(vec!["2023-02-29"]), ColumnType::Date)),
        (0, "Value '2023-02-29' is out of range. The type of 'c' is DATE".to_owned())
    );
    assert_eq!(
        problem(converted(StringViewArray::from(vec!["{"]), ColumnType::Json)),
        (0, "Value '{' of column 'c' is no JSON".to_owned())
    );
    let values: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None]));
    assert_eq!(
        convert(&values, &column(ColumnType::Int, false)),
        Err(BadValue { row: 1, problem: "NULL value in non-nullable column 'c'".to_owned() })
    );
    let long = "x".repeat(100);
    let (_, text) =
        problem(converted(StringViewArray::from(vec![long.as_str()]), ColumnType::Char(9)));
    assert!(text.contains(&format!("'{}...'", "x".repeat(64))), "{text}");
    assert!(converted(Date32Array::from(vec![1]), ColumnType::Int).is_err());
}
