//! RESTORE: what is asked for is checked against the snapshot in the order and the words of StarRocks, then a job is
//! submitted. What can only be judged when the restore begins, the schema of an existing table, is the sink's.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cairn_pipeline::{Repository, SnapshotObject, Timestamp};
use cairn_sql::statement::{JobObject, ObjectKind as Named, Properties, Restore};
use cairn_warehouse::ObjectKind;
use cairn_warehouse::catalog::{Catalog, Relation};

use super::property::{PropertyBag, timeout_seconds};
use super::{done, object_kind, server_object};
use crate::account::privilege::{Action, REPOSITORY, Target};
use crate::blocking::blocking;
use crate::job::{JobObjectRow, JobTask, NewJob};
use crate::mysql::{Answer, SqlError};
use crate::refusal;
use crate::session::Session;

/// Copies of restored tables where nothing is said: this host has one machine.
const DEFAULT_REPLICATION: u16 = 1;

/// Properties of a restore, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Asked {
    timestamp: String,
    replication_num: u16,
    allow_load: bool,
    timeout_seconds: u64,
}

pub(super) async fn run(session: &Session, statement: Restore) -> Result<Answer, SqlError> {
    let catalog = session.frontend.warehouse.catalog();
    session.require(&catalog, Action::system(REPOSITORY))?;
    refuse_duplicates(&statement.objects)?;
    let default_timeout = session.frontend.settings.job_timeout_seconds();
    let asked = check_properties(statement.properties.clone(), default_timeout)?;
    let frontend = Arc::clone(&session.frontend);
    let Restore { target, database, database_alias, .. } = &statement;
    if let Some(into) = database_alias.as_ref().or(target.as_ref()).or(database.as_ref()) {
        frontend.jobs.refuse_busy(into, frontend.settings.jobs_beside_others())?;
    }
    let (repository, label) = (statement.repository.clone(), statement.label.clone());
    let timestamp = asked.timestamp.clone();
    let (taken, objects) = blocking(move || {
        let repository = frontend.repositories.open(&repository)?;
        snapshot_objects(&repository, &label, &timestamp)
    })
    .await?;
    let (of_server, of_database) = server_object::split(&statement.objects);
    server_object::may_restore(session, &catalog, &of_server)?;
    let of_server = server_object::of_snapshot(&statement.label, &objects, &of_server)?;
    let statement = Restore { objects: of_database, ..statement };
    let is_of_database = of_server.is_empty() || !statement.objects.is_empty();
    let (from, into) = if is_of_database {
        databases(session, &statement, &objects)?
    } else {
        // What is in no database needs none.
        let database = statement.database.as_deref().or(statement.target.as_deref());
        let database = session.database_or(database).unwrap_or_default();
        (database.clone(), database)
    };
    let objects: Vec<SnapshotObject> =
        objects.into_iter().filter(|object| object.database == from).collect();
    let chosen = if is_of_database { choose(&statement, &objects)? } else { Vec::new() };
    let (mut chosen, skipped) = without_active_views(&catalog, &into, chosen);
    for view in &skipped {
        tracing::warn!(view, "an active materialized view is not restored over");
    }
    if is_of_database {
        require_privileges(session, &catalog, &into, &statement, &chosen)?;
    }
    chosen.extend(of_server);
    let frontend = Arc::clone(&session.frontend);
    let (user, beside_others) = (session.user.clone(), frontend.settings.jobs_beside_others());
    blocking(move || {
        let Asked { replication_num, allow_load, timeout_seconds, .. } = asked;
        let Restore { repository, label, .. } = statement;
        let task = JobTask::Restore {
            timestamp: taken.to_string(),
            from_database: from,
            objects: chosen,
            replication_num,
            allow_load,
            skipped,
        };
        let database = into;
        let job =
            NewJob { database, repository, label, task, timeout_seconds, user, beside_others };
        frontend.jobs.submit(job)
    })
    .await?;
    Ok(done())
}

fn check_properties(properties: Properties, default_timeout: u64) -> Result<Asked, SqlError> {
    let mut bag = PropertyBag::new(properties);
    let timestamp = bag.take("backup_timestamp");
    let timestamp =
        timestamp.ok_or_else(|| refusal::analysis("Missing backup_timestamp property"))?;
    let replication_num = match bag.take("replication_num") {
        None => DEFAULT_REPLICATION,
        Some(text) => text
            .trim()
            .parse()
            .ok()
            .filter(|&number| number > 0)
            .ok_or_else(|| refusal::analysis(format_args!("Invalid replication_num: {text}")))?,
    };
    let allow_load = match bag.take("allow_load") {
        None => false,
        Some(text) if text.eq_ignore_ascii_case("true") => true,
        Some(text) if text.eq_ignore_ascii_case("false") => false,
        Some(text) => {
            return Err(refusal::analysis(format_args!("Invalid allow load value: {text}")));
        }
    };
    for key in ["meta_version", "starrocks_meta_version"] {
        if let Some(text) = bag.take(key)
            && text.trim().parse::<i64>().is_err()
        {
            return Err(refusal::analysis(format_args!("Invalid meta version format: {text}")));
        }
    }
    let timeout_seconds = timeout_seconds(&mut bag, default_timeout)?;
    bag.refuse_rest("restore")?;
    Ok(Asked { timestamp, replication_num, allow_load, timeout_seconds })
}

