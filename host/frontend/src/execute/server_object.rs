//! Objects of a backup or restore that are in no database: users, roles, resource groups.
//!
//! StarRocks keeps none of them in snapshots; this is an addition. Accounts are of the server's security: who does not administer it
//! backs none up, and since a snapshot may give anything to anybody, who does not hold everything restores none. A password
//! is kept as its hash, as in the catalog.

use cairn_pipeline::SnapshotObject;
use cairn_sql::statement::{JobObject, ObjectKind as Named};
use cairn_warehouse::ObjectKind;
use cairn_warehouse::catalog::Catalog;

use super::account::administrator;
use super::resource_group::CREATE_RESOURCE_GROUP;
use crate::account::privilege::Action;
use crate::job::JobObjectRow;
use crate::mysql::SqlError;
use crate::refusal;
use crate::session::Session;

/// The objects of a statement that are in no database, and the others.
pub(super) fn split(objects: &[JobObject]) -> (Vec<JobObject>, Vec<JobObject>) {
    let is_of_server = |object: &JobObject| object.kind().is_some_and(Named::is_of_server);
    objects.iter().cloned().partition(is_of_server)
}

/// Refuses who may not back these up.
pub(super) fn may_back_up(
    session: &Session,
    catalog: &Catalog,
    objects: &[JobObject],
) -> Result<(), SqlError> {
    if objects.iter().any(is_account) {
        administrator(session, catalog)?;
    }
    if objects.iter().any(|object| !is_account(object)) {
        session.require(catalog, Action::system(CREATE_RESOURCE_GROUP))?;
    }
    Ok(())
}

/// Refuses who may not restore these.
pub(super) fn may_restore(
    session: &Session,
    catalog: &Catalog,
    objects: &[JobObject],
) -> Result<(), SqlError> {
    may_back_up(session, catalog, objects)?;
    if objects.iter().any(is_account) && !session.grants(catalog).is_admin() {
        return Err(refusal::analysis(
            "Can not restore users and roles, except root: a snapshot may give any privilege to anybody",
        ));
    }
    Ok(())
}

fn is_account(object: &JobObject) -> bool {
    matches!(object.kind(), Some(Named::User | Named::Role))
}

/// What a catalog has of these, each once.
pub(super) fn of_catalog(
    catalog: &Catalog,
    objects: &[JobObject],
) -> Result<Vec<JobObjectRow>, SqlError> {
    let users = catalog.users().map(|user| row(ObjectKind::User, user.identity()));
    let roles = catalog.roles().map(|role| row(ObjectKind::Role, role.name.clone()));
    let groups = catalog.resource_groups();
    let groups = groups.map(|group| row(ObjectKind::ResourceGroup, group.name.clone()));
    choose(objects, &users.chain(roles).chain(groups).collect::<Vec<_>>(), |object| {
        refusal::analysis(format_args!("cannot find {} {}", object.kind, object.name))
    })
}

/// What a snapshot has of these, each once.
pub(super) fn of_snapshot(
    label: &str,
    held: &[SnapshotObject],
    objects: &[JobObject],
) -> Result<Vec<JobObjectRow>, SqlError> {
    let held = held.iter().filter(|object| object.database.is_empty());
    let held =
        held.filter_map(|object| Some(row(ObjectKind::parse(&object.kind)?, object.name.clone())));
    let held: Vec<_> = held.collect();
    let chosen = choose(objects, &held, |object| {
        let JobObjectRow { kind, name, .. } = object;
        refusal::general(format!("The {kind} {name} does not exist in snapshot {label}"))
    })?;
    // The engine knows them by their names alone.
    let is_left = |other: &&JobObjectRow| {
        !chosen.contains(other) && chosen.iter().any(|object| object.name == other.name)
    };
    match held.iter().find(is_left) {
        None => Ok(chosen),
        Some(JobObjectRow { kind, name, .. }) => Err(refusal::general(format!(
            "Snapshot {label} also holds a {kind} {name}: restore both"
        ))),
    }
}

fn choose(
    objects: &[JobObject],
    held: &[JobObjectRow],
    missing: impl Fn(&JobObjectRow) -> SqlError,
) -> Result<Vec<JobObjectRow>, SqlError> {
    let mut chosen: Vec<JobObjectRow> = Vec::new();
    for object in objects {
        let Some(kind) = object.kind().map(super::object_kind) else { continue };
        let found: Vec<JobObjectRow> = match object {
            JobObject::All(_) => {
                held.iter().filter(|row| row.kind == kind.as_str()).cloned().collect()
            }
            JobObject::One { name, .. } => {
                let wanted = row(kind, name.name.clone());
                if !held.contains(&wanted) {
                    return Err(missing(&wanted));
                }
                vec![wanted]
            }
        };
        for row in found {
            if !chosen.contains(&row) {
                chosen.push(row);
            }
        }
    }
    Ok(chosen)
}

fn row(kind: ObjectKind, name: String) -> JobObjectRow {
    JobObjectRow { kind: kind.as_str().to_owned(), name, partitions: Vec::new(), alias: None }
}
