//! SHOW CREATE: the statements that would make what is there once more. Pure but for the look into the catalog.
//!
//! What this server shows it also reads: the same statement makes the same columns, key, partitions, distribution, properties and
//! query. Partitions that rows made are made again by rows.

use cairn_sql::statement::QualifiedName;
use cairn_warehouse::catalog::model::{
    Column, ColumnDefault, ColumnType, Distribution, KeysKind, MaterializedView, PartitionBounds,
    PartitionRow, PartitionValue, Partitioning, Properties, Refresh, Rollup, TableRow, ViewRow,
};
use cairn_warehouse::catalog::{Relation, Table};

use super::partition::begin;
use super::{Sight, is_information_schema, row};
use crate::account::privilege::Target;
use crate::clock::shown;
use crate::mysql::{ResultSet, SqlError};
use crate::{quote, refusal};

/// SHOW CREATE DATABASE.
pub(super) fn database(sight: &Sight<'_>, name: &str) -> Result<ResultSet, SqlError> {
    let properties = if is_information_schema(name) {
        Properties::new()
    } else {
        if !sight.sees(Target::Database(name)) {
            return Err(refusal::denied("any", &Target::Database(name).describe()));
        }
        let found = sight.catalog.database(name).map_err(refusal::of_warehouse)?;
        found.row().properties.clone()
    };
    let text = format!("CREATE DATABASE {}{}", quote::name(name), properties_text(&properties));
    let mut result = ResultSet::of_text(["Database", "Create Database"]);
    result.rows.push(row([name.to_owned(), text]));
    Ok(result)
}

/// SHOW CREATE TABLE, VIEW and MATERIALIZED VIEW: what the name means decides.
pub(super) fn relation(sight: &Sight<'_>, name: &QualifiedName) -> Result<ResultSet, SqlError> {
    let relation = sight.relation(name)?.1;
    let (columns, text) = match relation {
        Relation::Table(table) => match &table.row().materialized_view {
            None => (TABLE_COLUMNS, of_table(table)),
            Some(view) => (MATERIALIZED_VIEW_COLUMNS, of_materialized_view(table.row(), view)),
        },
        Relation::Rollup(_, rollup) => (MATERIALIZED_VIEW_COLUMNS, of_rollup(rollup)),
        Relation::View(view) => (VIEW_COLUMNS, of_view(view)),
    };
    let mut cells = row([name.name.clone(), text]);
    if columns.len() > cells.len() {
        cells.extend(row(["utf8".to_owned(), "utf8_general_ci".to_owned()]));
    }
    let mut result = ResultSet::of_text(columns.iter().copied());
    result.rows.push(cells);
    Ok(result)
}

const TABLE_COLUMNS: &[&str] = &["Table", "Create Table"];
const MATERIALIZED_VIEW_COLUMNS: &[&str] = &["Materialized View", "Create Materialized View"];
const VIEW_COLUMNS: &[&str] =
    &["View", "Create View", "character_set_client", "collation_connection"];

fn of_table(table: &Table) -> String {
    let row = table.row();
    let columns: Vec<_> = row.columns.iter().map(column).collect();
    let kind = match row.keys {
        KeysKind::Duplicate => "DUPLICATE",
        KeysKind::Primary => "PRIMARY",
    };
    let mut text = format!(
        "CREATE TABLE {} (\n  {}\n) ENGINE=OLAP\n{kind} KEY({})",
        quote::name(&row.name),
        columns.join(",\n  "),
        quote::names(&row.key_columns)
    );
    text.push_str(&comment(&row.comment));
    text.push_str(&partitioning(table));
    text.push_str(&distribution(&row.distribution));
    if !row.order_by.is_empty() {
        text.push_str(&format!("\nORDER BY({})", quote::names(&row.order_by)));
    }
    text.push_str(&properties_text(&row.properties));
    text.push(';');
    text
}

fn column(column: &Column) -> String {
    let null = if column.nullable { "NULL" } else { "NOT NULL" };
    let mut text =
        format!("{} {} {null}", quote::name(&column.name), type_text(column.column_type));
    if column.auto_increment {
        text.push_str(" AUTO_INCREMENT");
    }
    match &column.default {
        Some(ColumnDefault::Value(value)) => {
            text.push_str(&format!(" DEFAULT {}", quote::value(value)));
        }
        Some(ColumnDefault::CurrentTimestamp) => text.push_str(" DEFAULT CURRENT_TIMESTAMP"),
        None => {}
    }
    text.push_str(&format!(" COMMENT {}", quote::value(&column.comment)));
    text
}

/// A type as StarRocks writes it into definitions: with the width that MySQL would print it in.
fn type_text(column_type: ColumnType) -> String {
    match column_type {
        ColumnType::TinyInt => "tinyint(4)".to_owned(),
        ColumnType::SmallInt => "smallint(6)".to_owned(),
        ColumnType::Int => "int(11)".to_owned(),
        ColumnType::BigInt => "bigint(20)".to_owned(),
        ColumnType::Decimal { precision, scale } => format!("decimal({precision}, {scale})"),
        other => super::column::type_text(other),
    }
}

fn comment(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("\nCOMMENT {}", quote::value(text)) }
}

fn partitioning(table: &Table) -> String {
    let (by, columns) = match &table.row().partitioning {
        Partitioning::Single => return String::new(),
        Partitioning::Range { automatic: Some(_), .. }
        | Partitioning::List { automatic: true, .. } => {
            return format!("\nPARTITION BY {}", expression(&table.row().partitioning));
        }
        Partitioning::Range { columns, .. } => ("RANGE", columns),
        Partitioning::List { columns, .. } => ("LIST", columns),
    };
    // A partition without a lower bound must be first: it is written as what is below its upper one.
    let mut partitions: Vec<&PartitionRow> = table.partitions().map(|row| &**row).collect();
    partitions.sort_by_key(|partition| begin(partition));
    let partitions: Vec<_> = partitions.into_iter().map(partition).collect();
    format!("\nPARTITION BY {by}({})\n({})", quote::names(columns), partitions.join(",\n"))
}

