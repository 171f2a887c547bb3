//! What happens to a warehouse between two backups: segments are appended, rewritten under new names, dropped.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use tpchgen_arrow::arrow::array::cast::AsArray;
use tpchgen_arrow::arrow::array::types::{Decimal128Type, Int64Type};
use tpchgen_arrow::arrow::array::{Array, ArrayRef, RecordBatch};

use super::generate::FIRST_SEGMENT;
use super::segment;

/// The second segment of a tablet.
const APPENDED_SEGMENT: &str = "0001.parquet";
/// A first segment after its rows were changed.
const REWRITTEN_SEGMENT: &str = "0000-v2.parquet";
/// Beyond every generated order key.
const NEW_KEYS: i64 = 1_000_000_000_000;
/// Partitions that get new rows.
const NUM_APPENDED: usize = 3;
/// Partitions whose rows change.
const NUM_CHANGED: usize = 2;

/// Changes tables; says what, one line each.
pub(super) fn mutate(database: &Path) -> anyhow::Result<Vec<String>> {
    let mut changes = Vec::new();
    for (table, key) in [("orders", "o_orderkey"), ("lineitem", "l_orderkey")] {
        let months = children(&database.join(table))?;
        let newest = &months[months.len().saturating_sub(NUM_APPENDED)..];
        let rows = append(newest, key)?;
        changes.push(format!("{table}: {rows} rows appended to {} months", newest.len()));
    }
    let months = children(&database.join("orders"))?;
    let middle = &months[months.len() / 2..];
    let changed = &middle[..middle.len().min(NUM_CHANGED)];
    let rows = reprice(changed)?;
    changes.push(format!("orders: the prices of {rows} rows changed in {} months", changed.len()));
    for table in ["orders", "lineitem"] {
        let months = children(&database.join(table))?;
        let Some(oldest) = months.first() else { continue };
        fs::remove_dir_all(oldest)
            .with_context(|| format!("cannot remove {}", oldest.display()))?;
        changes.push(format!("{table}: month {} deleted", name_of(oldest)));
    }
    Ok(changes)
}

/// A second segment in each tablet: its rows once more, under new keys.
fn append(partitions: &[PathBuf], key: &str) -> anyhow::Result<u64> {
    let mut num_rows = 0;
    for tablet in tablets(partitions)? {
        let rows = mapped(&tablet.join(FIRST_SEGMENT), key, |column| {
            let keys = column.as_primitive_opt::<Int64Type>().context("keys are integers")?;
            Ok(Arc::new(keys.unary::<_, Int64Type>(|key| key + NEW_KEYS)) as ArrayRef)
        })?;
        num_rows += count(&rows);
        segment::write(tablet.join(APPENDED_SEGMENT), &rows)?;
    }
    Ok(num_rows)
}

/// Another segment in place of the first one of each tablet: its rows with higher prices.
fn reprice(partitions: &[PathBuf]) -> anyhow::Result<u64> {
    let mut num_rows = 0;
    for tablet in tablets(partitions)? {
        let first = tablet.join(FIRST_SEGMENT);
        let rows = mapped(&first, "o_totalprice", |column| {
            let prices =
                column.as_primitive_opt::<Decimal128Type>().context("prices are decimals")?;
            let raised = prices.unary::<_, Decimal128Type>(|cents| cents + cents / 100);
            Ok(Arc::new(raised.with_data_type(prices.data_type().clone())) as ArrayRef)
        })?;
        num_rows += count(&rows);
        segment::write(tablet.join(REWRITTEN_SEGMENT), &rows)?;
        fs::remove_file(&first).with_context(|| format!("cannot remove {}", first.display()))?;
    }
    Ok(num_rows)
}

/// The rows of a segment with one column replaced.
fn mapped(
    segment: &Path,
    column: &str,
    map: impl Fn(&ArrayRef) -> anyhow::Result<ArrayRef>,
) -> anyhow::Result<Vec<RecordBatch>> {
    let replace = |rows: anyhow::Result<RecordBatch>| {
        let rows = rows?;
        let schema = rows.schema();
        let at = schema.index_of(column)?;
        let mut columns = rows.columns().to_vec();
        columns[at] = map(&columns[at])?;
        Ok(RecordBatch::try_new(schema, columns)?)
    };
    segment::read(segment)?.map(replace).collect()
}

fn count(rows: &[RecordBatch]) -> u64 {
    rows.iter().map(|rows| rows.num_rows() as u64).sum()
}

fn tablets(partitions: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let tablets: Vec<_> = partitions.iter().map(|path| children(path)).collect::<Result<_, _>>()?;
    Ok(tablets.concat())
}

/// What is in a directory, by name.
pub(super) fn children(directory: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let about = || format!("cannot read {}", directory.display());
    let entries = fs::read_dir(directory).with_context(about)?;
    let paths = entries.map(|entry| entry.map(|entry| entry.path()));
    let mut paths: Vec<PathBuf> = paths.collect::<Result<_, _>>().with_context(about)?;
    paths.sort();
    Ok(paths)
}

pub(super) fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
