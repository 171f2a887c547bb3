//! BACKUP: what is asked for is checked in the order and the words of StarRocks, then a job is submitted.

use std::collections::BTreeSet;

use cairn_pipeline::Period;
use cairn_sql::statement::{Backup, JobObject, ObjectKind as Named, Properties, QualifiedName};
use cairn_warehouse::ObjectKind;
use cairn_warehouse::catalog::{Catalog, Database, Relation};

use super::property::{PropertyBag, timeout_seconds, ttl};
use super::{done, object_kind, server_object};
use crate::account::privilege::{Action, REPOSITORY};
use crate::blocking::blocking;
use crate::job::{JobObjectRow, JobTask, NewJob};
use crate::mysql::{Answer, SqlError};
use crate::refusal;
use crate::repository::NO_SUCH_SNAPSHOT;
use crate::session::Session;

pub(super) async fn run(session: &Session, statement: Backup) -> Result<Answer, SqlError> {
    let catalog = session.frontend.warehouse.catalog();
    session.require(&catalog, Action::system(REPOSITORY))?;
    let Backup { database, label, repository, objects, properties } = statement;
    let (of_server, of_database) = server_object::split(&objects);
    let is_of_database = of_server.is_empty() || !of_database.is_empty();
    // What is in no database needs none.
    let database = match session.database_or(database.as_deref()) {
        Err(_) if !is_of_database => String::new(),
        database => database?,
    };
    if !database.is_empty() {
        catalog.database(&database).map_err(refusal::of_warehouse)?;
    }
    if label.is_empty() {
        return Err(SqlError::new(1064, "HY000", "Incorrect label name ''"));
    }
    if !session.frontend.repositories.has(&repository) {
        return Err(refusal::analysis(format_args!("Repository [{repository}] does not exist")));
    }
    let Asked { incremental, timeout_seconds, ttl } =
        check_properties(session, &repository, properties)?;
    server_object::may_back_up(session, &catalog, &of_server)?;
    let mut objects = Vec::new();
    if is_of_database {
        objects = objects_of_database(session, &catalog, &database, &of_database)?;
    }
    objects.extend(server_object::of_catalog(&catalog, &of_server)?);
    let frontend = std::sync::Arc::clone(&session.frontend);
    let (user, beside_others) = (session.user.clone(), frontend.settings.jobs_beside_others());
    frontend.jobs.refuse_busy(&database, beside_others)?;
    blocking(move || {
        let opened = frontend.repositories.open_to_write(&repository)?;
        refuse_taken_label(&opened, &label, incremental)?;
        let task = JobTask::Backup { objects, ttl: ttl.map(|ttl| ttl.to_string()) };
        let job =
            NewJob { database, repository, label, task, timeout_seconds, user, beside_others };
        frontend.jobs.submit(job)
    })
    .await?;
    Ok(done())
}

/// The objects of a database that a statement means, in the order of backing up; the user may export them.
fn objects_of_database(
    session: &Session,
    catalog: &Catalog,
    database: &str,
    named: &[JobObject],
) -> Result<Vec<JobObjectRow>, SqlError> {
    let found = catalog.database(database).map_err(refusal::of_warehouse)?;
    let objects = in_order(found, resolve(found, named)?);
    for object in &objects {
        if matches!(object.kind.as_str(), "table" | "materialized view") {
            session.require(catalog, Action::table("EXPORT", database, &object.name))?;
        }
    }
    check_base_tables(catalog, found, &objects)?;
    Ok(objects)
}

/// The commit decides; this only tells a user at once.
fn refuse_taken_label(
    repository: &cairn_pipeline::Repository,
    label: &str,
    incremental: bool,
) -> Result<(), SqlError> {
    match repository.snapshot(label) {
        Ok(_) if incremental => Err(refusal::general(format!(
            "Currently does not support incremental backup into '{label}', which is complete: every backup reads and stores \
             only what is new, give this one a label of its own"
        ))),
        Ok(_) => Err(refusal::general(format!(
            "Snapshot with name '{label}' already exist in repository"
        ))),
        Err(error) if error.code() == NO_SUCH_SNAPSHOT => Ok(()),
        Err(error) => Err(refusal::general(refusal::with_causes(&error))),
    }
}