/// What chooses the partition of a row, where partitions are not listed.
fn expression(partitioning: &Partitioning) -> String {
    match partitioning {
        Partitioning::Range { columns, automatic: Some(unit) } => {
            format!("date_trunc({}, {})", quote::text(unit), quote::names(columns))
        }
        other => format!("({})", quote::names(other.columns())),
    }
}

fn partition(partition: &PartitionRow) -> String {
    let bounds = match &partition.bounds {
        // No grammar has it, and no partition that is listed.
        PartitionBounds::All => String::new(),
        PartitionBounds::Range { from, to } if from.iter().all(|it| *it == PartitionValue::Min) => {
            format!("LESS THAN {}", bound(to))
        }
        PartitionBounds::Range { from, to } => format!("[{}, {})", bound(from), bound(to)),
        PartitionBounds::List(tuples) => {
            let tuples: Vec<_> = tuples.iter().map(|values| in_brackets(values)).collect();
            format!("IN ({})", tuples.join(", "))
        }
    };
    format!("PARTITION {} VALUES {bounds}", quote::name(&partition.name))
}

/// What is below every value is written by leaving it out.
fn bound(values: &[PartitionValue]) -> String {
    let said = values.iter().rposition(|value| *value != PartitionValue::Min);
    in_brackets(values.get(..=said.unwrap_or(0)).unwrap_or(values))
}

fn in_brackets(values: &[PartitionValue]) -> String {
    let value = |value: &PartitionValue| match value {
        PartitionValue::Min | PartitionValue::Max | PartitionValue::Null => value.to_string(),
        other => quote::value(&other.to_string()),
    };
    format!("({})", values.iter().map(value).collect::<Vec<_>>().join(", "))
}

fn distribution(distribution: &Distribution) -> String {
    match distribution {
        Distribution::Hash { columns, buckets } => {
            format!("\nDISTRIBUTED BY HASH({}) BUCKETS {buckets}", quote::names(columns))
        }
        Distribution::Random { buckets } => format!("\nDISTRIBUTED BY RANDOM BUCKETS {buckets}"),
    }
}

fn properties_text(properties: &Properties) -> String {
    if properties.is_empty() {
        return String::new();
    }
    let pair = |(key, value): (&String, &String)| {
        format!("{} = {}", quote::value(key), quote::value(value))
    };
    format!("\nPROPERTIES (\n{}\n)", properties.iter().map(pair).collect::<Vec<_>>().join(",\n"))
}

fn of_view(view: &ViewRow) -> String {
    format!(
        "CREATE VIEW {} ({}){} AS {};",
        quote::name(&view.name),
        quote::names(view.columns.iter().map(|column| &column.name)),
        comment(&view.comment),
        view.query
    )
}

/// Also what SHOW MATERIALIZED VIEWS has for a text.
pub(super) fn of_materialized_view(row: &TableRow, view: &MaterializedView) -> String {
    let mut text = format!("CREATE MATERIALIZED VIEW {}", quote::name(&row.name));
    text.push_str(&comment(&row.comment));
    if row.partitioning != Partitioning::Single {
        text.push_str(&format!("\nPARTITION BY {}", expression(&row.partitioning)));
    }
    text.push_str(&distribution(&row.distribution));
    text.push_str(&format!("\nREFRESH {}", refresh(view.refresh.clone())));
    text.push_str(&properties_text(&row.properties));
    text.push_str(&format!("\nAS {};", view.query));
    text
}

fn refresh(refresh: Refresh) -> String {
    match refresh {
        Refresh::Manual => "MANUAL".to_owned(),
        Refresh::OnLoad => "ASYNC".to_owned(),
        Refresh::Every { seconds, start } => {
            let start = start.map(|start| format!(" START({})", quote::value(&shown(start))));
            let (count, unit) = interval(seconds);
            format!("ASYNC{} EVERY(INTERVAL {count} {unit})", start.unwrap_or_default())
        }
    }
}

/// In the largest unit that it is whole in.
fn interval(seconds: u64) -> (u64, &'static str) {
    const UNITS: [(u64, &str); 3] = [(86_400, "DAY"), (3600, "HOUR"), (60, "MINUTE")];
    let whole = UNITS.iter().find(|(length, _)| seconds.is_multiple_of(*length));
    whole.map_or((seconds, "SECOND"), |(length, unit)| (seconds / length, *unit))
}

pub(super) fn of_rollup(rollup: &Rollup) -> String {
    format!("CREATE MATERIALIZED VIEW {} AS {};", quote::name(&rollup.name), rollup.query)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_leaves_out_what_is_below_every_value() {
        use PartitionValue::{Int, Max, Min};
        assert_eq!(bound(&[Int(1), Min]), r#"("1")"#);
        assert_eq!(bound(&[Int(1), Max]), r#"("1", MAXVALUE)"#);
        assert_eq!(bound(&[Max, Min]), "(MAXVALUE)");
    }

    #[test]
    fn periods_are_said_in_their_largest_unit() {
        for (seconds, said) in [
            (1, (1, "SECOND")),
            (90, (90, "SECOND")),
            (120, (2, "MINUTE")),
            (7200, (2, "HOUR")),
            (86_400 * 7, (7, "DAY")),
        ] {
            assert_eq!(interval(seconds), said);
        }
    }
}