/// Names that are restored twice, or under the name of another.
fn refuse_duplicates(objects: &[JobObject]) -> Result<(), SqlError> {
    let (mut names, mut aliases) = (BTreeSet::new(), BTreeSet::new());
    for object in objects {
        if let JobObject::One { name, kind, .. } = object
            && !names.insert((namespace(*kind), &name.name))
        {
            return Err(refusal::analysis(format_args!("Duplicated table: {}", name.name)));
        }
    }
    for object in objects {
        if let JobObject::One { alias: Some(alias), kind, .. } = object {
            let is_name = names.contains(&(namespace(*kind), alias));
            if is_name || !aliases.insert(alias) {
                return Err(refusal::analysis(format_args!("Duplicated alias name: {alias}")));
            }
        }
    }
    Ok(())
}

/// Tables and views have their names among themselves; each other kind has its own.
fn namespace(kind: Option<Named>) -> Option<Named> {
    kind.filter(|kind| !matches!(kind, Named::Table | Named::View | Named::MaterializedView))
}

/// The exact time of the snapshot with this label and time, and its objects.
fn snapshot_objects(
    repository: &Repository,
    label: &str,
    timestamp: &str,
) -> Result<(Timestamp, Vec<SnapshotObject>), SqlError> {
    let failed = |because: &str| {
        refusal::general(format!(
            "Failed to get info of snapshot '{label}' because: {because}. Maybe specified wrong backup timestamp"
        ))
    };
    let record = repository.snapshot(label);
    let record = record.map_err(|error| failed(&refusal::with_causes(&error)))?;
    // StarRocks before 3.0 left the milliseconds out.
    let taken = record.timestamp.to_string();
    if taken != timestamp && taken.rsplit_once('-').map(|(seconds, _)| seconds) != Some(timestamp) {
        return Err(failed(&format!("it was taken at {taken}, not at {timestamp}")));
    }
    let objects = repository.objects(&record);
    let objects = objects.map_err(|error| failed(&refusal::with_causes(&error)))?;
    Ok((record.timestamp, objects))
}

/// The database in the snapshot, and the one to restore into.
fn databases(
    session: &Session,
    statement: &Restore,
    objects: &[SnapshotObject],
) -> Result<(String, String), SqlError> {
    let held: BTreeSet<&str> = objects
        .iter()
        .map(|object| object.database.as_str())
        .filter(|database| !database.is_empty())
        .collect();
    let named = statement.database.as_deref();
    let from = match named {
        Some(named) if held.contains(named) => named,
        Some(named) => {
            return Err(refusal::general(format!(
                "target database: {named} is not existed in snapshot"
            )));
        }
        // A snapshot of this host is of one database; of several the target's name tells which.
        None => {
            let target = statement.target.as_deref().or(session.database.as_deref());
            let target = target.filter(|target| held.contains(target));
            target.or_else(|| held.first().copied()).ok_or_else(|| {
                refusal::general(format!(
                    "Snapshot {} holds no database: name with ON which users, roles and resource groups are restored",
                    statement.label
                ))
            })?
        }
    };
    let into = statement.database_alias.as_deref().or(statement.target.as_deref()).unwrap_or(from);
    Ok((from.to_owned(), into.to_owned()))
}

/// The objects that the statement means; without ON all of them.
fn choose(statement: &Restore, held: &[SnapshotObject]) -> Result<Vec<JobObjectRow>, SqlError> {
    if statement.objects.is_empty() {
        return Ok(held.iter().map(row).collect());
    }
    let mut chosen: BTreeMap<(String, String), JobObjectRow> = BTreeMap::new();
    for object in &statement.objects {
        for row in match object {
            JobObject::All(kind) => {
                let of_kind = held.iter().filter(|object| object.kind == kind_name(*kind));
                of_kind.map(row).collect()
            }
            JobObject::One { .. } => one(statement, object, held)?,
        } {
            chosen.entry((row.kind.clone(), row.name.clone())).or_insert(row);
        }
    }
    Ok(chosen.into_values().collect())
}

fn row(object: &SnapshotObject) -> JobObjectRow {
    let (kind, name) = (object.kind.clone(), object.name.clone());
    JobObjectRow { kind, name, partitions: Vec::new(), alias: None }
}

fn kind_name(kind: Named) -> &'static str {
    object_kind(kind).as_str()
}

