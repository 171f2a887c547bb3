//! `DELETE` removes the rows for which its condition is true, and says how many.

use cairn_warehouse::load::DeleteRequest;

use crate::place::{Place, keyed, monthly, table};

#[tokio::test]
async fn matching_rows_go_and_are_counted() {
    let place = Place::new().await;
    place.create(monthly("t")).await;
    place
        .insert(
            "t",
            "VALUES (1, '2024-01-01', 'a'), (2, '2024-01-02', 'b'), (3, '2024-02-01', 'a'), \
             (4, '2024-02-02', NULL), (5, '2024-03-01', 'c')",
        )
        .await;
    let untouched = place.segment_numbers("t");
    assert_eq!(place.delete("t", "v = 'a'").await, 2);
    assert_eq!(place.rows("SELECT k FROM t ORDER BY k").await, ["2", "4", "5"]);
    assert_eq!(place.delete("t", "V = 'nothing'").await, 0);
    assert_eq!(place.delete("t", "d >= '2024-02-01' AND t.k < 5").await, 1);
    assert_eq!(place.rows("SELECT k FROM t ORDER BY k").await, ["2", "5"]);
    let left = place.segment_numbers("t");
    assert!(left.iter().any(|number| untouched.contains(number)), "the third month stays");
    assert_eq!(place.delete("t", "1 = 1").await, 2);
    assert!(place.tablet_files().is_empty());
}

#[tokio::test]
async fn a_subquery_may_choose() {
    let place = Place::new().await;
    place.create(keyed("t")).await;
    place.create(table("u")).await;
    place.insert("t", "VALUES (1, NULL, 'a'), (2, NULL, 'b'), (3, NULL, 'c')").await;
    place.insert("u", "VALUES (2, NULL, ''), (3, NULL, '')").await;
    assert_eq!(place.delete("t", "k IN (SELECT k FROM u)").await, 2);
    assert_eq!(place.rows("SELECT k FROM t").await, ["1"]);
}

#[tokio::test]
async fn a_delete_without_a_condition_is_refused() {
    let place = Place::new().await;
    place.create(table("t")).await;
    let request = DeleteRequest {
        database: "d".to_owned(),
        table: "t".to_owned(),
        partitions: Vec::new(),
        condition: None,
    };
    let error = place.loader.delete(&place.session(), &request).await.expect_err("refused");
    assert!(error.to_string().starts_with("Delete must specify a where clause"), "{error}");
}
