//! `cairn quickstart`: a warehouse is made, backed up, changed, backed up again, loses a table, gets it back, and the
//! proof that it is the same is shown.

mod generate;
mod month;
mod mutate;
mod place;
mod prove;
mod segment;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use cairn_pipeline::directory::{DirectorySink, DirectorySource};
use cairn_pipeline::{
    BackupReport, BackupRequest, Repository, RepositorySettings, RestoreItem, RestoreReport,
    RestoreRequest,
};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::session::Session;
use crate::ui::{Align, Table, Ui, bytes, count, duration, plural, rate};
use generate::TableSize;
use place::Place;
use prove::Proof;

/// The database of the generated tables.
const DATABASE: &str = "tpch";
/// The table that is lost.
const LOST: &str = "lineitem";
/// Labels of the two snapshots.
const FIRST: &str = "first";
const SECOND: &str = "second";

/// What the user wishes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wishes<'a> {
    pub(crate) directory: &'a Path,
    /// Where the repository shall be, if not in the directory.
    pub(crate) repository: Option<&'a str>,
    /// What was typed of its properties: the proposals at the end need them too.
    pub(crate) said: &'a [String],
    pub(crate) scale: f64,
    pub(crate) settings: RepositorySettings,
    /// How this program is called.
    pub(crate) program: &'a str,
}

/// Runs it in a directory. Everything stays there, to be tried on.
pub(crate) fn run(session: &Session, wishes: &Wishes<'_>) -> anyhow::Result<()> {
    let place = Place::prepare(wishes.directory)?;
    let location = match wishes.repository {
        Some(location) => location.to_owned(),
        None => place.repository().display().to_string(),
    };
    let mut tour = Tour { session, place: &place, location, steps: Vec::new() };
    tour.generate(wishes.scale)?;
    let repository = session.create(&tour.location, wishes.settings)?;
    let first = tour.back_up(&repository, FIRST, "back up the warehouse")?;
    tour.change()?;
    let second = tour.back_up(&repository, SECOND, "back up again: only what is new")?;
    tour.compare(&first, &second)?;
    let before = tour.lose()?;
    tour.restore(&repository)?;
    tour.prove(&before)?;
    tour.end(wishes)
}

/// The steps so far.
struct Tour<'a> {
    session: &'a Session,
    place: &'a Place,
    /// Where the repository is.
    location: String,
    steps: Vec<Value>,
}

