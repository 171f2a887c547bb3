//! [`Ui`]: everything that this program says.
//!
//! Results go to stdout, everything else to stderr. With `--json` stdout gets exactly one document, and stderr gets
//! events as lines of JSON beside the error text.

mod log;
mod progress;
mod quantity;
mod table;

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;

use cairn_pipeline::{JobEvent, Observer};
use indicatif::MultiProgress;
use serde_json::{Value, json};

pub(crate) use log::install as install_log;
pub(crate) use progress::{LOOK_INTERVAL, Meter};
pub(crate) use quantity::{bytes, count, duration, plural, rate};
pub(crate) use table::{Align, Table};

use crate::exit::{Exit, code_of};

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// Bars, redrawn in place.
    Bars,
    /// Lines now and then.
    Lines,
    /// Lines of JSON now and then, and one document at the end.
    Json,
}

/// The program's mouth. Clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Ui {
    style: Style,
    has_colour: bool,
    bars: MultiProgress,
}

impl Ui {
    /// Decides how to speak by where stderr and stdout go.
    pub(crate) fn new(json: bool, no_colour: bool) -> Self {
        let style = match json {
            true => Style::Json,
            false if io::stderr().is_terminal() => Style::Bars,
            false => Style::Lines,
        };
        let has_colour = !no_colour && !json && io::stdout().is_terminal();
        Self { style, has_colour, bars: MultiProgress::new() }
    }

    pub(crate) fn style(&self) -> Style {
        self.style
    }

    pub(crate) fn is_json(&self) -> bool {
        self.style == Style::Json
    }

    /// Shows a result for people. Nothing with `--json`.
    pub(crate) fn show(&self, text: impl AsRef<str>) -> io::Result<()> {
        match self.is_json() {
            true => Ok(()),
            false => self.bars.suspend(|| writeln!(io::stdout().lock(), "{}", text.as_ref())),
        }
    }

    /// Shows bytes as they are, whatever the style.
    pub(crate) fn show_raw(&self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        io::stdout().lock().write_all(bytes.as_ref())
    }

    /// Shows the one document. Nothing without `--json`.
    pub(crate) fn document(&self, document: &Value) -> io::Result<()> {
        match self.is_json() {
            true => writeln!(io::stdout().lock(), "{document:#}"),
            false => Ok(()),
        }
    }

    /// Remarks on what happens. Nothing with `--json`.
    pub(crate) fn note(&self, text: impl AsRef<str>) {
        if !self.is_json() {
            self.line(text.as_ref());
        }
    }

    /// Tells machines what happens. Nothing without `--json`.
    pub(crate) fn event(&self, event: &Value) {
        if self.is_json() {
            self.line(&event.to_string());
        }
    }

    /// Tells of what went wrong and does not end the program.
    #[cfg(feature = "sql")]
    pub(crate) fn complain(&self, text: impl AsRef<str>) {
        self.line(text.as_ref());
    }

    /// Shows why the program ends.
    pub(crate) fn error(&self, error: &anyhow::Error, exit: Exit) {
        let mut text = format!("error: {error}");
        for cause in error.chain().skip(1) {
            text.push_str(&format!("\n  caused by: {cause}"));
        }
        if let Some(code) = code_of(error) {
            text.push_str(&format!(" ({code})"));
        }
        self.line(&text);
        let causes: Vec<String> = error.chain().skip(1).map(ToString::to_string).collect();
        let what =
            json!({ "message": error.to_string(), "causes": causes, "code": code_of(error) });
        // The exit code tells where the document cannot.
        let _ = self.document(&json!({ "error": what, "exit_code": exit as u8 }));
    }

    /// Text that stands out on a terminal.
    pub(crate) fn bold(&self, text: &str) -> String {
        self.painted(text, "1")
    }

    /// Text that is good news.
    pub(crate) fn green(&self, text: &str) -> String {
        self.painted(text, "1;32")
    }

    fn painted(&self, text: &str, code: &str) -> String {
        match self.has_colour {
            true => format!("\x1b[{code}m{text}\x1b[0m"),
            false => text.to_owned(),
        }
    }

    /// A line on stderr that leaves bars whole. Nobody reads it is no reason to stop.
    fn line(&self, text: &str) {
        let _ = self.bars.suspend(|| writeln!(io::stderr().lock(), "{text}"));
    }
}

/// Says which state each job enters, where there is no bar to show it.
#[derive(Debug)]
pub(crate) struct Announcer {
    ui: Ui,
}

impl Announcer {
    pub(crate) fn new(ui: Ui) -> Arc<Self> {
        Arc::new(Self { ui })
    }
}

impl Observer for Announcer {
    fn on_event(&self, event: &JobEvent) {
        let (kind, state) = (event.kind.as_str(), event.state.as_str());
        match self.ui.style {
            Style::Bars => {}
            Style::Lines if event.label.is_empty() => self.ui.line(&format!("{kind}: {state}")),
            Style::Lines => self.ui.line(&format!("{kind} {}: {state}", event.label)),
            Style::Json => self.ui.event(&json!({
                "event": "state", "kind": kind, "label": event.label, "state": state, "job": event.id,
            })),
        }
    }
}
