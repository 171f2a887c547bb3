//! The line items of TPC-H: as files, as a table, as queries.

use std::fs::File;
use std::path::Path;

use anyhow::{Context, Result};
use datafusion::parquet::arrow::ArrowWriter;
use tpchgen::generators::LineItemGenerator;
use tpchgen_arrow::LineItemArrow;

/// Files that the rows are written to.
const FILES: i32 = 4;

/// The table; sorted by the order, as the rows come.
pub(super) const CREATE_TABLE: &str = "\
CREATE TABLE lineitem (
    l_orderkey BIGINT NOT NULL, l_partkey BIGINT NOT NULL, l_suppkey BIGINT NOT NULL, l_linenumber INT NOT NULL,
    l_quantity DECIMAL(15,2) NOT NULL, l_extendedprice DECIMAL(15,2) NOT NULL,
    l_discount DECIMAL(15,2) NOT NULL, l_tax DECIMAL(15,2) NOT NULL,
    l_returnflag VARCHAR(1) NOT NULL, l_linestatus VARCHAR(1) NOT NULL,
    l_shipdate DATE NOT NULL, l_commitdate DATE NOT NULL, l_receiptdate DATE NOT NULL,
    l_shipinstruct VARCHAR(25) NOT NULL, l_shipmode VARCHAR(10) NOT NULL, l_comment VARCHAR(44) NOT NULL
) DUPLICATE KEY (l_orderkey) DISTRIBUTED BY HASH (l_orderkey) BUCKETS 4";

/// Queries with their names.
pub(super) const QUERIES: [(&str, &str); 3] = [
    ("sums", "SELECT count(*), sum(l_quantity), sum(l_extendedprice) FROM lineitem"),
    (
        "Q1",
        "SELECT l_returnflag, l_linestatus, sum(l_quantity), sum(l_extendedprice), \
         sum(l_extendedprice * (1 - l_discount)), sum(l_extendedprice * (1 - l_discount) * (1 + l_tax)), count(*) \
         FROM lineitem WHERE l_shipdate <= DATE '1998-09-02' \
         GROUP BY l_returnflag, l_linestatus ORDER BY l_returnflag, l_linestatus",
    ),
    (
        "Q6",
        "SELECT sum(l_extendedprice * l_discount) FROM lineitem WHERE l_shipdate >= DATE '1994-01-01' \
         AND l_shipdate < DATE '1995-01-01' AND l_discount BETWEEN 0.05 AND 0.07 AND l_quantity < 24",
    ),
];

/// The largest order key.
pub(super) fn last_order(scale: f64) -> u64 {
    const OF_EACH_FACTOR: f64 = 6e6;
    #[expect(clippy::cast_possible_truncation, reason = "a fraction of an order is none")]
    let last = (scale * OF_EACH_FACTOR) as u64;
    last
}

/// Writes the rows into a folder.
pub(super) fn write(folder: &Path, scale: f64) -> Result<()> {
    std::fs::create_dir_all(folder)?;
    for part in 1..=FILES {
        let path = folder.join(format!("lineitem-{part}.parquet"));
        let file = File::create(&path).with_context(|| format!("create {}", path.display()))?;
        let mut writer = ArrowWriter::try_new(file, LineItemArrow::schema_ref(), None)?;
        for batch in LineItemArrow::new(LineItemGenerator::new(scale, part, FILES)) {
            writer.write(&batch?)?;
        }
        writer.close()?;
    }
    Ok(())
}
