//! `cairn quickstart`: the story of a warehouse in SQL. It is loaded, backed up, changed, backed up again, loses a table, gets
//! it back, and the proof that it is the same is shown.
//!
//! The statements are those that a user would type, run and printed by the same code as those of `cairn sql`. Everything stays in
//! the directory, to be tried on.

mod generate;
mod place;
mod proof;
mod story;

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use cairn_frontend::mysql::ResultSet;
use cairn_pipeline::storage::StorageUrl;
use cairn_pipeline::{Engine, RecordStats};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::config::HostConfig;
use crate::exit::{Exit, Refusal};
use crate::session::open_read_only;
use crate::shell::{Host, Layout, Printer, Sink, Statements, result, summary};
use crate::signals::Signals;
use crate::ui::{Align, Table, Ui, bytes, count, duration, plural};
use place::Place;
use proof::Proof;

/// What the user wishes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wishes<'a> {
    pub(crate) directory: &'a Path,
    /// Where the repository shall be, if not in the directory.
    pub(crate) repository: Option<&'a str>,
    /// What was typed of its properties: the statement and the proposals at the end need them.
    pub(crate) said: &'a [String],
    pub(crate) scale: f64,
    /// How this program is called.
    pub(crate) program: &'a str,
}

/// Runs it in a directory.
pub(crate) fn run(
    ui: &Ui,
    signals: &Signals,
    config: &HostConfig,
    wishes: &Wishes<'_>,
) -> anyhow::Result<()> {
    let location = location(wishes)?;
    let place = Place::prepare(wishes.directory)?;
    let location = location.unwrap_or_else(|| place.repository().display().to_string());
    let engine = Engine::builder()
        .config(config.engine.clone())
        .start()
        .context("the configuration [engine]")?;
    let host = Host::open(&engine, config, place.data())?;
    let tour = Tour {
        ui,
        engine: &engine,
        config,
        place: &place,
        location,
        statements: Statements::new(&host, signals),
        steps: Vec::new(),
        typed: Vec::new(),
    };
    let done = tour.run(wishes);
    host.close();
    done
}

/// Where the repository shall be; a directory by its whole path, because the warehouse remembers it.
fn location(wishes: &Wishes<'_>) -> anyhow::Result<Option<String>> {
    let Some(location) = wishes.repository else { return Ok(None) };
    Ok(Some(match StorageUrl::parse(location)? {
        StorageUrl::Local(path) => std::path::absolute(path)?.display().to_string(),
        _ => location.to_owned(),
    }))
}

/// The steps so far.
struct Tour<'a> {
    ui: &'a Ui,
    engine: &'a Engine,
    config: &'a HostConfig,
    place: &'a Place,
    /// Where the repository is.
    location: String,
    statements: Statements<'a>,
    steps: Vec<Value>,
    /// What was typed in the present step, and its answers.
    typed: Vec<Value>,
}

