//! Segments that are older than the table's columns.

use cairn_warehouse::catalog::model::{ColumnDefault, ColumnType};
use cairn_warehouse::ddl::TableChange;
use cairn_warehouse::load::LoadConfig;

use crate::place::{Place, column, keyed, now, table};

async fn alter(place: &Place, changes: Vec<TableChange>) {
    place.warehouse.alter_table("d", "t", changes, now()).await.expect("changes");
}

#[tokio::test]
async fn older_rows_have_the_default_of_a_new_column() {
    let place = Place::new().await;
    place.create(table("t")).await;
    place.insert("t", "VALUES (1, NULL, 'a')").await;
    let mut score = column("Score", ColumnType::Int);
    score.default = Some(ColumnDefault::Value("7".to_owned()));
    alter(&place, vec![TableChange::AddColumn(score)]).await;
    alter(&place, vec![TableChange::AddColumn(column("note", ColumnType::Varchar(9)))]).await;
    assert_eq!(place.rows("SELECT * FROM t").await, ["1|NULL|a|7|NULL"]);
    place.insert("t", "VALUES (2, NULL, 'b', 8, 'x')").await;
    assert_eq!(
        place.rows("SELECT k, score FROM t WHERE score > 6 ORDER BY k").await,
        ["1|7", "2|8"]
    );
    assert_eq!(place.rows("SELECT k FROM t WHERE score = 7").await, ["1"]);
    assert_eq!(place.rows("SELECT k FROM t WHERE score = 8 AND note = 'x'").await, ["2"]);
    assert_eq!(place.rows("SELECT k FROM t WHERE note IS NULL").await, ["1"]);
    assert_eq!(place.value("SELECT SUM(score) FROM t").await, "15");
}

#[tokio::test]
async fn a_column_does_not_find_the_values_of_a_dropped_one() {
    let place = Place::new().await;
    place.create(table("t")).await;
    place.insert("t", "VALUES (1, NULL, 'old')").await;
    alter(&place, vec![TableChange::DropColumn("v".to_owned())]).await;
    assert_eq!(place.rows("SELECT * FROM t").await, ["1|NULL"]);
    alter(&place, vec![TableChange::AddColumn(column("v", ColumnType::Int))]).await;
    assert_eq!(place.rows("SELECT v FROM t").await, ["NULL"]);
    place.insert("t", "VALUES (2, NULL, 5)").await;
    assert_eq!(place.rows("SELECT k, v FROM t ORDER BY k").await, ["1|NULL", "2|5"]);
    assert_eq!(place.rows("SELECT k FROM t WHERE v = 5").await, ["2"]);
}

#[tokio::test]
async fn a_default_that_no_row_can_hold_is_refused() {
    let place = Place::new().await;
    place.create(table("t")).await;
    place.insert("t", "VALUES (1, NULL, 'a')").await;
    let decimal = ColumnType::Decimal { precision: 4, scale: 2 };
    for (column_type, text) in
        [(decimal, "-99.999"), (ColumnType::LargeInt, "170141183460469231731687303715884105727")]
    {
        let mut added = column("x", column_type);
        (added.nullable, added.default) = (false, Some(ColumnDefault::Value(text.to_owned())));
        let add = vec![TableChange::AddColumn(added)];
        let error = place.warehouse.alter_table("d", "t", add, now()).await.expect_err(text);
        assert_eq!(error.to_string(), "Invalid default value for 'x'");
    }
    let mut rounded = column("x", decimal);
    rounded.default = Some(ColumnDefault::Value("99.994".to_owned()));
    alter(&place, vec![TableChange::AddColumn(rounded)]).await;
    assert_eq!(place.rows("SELECT k, x FROM t").await, ["1|99.99"]);
}

/// The schema is what it was, so a scan could take the file for one of the table as it is.
#[tokio::test]
async fn a_column_of_the_same_name_and_type_does_not_find_them_either() {
    let place = Place::with(LoadConfig { max_segments: 2, ..LoadConfig::default() }).await;
    place.create(table("t")).await;
    place.insert("t", "VALUES (1, NULL, 'old')").await;
    alter(&place, vec![TableChange::DropColumn("v".to_owned())]).await;
    let mut again = column("v", ColumnType::Varchar(20));
    again.default = Some(ColumnDefault::Value("new".to_owned()));
    alter(&place, vec![TableChange::AddColumn(again)]).await;
    let expected = ["1|NULL|new"];
    assert_eq!(place.rows("SELECT * FROM t").await, expected);
    assert_eq!(place.rows("SELECT * FROM t WHERE v = 'new'").await, expected);
    assert_eq!(place.rows("SELECT v, COUNT(*) FROM t GROUP BY v").await, ["new|1"]);
    assert_eq!(place.rows("SELECT v FROM t UNION ALL SELECT v FROM t").await, ["new", "new"]);
    assert_eq!(place.rows("SELECT a.v FROM t a JOIN t b ON a.v = b.v").await, ["new"]);
    // Two more segments, and all three become one.
    place.insert("t", "VALUES (1, NULL, 'b')").await;
    place.insert("t", "VALUES (1, NULL, 'c')").await;
    assert_eq!(place.segment_numbers("t").len(), 1);
    assert_eq!(place.rows("SELECT v FROM t ORDER BY v").await, ["b", "c", "new"]);
}

#[tokio::test]
async fn a_replaced_row_takes_no_values_of_a_dropped_column_along() {
    let place = Place::new().await;
    place.create(keyed("t")).await;
    place.insert("t", "VALUES (1, NULL, 'old'), (3, NULL, 'old'), (5, NULL, 'old')").await;
    alter(&place, vec![TableChange::DropColumn("v".to_owned())]).await;
    alter(&place, vec![TableChange::AddColumn(column("v", ColumnType::Varchar(20)))]).await;
    place.insert("t", "VALUES (1, NULL, 'x')").await;
    assert_eq!(place.delete("t", "k = 3").await, 1);
    assert_eq!(place.rows("SELECT k, v FROM t ORDER BY k").await, ["1|x", "5|NULL"]);
}

#[tokio::test]
async fn a_rewritten_segment_keeps_the_values_of_its_rows() {
    let place = Place::new().await;
    place.create(keyed("t")).await;
    place
        .insert("t", "VALUES (1, NULL, 'a'), (3, NULL, 'b'), (5, NULL, 'c'), (7, NULL, 'd')")
        .await;
    let mut score = column("score", ColumnType::Int);
    score.default = Some(ColumnDefault::Value("7".to_owned()));
    alter(&place, vec![TableChange::AddColumn(score)]).await;
    place.insert("t", "VALUES (1, NULL, 'x', 1)").await;
    assert_eq!(place.delete("t", "k = 3").await, 1);
    let rows = place.rows("SELECT k, v, score FROM t ORDER BY k").await;
    assert_eq!(rows, ["1|x|1", "5|c|7", "7|d|7"]);
}
