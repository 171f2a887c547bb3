//! [`converse`]: statements typed on a terminal, with history and completion.
//!
//! Enter runs what is typed when a `;` or a `\G` ends it, else it begins another line. What holds a secret is not remembered.

use std::borrow::Cow;
use std::path::Path;

use anyhow::Context as _;
use cairn_frontend::mysql::SqlError;
use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{CompletionType, Config, Context, Editor, Helper};

use super::complete::Names;
use super::output::{Printer, summary};
use super::script::{Form, without_vertical};
use super::statement::{Failure, Statements};
use super::wait::Background;
use crate::exit::Exit;
use crate::shell::Layout;
use crate::ui::Ui;

/// Statements that are remembered.
const MAX_HISTORY: usize = 1000;

const HELP: &str = "\
Statements end with ; or, for a line for each value, with \\G.
  Tab     completes keywords and names     Ctrl-C  ends the statement that runs, or drops what is typed
  Up      goes back in the history         Ctrl-D  leaves, as exit and quit do
  Ctrl-R  searches in it";

/// Reads and runs statements until the user leaves, then waits for what was begun.
pub(crate) fn converse(
    statements: &mut Statements<'_>,
    ui: &Ui,
    form: Form,
    history: Option<&Path>,
) -> anyhow::Result<Exit> {
    let background = Background::begin(statements);
    let mut terminal = Terminal::open(ui, history)?;
    ui.show("Statements end with ; and `help` says more.")?;
    loop {
        terminal.learn(statements);
        let prompt = match statements.database() {
            Some(database) => format!("cairn [{database}]> "),
            None => "cairn> ".to_owned(),
        };
        let typed = match terminal.editor.readline(&prompt) {
            Ok(typed) => typed,
            Err(ReadlineError::Interrupted) => continue,
            Err(ReadlineError::Eof) => break,
            Err(error) => return Err(error).context("cannot read from the terminal"),
        };
        terminal.remember(&typed);
        match command(&typed) {
            Some(Command::Leave) => break,
            Some(Command::Help) => ui.show(HELP)?,
            None => run(statements, ui, form, &typed)?,
        }
    }
    let ended = background.wait(statements, ui);
    Ok(if ended.is_idle { Exit::Ok } else { Exit::Cancelled })
}

/// Runs what was typed, up to the first error, which is shown.
fn run(statements: &mut Statements<'_>, ui: &Ui, form: Form, typed: &str) -> anyhow::Result<()> {
    for fragment in cairn_sql::split(typed) {
        let (sql, is_vertical) = without_vertical(fragment.text);
        let layout = if is_vertical { Layout::Vertical } else { form.layout };
        let mut printer = Printer::new(ui, layout, form.has_names);
        match statements.run(sql, &mut printer) {
            Ok((ran, took)) => ui.show(format!("{}\n", summary(&ran, took)))?,
            Err(Failure::Sql(SqlError { code, sqlstate, message })) => {
                ui.complain(format!("ERROR {code} ({sqlstate}): {message}"));
                break;
            }
            Err(failure) => return Err(failure.into()),
        }
    }
    Ok(())
}

/// What is no statement.
#[derive(Debug, PartialEq, Eq)]
enum Command {
    Leave,
    Help,
}

fn command(typed: &str) -> Option<Command> {
    let typed = typed.trim().trim_end_matches(';').trim_end().to_ascii_lowercase();
    match typed.as_str() {
        "exit" | "quit" | "\\q" => Some(Command::Leave),
        "help" | "\\h" | "?" => Some(Command::Help),
        _ => None,
    }
}

/// Whether nothing more must be typed.
fn is_whole(typed: &str) -> bool {
    let first = typed.split_whitespace().next().unwrap_or_default();
    let is_use = first.eq_ignore_ascii_case("use") && typed.split_whitespace().count() == 2;
    if command(typed).is_some() || is_use || without_vertical(typed).1 {
        return true;
    }
    // Behind something whole another statement can begin; inside of one, of a quote or a comment it cannot.
    let num_statements = cairn_sql::split(typed).len();
    cairn_sql::split(&format!("{typed}\nX")).len() > num_statements
}

