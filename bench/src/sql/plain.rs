//! [`Plain`]: DataFusion without anything of ours, in this process.
//!
//! It has the defaults of its version, statistics of files among them, and as many partitions as the server's queries have:
//! one for each processor.

use std::path::PathBuf;

use anyhow::Result;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::prelude::{ParquetReadOptions, SessionConfig, SessionContext};
use tokio::runtime::Runtime;

use super::client::Texts;

/// A session over some files as one table.
pub(super) struct Plain {
    runtime: Runtime,
    context: SessionContext,
}

impl Plain {
    /// The files as the table of this name.
    pub(super) fn over(table: &str, files: &[PathBuf]) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let partitions = std::thread::available_parallelism()?.get();
        let config = SessionConfig::new().with_target_partitions(partitions);
        let context = SessionContext::new_with_config(config);
        let paths: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
        let rows = runtime.block_on(context.read_parquet(paths, ParquetReadOptions::default()))?;
        context.register_table(table, rows.into_view())?;
        Ok(Self { runtime, context })
    }

    /// The rows of a query.
    pub(super) fn rows(&self, sql: &str) -> Result<Vec<Texts>> {
        let batches =
            self.runtime.block_on(async { self.context.sql(sql).await?.collect().await })?;
        let options = FormatOptions::new().with_null("NULL");
        let mut rows = Vec::new();
        for batch in batches {
            let columns = batch.columns().iter();
            let columns = columns.map(|column| ArrayFormatter::try_new(column.as_ref(), &options));
            let columns = columns.collect::<Result<Vec<_>, _>>()?;
            let row = |row| columns.iter().map(|column| column.value(row).to_string()).collect();
            rows.extend((0..batch.num_rows()).map(row));
        }
        Ok(rows)
    }
}
