//! The tables of TPC-H as Parquet segments: `<table>/<partition>/<tablet>/<segment>`.
//!
//! Orders and line items are partitioned by the month of their date and bucketed by their order key; the others have
//! one partition and one bucket.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs;
use std::path::Path;

use anyhow::Context;
use tpchgen::generators::{
    CustomerGenerator, LineItemGenerator, NationGenerator, OrderGenerator, PartGenerator,
    PartSuppGenerator, RegionGenerator, SupplierGenerator,
};
use tpchgen_arrow::arrow::array::cast::AsArray;
use tpchgen_arrow::arrow::array::types::{Date32Type, Int64Type};
use tpchgen_arrow::arrow::array::{RecordBatch, UInt32Array};
use tpchgen_arrow::arrow::compute::take_record_batch;
use tpchgen_arrow::arrow::error::ArrowError;
use tpchgen_arrow::{
    CustomerArrow, LineItemArrow, NationArrow, OrderArrow, PartArrow, PartSuppArrow, RegionArrow,
    SupplierArrow,
};

use super::month::Months;
use super::segment::SegmentWriter;

/// Rows that are distributed over the tablets at once: enough that each gets some.
const BATCH_ROWS: usize = 64 << 10;
/// Tablets of a partition of the big tables.
const BUCKETS: i64 = 2;
/// The partition and the bucket of tables that have only one.
const WHOLE: &str = "all";
/// The first segment of each tablet.
pub(super) const FIRST_SEGMENT: &str = "0000.parquet";

/// How a table is divided: by the month of a date, and by a key.
#[derive(Debug, Clone, Copy)]
struct Division {
    date: &'static str,
    key: &'static str,
}

/// How big a table is.
#[derive(Debug, Clone, Default)]
pub(super) struct TableSize {
    pub(super) name: &'static str,
    pub(super) partitions: u64,
    pub(super) segments: u64,
    pub(super) rows: u64,
    pub(super) bytes: u64,
}

impl TableSize {
    /// All of them together.
    pub(super) fn sum(tables: &[Self]) -> Self {
        tables.iter().fold(Self::default(), |sum, table| Self {
            name: "",
            partitions: sum.partitions + table.partitions,
            segments: sum.segments + table.segments,
            rows: sum.rows + table.rows,
            bytes: sum.bytes + table.bytes,
        })
    }
}

/// Makes all tables below the directory of a database.
pub(super) fn generate(database: &Path, scale: f64) -> anyhow::Result<Vec<TableSize>> {
    macro_rules! rows {
        ($arrow:ident, $generator:ident) => {
            Box::new($arrow::new($generator::new(scale, 1, 1)).with_batch_size(BATCH_ROWS))
        };
    }
    let tables: [(&'static str, Rows, Option<Division>); 8] = [
        ("region", rows!(RegionArrow, RegionGenerator), None),
        ("nation", rows!(NationArrow, NationGenerator), None),
        ("supplier", rows!(SupplierArrow, SupplierGenerator), None),
        ("customer", rows!(CustomerArrow, CustomerGenerator), None),
        ("part", rows!(PartArrow, PartGenerator), None),
        ("partsupp", rows!(PartSuppArrow, PartSuppGenerator), None),
        ("orders", rows!(OrderArrow, OrderGenerator), division("o_orderdate", "o_orderkey")),
        ("lineitem", rows!(LineItemArrow, LineItemGenerator), division("l_shipdate", "l_orderkey")),
    ];
    tables.into_iter().map(|(name, rows, division)| table(database, name, rows, division)).collect()
}

type Rows = Box<dyn Iterator<Item = Result<RecordBatch, ArrowError>>>;

fn division(date: &'static str, key: &'static str) -> Option<Division> {
    Some(Division { date, key })
}

fn table(
    database: &Path,
    name: &'static str,
    rows: Rows,
    division: Option<Division>,
) -> anyhow::Result<TableSize> {
    let directory = database.join(name);
    let mut months = Months::default();
    let mut writers: BTreeMap<(String, i64), SegmentWriter> = BTreeMap::new();
    let mut size = TableSize { name, ..TableSize::default() };
    for batch in rows {
        let batch = batch.context("cannot generate rows")?;
        size.rows += batch.num_rows() as u64;
        for ((partition, bucket), rows) in divide(batch, division, &mut months)? {
            let writer = match writers.entry((partition, bucket)) {
                Entry::Occupied(writer) => writer.into_mut(),
                Entry::Vacant(vacant) => {
                    let (partition, bucket) = vacant.key();
                    let tablet = directory.join(partition).join(format!("bucket-{bucket}"));
                    vacant.insert(SegmentWriter::create(tablet.join(FIRST_SEGMENT), rows.schema())?)
                }
            };
            writer.write(&rows)?;
        }
    }
    size.segments = writers.len() as u64;
    for writer in writers.into_values() {
        size.bytes += writer.finish()?;
    }
    let partitions = fs::read_dir(&directory);
    let partitions = partitions.with_context(|| format!("cannot read {}", directory.display()))?;
    size.partitions = partitions.count() as u64;
    Ok(size)
}

/// The rows of each tablet, in their order.
fn divide(
    batch: RecordBatch,
    division: Option<Division>,
    months: &mut Months,
) -> anyhow::Result<BTreeMap<(String, i64), RecordBatch>> {
    let Some(division) = division else {
        return Ok(BTreeMap::from([((WHOLE.to_owned(), 0), batch)]));
    };
    let column =
        |name: &str| batch.column_by_name(name).with_context(|| format!("no column {name}"));
    let dates = column(division.date)?.as_primitive_opt::<Date32Type>().context("no dates")?;
    let keys = column(division.key)?.as_primitive_opt::<Int64Type>().context("no keys")?;
    let mut chosen: BTreeMap<(String, i64), Vec<u32>> = BTreeMap::new();
    for (row, (date, key)) in (0..).zip(dates.values().iter().zip(keys.values())) {
        let tablet = (months.name(*date)?.to_owned(), key.rem_euclid(BUCKETS));
        chosen.entry(tablet).or_default().push(row);
    }
    let rows_of = |rows: Vec<u32>| take_record_batch(&batch, &UInt32Array::from(rows));
    chosen.into_iter().map(|(tablet, rows)| Ok((tablet, rows_of(rows)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_a_divided_table_lies_in_one_tablet() {
        let batch = OrderArrow::new(OrderGenerator::new(0.001, 1, 1)).next().unwrap().unwrap();
        let num_rows = batch.num_rows();
        let division = division("o_orderdate", "o_orderkey");
        let divided = divide(batch, division, &mut Months::default()).unwrap();
        assert_eq!(divided.values().map(RecordBatch::num_rows).sum::<usize>(), num_rows);
        for ((partition, bucket), rows) in divided {
            assert!(partition.starts_with("199"), "{partition}");
            let keys = rows.column_by_name("o_orderkey").unwrap();
            assert!(keys.as_primitive::<Int64Type>().values().iter().all(|key| key % 2 == bucket));
        }
    }
}
