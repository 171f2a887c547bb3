use super::super::definition::ResourceGroupDefinition;
use super::super::testing::{message, names, now, table, text, warehouse};
use super::*;

fn view(name: &str) -> ViewDefinition {
    ViewDefinition {
        name: name.to_owned(),
        comment: String::new(),
        columns: vec![text("v")],
        query: "SELECT v FROM d.t".to_owned(),
        base_tables: vec![("d".to_owned(), "t".to_owned())],
    }
}

fn function(name: &str, arguments: &[&str]) -> FunctionDefinition {
    FunctionDefinition {
        name: name.to_owned(),
        kind: "SCALAR".to_owned(),
        arguments: names(arguments),
        returns: "INT".to_owned(),
        properties: Properties::new(),
    }
}

#[tokio::test]
async fn a_database_goes_with_everything_in_it() {
    let (directory, warehouse) = warehouse().await;
    warehouse.create_table("d", table("t"), now()).await.unwrap();
    warehouse.create_view("d", view("v"), false).await.unwrap();
    warehouse.create_function("d", function("f", &["INT"])).await.unwrap();
    let error = warehouse.create_database("d", Properties::new()).await.unwrap_err();
    assert_eq!(error.to_string(), "Can't create database 'd'; database exists");
    assert_eq!(
        (error.kind(), error.subject()),
        (ErrorKind::AlreadyExists, Some(Subject::Database))
    );
    warehouse.drop_database("d").await.unwrap();
    let error = warehouse.drop_database("d").await.unwrap_err();
    assert_eq!(error.to_string(), "Can't drop database 'd'; database doesn't exist");
    assert_eq!((error.kind(), error.subject()), (ErrorKind::NotFound, Some(Subject::Database)));
    drop(warehouse);
    let warehouse = Warehouse::open(directory.path()).unwrap();
    assert_eq!(warehouse.catalog().databases().count(), 0);
}

#[tokio::test]
async fn a_view_is_replaced_when_it_is_said() {
    let (_directory, warehouse) = warehouse().await;
    warehouse.create_table("d", table("t"), now()).await.unwrap();
    let id = warehouse.create_view("d", view("v"), false).await.unwrap();
    let exists = "Table 'v' already exists";
    assert_eq!(message(warehouse.create_view("d", view("v"), false).await), exists);
    let other = ViewDefinition { comment: "new".to_owned(), ..view("v") };
    assert_eq!(warehouse.create_view("d", other, true).await.unwrap(), id);
    let catalog = warehouse.catalog();
    assert_eq!(catalog.database("d").unwrap().view("v").unwrap().comment, "new");
    let taken = message(warehouse.create_view("d", view("t"), true).await);
    assert_eq!(taken, "Table 't' already exists");
    assert_eq!(message(warehouse.drop_view("d", "t").await), "Unknown table 't'");
    warehouse.drop_view("d", "v").await.unwrap();
    assert_eq!(message(warehouse.drop_view("d", "v").await), "Unknown table 'v'");
}

#[tokio::test]
async fn functions_are_told_apart_by_their_arguments() {
    let (_directory, warehouse) = warehouse().await;
    warehouse.create_function("d", function("f", &["INT"])).await.unwrap();
    warehouse.create_function("d", function("f", &["INT", "INT"])).await.unwrap();
    let taken = message(warehouse.create_function("d", function("f", &["INT"])).await);
    assert_eq!(taken, "Function with name f already exists");
    warehouse.drop_function("d", "f", &names(&["INT"])).await.unwrap();
    let error = warehouse.drop_function("d", "f", &names(&["INT"])).await.unwrap_err();
    assert_eq!(error.to_string(), "Unknown function f(INT)");
    assert_eq!((error.kind(), error.subject()), (ErrorKind::NotFound, Some(Subject::Function)));
    let catalog = warehouse.catalog();
    assert_eq!(catalog.database("d").unwrap().functions().count(), 1);
}

#[tokio::test]
async fn resource_groups_have_names() {
    let (_directory, warehouse) = warehouse().await;
    let group = ResourceGroupDefinition {
        name: "rg".to_owned(),
        classifiers: names(&["user = 'x'"]),
        properties: Properties::new(),
    };
    warehouse.create_resource_group(group.clone()).await.unwrap();
    let taken = message(warehouse.create_resource_group(group).await);
    assert_eq!(taken, "resource_group(rg) already exists");
    warehouse.drop_resource_group("rg").await.unwrap();
    let gone = message(warehouse.drop_resource_group("rg").await);
    assert_eq!(gone, "resource_group(rg) does not exist");
}
