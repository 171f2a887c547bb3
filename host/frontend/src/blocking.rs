//! [`blocking`]: what may wait for a disk or for a repository far away.

use crate::mysql::SqlError;
use crate::refusal;

/// Runs what blocks away from the threads of connections.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, SqlError> + Send + 'static,
) -> Result<T, SqlError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(refusal::given_up)?
}
