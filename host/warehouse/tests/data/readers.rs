//! A reader sees the rows of its beginning to its end, whatever happens to the table.

use cairn_warehouse::load::LoadRequest;

use crate::place::{Place, into, rows, table};

async fn filled() -> Place {
    let place = Place::new().await;
    place.create(table("t")).await;
    place.insert("t", "VALUES (1, NULL, 'old'), (2, NULL, 'old')").await;
    place
}

#[tokio::test]
async fn old_rows_are_read_while_the_table_is_overwritten() {
    let place = filled().await;
    let reader = place.stream("SELECT v FROM t").await.expect("begins");
    let overwrite = LoadRequest { overwrite: true, ..into("t") };
    place.try_insert(overwrite, "VALUES (3, NULL, 'new')").await.expect("replaces");
    assert_eq!(place.rows("SELECT v FROM t").await, ["new"]);
    assert_eq!(rows(reader).await.expect("reads on"), ["old", "old"]);
    assert_eq!(place.tablet_files().len(), 1, "the old file went with its reader");
}

#[tokio::test]
async fn old_rows_are_read_after_a_truncate_and_a_drop() {
    let place = filled().await;
    let first = place.stream("SELECT v FROM t").await.expect("begins");
    place.warehouse.truncate_table("d", "t", &[]).await.expect("truncates");
    assert!(place.rows("SELECT v FROM t").await.is_empty());
    place.insert("t", "VALUES (3, NULL, 'newer')").await;
    let second = place.stream("SELECT v FROM t").await.expect("begins");
    place.warehouse.drop_table("d", "t").await.expect("drops");
    assert_eq!(place.refusal("SELECT v FROM t").await, "Unknown table 'd.t'");
    assert_eq!(rows(first).await.expect("reads on"), ["old", "old"]);
    assert_eq!(rows(second).await.expect("reads on"), ["newer"]);
    assert!(place.tablet_files().is_empty());
}

#[tokio::test]
async fn a_reader_that_is_dropped_lets_its_files_go() {
    let place = filled().await;
    let reader = place.stream("SELECT v FROM t").await.expect("begins");
    place.warehouse.drop_table("d", "t").await.expect("drops");
    assert!(!place.tablet_files().is_empty());
    drop(reader);
    // Its tasks end when the runtime gets to them.
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    assert!(place.tablet_files().is_empty());
}
