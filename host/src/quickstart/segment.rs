//! Segments of the quickstart: Parquet files, written once and read back.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use tpchgen_arrow::arrow::array::RecordBatch;
use tpchgen_arrow::arrow::datatypes::SchemaRef;

/// Rows that a writer gathers: hundreds of writers are open at once.
const ROW_GROUP_ROWS: usize = 16 << 10;

/// Writes one segment.
pub(super) struct SegmentWriter {
    path: PathBuf,
    writer: ArrowWriter<File>,
}

impl SegmentWriter {
    /// Makes a file that is not there yet, with its directories.
    pub(super) fn create(path: PathBuf, schema: SchemaRef) -> anyhow::Result<Self> {
        let about = || format!("cannot write {}", path.display());
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).with_context(about)?;
        }
        let file = File::create_new(&path).with_context(about)?;
        let writer = ArrowWriter::try_new(file, schema, Some(properties())).with_context(about)?;
        Ok(Self { path, writer })
    }

    pub(super) fn write(&mut self, rows: &RecordBatch) -> anyhow::Result<()> {
        self.writer.write(rows).with_context(|| format!("cannot write {}", self.path.display()))
    }

    /// Ends the file; says how long it is in bytes.
    pub(super) fn finish(mut self) -> anyhow::Result<u64> {
        let about = || format!("cannot write {}", self.path.display());
        self.writer.finish().with_context(about)?;
        Ok(self.writer.inner().metadata().with_context(about)?.len())
    }
}

/// Writes a whole segment.
pub(super) fn write(path: PathBuf, rows: &[RecordBatch]) -> anyhow::Result<u64> {
    let Some(first) = rows.first() else { return Ok(0) };
    let mut writer = SegmentWriter::create(path, first.schema())?;
    rows.iter().try_for_each(|rows| writer.write(rows))?;
    writer.finish()
}

/// Reads a segment batch by batch.
pub(super) fn read(
    path: &Path,
) -> anyhow::Result<impl Iterator<Item = anyhow::Result<RecordBatch>> + use<>> {
    let path = Arc::<Path>::from(path);
    let about = |path: &Path| format!("cannot read {}", path.display());
    let file = File::open(&path).with_context(|| about(&path))?;
    let reader = ParquetRecordBatchReaderBuilder::try_new(file)
        .and_then(ParquetRecordBatchReaderBuilder::build)
        .with_context(|| about(&path))?;
    Ok(reader.map(move |rows| rows.with_context(|| about(&path))))
}

fn properties() -> WriterProperties {
    WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .build()
}
