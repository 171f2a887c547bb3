//! Inserts: rows of a stream into a table, all of them or none.
//!
//! ```text
//! batches ─> convert ─> route ─> buffers ─> run (sort, last of each key) ─> segment ─> draft ─> commit
//! ```
//! A load that is dropped leaves nothing: segments that no transaction named go with their last `Arc` (W2).

use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::compute::concat_batches;
use datafusion::arrow::datatypes::SchemaRef;
use futures::stream::FuturesUnordered;
use futures::{Stream, StreamExt};

use super::buffer::{BufferLimits, Buffers};
use super::change::{Change, Loader, blocking};
use super::draft::{TableDraft, TabletKey};
use super::input::Input;
use super::label::Label;
use super::refreshed::Refreshed;
use super::route::Router;
use super::run::{KeySet, make_run};
use super::segment_file::write_segment;
use super::{compact, replace, rollup};
use crate::catalog::Table;
use crate::query::QueryStream;
use crate::query::failure::query_error;
use crate::segment::Segment;
use crate::{Error, Result, Subject};

/// Rows that are converted and routed at a time: enough that splitting them costs little per row.
const CHUNK_ROWS: usize = 64 * 1024;

/// Segments that a load writes at a time when all its rows have come.
const WRITERS: usize = 8;

/// Bytes of one piece of a large batch.
const PIECE_BYTES: usize = 16 << 20;

/// Into what rows are loaded.
#[derive(Debug, Clone, Default)]
pub struct LoadRequest {
    /// The database.
    pub database: String,
    /// The table.
    pub table: String,
    /// The columns that the rows have, in order; empty is all of the table's.
    pub columns: Vec<String>,
    /// Partitions that the rows must be in; empty is any.
    pub partitions: Vec<String>,
    /// Whether what is there goes: all of it, or that of the named partitions.
    pub overwrite: bool,
    /// What the load is called: a database takes each label once.
    pub label: Option<String>,
    /// The time of `CURRENT_TIMESTAMP`: microseconds since 1970-01-01, read off a wall clock.
    pub now_micros: i64,
}

/// What a load did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoadReport {
    /// Rows that were loaded.
    pub rows: u64,
    /// The first value of AUTO_INCREMENT that was counted up for them.
    pub first_number: Option<u64>,
}

/// Rows of a tablet that are in a segment; none where there were no rows.
#[derive(Debug)]
struct Written {
    key: TabletKey,
    run: RecordBatch,
    segment: Option<Arc<Segment>>,
}

impl Loader {
    /// Loads the rows of a query.
    pub async fn load_query(&self, request: &LoadRequest, rows: QueryStream) -> Result<LoadReport> {
        let schema = Arc::clone(rows.schema());
        self.load(request, &schema, rows).await
    }

    /// Loads rows of this schema.
    pub async fn load(
        &self,
        request: &LoadRequest,
        schema: &SchemaRef,
        rows: impl Stream<Item = Result<RecordBatch>> + Send + Unpin,
    ) -> Result<LoadReport> {
        let change = self.begin(&request.database, &request.table, &request.partitions).await?;
        let row = change.draft.table().row();
        if row.materialized_view.is_some() {
            let message = format!(
                "The data of '{}' cannot be inserted because it is a materialized view; refresh it",
                row.name
            );
            return Err(Error::invalid(message).about(Subject::Table));
        }
        // The future is large.
        Box::pin(change.load(request, schema, rows, None)).await
    }
}

impl Change {
    /// Loads rows and commits. A refresh says what it has read.
    pub(super) async fn load(
        self,
        request: &LoadRequest,
        schema: &SchemaRef,
        mut rows: impl Stream<Item = Result<RecordBatch>> + Send + Unpin,
        refreshed: Option<Refreshed>,
    ) -> Result<LoadReport> {
        let mut change = self;
        if request.overwrite {
            change.draft.clear();
        }
        let table = Arc::clone(change.row());
        if let Some(label) = request.label.clone() {
            let warehouse = &change.loader.warehouse;
            let label = Label::new(warehouse, table.database, label, request.now_micros)?;
            change.draft.changes().label = Some(label);
        }
        let given = schema.fields().len();
        let mut stage = Stage {
            input: Input::new(&table, &request.columns, given, request.now_micros)?,
            router: Router::new(&table, turn(change.draft.table()))?,
            buffers: Buffers::new(BufferLimits {
                tablet_bytes: change.loader.config.tablet_buffer_bytes,
                total_bytes: change.loader.config.buffer_bytes,
            }),
        };
        let mut chunk = Chunk::default();
        while let Some(batch) = rows.next().await {
            for piece in pieces(&batch?) {
                if chunk.add(piece) {
                    (change, stage) = change.spread(stage, chunk.take()).await?;
                }
            }
        }
        (change, stage) = change.spread(stage, chunk.take()).await?;
        change.flush_all(&mut stage.buffers).await?;
        if table.columns.iter().any(|column| column.auto_increment) {
            change.draft.changes().next_auto_increment = Some(stage.input.next_number());
        }
        change.draft.changes().refreshed = refreshed;
        change.finish().await?;
        Ok(LoadReport { rows: stage.input.rows(), first_number: stage.input.first_number() })
    }

