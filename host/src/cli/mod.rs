//! The command line: [`low`] is what was typed, [`high`] what it means, and one file per verb does it.

mod cmd_backup;
mod cmd_cat;
mod cmd_check;
mod cmd_config;
mod cmd_diff;
mod cmd_forget;
mod cmd_hold;
mod cmd_ls;
mod cmd_prune;
#[cfg(feature = "sql")]
mod cmd_quickstart;
mod cmd_repo;
mod cmd_repo_anew;
mod cmd_repo_key;
mod cmd_restore;
mod cmd_serve;
mod cmd_snapshots;
#[cfg(feature = "sql")]
mod cmd_sql;
mod cmd_storage;
mod high;
mod low;
mod report;

use clap::Parser;

use crate::environment::Environment;
use crate::exit::{Exit, is_broken_pipe};
use crate::session::Session;
use crate::signals::Signals;
use crate::ui::{self, Ui};
use high::{Action, Invocation};

/// Runs the program.
pub(crate) fn main() -> Exit {
    let typed = match low::Arguments::try_parse() {
        Ok(typed) => typed,
        Err(stop) => {
            // Help and version are no errors; clap knows where each goes.
            let exit = if stop.use_stderr() { Exit::Usage } else { Exit::Ok };
            let _ = stop.print();
            return exit;
        }
    };
    let environment = Environment::read();
    let ui = Ui::new(typed.json, environment.no_color);
    let done = Invocation::of(typed, environment).and_then(|invocation| run(&ui, invocation));
    match done {
        Ok(exit) => exit,
        Err(error) if is_broken_pipe(&error) => Exit::Ok,
        Err(error) => {
            let exit = Exit::of_error(&error);
            ui.error(&error, exit);
            exit
        }
    }
}

fn run(ui: &Ui, invocation: Invocation) -> anyhow::Result<Exit> {
    let Invocation { config, action, listen } = invocation;
    let is_server = matches!(action, Action::Serve(_));
    ui::install_log(ui, &config.log, is_server)?;
    let signals = Signals::install()?;
    let start = || Session::start(ui.clone(), signals.clone(), &config, listen);
    match action {
        Action::Backup(plan) => cmd_backup::run(&start()?, plan),
        Action::Restore(plan) => cmd_restore::run(&start()?, plan),
        Action::Snapshots(plan) => cmd_snapshots::run(&start()?, &plan),
        Action::Ls(plan) => cmd_ls::run(&start()?, &plan),
        Action::Cat(plan) => cmd_cat::run(&start()?, &plan),
        Action::Diff(plan) => cmd_diff::run(&start()?, &plan),
        Action::Forget(plan) => cmd_forget::run(&start()?, &plan),
        Action::Hold(plan) => cmd_hold::run(&start()?, &plan),
        Action::Prune(plan) => cmd_prune::run(&start()?, &plan),
        Action::Check(plan) => cmd_check::run(&start()?, &plan),
        Action::RepoCreate(plan) => cmd_repo::create(&start()?, &plan),
        Action::RepoKey(plan) => cmd_repo_key::run(&start()?, &plan),
        Action::RepoCopy(plan) => cmd_repo::copy(&start()?, &plan),
        #[cfg(feature = "sql")]
        Action::Quickstart(plan) => cmd_quickstart::run(ui, &signals, &config, &plan),
        #[cfg(feature = "sql")]
        Action::Sql(plan) => cmd_sql::run(ui, &signals, &config, &plan),
        Action::Serve(plan) => cmd_serve::run(ui, &signals, &config, &plan),
        Action::StorageValidate(plan) => cmd_storage::validate(ui, &config, &plan),
        Action::ConfigPrint => cmd_config::print(ui),
    }
}
