//! The log: `tracing` to stderr, between bars rather than through them.

use std::io::{self, Write};

use anyhow::Context;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use super::Ui;
use crate::exit::Refusal;

/// Installs the log of this process.
pub(crate) fn install(ui: &Ui, filter: &str) -> anyhow::Result<()> {
    let targets: Targets = filter
        .parse()
        .map_err(|_| Refusal::usage(format!("{filter:?} is not a log filter such as info")))?;
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(ui.has_colour)
        .with_writer(BetweenBars { ui: ui.clone() });
    let installed = tracing_subscriber::registry().with(lines).with(targets).try_init();
    installed.context("cannot install the log")
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
