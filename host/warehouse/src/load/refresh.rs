//! Refresh of asynchronous materialized views: the query over one catalog replaces the view's rows, and with them in one
//! transaction what it has seen.

use std::sync::Arc;

use super::change::Loader;
use super::insert::{LoadReport, LoadRequest};
use super::refreshed::{Refreshed, active_view};
use crate::Result;
use crate::query::{QuerySession, text_query};

impl Loader {
    /// Refreshes a materialized view. `now_micros` is the time of `now()` in its query, `now_millis` that of the refresh,
    /// since 1970-01-01.
    pub async fn refresh(
        &self,
        database: &str,
        name: &str,
        now_micros: i64,
        now_millis: i64,
    ) -> Result<LoadReport> {
        let change = self.begin(database, name, &[]).await?;
        let catalog = self.warehouse.catalog();
        let view = active_view(change.row())?;
        let refreshed = Refreshed::see(&catalog, view, now_millis)?;
        let session = QuerySession::internal(Arc::clone(&catalog), database, now_micros);
        let rows = self.engine.query(&session, text_query(&view.query)?).await?;
        let request = LoadRequest {
            database: database.to_owned(),
            table: name.to_owned(),
            overwrite: true,
            now_micros,
            ..LoadRequest::default()
        };
        let schema = Arc::clone(rows.schema());
        Box::pin(change.load(&request, &schema, rows, Some(refreshed))).await
    }
}
