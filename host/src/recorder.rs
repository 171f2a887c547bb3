//! The process's metrics recorder. Only a host installs one; the libraries record into whatever is there.

use anyhow::Context;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

/// Upper bounds of the buckets of every histogram of seconds: a wait on an edge takes microseconds, a put tens of
/// milliseconds, a job hours.
const SECONDS: &[f64] = &[
    0.0001, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 60.0, 300.0, 1800.0, 7200.0,
    43200.0,
];

/// Installs the recorder and describes every metric. Once in a process, before the first engine starts.
pub(crate) fn install() -> anyhow::Result<PrometheusHandle> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), SECONDS)
        .and_then(PrometheusBuilder::install_recorder)
        .context("cannot install the metrics recorder")?;
    cairn_pipeline::metrics::describe();
    Ok(handle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_is_described_once_and_histograms_are_seconds() {
        use cairn_pipeline::storage::metrics::MetricKind;
        let mut names: Vec<_> = cairn_pipeline::metrics::all().map(|spec| spec.name).collect();
        for spec in cairn_pipeline::metrics::all() {
            let is_histogram = spec.kind == MetricKind::Histogram;
            assert!(!is_histogram || spec.name.ends_with("_seconds"), "{}", spec.name);
        }
        let num_names = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), num_names);
        assert!(SECONDS.is_sorted());
    }
}
