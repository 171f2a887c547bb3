use crate::statement::{Backup, JobObject, ObjectKind, QualifiedName, Restore, Statement};
use crate::testing::{error, one};

fn backup(text: &str) -> Backup {
    match one(text) {
        Statement::Backup(backup) => backup,
        other => panic!("{other:?}"),
    }
}

fn restore(text: &str) -> Restore {
    match one(text) {
        Statement::Restore(restore) => restore,
        other => panic!("{other:?}"),
    }
}

fn object(kind: Option<ObjectKind>, name: &str) -> JobObject {
    JobObject::One {
        kind,
        name: QualifiedName { database: None, name: name.into() },
        partitions: vec![],
        temporary: false,
        alias: None,
    }
}

#[test]
fn backup_of_a_database_old_and_new() {
    let old = backup("BACKUP SNAPSHOT d.l TO r");
    assert_eq!(old, backup("BACKUP DATABASE d SNAPSHOT l TO r"));
    assert_eq!((old.database.as_deref(), old.label.as_str()), (Some("d"), "l"));
    assert_eq!(backup("backup snapshot l to r").database, None);
    assert_eq!(
        error("BACKUP DATABASE d SNAPSHOT d.l TO r"),
        "expected a label without a database, which DATABASE names, found . at line 1, column 29"
    );
}

#[test]
fn backup_of_all_kinds_of_objects() {
    let objects = backup(
        r#"BACKUP DATABASE d SNAPSHOT l TO r ON (
            a, TABLE b, TABLES `c`, MATERIALIZED VIEW m, MATERIALIZED VIEWS n, VIEW v, VIEWS w, FUNCTION f, FUNCTIONS g,
            ALL TABLES, ALL TABLE, ALL MATERIALIZED VIEWS, ALL VIEWS, ALL FUNCTIONS
        ) PROPERTIES ("type" = "full", "timeout" = "3600")"#,
    )
    .objects;
    use ObjectKind::{Function, MaterializedView, Table, View};
    assert_eq!(
        objects,
        [
            object(None, "a"),
            object(Some(Table), "b"),
            object(Some(Table), "c"),
            object(Some(MaterializedView), "m"),
            object(Some(MaterializedView), "n"),
            object(Some(View), "v"),
            object(Some(View), "w"),
            object(Some(Function), "f"),
            object(Some(Function), "g"),
            JobObject::All(Table),
            JobObject::All(Table),
            JobObject::All(MaterializedView),
            JobObject::All(View),
            JobObject::All(Function),
        ]
    );
}

#[test]
fn accounts_and_resource_groups_are_objects_too() {
    let objects = restore(
        "RESTORE SNAPSHOT l FROM r ON (USER 'u'@'10.%', USER v, ROLE w, ROLE 'x', RESOURCE GROUP g, ALL USERS, ALL ROLES,
         ALL RESOURCE GROUPS, user, role, resource)",
    )
    .objects;
    use ObjectKind::{ResourceGroup, Role, User};
    assert_eq!(
        objects,
        [
            object(Some(User), "u@10.%"),
            object(Some(User), "v@%"),
            object(Some(Role), "w"),
            object(Some(Role), "x"),
            object(Some(ResourceGroup), "g"),
            JobObject::All(User),
            JobObject::All(Role),
            JobObject::All(ResourceGroup),
            object(None, "user"),
            object(None, "role"),
            object(None, "resource"),
        ]
    );
    let message = error("RESTORE SNAPSHOT l FROM r ON (ROLE a AS b)");
    assert!(message.starts_with("AS is not supported: users, roles"), "{message}");
}

#[test]
fn kinds_may_be_names() {
    assert_eq!(
        backup("BACKUP SNAPSHOT l TO r ON (view, functions, materialized)").objects,
        [object(None, "view"), object(None, "functions"), object(None, "materialized")]
    );
    assert_eq!(
        error("BACKUP SNAPSHOT l TO r ON (ALL everything)"),
        "expected TABLES, MATERIALIZED VIEWS, VIEWS, FUNCTIONS, USERS, ROLES or RESOURCE GROUPS, found everything at line 1, column 32"
    );
}

#[test]
fn partitions_and_aliases() {
    let expected = |partitions: &[&str], temporary, alias: Option<&str>| JobObject::One {
        kind: None,
        name: QualifiedName { database: Some("d".into()), name: "t".into() },
        partitions: partitions.iter().map(|p| (*p).to_owned()).collect(),
        temporary,
        alias: alias.map(Into::into),
    };
    assert_eq!(
        restore(
            "RESTORE SNAPSHOT l FROM r ON (d.t PARTITION p, d.t PARTITION (p, `q`) AS u,
             d.t PARTITIONS (p), d.t TEMPORARY PARTITION (p), d.t AS `u v`)"
        )
        .objects,
        [
            expected(&["p"], false, None),
            expected(&["p", "q"], false, Some("u")),
            expected(&["p"], false, None),
            expected(&["p"], true, None),
            expected(&[], false, Some("u v")),
        ]
    );
    assert_eq!(
        error("BACKUP SNAPSHOT l TO r ON (VIEW v PARTITION (p))"),
        "expected , or ), found PARTITION at line 1, column 35"
    );
}

#[test]
fn restore_into_this_and_other_databases() {
    let old = restore(r#"RESTORE SNAPSHOT d.l FROM r PROPERTIES ("backup_timestamp"="t")"#);
    assert_eq!((old.target.as_deref(), old.database, old.database_alias), (Some("d"), None, None));
    assert_eq!(old.properties, [("backup_timestamp".into(), "t".into())]);
    let new = restore("RESTORE SNAPSHOT l FROM r DATABASE d AS e ON (ALL VIEWS)");
    assert_eq!(new.target, None);
    assert_eq!((new.database.as_deref(), new.database_alias.as_deref()), (Some("d"), Some("e")));
    assert_eq!(new.objects, [JobObject::All(ObjectKind::View)]);
}

#[test]
fn jobs_are_cancelled_by_database() {
    for (text, statement) in [
        ("CANCEL BACKUP", Statement::CancelBackup { database: None }),
        ("CANCEL BACKUP FROM d", Statement::CancelBackup { database: Some("d".into()) }),
        ("CANCEL RESTORE IN d", Statement::CancelRestore { database: Some("d".into()) }),
    ] {
        assert_eq!(one(text), statement);
    }
    assert_eq!(error("CANCEL JOB"), "expected BACKUP or RESTORE, found JOB at line 1, column 8");
}

#[test]
fn external_catalogs_are_refused_by_name() {
    for text in [
        "BACKUP ALL EXTERNAL CATALOGS SNAPSHOT l TO r",
        "BACKUP EXTERNAL CATALOG (a, b) SNAPSHOT l TO r",
        "BACKUP EXTERNAL CATALOGS (a) DATABASE d SNAPSHOT l TO r",
        "RESTORE SNAPSHOT l FROM r ALL EXTERNAL CATALOGS",
        "RESTORE SNAPSHOT l FROM r EXTERNAL CATALOG a, EXTERNAL CATALOG b AS c",
        "CANCEL BACKUP FOR EXTERNAL CATALOG",
        "CANCEL RESTORE FOR EXTERNAL CATALOG",
    ] {
        let message = error(text);
        assert!(message.starts_with("EXTERNAL CATALOG is not supported: "), "{message}");
    }
    let message = error("BACKUP SNAPSHOT l TO r EXCLUDE (t)");
    assert!(message.starts_with("EXCLUDE is not supported: "), "{message}");
}
