//! What the log says of a job's life: a line when it begins and one when it ends, with figures or with the error.
//!
//! All that a job logs, from whatever thread, stands in the span `job`, which has its id, kind and label. Lines of a job's life have
//! the target [`JOB_EVENTS`], so that a host that tells its users by other means can leave them out.

use cairn_actors::Trace;

use crate::error::{Error, with_causes};
use crate::job::{JobCore, JobKind};

/// The target of the lines that tell that jobs began and ended.
pub const JOB_EVENTS: &str = "cairn::job";

/// The target of the spans of jobs, which stand at the level of errors: a filter that lets it through has every line say whose
/// it is, whatever lines it is for.
pub const JOB_SPANS: &str = "cairn::span";

/// Where a job logs to.
pub(crate) fn trace(id: &str, kind: JobKind, label: &str) -> Trace {
    let (kind, label) = (kind.as_str(), (!label.is_empty()).then_some(label));
    Trace::of(tracing::error_span!(target: JOB_SPANS, "job", id, kind, label))
}

pub(crate) fn began() {
    tracing::info!(target: JOB_EVENTS, "began");
}

/// A job that failed needs somebody; one that was cancelled had somebody.
pub(crate) fn ended<T>(core: &JobCore, outcome: &Result<T, Error>) {
    let seconds = core.started.elapsed().as_secs_f64();
    match outcome {
        Ok(_) => {
            let done = core.progress.observe();
            tracing::info!(
                target: JOB_EVENTS,
                seconds,
                segments = done.segments_done,
                bytes = done.bytes_done,
                read_bytes = done.bytes_read,
                stored_bytes = done.stored_bytes,
                "finished"
            );
        }
        Err(error) if error.is_cancelled() => {
            tracing::info!(target: JOB_EVENTS, seconds, "cancelled");
        }
        Err(error) => {
            let (code, error) = (error.code(), with_causes(error));
            tracing::error!(target: JOB_EVENTS, seconds, code, error, "failed");
        }
    }
}