impl Tour<'_> {
    fn run(mut self, wishes: &Wishes<'_>) -> anyhow::Result<()> {
        self.load(wishes.scale)?;
        self.make_repository(wishes.said)?;
        let first = self.back_up(story::FIRST, "back the database up")?;
        self.change()?;
        let second = self.back_up(story::SECOND, "back up again: only what is new")?;
        self.compare(&first, &second)?;
        let before = Proof::of(&mut self.statements, &story::PROVED)?;
        self.lose()?;
        self.restore()?;
        self.prove(&before)?;
        self.end(wishes)
    }

    fn load(&mut self, scale: f64) -> anyhow::Result<()> {
        let begun = self.begin("make TPC-H tables as Parquet files")?;
        let made = generate::generate(self.place.files(), scale)?;
        let rows = made.iter().map(|file| file.rows).sum::<u64>();
        let size = made.iter().map(|file| file.bytes).sum::<u64>();
        for file in &made {
            let (rows, size) = (plural(file.rows, "row"), bytes(file.bytes));
            self.ui.show(format!("   {}.parquet: {rows}, {size}", file.table))?;
        }
        self.done("generate", begun.elapsed(), json!({ "rows": rows, "bytes": size }));

        let begun = self.begin("make a database and load them")?;
        for sql in story::CREATE {
            self.say(sql)?;
        }
        for table in story::TABLES {
            self.say(&story::load(table, &self.place.files().join(format!("{table}.parquet"))))?;
        }
        self.say(story::CREATE_VIEW)?;
        self.wait()?;
        self.say(story::ASK_VIEW)?;
        self.done("load", begun.elapsed(), json!({ "rows": rows }));
        Ok(())
    }

    fn make_repository(&mut self, said: &[String]) -> anyhow::Result<()> {
        let begun = self.begin("make a repository")?;
        let pairs: Vec<_> = said.iter().filter_map(|pair| pair.split_once('=')).collect();
        self.say(&story::create_repository(&self.location, &pairs))?;
        self.done("repository", begun.elapsed(), json!({ "location": self.location }));
        Ok(())
    }

    fn back_up(&mut self, label: &str, what: &str) -> anyhow::Result<RecordStats> {
        let begun = self.begin(what)?;
        self.say(&story::backup(label))?;
        self.wait()?;
        let shown = self.say_vertical(&story::show_backup())?;
        self.finished(&shown)?;
        let stats = self.stats(label)?;
        self.ui.show(format!(
            "   read {} of {} in {}, stored {}",
            bytes(stats.read_bytes),
            bytes(stats.raw_bytes),
            duration(Duration::from_millis(stats.duration_ms)),
            bytes(stats.stored_bytes),
        ))?;
        let report = json!({
            "label": label,
            "raw_bytes": stats.raw_bytes,
            "read_bytes": stats.read_bytes,
            "stored_bytes": stats.stored_bytes,
        });
        self.done("backup", begun.elapsed(), report);
        Ok(stats)
    }

    fn change(&mut self) -> anyhow::Result<()> {
        let begun = self.begin("live on: rows come, change and go")?;
        for sql in story::CHANGE {
            self.say(sql)?;
        }
        self.wait()?;
        self.say(story::ASK)?;
        self.done("change", begun.elapsed(), json!({}));
        Ok(())
    }

    /// The point of incremental backups in one line.
    fn compare(&self, first: &RecordStats, second: &RecordStats) -> anyhow::Result<()> {
        let share = |part: u64, whole: u64| part as f64 * 100.0 / whole.max(1) as f64;
        self.ui.show(format!(
            "   {:.1}% of the database was read, and {:.1}% of what the first backup stored was stored",
            share(second.read_bytes, second.raw_bytes),
            share(second.stored_bytes, first.stored_bytes),
        ))?;
        Ok(())
    }

    fn lose(&mut self) -> anyhow::Result<()> {
        let begun = self.begin("disaster")?;
        self.say(&story::lose())?;
        self.say("SHOW TABLES")?;
        self.done("lose", begun.elapsed(), json!({ "table": story::LOST }));
        Ok(())
    }

    fn restore(&mut self) -> anyhow::Result<()> {
        let begun = self.begin("restore the table")?;
        let snapshots = self.say(&story::show_snapshots())?;
        let second =
            |row: &&Vec<Option<String>>| row.first() == Some(&Some(story::SECOND.to_owned()));
        let row = snapshots.rows.iter().find(second);
        let timestamp = row.and_then(|row| row.get(1).cloned().flatten());
        let timestamp = timestamp.context("the second snapshot is not in the repository")?;
        self.say(&story::restore(&timestamp))?;
        self.wait()?;
        let shown = self.say_vertical(&story::show_restore())?;
        self.finished(&shown)?;
        self.say(story::ACTIVATE)?;
        self.wait()?;
        let what = json!({ "label": story::SECOND, "timestamp": timestamp, "table": story::LOST });
        self.done("restore", begun.elapsed(), what);
        Ok(())
    }

    fn prove(&mut self, before: &Proof) -> anyhow::Result<()> {
        let begun = self.begin("prove it: every row is what it was")?;
        self.say(story::ASK)?;
        let after = Proof::of(&mut self.statements, &story::PROVED)?;
        let columns = [("table", Align::Left), ("rows", Align::Right), ("rows' hash", Align::Left)];
        let mut table = Table::new(&[&columns[..], &[("", Align::Left)]].concat());
        for (name, found) in &after.tables {
            let verdict = match before.tables.get(name) == Some(found) {
                true => self.ui.green("same as before"),
                false => "DIFFERENT".to_owned(),
            };
            let name = format!("{}.{name}", story::DATABASE);
            table.row([name, count(found.count), found.to_string(), verdict]);
        }
        self.ui.show(table.to_string())?;
        before.assert_same(&after)?;
        let rows = after.num_rows();
        let all = plural(rows, "row");
        self.ui.show(format!("   {}: {all}", self.ui.green("nothing was lost")))?;
        self.done("prove", begun.elapsed(), json!({ "rows": rows }));
        Ok(())
    }

    /// What to try next.
    fn end(self, wishes: &Wishes<'_>) -> anyhow::Result<()> {
        let cairn = quoted(wishes.program);
        let data = quoted(&self.place.data().display().to_string());
        let said = wishes.said.iter().map(|pair| format!(" --property {}", quoted(pair)));
        let repository = quoted(&self.repository()) + &said.collect::<String>();
        let next = [
            format!("{cairn} sql --data {data}"),
            format!("{cairn} sql --data {data} -e 'SHOW MATERIALIZED VIEWS FROM tpch\\G'"),
            format!("{cairn} snapshots --repo {repository}"),
            format!("{cairn} check --repo {repository} --read-data"),
            format!("{cairn} serve --data {data} --repo {repository}"),
            "mysql -h 127.0.0.1 -P 9030 -u root tpch".to_owned(),
        ];
        self.ui.show(format!("\n{}", self.ui.bold("Try next")))?;
        for command in &next {
            self.ui.show(format!("   {command}"))?;
        }
        self.ui.document(&json!({
            "verb": "quickstart",
            "data": self.place.data().display().to_string(),
            "repository": self.repository(),
            "steps": self.steps,
            "next": next,
        }))?;
        Ok(())
    }

    /// Types a statement: it is shown with its answer, which is also handed back.
    fn say(&mut self, sql: &str) -> anyhow::Result<ResultSet> {
        self.say_as(sql, Layout::Table)
    }

    fn say_vertical(&mut self, sql: &str) -> anyhow::Result<ResultSet> {
        self.say_as(sql, Layout::Vertical)
    }

    fn say_as(&mut self, sql: &str, layout: Layout) -> anyhow::Result<ResultSet> {
        let end = if layout == Layout::Vertical { "\\G" } else { ";" };
        let text = format!("cairn> {}{end}", sql.replace('\n', "\n    -> "));
        self.ui.show(self.ui.bold(&text))?;
        let mut rows = ResultSet::default();
        let ran = self.statements.run(sql, &mut rows);
        let (ran, took) = ran.with_context(|| format!("the statement failed: {sql}"))?;
        if !self.ui.is_json() && !rows.columns.is_empty() {
            let mut printer = Printer::new(self.ui, layout, true);
            printer.columns(&rows.columns)?;
            printer.rows(rows.rows.clone())?;
            printer.end()?;
        }
        self.ui.show(format!("{}\n", summary(&ran, took)))?;
        self.typed.push(result(sql, &ran, took, &rows));
        Ok(rows)
    }

    /// Waits for jobs and for the view.
    fn wait(&self) -> anyhow::Result<()> {
        let frontend = self.statements.frontend();
        let idle = self.statements.wait(async {
            frontend.jobs().idle().await;
            frontend.refreshed().await;
        });
        idle.ok_or_else(|| Refusal::new(Exit::Cancelled, "cancelled").into())
    }

    /// Refuses to go on when the newest job of a list did not finish.
    fn finished(&self, shown: &ResultSet) -> anyhow::Result<()> {
        let value = |name: &str| {
            let column = shown.columns.iter().position(|(column, _)| column == name);
            let row = shown.rows.first();
            row.zip(column).and_then(|(row, column)| row.get(column)?.as_deref())
        };
        match value("State") {
            Some("FINISHED") => Ok(()),
            state => bail!(
                "the job is {}: {}",
                state.unwrap_or("not in the list"),
                value("Status").unwrap_or_default()
            ),
        }
    }

    /// What the record of a snapshot says.
    fn stats(&self, label: &str) -> anyhow::Result<RecordStats> {
        let repository = open_read_only(self.engine, &self.repository(), &self.config.properties)?;
        Ok(repository.snapshot(label)?.stats)
    }

    /// Where the repository really is: below its location, by its name.
    fn repository(&self) -> String {
        format!("{}/__cairn_repository_{}", self.location.trim_end_matches('/'), story::REPOSITORY)
    }

    /// Shows the heading of the next step.
    fn begin(&self, what: &str) -> anyhow::Result<Instant> {
        let heading = format!("{}. {what}", self.steps.len() + 1);
        self.ui.show(format!("\n{}", self.ui.bold(&heading)))?;
        Ok(Instant::now())
    }

    fn done(&mut self, step: &str, took: Duration, what: Value) {
        let took = took.as_secs_f64();
        self.ui.event(&json!({ "event": "step", "step": step, "duration_seconds": took }));
        let statements = std::mem::take(&mut self.typed);
        self.steps.push(json!({
            "step": step, "duration_seconds": took, "result": what, "statements": statements,
        }));
    }
}

/// A path as a shell takes it.
fn quoted(text: &str) -> String {
    let is_plain = |character: char| character.is_alphanumeric() || "/._-+:@=".contains(character);
    match text.chars().all(is_plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_can_be_pasted() {
        assert_eq!(quoted("/tmp/a-b_c.d"), "/tmp/a-b_c.d");
        assert_eq!(quoted("it's here"), r"'it'\''s here'");
    }
}
