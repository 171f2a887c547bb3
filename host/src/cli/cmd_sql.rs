//! `cairn sql`

use std::io::{IsTerminal, Read};
use std::path::Path;

use anyhow::Context;
use cairn_pipeline::Engine;

use super::high::{SqlPlan, SqlText};
use crate::config::HostConfig;
use crate::exit::{Exit, Refusal};
use crate::shell::{self, Form, Host, Layout, Script, Statements};
use crate::signals::Signals;
use crate::ui::Ui;

pub(super) fn run(
    ui: &Ui,
    signals: &Signals,
    config: &HostConfig,
    plan: &SqlPlan,
) -> anyhow::Result<Exit> {
    // Before anything is opened: a file that is not there leaves no trace.
    let script = script(ui, &plan.text)?;
    let engine = Engine::builder()
        .config(config.engine.clone())
        .start()
        .context("the configuration [engine]")?;
    let host =
        Host::open(&engine, config, &plan.data).map_err(|error| explained(error, &plan.data))?;
    let done = statements(ui, signals, &host, plan, script.as_deref());
    host.close();
    done
}

fn statements(
    ui: &Ui,
    signals: &Signals,
    host: &Host,
    plan: &SqlPlan,
    script: Option<&str>,
) -> anyhow::Result<Exit> {
    let mut statements = Statements::new(host, signals);
    if let Some(database) = &plan.database {
        statements.use_database(database)?;
    }
    let layout = plan.layout.unwrap_or(match std::io::stdout().is_terminal() {
        true => Layout::Table,
        false => Layout::Tabs,
    });
    let form = Form { layout, has_names: plan.has_names, force: plan.force };
    match script {
        Some(text) => Script::run(&mut statements, ui, form, text),
        None => {
            host.maintain();
            shell::converse(&mut statements, ui, form, plan.history.as_deref())
        }
    }
}

/// The text of a script; none is a conversation on the terminal.
fn script(ui: &Ui, text: &SqlText) -> anyhow::Result<Option<String>> {
    let bytes = match text {
        SqlText::Typed(text) => return Ok(Some(text.clone())),
        SqlText::File(path) => std::fs::read(path)
            .map_err(|error| Refusal::usage(format!("cannot read {}: {error}", path.display())))?,
        SqlText::Stdin if std::io::stdin().is_terminal() => match ui.is_json() {
            true => {
                let message = "--json is for scripts: give -e, a file, or statements on stdin";
                return Err(Refusal::usage(message));
            }
            false => return Ok(None),
        },
        SqlText::Stdin => {
            let mut bytes = Vec::new();
            std::io::stdin().lock().read_to_end(&mut bytes).context("cannot read stdin")?;
            bytes
        }
    };
    let text = String::from_utf8(bytes).map_err(|error| {
        Refusal::usage(format!("the script is not UTF-8: {}", error.utf8_error()))
    })?;
    // Some editors begin a file with a mark.
    Ok(Some(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text)))
}

/// An error with what can be done about it.
fn explained(error: anyhow::Error, data: &Path) -> anyhow::Error {
    let busy = |cause: &cairn_warehouse::Error| cause.kind() == cairn_warehouse::ErrorKind::Busy;
    match error.chain().filter_map(|cause| cause.downcast_ref()).any(busy) {
        true => error.context(format!(
            "another process has {} open; if that is `cairn serve`, connect to it: mysql -h 127.0.0.1 -P 9030 -u root",
            data.display()
        )),
        false => error,
    }
}
