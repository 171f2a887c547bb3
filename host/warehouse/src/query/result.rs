//! A result that is computed while it is read.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use datafusion::arrow::array::{RecordBatch, RecordBatchOptions};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::ExecutionPlan;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt, TryStreamExt};

use super::failure::query_error;
use super::scan::ScanSummary;
use crate::{Error, Result};

/// The rows of a query. Dropping it ends the query.
pub struct QueryStream {
    schema: SchemaRef,
    rows: BoxStream<'static, Result<RecordBatch>>,
    scans: Vec<ScanSummary>,
}

impl QueryStream {
    pub(super) fn new(
        schema: SchemaRef,
        stream: SendableRecordBatchStream,
        plan: Arc<dyn ExecutionPlan>,
        scans: Vec<ScanSummary>,
    ) -> Self {
        let shown = Arc::clone(&schema);
        // The plan holds the segments that are read (W2), and goes after the stream.
        let rows = stream.map(move |batch| show(&plan, &shown, batch.map_err(query_error)?));
        Self { schema, rows: rows.boxed(), scans }
    }

    /// The same rows by another way.
    pub(super) fn map_rows(
        self,
        by: impl FnOnce(
            BoxStream<'static, Result<RecordBatch>>,
        ) -> BoxStream<'static, Result<RecordBatch>>,
    ) -> Self {
        Self { rows: by(self.rows), ..self }
    }

    /// The columns, named as the client named them.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// How much of each table is read.
    pub fn scans(&self) -> &[ScanSummary] {
        &self.scans
    }

    /// All of it.
    pub async fn collect(self) -> Result<Vec<RecordBatch>> {
        self.try_collect().await
    }
}

/// A batch of the plan under the names of the client.
fn show(
    _plan: &Arc<dyn ExecutionPlan>,
    schema: &SchemaRef,
    batch: RecordBatch,
) -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(schema), batch.columns().to_vec(), &options)
        .map_err(|error| query_error(error.into()))
}

impl Stream for QueryStream {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.rows.poll_next_unpin(context)
    }
}

impl fmt::Debug for QueryStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueryStream").field("schema", &self.schema).finish_non_exhaustive()
    }
}

impl From<QueryStream> for BoxStream<'static, Result<RecordBatch, Error>> {
    fn from(stream: QueryStream) -> Self {
        stream.rows
    }
}