/// A named object; a function is all of its overloads.
fn one(
    statement: &Restore,
    object: &JobObject,
    held: &[SnapshotObject],
) -> Result<Vec<JobObjectRow>, SqlError> {
    let JobObject::One { kind, name, partitions, temporary, alias } = object else {
        return Ok(Vec::new());
    };
    let (name, label) = (&name.name, &statement.label);
    if *temporary {
        return Err(refusal::general("Do not support restoring temporary partitions"));
    }
    if *kind == Some(Named::Function) {
        return functions(name, alias.as_deref(), held);
    }
    let function = ObjectKind::Function.as_str();
    let found = held.iter().find(|object| {
        object.name == *name
            && object.kind != function
            && kind.is_none_or(|kind| object.kind == kind_name(kind))
    });
    let found = found.ok_or_else(|| {
        refusal::general(format!("Table {name} does not exist in snapshot {label}"))
    })?;
    for partition in partitions {
        if !found.partitions.contains(partition) {
            return Err(refusal::general(format!(
                "Partition {partition} of table {name} does not exist in snapshot {label}"
            )));
        }
    }
    let alias = alias.clone().filter(|alias| alias != name);
    Ok(vec![JobObjectRow { partitions: partitions.clone(), alias, ..row(found) }])
}

fn functions(
    name: &str,
    alias: Option<&str>,
    held: &[SnapshotObject],
) -> Result<Vec<JobObjectRow>, SqlError> {
    let function = ObjectKind::Function.as_str();
    let arguments = |object: &SnapshotObject| {
        object.name.strip_prefix(name).filter(|rest| rest.starts_with('(')).map(str::to_owned)
    };
    let overloads = held.iter().filter(|object| object.kind == function);
    let rows: Vec<JobObjectRow> = overloads
        .filter_map(|object| {
            let arguments = arguments(object)?;
            let alias = alias.map(|alias| format!("{alias}{arguments}"));
            Some(JobObjectRow { alias, ..row(object) })
        })
        .collect();
    if rows.is_empty() {
        return Err(refusal::general(format!("Can not find restore function: {name}")));
    }
    Ok(rows)
}

/// An active materialized view is left as it is: its data would be older than what it says of its base tables.
fn without_active_views(
    catalog: &Catalog,
    database: &str,
    objects: Vec<JobObjectRow>,
) -> (Vec<JobObjectRow>, Vec<String>) {
    let is_active = |object: &JobObjectRow| {
        let name = object.alias.as_ref().unwrap_or(&object.name);
        let database = catalog.database(database).ok();
        let relation = database.and_then(|database| database.relation(name));
        let Some(Relation::Table(table)) = relation else { return false };
        let view = table.row().materialized_view.as_ref();
        object.kind == ObjectKind::MaterializedView.as_str()
            && view.is_some_and(|view| view.inactive_reason.is_none())
    };
    let (active, others): (Vec<_>, Vec<_>) = objects.into_iter().partition(is_active);
    (others, active.into_iter().map(|object| object.name).collect())
}

/// Without an object list CREATE DATABASE, with one CREATE TABLE, and on what exists what it takes to change it. What a view
/// may read is asked when the restore begins.
fn require_privileges(
    session: &Session,
    catalog: &Catalog,
    into: &str,
    statement: &Restore,
    objects: &[JobObjectRow],
) -> Result<(), SqlError> {
    let Ok(database) = catalog.database(into) else {
        return session.require(catalog, Action::catalog("CREATE DATABASE"));
    };
    if statement.objects.is_empty() {
        return session.require(catalog, Action::catalog("CREATE DATABASE"));
    }
    session.require(catalog, Action::database("CREATE TABLE", into))?;
    for object in objects {
        let name = object.alias.as_ref().unwrap_or(&object.name);
        match database.relation(name) {
            Some(Relation::Table(_)) => {
                session.require(catalog, Action::table("INSERT", into, name))?;
            }
            Some(Relation::View(_)) => {
                let on = Target::View(into, name);
                session.require(catalog, Action { privilege: "ALTER", on })?;
            }
            Some(Relation::Rollup(..)) | None => {}
        }
        // To put another in the place of a function is to drop it.
        let is_function = object.kind == ObjectKind::Function.as_str();
        if is_function && database.functions().any(|function| function.signature() == *name) {
            session.require(catalog, Action::database("DROP", into))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn properties(pairs: &[(&str, &str)]) -> Properties {
        pairs.iter().map(|&(key, value)| (key.into(), value.into())).collect()
    }

    #[test]
    fn a_restore_needs_its_time() {
        let error = check_properties(Vec::new(), 60).unwrap_err();
        assert!(error.message.contains("Missing backup_timestamp property"), "{error}");
        let asked = check_properties(properties(&[("backup_timestamp", "t")]), 60).unwrap();
        let expected = Asked {
            timestamp: "t".to_owned(),
            replication_num: 1,
            allow_load: false,
            timeout_seconds: 60,
        };
        assert_eq!(asked, expected);
    }

    #[test]
    fn wrong_properties_are_named() {
        for (key, value, message) in [
            ("replication_num", "0", "Invalid replication_num: 0"),
            ("allow_load", "maybe", "Invalid allow load value: maybe"),
            ("meta_version", "x", "Invalid meta version format: x"),
            ("colour", "red", "Unknown restore job properties: [colour]"),
        ] {
            let given = properties(&[("backup_timestamp", "t"), (key, value)]);
            let error = check_properties(given, 60).unwrap_err();
            assert!(error.message.contains(message), "{error}");
        }
    }
}