    /// Brings rows into the buffers, and full buffers into segments. The change goes along to another thread, because rows
    /// may need new partitions.
    async fn spread(self, stage: Stage, batches: Vec<RecordBatch>) -> Result<(Self, Stage)> {
        let (mut change, mut stage) = (self, stage);
        (change, stage) = blocking(move || {
            stage.spread(&mut change.draft, &batches)?;
            Ok((change, stage))
        })
        .await?;
        while let Some((key, batches)) = stage.buffers.take_full() {
            change.flush(key, batches).await?;
        }
        Ok((change, stage))
    }

    /// Makes segments of all rows that wait, several at a time: most of the time of a small one is waiting for the disk.
    async fn flush_all(&mut self, buffers: &mut Buffers) -> Result<()> {
        let mut writing = FuturesUnordered::new();
        loop {
            while writing.len() < WRITERS
                && let Some((key, batches)) = buffers.take_any()
            {
                writing.push(self.write(key, batches)?);
            }
            match writing.next().await {
                Some(written) => self.add(written?).await?,
                None => return Ok(()),
            }
        }
    }

    /// Makes a segment of rows of one tablet.
    async fn flush(&mut self, key: TabletKey, batches: Vec<RecordBatch>) -> Result<()> {
        let written = self.write(key, batches)?.await?;
        self.add(written).await
    }

    /// Writes rows of one tablet as a segment, on another thread.
    fn write(
        &self,
        key: TabletKey,
        batches: Vec<RecordBatch>,
    ) -> Result<impl Future<Output = Result<Written>> + Send + use<>> {
        let tablet = self.draft.tablet(key, self.base_index())?.id;
        let warehouse = self.loader.warehouse.clone();
        let (layout, order) = (self.layout.clone(), self.order.clone());
        Ok(blocking(move || {
            let run = make_run(&batches, layout.schema(), &order)?;
            let segment = write_segment(&warehouse, tablet, &layout, &run)?;
            Ok(Written { key, run, segment })
        }))
    }

    /// Adds a segment to its tablet; rows that it replaces go.
    async fn add(&mut self, written: Written) -> Result<()> {
        let index = self.base_index();
        let Written { key, run, segment } = written;
        let Some(segment) = segment else { return Ok(()) };
        if let Some(key_columns) = self.order.key.clone() {
            let keys = KeySet::of(&run, &key_columns)?;
            if replace::remove_keys(self, key, &key_columns, &keys).await? {
                self.stale.insert(key);
            }
        }
        self.draft.add_segment(key, index, segment)?;
        if !self.stale.contains(&key) {
            rollup::add_rows(self, key, run).await?;
        }
        Ok(())
    }

    /// Merges tablets of too many segments, brings rollups up to date, and commits.
    pub(super) async fn finish(mut self) -> Result<()> {
        Box::pin(rollup::compute_stale(&mut self)).await?;
        Box::pin(compact::merge_tablets(&mut self)).await?;
        self.draft.commit(self.lock).await
    }
}

/// Where distribution in turn goes on: a load begins behind the one before.
fn turn(table: &Table) -> u64 {
    table.partitions().map(|partition| partition.version).sum()
}

/// What turns rows of a statement into rows that wait for their segments.
#[derive(Debug)]
struct Stage {
    input: Input,
    router: Router,
    buffers: Buffers,
}

impl Stage {
    fn spread(&mut self, draft: &mut TableDraft, batches: &[RecordBatch]) -> Result<()> {
        let rows = batches.iter().map(|batch| self.input.convert(batch));
        let rows = rows.collect::<Result<Vec<_>>>()?;
        let Some(first) = rows.first() else { return Ok(()) };
        let rows =
            concat_batches(&first.schema(), &rows).map_err(|error| query_error(error.into()))?;
        for (key, rows) in self.router.split(&rows, draft)? {
            self.buffers.add(key, rows);
        }
        Ok(())
    }
}

/// Batches until they are worth a trip to another thread.
#[derive(Debug, Default)]
struct Chunk {
    batches: Vec<RecordBatch>,
    rows: usize,
    bytes: usize,
}

impl Chunk {
    /// Adds a batch; whether that was enough.
    fn add(&mut self, batch: RecordBatch) -> bool {
        self.rows += batch.num_rows();
        self.bytes += batch.get_array_memory_size();
        self.batches.push(batch);
        self.rows >= CHUNK_ROWS || self.bytes >= PIECE_BYTES
    }

    fn take(&mut self) -> Vec<RecordBatch> {
        std::mem::take(self).batches
    }
}

/// A batch in parts of bounded size: a few rows can be very long.
fn pieces(batch: &RecordBatch) -> Vec<RecordBatch> {
    let count = batch.get_array_memory_size().div_ceil(PIECE_BYTES).max(1);
    let rows = batch.num_rows().div_ceil(count).max(1);
    let starts = (0..batch.num_rows()).step_by(rows);
    starts.map(|start| batch.slice(start, rows.min(batch.num_rows() - start))).collect()
}