/// Properties of a backup, understood.
struct Asked {
    /// Whether more was to be put into a label.
    incremental: bool,
    timeout_seconds: u64,
    ttl: Option<Period>,
}

fn check_properties(
    session: &Session,
    repository: &str,
    properties: Properties,
) -> Result<Asked, SqlError> {
    let mut bag = PropertyBag::new(properties);
    let kind = bag.take("type").unwrap_or_else(|| "FULL".to_owned());
    let incremental = match kind.to_ascii_uppercase().as_str() {
        "FULL" => false,
        "INCREMENTAL" => true,
        _ => return Err(refusal::analysis(format_args!("Invalid backup job type: {kind}"))),
    };
    let default = session.frontend.settings.job_timeout_seconds();
    let timeout_seconds = timeout_seconds(&mut bag, default)?;
    let frontend = &session.frontend;
    let default = frontend.repositories.default_ttl(repository);
    let ttl = ttl(&mut bag, default.unwrap_or_else(|| frontend.settings.default_ttl()))?;
    bag.refuse_rest("backup")?;
    Ok(Asked { incremental, timeout_seconds, ttl })
}

/// The objects that a statement means, each once.
fn resolve(database: &Database, named: &[JobObject]) -> Result<Vec<JobObjectRow>, SqlError> {
    if named.is_empty() {
        let everything = everything(database);
        if everything.is_empty() {
            let name = &database.row().name;
            return Err(refusal::general(format!("Database: {name} is empty")));
        }
        return Ok(everything);
    }
    let mut objects: Vec<JobObjectRow> = Vec::new();
    for object in named {
        if let JobObject::One { kind, name, partitions, temporary, alias } = object {
            let shown = &name.name;
            let found = one(database, *kind, name)?;
            refuse_alias(database, shown, alias.as_deref())?;
            if *temporary {
                return Err(refusal::general("Do not support backing up temp partitions"));
            }
            check_partitions(database, shown, partitions)?;
            for object in found {
                let object = JobObjectRow { partitions: partitions.clone(), ..object };
                if objects
                    .iter()
                    .any(|other| other.name == object.name && other.kind == object.kind)
                {
                    return Err(refusal::analysis(format_args!("Duplicated table: {shown}")));
                }
                objects.push(object);
            }
        }
    }
    for object in named {
        if let JobObject::All(kind) = object {
            for object in everything(database).into_iter().filter(|it| it.kind == kind_name(*kind))
            {
                if !objects
                    .iter()
                    .any(|other| other.name == object.name && other.kind == object.kind)
                {
                    objects.push(object);
                }
            }
        }
    }
    Ok(objects)
}

fn kind_name(kind: Named) -> &'static str {
    object_kind(kind).as_str()
}

fn object(kind: ObjectKind, name: String) -> JobObjectRow {
    JobObjectRow { kind: kind.as_str().to_owned(), name, partitions: Vec::new(), alias: None }
}

/// Everything of a database, by kind and name.
fn everything(database: &Database) -> Vec<JobObjectRow> {
    let tables = database.tables().map(|table| {
        let is_view = table.row().materialized_view.is_some();
        let kind = if is_view { ObjectKind::MaterializedView } else { ObjectKind::Table };
        object(kind, table.row().name.clone())
    });
    let views = database.views().map(|view| object(ObjectKind::View, view.name.clone()));
    let functions =
        database.functions().map(|function| object(ObjectKind::Function, function.signature()));
    tables.chain(views).chain(functions).collect()
}

/// A backup keeps names; a restore may change them.
fn refuse_alias(database: &Database, name: &str, alias: Option<&str>) -> Result<(), SqlError> {
    let Some(alias) = alias else { return Ok(()) };
    if database.relation(alias).is_some() {
        return Err(refusal::analysis(format_args!("table [{alias}] existed")));
    }
    Err(refusal::analysis(format_args!("Can not set alias for table in Backup Stmt: {name}")))
}

