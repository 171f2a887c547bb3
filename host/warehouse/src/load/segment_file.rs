//! Rows as a segment: one Parquet file with statistics of pages, small enough row groups to read one in parts.
//!
//! Arrow's own schema is left out of the file: every stored type is one of Parquet's, and what was written with one version
//! is read with another.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::arrow::error::ArrowError;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::arrow::arrow_writer::ArrowWriterOptions;
use datafusion::parquet::basic::{Compression, ZstdLevel};
use datafusion::parquet::errors::ParquetError;
use datafusion::parquet::file::properties::{EnabledStatistics, WriterProperties};

use crate::arrow_types::stored_schema;
use crate::catalog::model::{Column, Id, Properties};
use crate::query::failure::query_error;
use crate::segment::{Segment, SegmentWriter};
use crate::{Error, ErrorKind, Result, Warehouse};

/// The property of a table that chooses the compression of its segments.
const COMPRESSION: &str = "compression";

/// Rows of a row group: what is skipped or read as a whole, and held in memory while it is written.
const ROW_GROUP_ROWS: usize = 256 * 1024;

/// Rows of a page at most: what the page index skips.
const PAGE_ROWS: usize = 20_000;

/// How the segments of an index look.
#[derive(Debug, Clone)]
pub(crate) struct SegmentLayout {
    /// Of the rows in memory, by the columns' names.
    schema: SchemaRef,
    /// Of the file, by their stored names.
    file_schema: SchemaRef,
    compression: Compression,
}

impl SegmentLayout {
    /// The layout of an index with these columns, of a table with these properties.
    pub(crate) fn new(columns: &[Column], properties: &Properties) -> Self {
        let schema = stored_schema(columns);
        let fields = schema.fields().iter().zip(columns).map(|(field, column)| {
            field.as_ref().clone().with_name(column.stored_name().to_lowercase())
        });
        let file_schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        Self { schema, file_schema, compression: compression(properties) }
    }

    /// The schema of rows in memory.
    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Rows of a query as rows in memory.
    pub(crate) fn stored(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let stored = || -> Result<RecordBatch, ArrowError> {
            let columns = batch.columns().iter().zip(self.schema.fields());
            let columns = columns.map(|(column, field)| cast(column, field.data_type()));
            RecordBatch::try_new(Arc::clone(&self.schema), columns.collect::<Result<_, _>>()?)
        };
        stored().map_err(|error| query_error(error.into()))
    }

    fn properties(&self) -> WriterProperties {
        WriterProperties::builder()
            .set_compression(self.compression)
            .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
            .set_data_page_row_count_limit(PAGE_ROWS)
            .set_statistics_enabled(EnabledStatistics::Page)
            .set_created_by("cairn".to_owned())
            .build()
    }
}

/// LZ4 unless the table says something else; what Parquet has not is LZ4, too.
fn compression(properties: &Properties) -> Compression {
    let name = properties.get(COMPRESSION).map(|name| name.to_ascii_lowercase());
    match name.as_deref().map(|name| name.split('(').next().unwrap_or(name)) {
        Some("zstd" | "zlib") => Compression::ZSTD(ZstdLevel::default()),
        Some("snappy") => Compression::SNAPPY,
        Some("none" | "no_compression") => Compression::UNCOMPRESSED,
        _ => Compression::LZ4_RAW,
    }
}

/// A file with the CRC-32C of what went into it.
#[derive(Debug)]
struct Summed {
    file: File,
    checksum: u32,
}

impl Write for Summed {
    #[expect(clippy::disallowed_methods, reason = "how much was written is what it answers")]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        let written_bytes = bytes.get(..written).unwrap_or(bytes);
        self.checksum = crc32c::crc32c_append(self.checksum, written_bytes);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// A segment being written. Dropped before it is finished, its file is removed.
#[derive(Debug)]
pub(crate) struct SegmentFile {
    layout: SegmentLayout,
    segment: SegmentWriter,
    /// In a box: it is large, and moves to other threads and back.
    parquet: Box<ArrowWriter<Summed>>,
    rows: u64,
}

impl SegmentFile {
    /// Begins a segment of a tablet.
    pub(crate) fn create(
        warehouse: &Warehouse,
        tablet: Id,
        layout: &SegmentLayout,
    ) -> Result<Self> {
        let segment = warehouse.files().create(tablet, warehouse.next_id()?)?;
        let file = segment.file().try_clone().map_err(|error| {
            Error::new(ErrorKind::Io, format!("cannot open a segment: {error}")).with_source(error)
        })?;
        let options = ArrowWriterOptions::new()
            .with_properties(layout.properties())
            .with_skip_arrow_metadata(true);
        let schema = Arc::clone(&layout.file_schema);
        let parquet =
            ArrowWriter::try_new_with_options(Summed { file, checksum: 0 }, schema, options)
                .map_err(|error| write_error(segment.path(), error))?;
        Ok(Self { layout: layout.clone(), segment, parquet: Box::new(parquet), rows: 0 })
    }

    /// Adds rows, which are in the order of the segment.
    pub(crate) fn write(&mut self, rows: &RecordBatch) -> Result<()> {
        let columns = rows.columns().to_vec();
        let batch = RecordBatch::try_new(Arc::clone(&self.layout.file_schema), columns)
            .map_err(|error| query_error(error.into()))?;
        self.rows += batch.num_rows() as u64;
        self.parquet.write(&batch).map_err(|error| write_error(self.segment.path(), error))
    }

    /// Makes the segment durable; none where it has no rows.
    pub(crate) fn finish(mut self) -> Result<Option<Arc<Segment>>> {
        if self.rows == 0 {
            return Ok(None);
        }
        self.parquet.finish().map_err(|error| write_error(self.segment.path(), error))?;
        let checksum = self.parquet.inner().checksum;
        self.segment.publish(self.rows, Some(checksum)).map(Some)
    }
}

/// One batch as a segment.
pub(crate) fn write_segment(
    warehouse: &Warehouse,
    tablet: Id,
    layout: &SegmentLayout,
    rows: &RecordBatch,
) -> Result<Option<Arc<Segment>>> {
    let mut file = SegmentFile::create(warehouse, tablet, layout)?;
    file.write(rows)?;
    file.finish()
}

fn write_error(path: &Path, error: ParquetError) -> Error {
    let text = |error: &dyn std::fmt::Display| {
        Error::new(ErrorKind::Io, format!("cannot write {}: {error}", path.display()))
    };
    match error {
        ParquetError::External(inner) => match inner.downcast::<io::Error>() {
            Ok(error) => Error::io("write", path, *error),
            Err(other) => text(&other),
        },
        error => text(&error).with_source(error),
    }
}
