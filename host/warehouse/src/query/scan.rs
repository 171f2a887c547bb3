//! A table as DataFusion scans it: the segments of one catalog, without the partitions that the filters rule out.
//!
//! Every file of a plan carries the `Arc` of its segment, and a result keeps its plan: no file goes before its last reader
//! (W2). Row counts are exact, so `COUNT(*)` reads no file.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use datafusion::arrow::datatypes::{DataType, Field, SchemaRef};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::stats::Precision;
use datafusion::common::{Result, ScalarValue, Statistics, project_schema};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::CachedParquetFileReaderFactory;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;

use super::columns::StoredColumns;
use super::prune;
use crate::arrow_types::query_schema;
use crate::catalog::Table;
use crate::catalog::model::{Column, Id, PartitionBounds, PartitionRow};
use crate::segment::Segment;

/// Where the object store of the segments is registered; a path in it is `<tablet>/<segment>.parquet`.
pub(crate) const SEGMENTS_URL: &str = "cairn://tablets";

/// The column that says in which segment a row is, where a scan shows it.
pub(crate) const SEGMENT_COLUMN: &str = "<segment>";

/// How much of a table a plan reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScanSummary {
    /// The table.
    pub table: String,
    /// Its partitions.
    pub partitions: usize,
    /// Those that are read.
    pub selected_partitions: usize,
    /// Segments that are read.
    pub segments: usize,
}

/// Collects what the scans of one plan read.
#[derive(Debug, Clone, Default)]
pub(crate) struct ScanLog {
    /// Held for a push or a copy.
    scans: Arc<Mutex<Vec<ScanSummary>>>,
}

impl ScanLog {
    pub(crate) fn summaries(&self) -> Vec<ScanSummary> {
        self.scans.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn add(&self, scan: ScanSummary) {
        self.scans.lock().unwrap_or_else(PoisonError::into_inner).push(scan);
    }
}

/// Some partitions of an index, as a relation of a query.
#[derive(Debug)]
pub(crate) struct SegmentScan {
    name: String,
    schema: SchemaRef,
    table_schema: TableSchema,
    columns: Arc<StoredColumns>,
    partition_columns: Vec<String>,
    partitions: Vec<ScannedPartition>,
    shows_segment: bool,
    log: ScanLog,
}

#[derive(Debug)]
struct ScannedPartition {
    bounds: PartitionBounds,
    segments: Vec<Arc<Segment>>,
}

impl SegmentScan {
    /// The partitions of a table that `is_wanted` takes, read from its own index.
    pub(crate) fn of_table(
        table: &Table,
        is_wanted: &dyn Fn(&PartitionRow) -> bool,
        log: ScanLog,
    ) -> Self {
        let row = table.row();
        Self::of_index(table, &row.name, row.index, &row.columns, is_wanted, log)
    }

    /// The same from one of its rollups.
    pub(crate) fn of_index(
        table: &Table,
        name: &str,
        index: Id,
        columns: &[Column],
        is_wanted: &dyn Fn(&PartitionRow) -> bool,
        log: ScanLog,
    ) -> Self {
        let partitions = table.partitions().filter(|partition| is_wanted(partition));
        let scanned = partitions.map(|partition| ScannedPartition {
            bounds: partition.bounds.clone(),
            segments: segments_of(partition, index),
        });
        // A rollup may lack the partition columns or call something else so.
        let is_base = index == table.row().index;
        let partition_columns = table.row().partitioning.columns().iter().filter(|_| is_base);
        Self {
            partition_columns: partition_columns.map(|name| name.to_lowercase()).collect(),
            partitions: scanned.collect(),
            log,
            ..Self::of_segments(name, columns, Vec::new())
        }
    }

