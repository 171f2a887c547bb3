//! The log: `tracing` to stderr, a line for each event, between bars rather than through them.
//!
//! Levels: `error` needs somebody to act, `warn` may explain something later, `info` is what a server's history is made of, `debug`
//! and `trace` are for who looks into the program. What belongs to a job stands in its span, so every line of it has its id.

use std::io::{self, Write};

use anyhow::Context;
use cairn_pipeline::{JOB_EVENTS, JOB_SPANS};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use super::Ui;
use crate::config::{LogConfig, LogFormat};
use crate::exit::Refusal;

/// Installs the log of this process.
pub(crate) fn install(ui: &Ui, config: &LogConfig, is_server: bool) -> anyhow::Result<()> {
    // Whatever is logged of a job, its span says whose it is.
    let targets = targets(&config.filter, is_server)?.with_target(JOB_SPANS, LevelFilter::ERROR);
    let lines = tracing_subscriber::fmt::layer().with_writer(BetweenBars { ui: ui.clone() });
    let lines = match config.format {
        LogFormat::Text if !ui.is_json() => lines.with_ansi(ui.has_colour).boxed(),
        // Fields of the event beside its level and time, and the spans it stands in.
        _ => lines.json().flatten_event(true).with_current_span(false).boxed(),
    };
    let installed = tracing_subscriber::registry().with(lines).with(targets).try_init();
    installed.context("cannot install the log")
}

/// What is logged. A command tells how its job ended; a server has nobody to tell.
fn targets(filter: &str, is_server: bool) -> anyhow::Result<Targets> {
    match (filter, is_server) {
        ("", true) => Ok(Targets::new().with_default(LevelFilter::INFO)),
        ("", false) => Ok(Targets::new()
            .with_default(LevelFilter::WARN)
            .with_target(JOB_EVENTS, LevelFilter::OFF)),
        (filter, _) => filter
            .parse()
            .map_err(|_| Refusal::usage(format!("{filter:?} is not a log filter such as info"))),
    }
}

#[derive(Debug)]
struct BetweenBars {
    ui: Ui,
}

impl<'a> MakeWriter<'a> for BetweenBars {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line { ui: &self.ui }
    }
}

/// One event: the subscriber writes each with a single call.
#[derive(Debug)]
struct Line<'a> {
    ui: &'a Ui,
}

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.ui.bars.suspend(|| io::stderr().lock().write_all(bytes))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