/// The line editor, and where its history is kept.
struct Terminal<'a> {
    ui: &'a Ui,
    editor: Editor<Assistant, FileHistory>,
    /// None when there is nowhere to keep it.
    history: Option<&'a Path>,
}

impl<'a> Terminal<'a> {
    fn open(ui: &'a Ui, history: Option<&'a Path>) -> anyhow::Result<Self> {
        let config = Config::builder()
            .completion_type(CompletionType::List)
            .max_history_size(MAX_HISTORY)
            .context("the history")?
            .build();
        let mut editor = Editor::with_config(config).context("cannot use the terminal")?;
        editor.set_helper(Some(Assistant::default()));
        let mut terminal = Self { ui, editor, history };
        terminal.load();
        Ok(terminal)
    }

    /// No history is no reason not to work.
    fn load(&mut self) {
        let Some(path) = self.history else { return };
        let made = path.parent().map_or(Ok(()), std::fs::create_dir_all);
        let loaded =
            made.map_err(ReadlineError::from).and_then(|()| self.editor.load_history(path));
        match loaded {
            Err(ReadlineError::Io(error)) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => self.forget(&error),
            Ok(()) => {}
        }
    }

    fn remember(&mut self, typed: &str) {
        let Some(path) = self.history.filter(|_| is_memorable(typed)) else { return };
        let kept = self.editor.add_history_entry(typed.trim());
        if let Err(error) = kept.and_then(|_| self.editor.append_history(path)) {
            self.forget(&error);
        }
    }

    fn forget(&mut self, error: &ReadlineError) {
        if let Some(path) = self.history.take() {
            self.ui.note(format!("the history {} is not kept: {error}", path.display()));
        }
    }

    /// Shows the names of now to the completion.
    fn learn(&mut self, statements: &Statements<'_>) {
        let names = Names::of(&statements.frontend().catalog(), statements.database());
        self.editor.set_helper(Some(Assistant { names }));
    }
}

/// Nothing with a secret in it, and something at all.
fn is_memorable(typed: &str) -> bool {
    !typed.trim().is_empty() && matches!(cairn_sql::mask(typed), Cow::Borrowed(_))
}

/// What the line editor asks.
#[derive(Debug, Default)]
struct Assistant {
    names: Names,
}

impl Helper for Assistant {}

impl Highlighter for Assistant {}

impl Hinter for Assistant {
    type Hint = String;
}

impl Completer for Assistant {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        at: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<String>)> {
        Ok(self.names.complete(line, at))
    }
}

impl Validator for Assistant {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        let typed = context.input();
        Ok(match typed.trim().is_empty() || is_whole(typed) {
            true => ValidationResult::Valid(None),
            false => ValidationResult::Incomplete,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enter_runs_what_is_whole() {
        for whole in
            ["SELECT 1;", "SELECT 1; -- done", "SHOW BACKUP\\G", "use shop", "exit", "-- nothing"]
        {
            assert!(is_whole(whole), "{whole}");
        }
        for part in ["SELECT 1", "SELECT ';", "SELECT 1; SELECT", "/* ;", "SELECT 1 -- ;", "use"] {
            assert!(!is_whole(part), "{part}");
        }
    }

    #[test]
    fn secrets_are_not_remembered() {
        assert!(is_memorable("SELECT 1;"));
        assert!(!is_memorable(" "));
        assert!(!is_memorable("CREATE USER u IDENTIFIED BY 'secret';"));
    }

    #[test]
    fn commands_need_no_semicolon() {
        assert_eq!(command(" Quit ;"), Some(Command::Leave));
        assert_eq!(command("help"), Some(Command::Help));
        assert_eq!(command("SELECT 1;"), None);
    }
}
