//! `DEFAULT` among the VALUES of an INSERT: it becomes what the column holds where nothing is said. Pure.

use cairn_warehouse::catalog::model::{Column, ColumnDefault, ColumnType, TableRow};
use datafusion::sql::sqlparser::ast::{Expr, Query, SetExpr, Value};

use crate::mysql::SqlError;

/// Replaces each `DEFAULT` of the rows, whose columns are those `named` or all of the table's. `now` is the time of
/// CURRENT_TIMESTAMP.
pub(super) fn fill_defaults(
    query: &mut Query,
    table: &TableRow,
    named: &[String],
    now: &str,
) -> Result<(), SqlError> {
    let SetExpr::Values(values) = query.body.as_mut() else { return Ok(()) };
    for row in &mut values.rows {
        for (place, value) in row.iter_mut().enumerate().filter(|(_, value)| is_default(value)) {
            let column = match named.get(place) {
                Some(name) => table.column(name),
                None if named.is_empty() => table.columns.get(place),
                None => None,
            };
            // One too many, or of no column: the loader says so.
            let Some(column) = column else { continue };
            *value = Expr::Value(default_of(column, now)?.into());
        }
    }
    Ok(())
}

fn is_default(value: &Expr) -> bool {
    matches!(value, Expr::Identifier(name)
        if name.quote_style.is_none() && name.value.eq_ignore_ascii_case("DEFAULT"))
}

fn default_of(column: &Column, now: &str) -> Result<Value, SqlError> {
    match &column.default {
        Some(ColumnDefault::Value(text)) if is_number(column.column_type) => {
            Ok(Value::Number(text.trim().to_owned(), false))
        }
        Some(ColumnDefault::Value(text)) => Ok(Value::SingleQuotedString(text.clone())),
        Some(ColumnDefault::CurrentTimestamp) => Ok(Value::SingleQuotedString(now.to_owned())),
        // For the one that counts, NULL is the next number.
        None if column.nullable || column.auto_increment => Ok(Value::Null),
        None => {
            let message = format!("Field '{}' doesn't have a default value", column.name);
            Err(SqlError::new(1364, "HY000", message))
        }
    }
}

fn is_number(column_type: ColumnType) -> bool {
    !matches!(
        column_type,
        ColumnType::Boolean
            | ColumnType::Date
            | ColumnType::DateTime
            | ColumnType::Char(_)
            | ColumnType::Varchar(_)
            | ColumnType::Varbinary
            | ColumnType::Json
    )
}

#[cfg(test)]
mod tests {
    use cairn_sql::statement::Statement;
    use cairn_warehouse::catalog::model::{Distribution, KeysKind, Partitioning};

    use super::*;

    fn column(name: &str, column_type: ColumnType, default: Option<&str>) -> Column {
        let default = default.map(|text| match text {
            "now" => ColumnDefault::CurrentTimestamp,
            text => ColumnDefault::Value(text.to_owned()),
        });
        Column {
            name: name.to_owned(),
            column_type,
            nullable: name != "must",
            default,
            auto_increment: false,
            comment: String::new(),
            stored_as: None,
            initial: None,
        }
    }

    fn table() -> TableRow {
        TableRow {
            id: 1,
            database: 1,
            name: "t".to_owned(),
            comment: String::new(),
            columns: vec![
                column("n", ColumnType::Int, Some("-7")),
                column("v", ColumnType::Varchar(9), Some("it's")),
                column("at", ColumnType::DateTime, Some("now")),
                column("none", ColumnType::Int, None),
                column("must", ColumnType::Int, None),
            ],
            keys: KeysKind::Duplicate,
            key_columns: Vec::new(),
            order_by: Vec::new(),
            partitioning: Partitioning::Single,
            distribution: Distribution::Random { buckets: 1 },
            index: 2,
            rollups: Vec::new(),
            properties: Default::default(),
            next_auto_increment: 1,
            materialized_view: None,
            restoring: false,
        }
    }

    fn filled(sql: &str) -> Result<String, SqlError> {
        let Ok(Statement::Insert(mut insert)) = cairn_sql::parse_one(sql) else { panic!("{sql}") };
        fill_defaults(&mut insert.query, &table(), &insert.columns, "2024-05-06 07:08:09")?;
        Ok(insert.query.to_string())
    }

    #[test]
    fn a_default_is_what_its_column_says() {
        assert_eq!(
            filled(
                "INSERT INTO t VALUES (DEFAULT, default, DEFAULT, DEFAULT, 5), (1, '', NULL, 2, 3)"
            ),
            Ok("VALUES (-7, 'it''s', '2024-05-06 07:08:09', NULL, 5), (1, '', NULL, 2, 3)"
                .to_owned())
        );
        assert_eq!(
            filled("INSERT INTO t (None, N) VALUES (DEFAULT, DEFAULT)"),
            Ok("VALUES (NULL, -7)".to_owned())
        );
    }

    #[test]
    fn what_is_no_default_stays() {
        for sql in [
            "INSERT INTO t SELECT DEFAULT FROM u",
            "INSERT INTO t (n) VALUES (1, DEFAULT)",
            "INSERT INTO t (nope) VALUES (DEFAULT)",
            "INSERT INTO t VALUES (`default`)",
        ] {
            assert!(filled(sql).unwrap().to_lowercase().contains("default"), "{sql}");
        }
    }

    #[test]
    fn a_column_without_a_default_is_named() {
        let error = filled("INSERT INTO t (must) VALUES (DEFAULT)").unwrap_err();
        assert_eq!((error.code, error.message.contains("'must'")), (1364, true));
    }
}
