//! What a running job has done so far, readable at any time from anywhere.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::watch;

use crate::flow::{Flow, FlowSnapshot};

/// What the stages of a job are at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Phase {
    /// Finding out what there is to do.
    #[default]
    Planning,
    /// Moving data.
    Moving,
    /// The last writes.
    Committing,
}

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Counters of one job. Written by its stages, read by its handle.
        ///
        /// Relaxed throughout: each counter stands alone and only ever grows.
        #[derive(Debug, Default)]
        pub struct Progress {
            phase: watch::Sender<Phase>,
            flow: Flow,
            $($name: AtomicU64,)*
        }

        /// The counters at one moment.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
        #[non_exhaustive]
        pub struct ProgressSnapshot { $($(#[$doc])* pub $name: u64,)* }

        impl Progress {
            /// The counters now.
            pub fn observe(&self) -> ProgressSnapshot {
                ProgressSnapshot { $($name: self.$name.load(Ordering::Relaxed),)* }
            }

            /// The phase now, and every later one.
            pub fn phase(&self) -> watch::Receiver<Phase> {
                self.phase.subscribe()
            }

            /// What each stage and edge does.
            pub(crate) fn flow(&self) -> &Flow {
                &self.flow
            }

            /// What each stage and edge does now; nothing before a pipeline is wired.
            pub fn observe_flow(&self) -> FlowSnapshot {
                self.flow.observe()
            }

            /// Forgets what the stages of an earlier pipeline did: another one is wired.
            pub fn begin_pipeline(&self) {
                self.flow.clear();
            }

            pub(crate) fn enter(&self, phase: Phase) {
                self.phase.send_replace(phase);
            }

            $(/// Counts more of it.
            pub fn $name(&self, more: u64) {
                self.$name.fetch_add(more, Ordering::Relaxed);
            })*
        }
    };
}

counters! {
    /// Segments that the job is about, as far as they are listed.
    segments_total,
    /// Segments that are done, read or not.
    segments_done,
    /// Bytes of the segments that the job is about, as far as they are listed.
    bytes_total,
    /// Bytes of the segments that are done, read or not.
    bytes_done,
    /// Segments that were read.
    segments_read,
    /// Bytes that were read from the source or from the repository.
    bytes_read,
    /// Chunks that the repository did not have.
    new_chunks,
    /// Plaintext bytes of those.
    new_raw_bytes,
    /// Bytes put into the repository.
    stored_bytes,
    /// Objects put into the repository.
    stored_objects,
}
