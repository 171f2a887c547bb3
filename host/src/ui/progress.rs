//! [`Meter`]: how far a job is, as a bar, as lines now and then, or as lines of JSON.

use std::time::Duration;

use cairn_pipeline::{JobKind, JobState, ProgressSnapshot};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use tokio::time::Instant;

use super::{Style, Ui, bytes, count, duration, rate};

/// Between two looks at a job.
pub(crate) const LOOK_INTERVAL: Duration = Duration::from_millis(100);
/// Between two lines where there is no bar: a log should not drown.
const LINE_INTERVAL: Duration = Duration::from_secs(10);
/// Between two events for machines.
const EVENT_INTERVAL: Duration = Duration::from_secs(1);

const BAR: &str = "{spinner} {msg:<20} {wide_bar:.cyan/dim} {binary_bytes:>10} / {binary_total_bytes:<10} \
                   {binary_bytes_per_sec:>12}  {eta:>4} left";
const SPINNER: &str = "{spinner} {msg}";

/// Shows the progress of one job until it is dropped.
#[derive(Debug)]
pub(crate) struct Meter {
    ui: Ui,
    kind: JobKind,
    name: String,
    bar: ProgressBar,
    begun: Instant,
    said: Instant,
}

impl Meter {
    pub(crate) fn new(ui: &Ui, kind: JobKind, label: &str) -> Self {
        let bar = match ui.style() {
            Style::Bars => ui.bars.add(ProgressBar::new(0)),
            Style::Lines | Style::Json => ProgressBar::hidden(),
        };
        let name = format!("{} {label}", kind.as_str()).trim_end().to_owned();
        Self { ui: ui.clone(), kind, name, bar, begun: Instant::now(), said: Instant::now() }
    }

    /// Shows where the job stands.
    pub(crate) fn look(&mut self, state: JobState, progress: &ProgressSnapshot) {
        let mut shown = *progress;
        shown.bytes_done = bytes_moved(self.kind, progress);
        match self.ui.style() {
            Style::Bars => self.draw(state, &shown),
            Style::Lines => self.say(LINE_INTERVAL, |meter| {
                meter.ui.line(&line(&meter.name, state, &shown, meter.begun.elapsed()));
            }),
            Style::Json => self.say(EVENT_INTERVAL, |meter| {
                let state = state.as_str();
                meter
                    .ui
                    .event(&json!({ "event": "progress", "state": state, "progress": progress }));
            }),
        }
    }

    fn draw(&self, state: JobState, progress: &ProgressSnapshot) {
        let is_moving = matches!(state, JobState::Uploading | JobState::Downloading);
        let template = if is_moving && progress.bytes_total > 0 { BAR } else { SPINNER };
        self.bar.set_message(format!("{}: {}", self.kind.as_str(), state.as_str()));
        self.bar.set_length(progress.bytes_total);
        self.bar.set_position(progress.bytes_done);
        // The templates are constants and one of them is always shown.
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.bar.set_style(style);
        }
        self.bar.tick();
    }

    fn say(&mut self, interval: Duration, say: impl FnOnce(&Self)) {
        if self.said.elapsed() >= interval {
            self.said = Instant::now();
            say(self);
        }
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// How far a job is. A segment that is being backed up is done when all of it is stored; what was read of it counts
/// before, or the bar would stand still in big ones.
fn bytes_moved(kind: JobKind, progress: &ProgressSnapshot) -> u64 {
    match kind {
        JobKind::Backup => progress.bytes_done.max(progress.bytes_read),
        _ => progress.bytes_done,
    }
}

fn line(name: &str, state: JobState, progress: &ProgressSnapshot, took: Duration) -> String {
    let mut line = format!("{name}: {}", state.as_str());
    let ProgressSnapshot { bytes_done, bytes_total, segments_done, segments_total, .. } = *progress;
    if bytes_total > 0 {
        let percent = u128::from(bytes_done) * 100 / u128::from(bytes_total);
        line.push_str(&format!(", {percent}%, {} of {}", bytes(bytes_done), bytes(bytes_total),));
        // A copy knows of objects only.
        if segments_total > 0 {
            let (done, total) = (count(segments_done), count(segments_total));
            line.push_str(&format!(", {done} of {total} segments"));
        }
        line.push_str(&format!(", {}", rate(bytes_done, took)));
    }
    if let Some(left) = time_left(bytes_done, bytes_total, took) {
        line.push_str(&format!(", {} left", duration(left)));
    }
    line
}

/// As long as it takes at the rate so far.
fn time_left(done: u64, total: u64, took: Duration) -> Option<Duration> {
    let missing = total.checked_sub(done)?;
    let nanos = took.as_nanos().checked_mul(missing.into())?.checked_div(done.into())?;
    Some(Duration::from_nanos(u64::try_from(nanos).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_rate_and_time_left() {
        let mut progress = ProgressSnapshot::default();
        progress.bytes_total = 4 << 20;
        progress.bytes_done = 1 << 20;
        progress.segments_total = 4;
        progress.segments_done = 1;
        let line = line("backup nightly", JobState::Uploading, &progress, Duration::from_secs(1));
        assert_eq!(
            line,
            "backup nightly: uploading, 25%, 1.0 MiB of 4.0 MiB, 1 of 4 segments, 1.0 MiB/s, 3.0 s left"
        );
    }

    #[test]
    fn what_is_not_known_is_not_said() {
        let progress = ProgressSnapshot::default();
        let line = line("check", JobState::Snapshotting, &progress, Duration::from_secs(1));
        assert_eq!(line, "check: snapshotting");
        assert_eq!(time_left(0, 5, Duration::from_secs(1)), None);
        assert_eq!(time_left(6, 5, Duration::from_secs(1)), None);
    }
}
