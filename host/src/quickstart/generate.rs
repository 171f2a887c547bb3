//! Tables of TPC-H as Parquet files, as somebody else's warehouse might have left them.

use std::fs::File;
use std::path::Path;

use anyhow::Context;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use tpchgen::generators::{CustomerGenerator, LineItemGenerator, OrderGenerator};
use tpchgen_arrow::arrow::array::RecordBatch;
use tpchgen_arrow::arrow::error::ArrowError;
use tpchgen_arrow::{CustomerArrow, LineItemArrow, OrderArrow};

/// Rows that are made at once.
const BATCH_ROWS: usize = 64 << 10;

/// A file that was made.
#[derive(Debug, Clone)]
pub(super) struct MadeFile {
    pub(super) table: &'static str,
    pub(super) rows: u64,
    pub(super) bytes: u64,
}

type Rows = Box<dyn Iterator<Item = Result<RecordBatch, ArrowError>>>;

/// Makes a file for each table.
pub(super) fn generate(directory: &Path, scale: f64) -> anyhow::Result<Vec<MadeFile>> {
    macro_rules! rows {
        ($arrow:ident, $generator:ident) => {
            Box::new($arrow::new($generator::new(scale, 1, 1)).with_batch_size(BATCH_ROWS))
        };
    }
    let tables: [(&'static str, Rows); 3] = [
        ("customer", rows!(CustomerArrow, CustomerGenerator)),
        ("orders", rows!(OrderArrow, OrderGenerator)),
        ("lineitem", rows!(LineItemArrow, LineItemGenerator)),
    ];
    tables.into_iter().map(|(table, rows)| write(directory, table, rows)).collect()
}

fn write(directory: &Path, table: &'static str, rows: Rows) -> anyhow::Result<MadeFile> {
    let path = directory.join(format!("{table}.parquet"));
    let about = || format!("cannot write {}", path.display());
    let mut rows = rows.peekable();
    let Some(Ok(first)) = rows.peek() else {
        anyhow::bail!("no rows were made for {table}");
    };
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let file = File::create_new(&path).with_context(about)?;
    let mut writer =
        ArrowWriter::try_new(file, first.schema(), Some(properties)).with_context(about)?;
    let mut made = MadeFile { table, rows: 0, bytes: 0 };
    for batch in rows {
        let batch = batch.context("cannot make rows")?;
        made.rows += batch.num_rows() as u64;
        writer.write(&batch).with_context(about)?;
    }
    writer.finish().with_context(about)?;
    made.bytes = writer.inner().metadata().with_context(about)?.len();
    Ok(made)
}
