//! A result that is computed while it is read.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use datafusion::arrow::array::{RecordBatch, RecordBatchOptions};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::ExecutionPlan;
use futures::{Stream, StreamExt, TryStreamExt};

use super::failure::query_error;
use super::scan::ScanSummary;
use crate::{Error, Result};

/// The rows of a query. Dropping it ends the query.
pub struct QueryStream {
    schema: SchemaRef,
    stream: SendableRecordBatchStream,
    /// Holds the segments that are read (W2); after `stream`, so that it goes last.
    _plan: Arc<dyn ExecutionPlan>,
    scans: Vec<ScanSummary>,
}

impl QueryStream {
    pub(super) fn new(
        schema: SchemaRef,
        stream: SendableRecordBatchStream,
        plan: Arc<dyn ExecutionPlan>,
        scans: Vec<ScanSummary>,
    ) -> Self {
        Self { schema, stream, _plan: plan, scans }
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

impl Stream for QueryStream {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let schema = Arc::clone(&self.schema);
        self.stream.poll_next_unpin(context).map(|next| {
            next.map(|batch| {
                let batch = batch.map_err(query_error)?;
                let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
                RecordBatch::try_new_with_options(schema, batch.columns().to_vec(), &options)
                    .map_err(|error| query_error(error.into()))
            })
        })
    }
}

impl fmt::Debug for QueryStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueryStream").field("schema", &self.schema).finish_non_exhaustive()
    }
}

impl From<QueryStream> for futures::stream::BoxStream<'static, Result<RecordBatch, Error>> {
    fn from(stream: QueryStream) -> Self {
        stream.boxed()
    }
}