impl Tour<'_> {
    fn ui(&self) -> &Ui {
        &self.session.ui
    }

    /// Shows the heading of the next step.
    fn begin(&self, what: &str) -> anyhow::Result<Instant> {
        let heading = format!("{}. {what}", self.steps.len() + 1);
        self.ui().show(format!("\n{}", self.ui().bold(&heading)))?;
        Ok(Instant::now())
    }

    fn generate(&mut self, scale: f64) -> anyhow::Result<()> {
        let begun = self.begin("make TPC-H tables as Parquet")?;
        let made = generate::generate(&self.place.database(), scale)?;
        let took = begun.elapsed();
        show_tables(self.ui(), &made)?;
        let sum = TableSize::sum(&made);
        self.ui().show(format!(
            "   {} in {}, {} in {} ({})",
            plural(sum.rows, "row"),
            plural(sum.segments, "segment"),
            bytes(sum.bytes),
            duration(took),
            rate(sum.bytes, took),
        ))?;
        self.done(
            "generate",
            took,
            json!({ "rows": sum.rows, "segments": sum.segments, "bytes": sum.bytes }),
        );
        Ok(())
    }

    fn back_up(
        &mut self,
        repository: &Repository,
        label: &str,
        what: &str,
    ) -> anyhow::Result<BackupReport> {
        self.begin(what)?;
        let source = Arc::new(DirectorySource::open(self.place.warehouse())?);
        let request = BackupRequest::new(label)?;
        let report =
            self.session.follow(self.session.engine.backup(repository, source, request))?;
        let progress = &report.progress;
        let unchanged = progress.segments_total.saturating_sub(progress.segments_read);
        self.ui().show(format!(
            "   read {} of {} in {} ({}), left out {} that did not change\n   stored {} in {}: snapshot {label}",
            bytes(progress.bytes_read),
            bytes(progress.bytes_total),
            duration(report.duration),
            rate(progress.bytes_read, report.duration),
            plural(unchanged, "segment"),
            bytes(progress.stored_bytes),
            plural(progress.stored_objects, "object"),
        ))?;
        self.done("backup", report.duration, json!({ "label": label, "progress": progress }));
        Ok(report)
    }

    fn change(&mut self) -> anyhow::Result<()> {
        let begun = self.begin("live on: append, change and delete")?;
        let changes = mutate::mutate(&self.place.database())?;
        for change in &changes {
            self.ui().show(format!("   {change}"))?;
        }
        self.done("change", begun.elapsed(), json!({ "changes": changes }));
        Ok(())
    }

    /// The point of incremental backups in one line.
    fn compare(&self, first: &BackupReport, second: &BackupReport) -> anyhow::Result<()> {
        let share = |part: u64, whole: u64| part as f64 * 100.0 / whole.max(1) as f64;
        self.ui().show(format!(
            "   {:.1}% of the warehouse was read and {:.1}% of the first backup stored",
            share(second.progress.bytes_read, second.progress.bytes_total),
            share(second.progress.stored_bytes, first.progress.stored_bytes),
        ))?;
        Ok(())
    }

    fn lose(&mut self) -> anyhow::Result<Proof> {
        let begun = self.begin(&format!("lose a table: rm -r {LOST}"))?;
        let before = Proof::of(&self.place.database())?;
        let table = self.place.database().join(LOST);
        std::fs::remove_dir_all(&table)
            .with_context(|| format!("cannot remove {}", table.display()))?;
        self.ui().show(format!("   {} is gone", table.display()))?;
        self.done("lose", begun.elapsed(), json!({ "table": LOST }));
        Ok(before)
    }

    fn restore(&mut self, repository: &Repository) -> anyhow::Result<RestoreReport> {
        self.begin(&format!("restore {DATABASE}.{LOST} from snapshot {SECOND}"))?;
        let sink = Arc::new(DirectorySink::open(self.place.warehouse())?);
        let request = RestoreRequest::new(SECOND)?.item(RestoreItem {
            database: DATABASE.to_owned(),
            object: Some(LOST.to_owned()),
            partitions: None,
            as_database: None,
            as_object: None,
        });
        let report = self.session.follow(self.session.engine.restore(repository, sink, request))?;
        let progress = &report.progress;
        self.ui().show(format!(
            "   wrote {} in {}, {} ({}), verified and switched in at once",
            bytes(progress.bytes_done),
            plural(progress.segments_done, "segment"),
            duration(report.duration),
            rate(progress.bytes_done, report.duration),
        ))?;
        self.done("restore", report.duration, json!({ "label": SECOND, "progress": progress }));
        Ok(report)
    }

    fn prove(&mut self, before: &Proof) -> anyhow::Result<()> {
        let begun =
            self.begin("prove it: every file by BLAKE3, every row read back from Parquet")?;
        let after = Proof::of(&self.place.database())?;
        let took = begun.elapsed();
        let mut table = Table::new(&[
            ("table", Align::Left),
            ("files", Align::Right),
            ("rows", Align::Right),
            ("content", Align::Left),
            ("rows' hash", Align::Left),
            ("", Align::Left),
        ]);
        for (name, found) in &after.tables {
            let verdict = match before.tables.get(name) == Some(found) {
                true => self.ui().green("same as before"),
                false => "DIFFERENT".to_owned(),
            };
            table.row([
                format!("{DATABASE}.{name}"),
                count(found.files.len() as u64),
                count(found.rows.count),
                found.content(),
                found.rows.to_string(),
                verdict,
            ]);
        }
        self.ui().show(table.to_string())?;
        before.assert_same(&after)?;
        self.ui().show(format!(
            "   {}: {} in {}",
            self.ui().green("nothing was lost"),
            plural(after.num_rows(), "row"),
            duration(took),
        ))?;
        self.done("prove", took, json!({ "rows": after.num_rows(), "files": after.num_files() }));
        Ok(())
    }

    fn done(&mut self, step: &str, took: Duration, what: Value) {
        let took = took.as_secs_f64();
        self.ui().event(&json!({ "event": "step", "step": step, "duration_seconds": took }));
        self.steps.push(json!({ "step": step, "duration_seconds": took, "result": what }));
    }

    /// What to try next.
    fn end(self, wishes: &Wishes<'_>) -> anyhow::Result<()> {
        let warehouse = quoted(&self.place.warehouse().display().to_string());
        let said = wishes.said.iter().map(|pair| format!(" --property {}", quoted(pair)));
        let repository = quoted(&self.location) + &said.collect::<String>();
        let cairn = quoted(wishes.program);
        let copy = quoted(&self.place.directory().join("copy").display().to_string());
        let next = [
            format!("{cairn} snapshots --repo {repository}"),
            format!("{cairn} check --repo {repository} --read-data"),
            format!("{cairn} backup --repo {repository} {warehouse}"),
            format!(
                "{cairn} restore --repo {repository} --label {FIRST} --table {DATABASE}.orders {copy}"
            ),
            format!("{cairn} serve --repo {repository}"),
        ];
        self.ui().show(format!("\n{}", self.ui().bold("Try next")))?;
        for command in &next {
            self.ui().show(format!("   {command}"))?;
        }
        self.ui().document(&json!({
            "verb": "quickstart",
            "warehouse": self.place.warehouse().display().to_string(),
            "repository": self.location,
            "steps": self.steps,
            "next": next,
        }))?;
        Ok(())
    }
}

fn show_tables(ui: &Ui, made: &[TableSize]) -> anyhow::Result<()> {
    let columns =
        [("table", Align::Left), ("partitions", Align::Right), ("segments", Align::Right)];
    let sizes = [("rows", Align::Right), ("size", Align::Right)];
    let mut table = Table::new(&[&columns[..], &sizes[..]].concat());
    for made in made {
        table.row([
            format!("{DATABASE}.{}", made.name),
            count(made.partitions),
            count(made.segments),
            count(made.rows),
            bytes(made.bytes),
        ]);
    }
    Ok(ui.show(table.to_string())?)
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
