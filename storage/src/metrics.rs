//! The names of all metrics of this crate.
//!
//! They are recorded through the `metrics` facade by [`crate::layer::Metered`], [`crate::layer::Retry`],
//! [`crate::layer::Limit`] and [`crate::layer::Paced`]; the host installs the recorder and calls [`describe`].

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

/// Operations that ended, by outcome.
pub const REQUESTS_TOTAL: &str = "cairn_storage_requests_total";
/// How long operations took.
pub const REQUEST_SECONDS: &str = "cairn_storage_request_seconds";
/// Bytes of objects put and got.
pub const BYTES_TOTAL: &str = "cairn_storage_bytes_total";
/// Attempts after the first.
pub const RETRIES_TOTAL: &str = "cairn_storage_retries_total";
/// Operations that have begun and not ended.
pub const IN_FLIGHT: &str = "cairn_storage_in_flight";
/// Time in which operations waited for a speed limit.
pub const SPEED_LIMIT_WAIT: &str = "cairn_storage_speed_limit_wait_seconds";
/// Most operations that may be in flight just now.
pub const IN_FLIGHT_LIMIT: &str = "cairn_storage_in_flight_limit";

/// The kind of backend: `local`, `memory`.
pub const LABEL_BACKEND: &str = "backend";
/// The [`crate::Operation`].
pub const LABEL_OPERATION: &str = "operation";
/// `ok`, `error` or `cancelled`.
pub const LABEL_OUTCOME: &str = "outcome";

/// What a metric is to a recorder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MetricKind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// A distribution.
    Histogram,
}

/// A metric as dashboards, docs and tests know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MetricSpec {
    /// The full name.
    pub name: &'static str,
    /// What it is to a recorder.
    pub kind: MetricKind,
    /// The labels of every series.
    pub labels: &'static [&'static str],
    /// One sentence for the reader of `/metrics`.
    pub help: &'static str,
}

/// Every metric this crate records.
pub const ALL: &[MetricSpec] = &[
    MetricSpec {
        name: REQUESTS_TOTAL,
        kind: MetricKind::Counter,
        labels: &[LABEL_BACKEND, LABEL_OPERATION, LABEL_OUTCOME],
        help: "Storage operations that ended, by outcome: ok, error or cancelled.",
    },
    MetricSpec {
        name: REQUEST_SECONDS,
        kind: MetricKind::Histogram,
        labels: &[LABEL_BACKEND, LABEL_OPERATION],
        help: "How long storage operations took, retries and waits for a permit included.",
    },
    MetricSpec {
        name: BYTES_TOTAL,
        kind: MetricKind::Counter,
        labels: &[LABEL_BACKEND, LABEL_OPERATION],
        help: "Bytes of objects that were put or got successfully.",
    },
    MetricSpec {
        name: RETRIES_TOTAL,
        kind: MetricKind::Counter,
        labels: &[LABEL_BACKEND, LABEL_OPERATION],
        help: "Attempts of storage operations after the first.",
    },
    MetricSpec {
        name: SPEED_LIMIT_WAIT,
        kind: MetricKind::Histogram,
        labels: &[LABEL_BACKEND, LABEL_OPERATION],
        help: "Time in which a speed limit held up a storage operation, in parts of a second at most.",
    },
    MetricSpec {
        name: IN_FLIGHT,
        kind: MetricKind::Gauge,
        labels: &[LABEL_BACKEND],
        help: "Storage operations that have begun and not ended.",
    },
    MetricSpec {
        name: IN_FLIGHT_LIMIT,
        kind: MetricKind::Gauge,
        labels: &[LABEL_BACKEND],
        help: "Most storage operations that may be in flight; less than configured while a storage pushes back.",
    },
];

/// Tells the installed recorder what the metrics mean. The host calls it once.
pub fn describe() {
    for spec in ALL {
        spec.describe();
    }
}

impl MetricSpec {
    /// Tells the installed recorder what this metric means.
    pub fn describe(&self) {
        let unit = unit_of(self.name);
        match self.kind {
            MetricKind::Counter => describe_counter!(self.name, unit, self.help),
            MetricKind::Gauge => describe_gauge!(self.name, unit, self.help),
            MetricKind::Histogram => describe_histogram!(self.name, unit, self.help),
        }
    }
}

/// The unit is a word of the name.
fn unit_of(name: &str) -> Unit {
    let name = name.strip_suffix("_total").unwrap_or(name);
    match name.rsplit('_').next() {
        Some("seconds") => Unit::Seconds,
        Some("bytes") => Unit::Bytes,
        _ => Unit::Count,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_convention() {
        for spec in ALL {
            assert!(spec.name.starts_with("cairn_storage_"), "{}", spec.name);
            assert_eq!(spec.name.ends_with("_total"), spec.kind == MetricKind::Counter);
            assert!(spec.help.ends_with('.'), "{}", spec.name);
        }
        assert_eq!(unit_of(BYTES_TOTAL), Unit::Bytes);
        assert_eq!(unit_of(REQUEST_SECONDS), Unit::Seconds);
        assert_eq!(unit_of(IN_FLIGHT), Unit::Count);
    }
}