fn check_partitions(
    database: &Database,
    name: &str,
    partitions: &[String],
) -> Result<(), SqlError> {
    if partitions.is_empty() {
        return Ok(());
    }
    let table = match database.relation(name) {
        Some(Relation::Table(table)) => table,
        _ => return Err(refusal::wrong_table(&format!("{}.{name}", database.row().name))),
    };
    let is_missing = |partition: &&String| table.partition(partition).is_err();
    match partitions.iter().find(is_missing) {
        None => Ok(()),
        Some(partition) => Err(refusal::analysis(format_args!(
            "partition[{partition}] does not exist  in table{name}"
        ))),
    }
}

/// One named object; a function is all of its overloads.
fn one(
    database: &Database,
    kind: Option<Named>,
    name: &QualifiedName,
) -> Result<Vec<JobObjectRow>, SqlError> {
    let name = &name.name;
    if kind == Some(Named::Function) {
        let overloads = database.functions().filter(|function| function.name == *name);
        let overloads: Vec<_> =
            overloads.map(|function| object(ObjectKind::Function, function.signature())).collect();
        if overloads.is_empty() {
            let message = format!("Invalid backup function(s), function name: {name}");
            return Err(refusal::general(message));
        }
        return Ok(overloads);
    }
    let unknown = || refusal::wrong_table(&format!("{}.{name}", database.row().name));
    let table = match (database.relation(name), kind) {
        (Some(Relation::View(_)), None | Some(Named::View)) => {
            return Ok(vec![object(ObjectKind::View, name.clone())]);
        }
        (Some(Relation::Table(table)), None | Some(Named::Table | Named::MaterializedView)) => {
            table
        }
        _ => return Err(unknown()),
    };
    let is_view = table.row().materialized_view.is_some();
    if (kind == Some(Named::MaterializedView)) != is_view && kind.is_some() {
        return Err(unknown());
    }
    let kind = if is_view { ObjectKind::MaterializedView } else { ObjectKind::Table };
    Ok(vec![object(kind, name.clone())])
}

/// Base tables before the materialized views that read them, else by name, as StarRocks lists them.
fn in_order(database: &Database, mut objects: Vec<JobObjectRow>) -> Vec<JobObjectRow> {
    objects.sort_by(|a, b| a.name.cmp(&b.name));
    let mut ordered: Vec<JobObjectRow> = Vec::with_capacity(objects.len());
    let mut seen = BTreeSet::new();
    for at in 0..objects.len() {
        visit(database, &objects, at, &mut seen, &mut ordered);
    }
    ordered
}

fn visit(
    database: &Database,
    objects: &[JobObjectRow],
    at: usize,
    seen: &mut BTreeSet<usize>,
    ordered: &mut Vec<JobObjectRow>,
) {
    if !seen.insert(at) {
        return;
    }
    let Some(object) = objects.get(at) else { return };
    let table = database.table(&object.name).ok();
    let view = table.and_then(|table| table.row().materialized_view.as_ref());
    for base in view.into_iter().flat_map(|view| &view.base_tables) {
        let is_base =
            |other: &JobObjectRow| base.database == database.row().name && other.name == base.name;
        if let Some(base) = objects.iter().position(is_base) {
            visit(database, objects, base, seen, ordered);
        }
    }
    ordered.push(object.clone());
}

/// A base table elsewhere is fine; one that is nowhere is an error.
fn check_base_tables(
    catalog: &Catalog,
    database: &Database,
    objects: &[JobObjectRow],
) -> Result<(), SqlError> {
    for object in objects {
        let table = database.table(&object.name).ok();
        let view = table.and_then(|table| table.row().materialized_view.as_ref());
        for base in view.into_iter().flat_map(|view| &view.base_tables) {
            let found = catalog.database(&base.database).ok();
            if found.and_then(|found| found.relation(&base.name)).is_none() {
                return Err(refusal::analysis(format_args!(
                    "Base table {}.{} doest not existed in materialized view {} when backup/restore",
                    base.database, base.name, object.name
                )));
            }
            let is_with_it = base.database == database.row().name
                && objects.iter().any(|other| other.name == base.name);
            if !is_with_it {
                let (view, base) = (&object.name, format!("{}.{}", base.database, base.name));
                tracing::warn!(
                    view,
                    base,
                    "a base table is not in the backup of its materialized view"
                );
            }
        }
    }
    Ok(())
}
