//! Sweeps: lets go what was settled a grace ago, and takes away what is left of marks and of decisions.

use std::time::SystemTime;

use cairn_storage::{ObjectPath, Payload, PutMode, StorageExt};
use futures::TryStreamExt;

use super::Pruning;
use super::plan::age;
use crate::layout::{self, MARK, NOW, SETTLED, SWEPT};
use crate::mark::Mark;
use crate::{MarkId, Result};

impl Pruning<'_> {
    /// Lets go what was settled a grace ago, of marks that are proven.
    pub(super) async fn sweep(&mut self) -> Result<()> {
        let marks = self.repository.marks_seen().await?;
        for (id, seen) in marks.seen() {
            let is_due = seen.settled_since().is_some_and(|since| self.is_over(since));
            if is_due && let Some(mark) = self.proven.remove(id) {
                self.let_go(&mark).await?;
                self.put(*id, SWEPT).await?;
            }
        }
        Ok(())
    }

    /// Deletes what a mark names.
    async fn let_go(&mut self, mark: &Mark) -> Result<()> {
        // Runs first: who lists them finds no packs that have gone.
        self.delete_all(mark.runs.iter().map(layout::index_path).collect()).await?;
        self.delete_all(mark.packs.iter().map(layout::pack_path).collect()).await?;
        self.report.freed_runs += mark.runs.len() as u64;
        self.report.freed_packs += mark.packs.len() as u64;
        self.report.freed_bytes += mark.bytes;
        Ok(())
    }

    /// Takes away what is left of older marks, traces of hosts that died in the middle of a decision, and checkpoints that nobody came back
    /// for: what they list may go as well.
    pub(super) async fn clean_up(&mut self) -> Result<()> {
        let marks = self.repository.marks_seen().await?;
        // Put after another was swept: who has not seen that other one has not seen this one either.
        let heirs = || marks.seen().filter_map(|(_, seen)| seen.put);
        for (id, seen) in marks.seen() {
            let is_over = match (seen.swept, seen.put, seen.settled) {
                (Some(swept), _, _) => {
                    let is_empty = seen.put.is_none() || self.empty.contains(id);
                    is_empty && self.is_over(swept) && heirs().any(|put| put > swept)
                }
                // It was removed, and somebody who had stalled said afterwards that it was settled.
                (None, None, Some(settled)) => self.is_over(settled),
                _ => false,
            };
            if is_over {
                for name in [MARK, SETTLED, SWEPT] {
                    self.repository.delete(&layout::mark_path(*id, name)).await?;
                }
            }
        }
        let mut stale = self.stale(&layout::prune_prefix(), |path| path.name() == NOW).await?;
        let traces = std::mem::take(&mut self.traces).into_iter();
        stale.extend(traces.filter(|(_, put)| self.is_over(*put)).map(|(path, _)| path));
        for prefix in layout::passing_prefixes() {
            stale.extend(self.stale(&prefix, |_| true).await?);
        }
        self.delete_all(stale).await
    }

    /// Objects that are older than the grace.
    async fn stale(
        &self,
        prefix: &ObjectPath,
        is_trace: impl Fn(&ObjectPath) -> bool,
    ) -> Result<Vec<ObjectPath>> {
        let traces = self.repository.storage().list(prefix).try_filter_map(async |meta| {
            let is_stale = is_trace(&meta.path) && self.is_over(meta.modified);
            Ok(is_stale.then_some(meta.path))
        });
        Ok(traces.try_collect().await?)
    }

    /// Whether a grace is over since.
    pub(super) fn is_over(&self, modified: SystemTime) -> bool {
        age(self.now, modified) >= self.options.grace
    }

    pub(super) async fn put(&self, id: MarkId, name: &str) -> Result<()> {
        let path = layout::mark_path(id, name);
        Ok(self.repository.storage().put(&path, Payload::default(), PutMode::Overwrite).await?)
    }
}