    /// Just these segments.
    pub(crate) fn of_segments(name: &str, columns: &[Column], segments: Vec<Arc<Segment>>) -> Self {
        let stored = Arc::new(StoredColumns::new(columns));
        let table_schema = TableSchema::builder(stored.scanned(query_schema(columns))).build();
        Self {
            name: name.to_owned(),
            schema: Arc::clone(table_schema.table_schema()),
            table_schema,
            columns: stored,
            partition_columns: Vec::new(),
            partitions: vec![ScannedPartition { bounds: PartitionBounds::All, segments }],
            shows_segment: false,
            log: ScanLog::default(),
        }
    }

    /// The same with a last column, [`SEGMENT_COLUMN`], that says where each row is.
    pub(crate) fn showing_segments(self) -> Self {
        let segment = Arc::new(Field::new(SEGMENT_COLUMN, DataType::UInt64, false));
        let table_schema =
            TableSchema::builder(self.schema).with_table_partition_cols(vec![segment]).build();
        let schema = Arc::clone(table_schema.table_schema());
        Self { schema, table_schema, shows_segment: true, ..self }
    }

    /// The segments that can hold a row for which all filters are true.
    fn select(&self, filters: &[Expr]) -> Vec<&Arc<Segment>> {
        let selected: Vec<_> = self
            .partitions
            .iter()
            .filter(|one| prune::may_match(&one.bounds, &self.partition_columns, filters))
            .collect();
        let segments: Vec<_> = selected.iter().flat_map(|partition| &partition.segments).collect();
        self.log.add(ScanSummary {
            table: self.name.clone(),
            partitions: self.partitions.len(),
            selected_partitions: selected.len(),
            segments: segments.len(),
        });
        segments
    }

    fn file(&self, segment: &Arc<Segment>) -> PartitionedFile {
        let path = format!("{}/{}.parquet", segment.tablet, segment.number);
        let file = PartitionedFile::new(path, segment.bytes).with_extension(Arc::clone(segment));
        match self.shows_segment {
            true => file.with_partition_values(vec![ScalarValue::UInt64(Some(segment.number))]),
            false => file,
        }
    }

    fn statistics(&self, segments: &[&Arc<Segment>]) -> Statistics {
        let rows: u64 = segments.iter().map(|segment| segment.rows).sum();
        let bytes: u64 = segments.iter().map(|segment| segment.bytes).sum();
        let size = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        Statistics {
            num_rows: Precision::Exact(size(rows)),
            total_byte_size: Precision::Inexact(size(bytes)),
            ..Statistics::new_unknown(&self.schema)
        }
    }
}

/// The segments of one index of a partition.
pub(crate) fn segments_of(partition: &PartitionRow, index: Id) -> Vec<Arc<Segment>> {
    let tablets = partition.indexes.iter().filter(|tablets| tablets.index == index);
    let tablets = tablets.flat_map(|tablets| &tablets.tablets);
    tablets.flat_map(|tablet| &tablet.segments).map(Arc::clone).collect()
}

#[async_trait]
impl TableProvider for SegmentScan {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let segments = self.select(filters);
        if segments.is_empty() {
            return Ok(Arc::new(EmptyExec::new(project_schema(&self.schema, projection)?)));
        }
        let url = ObjectStoreUrl::parse(SEGMENTS_URL)?;
        let runtime = state.runtime_env();
        let reader = CachedParquetFileReaderFactory::new(
            runtime.object_store(&url)?,
            runtime.cache_manager.get_file_metadata_cache(),
        );
        let source = ParquetSource::new(self.table_schema.clone())
            .with_table_parquet_options(state.table_options().parquet.clone())
            .with_parquet_file_reader_factory(Arc::new(reader));
        let files = segments.iter().map(|segment| self.file(segment)).collect();
        let groups = FileGroup::new(files).split_files(state.config().target_partitions());
        let scan = FileScanConfigBuilder::new(url, Arc::new(source))
            .with_file_groups(groups)
            .with_statistics(self.statistics(&segments))
            .with_projection_indices(projection.cloned())?
            .with_limit(limit)
            .with_expr_adapter(StoredColumns::adapter(&self.columns))
            .build();
        Ok(DataSourceExec::from_data_source(scan))
    }
}
