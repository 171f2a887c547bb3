//! CREATE and DROP DATABASE, functions, resource groups.

use crate::rig::Rig;

#[tokio::test]
async fn a_database_is_made_once_and_dropped_once() {
    let mut rig = Rig::new().await;
    let error = rig.root.refusal("CREATE DATABASE d").await;
    assert_eq!((error.code, error.sqlstate), (1007, "HY000"));
    assert_eq!(error.message, "Can't create database 'd'; database exists");
    rig.root.done("CREATE DATABASE IF NOT EXISTS d PROPERTIES ('a' = 'b')").await;
    rig.root.done("CREATE TABLE t (k INT)").await;
    rig.root.done("DROP DATABASE d FORCE").await;
    let error = rig.root.refusal("DROP DATABASE d").await;
    assert_eq!(error.code, 1008);
    assert_eq!(error.message, "Can't drop database 'd'; database doesn't exist");
    rig.root.done("DROP DATABASE IF EXISTS d").await;
    assert_eq!(rig.root.code("SELECT * FROM t").await, 1049);
    assert_eq!(rig.root.code("CREATE DATABASE `a b`").await, 1064);
}

#[tokio::test]
async fn the_database_of_all_others_stays() {
    let mut rig = Rig::new().await;
    assert_eq!(rig.root.code("CREATE DATABASE Information_Schema").await, 1007);
    assert_eq!(rig.root.code("DROP DATABASE information_schema").await, 5203);
    assert_eq!(rig.root.code("CREATE TABLE information_schema.t (k INT)").await, 1049);
}

#[tokio::test]
async fn functions_are_told_apart_by_their_arguments() {
    let mut rig = Rig::new().await;
    let create =
        "CREATE FUNCTION f(INT) RETURNS INT PROPERTIES ('symbol' = 'F', 'file' = 'http://h/f.jar')";
    rig.root.done(create).await;
    assert!(rig.root.refusal(create).await.message.contains("already exists"));
    rig.root.done("CREATE AGGREGATE FUNCTION d.f(INT, STRING) RETURNS INT").await;
    let functions = |rig: &Rig| -> Vec<String> {
        let catalog = rig.warehouse.catalog();
        let functions = catalog.database("d").unwrap().functions();
        functions.map(|it| format!("{} {} {}", it.kind, it.signature(), it.returns)).collect()
    };
    assert_eq!(functions(&rig), ["SCALAR f(INT) INT", "AGGREGATE f(INT, STRING) INT"]);
    rig.root.done("DROP FUNCTION f(int)").await;
    assert_eq!(functions(&rig).len(), 1);
    let error = rig.root.refusal("DROP FUNCTION f(INT)").await;
    assert_eq!(error.message, "Unknown function f(INT)");
}

#[tokio::test]
async fn resource_groups_keep_what_was_said_of_them() {
    let mut rig = Rig::new().await;
    rig.root
        .done("CREATE RESOURCE GROUP g TO (user = 'u', query_type in ('select')) WITH ('mem_limit' = '20%')")
        .await;
    let catalog = rig.warehouse.catalog();
    let group = catalog.resource_group("g").unwrap();
    assert_eq!(group.classifiers, ["user = 'u', query_type in ('select')"]);
    assert_eq!(group.properties["mem_limit"], "20%");
    rig.root.done("DROP RESOURCE GROUP g").await;
    assert!(rig.root.refusal("DROP RESOURCE GROUP g").await.message.contains("does not exist"));
}
