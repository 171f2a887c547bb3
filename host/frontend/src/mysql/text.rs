//! [`TextRows`]: the rows of an answer as text, batch by batch, for a host that shows them itself.
//!
//! The texts are those that a client gets over the wire.

use std::fmt;

use datafusion::execution::SendableRecordBatchStream;
use futures::StreamExt;

use super::batch::{self, Rows};
use super::service::{Answer, Done, SqlError, SqlType};

/// A value for each column; none is NULL.
pub type TextRow = Vec<Option<String>>;

/// What a statement answers, as text.
#[derive(Debug)]
pub enum TextAnswer {
    /// It was done.
    Done(Done),
    /// Rows.
    Rows(TextRows),
}

/// Rows that come batch by batch.
pub struct TextRows {
    columns: Vec<(String, SqlType)>,
    source: Source,
}

enum Source {
    AtHand(Vec<TextRow>),
    Coming(SendableRecordBatchStream),
}

impl Answer {
    /// The same as text.
    pub fn into_text(self) -> TextAnswer {
        let (columns, source) = match self {
            Self::Done(done) => return TextAnswer::Done(done),
            Self::Rows(rows) => (rows.columns, Source::AtHand(rows.rows)),
            Self::Batches { schema, stream } => (batch::columns(&schema), Source::Coming(stream)),
        };
        TextAnswer::Rows(TextRows { columns, source })
    }
}

impl TextRows {
    /// Names and types.
    pub fn columns(&self) -> &[(String, SqlType)] {
        &self.columns
    }

    /// The next rows; none is the end.
    pub async fn next(&mut self) -> Result<Option<Vec<TextRow>>, SqlError> {
        match &mut self.source {
            Source::AtHand(rows) => Ok(Some(std::mem::take(rows)).filter(|rows| !rows.is_empty())),
            Source::Coming(stream) => {
                let Some(batch) = stream.next().await.transpose()? else { return Ok(None) };
                let rows = Rows::new(&batch)?;
                (0..rows.count()).map(|row| rows.text(row)).collect::<Result<_, _>>().map(Some)
            }
        }
    }
}

impl fmt::Debug for TextRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TextRows").field("columns", &self.columns).finish_non_exhaustive()
    }
}
