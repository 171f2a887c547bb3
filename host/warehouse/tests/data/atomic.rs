//! A load that fails or is given up leaves nothing: no row, no file.

use cairn_warehouse::ddl::TableDefinition;
use cairn_warehouse::load::LoadConfig;
use cairn_warehouse::{Error, ErrorKind};
use datafusion::arrow::array::RecordBatch;
use futures::{FutureExt, StreamExt, stream};

use crate::place::{Place, hash, into, keyed, monthly, table};

/// Small enough that every batch becomes a segment at once.
fn eager() -> LoadConfig {
    LoadConfig { tablet_buffer_bytes: 1, buffer_bytes: 1, ..LoadConfig::default() }
}

async fn batches(place: &Place, sql: &str) -> Vec<RecordBatch> {
    place.stream(sql).await.expect("is fine").collect().await.expect("computes")
}

#[tokio::test]
async fn a_stream_that_fails_leaves_nothing() {
    let place = Place::with(eager()).await;
    place.create(monthly("t")).await;
    place.insert("t", "VALUES (1, '2024-01-01', 'old')").await;
    let before = place.tablet_files();
    let batches =
        batches(&place, "VALUES (2, '2024-02-01', 'new'), (3, '2024-01-01', 'new')").await;
    let schema = batches[0].schema();
    // Long enough that rows became segments before it fails.
    let many = (0..40_000).map(|_| Ok(batches[0].clone()));
    let failure = std::iter::once(Err(Error::new(ErrorKind::Query, "the source broke")));
    let rows = stream::iter(many.chain(failure));
    let error = place.loader.load(&into("t"), &schema, rows).await.expect_err("fails");
    assert_eq!(error.to_string(), "the source broke");
    assert_eq!(place.rows("SELECT k FROM t").await, ["1"]);
    assert_eq!(place.tablet_files(), before);
    assert_eq!(
        place.warehouse.catalog().table("d", "t").expect("is there").partitions().count(),
        1
    );
}

#[tokio::test]
async fn a_load_that_is_dropped_leaves_nothing() {
    let place = Place::with(eager()).await;
    place.create(table("t")).await;
    let batches = batches(&place, "VALUES (1, '2024-01-01', 'new'), (2, NULL, NULL)").await;
    let schema = batches[0].schema();
    let many = stream::iter((0..40_000).map(|_| Ok(batches[0].clone())));
    // The stream never ends: the load waits, with segments written.
    let (sender, reached) = tokio::sync::oneshot::channel::<()>();
    let mut sender = Some(sender);
    let endless = many.chain(stream::poll_fn(move |_| {
        if let Some(sender) = sender.take() {
            sender.send(()).expect("the test waits");
        }
        std::task::Poll::Pending
    }));
    let request = into("t");
    {
        let load = place.loader.load(&request, &schema, Box::pin(endless)).fuse();
        futures::pin_mut!(load);
        tokio::select! {
            _ = &mut load => panic!("it cannot end"),
            reached = reached => reached.expect("is reached"),
        }
        assert!(!place.tablet_files().is_empty());
    }
    assert!(place.tablet_files().is_empty());
    // The lock went with it.
    assert_eq!(place.insert("t", "VALUES (1, NULL, NULL)").await, 1);
}

#[tokio::test]
async fn a_refused_row_leaves_nothing_of_the_rows_before_it() {
    let place = Place::with(eager()).await;
    place.create(keyed("t")).await;
    place.insert("t", "VALUES (1, NULL, 'old')").await;
    let before = place.tablet_files();
    let sql = "SELECT 1, NULL, 'new' UNION ALL SELECT 2, NULL, 'a text that is too long for it'";
    assert!(place.insert_refusal("t", sql).await.contains("is too long"));
    assert_eq!(place.rows("SELECT k, v FROM t").await, ["1|old"]);
    assert_eq!(place.tablet_files(), before);
}

#[tokio::test]
async fn many_segments_are_merged_into_one() {
    let place = Place::with(LoadConfig { max_segments: 3, ..LoadConfig::default() }).await;
    place.create(table("t")).await;
    for number in (0..8).rev() {
        place.insert("t", &format!("VALUES ({}, NULL, 'v{number}')", number * 100)).await;
    }
    let catalog = place.warehouse.catalog();
    let table = catalog.table("d", "t").expect("is there");
    for partition in table.partitions() {
        for tablet in partition.indexes.iter().flat_map(|index| &index.tablets) {
            assert!(tablet.segments.len() <= 4, "{tablet:?}");
        }
    }
    assert_eq!(place.value("SELECT COUNT(*), SUM(k) FROM t").await, "8|2800");
}

#[tokio::test]
async fn a_large_segment_stays_while_small_ones_are_merged() {
    let place = Place::with(LoadConfig { max_segments: 3, ..LoadConfig::default() }).await;
    place.create(TableDefinition { distribution: hash(&["k"], 1), ..table("t") }).await;
    let rows: Vec<_> = (0..20_000).map(|k| format!("({k}, NULL, 'row {k}')")).collect();
    place.insert("t", &format!("VALUES {}", rows.join(", "))).await;
    let large = place.segment_numbers("t");
    for k in 0..20 {
        place.insert("t", &format!("VALUES ({k}, NULL, 'x')")).await;
        let segments = place.segment_numbers("t");
        assert!(segments.len() <= 3 && segments.contains(&large[0]), "{segments:?}");
    }
    assert_eq!(place.value("SELECT COUNT(*), COUNT(DISTINCT k) FROM t").await, "20020|20000");
}
