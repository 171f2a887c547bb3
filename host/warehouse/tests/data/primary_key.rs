//! Of a primary key the last row stays, within a load and against what is there.

use cairn_warehouse::load::LoadConfig;

use crate::place::{Place, keyed};

#[tokio::test]
async fn the_last_row_of_a_key_wins() {
    let place = Place::new().await;
    place.create(keyed("t")).await;
    place.insert("t", "VALUES (1, NULL, 'a'), (2, NULL, 'b'), (1, NULL, 'c')").await;
    assert_eq!(place.rows("SELECT k, v FROM t ORDER BY k").await, ["1|c", "2|b"]);
    place.insert("t", "VALUES (2, NULL, 'd'), (3, NULL, 'e')").await;
    assert_eq!(place.rows("SELECT k, v FROM t ORDER BY k").await, ["1|c", "2|d", "3|e"]);
    assert_eq!(place.value("SELECT COUNT(*) FROM t").await, "3");
    let null = place.insert_refusal("t", "VALUES (NULL, NULL, 'x')").await;
    assert!(null.contains("NULL value in non-nullable column 'k'"), "{null}");
}

#[tokio::test]
async fn runs_of_one_load_replace_each_other() {
    let eager = LoadConfig { tablet_buffer_bytes: 1, buffer_bytes: 1, max_segments: 100 };
    let place = Place::with(eager).await;
    place.create(keyed("t")).await;
    // More rows than one chunk, every key in all of them.
    let sql = "SELECT s.value % 1000, NULL, CAST(s.value AS CHAR) FROM \
               (SELECT a.value * 1000 + b.value AS value FROM \
               (SELECT unnest(range(0, 200)) AS value) a, \
               (SELECT unnest(range(0, 1000)) AS value) b) s";
    assert_eq!(place.insert("t", sql).await, 200_000);
    assert_eq!(place.value("SELECT COUNT(*), COUNT(DISTINCT k) FROM t").await, "1000|1000");
}

#[tokio::test]
async fn segments_without_a_replaced_row_stay_as_they_are() {
    let place = Place::new().await;
    place.create(keyed("t")).await;
    place.insert("t", "VALUES (1, NULL, 'a'), (2, NULL, 'b'), (3, NULL, 'c')").await;
    let first = place.segment_numbers("t");
    place.insert("t", "VALUES (100, NULL, 'x')").await;
    let second = place.segment_numbers("t");
    assert!(first.iter().all(|number| second.contains(number)), "{first:?} {second:?}");
    place.insert("t", "VALUES (1, NULL, 'y'), (2, NULL, 'y'), (3, NULL, 'y')").await;
    let third = place.segment_numbers("t");
    assert!(first.iter().all(|number| !third.contains(number)), "{first:?} {third:?}");
    assert_eq!(place.rows("SELECT DISTINCT v FROM t WHERE k < 10").await, ["y"]);
}

#[tokio::test]
async fn what_was_replaced_is_gone_from_disk() {
    let place = Place::new().await;
    place.create(keyed("t")).await;
    for version in 0..5 {
        place.insert("t", &format!("VALUES (1, NULL, 'v{version}')")).await;
    }
    assert_eq!(place.tablet_files().len(), 1);
    assert_eq!(place.value("SELECT v FROM t").await, "v4");
}
