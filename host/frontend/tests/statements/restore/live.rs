//! A restore over a table that is in use.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{Cellar, back_up, restore, taken_at};
use crate::rig::Rig;

const READERS: usize = 8;
const PATIENCE: Duration = Duration::from_secs(60);

async fn filled(cellar: &Cellar) -> Rig {
    let mut rig = cellar.server().await;
    for sql in [
        "CREATE TABLE one (n BIGINT)",
        "INSERT INTO one VALUES (0),(1),(2),(3),(4),(5),(6),(7),(8),(9)",
        "CREATE TABLE t (k BIGINT, text VARCHAR(100)) PARTITION BY RANGE (k) \
         (PARTITION a VALUES LESS THAN ('50000'), PARTITION b VALUES LESS THAN ('100000')) DISTRIBUTED BY HASH (k) BUCKETS 4",
        "INSERT INTO t SELECT a.n * 10000 + b.n * 1000 + c.n * 100 + d.n * 10 + e.n, CAST(rand() AS VARCHAR) \
         FROM one a, one b, one c, one d, one e",
    ] {
        rig.root.done(sql).await;
    }
    rig
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn readers_see_the_old_or_the_new_rows_and_never_an_error() {
    let cellar = Cellar::new();
    let mut rig = filled(&cellar).await;
    let sums = "SELECT COUNT(*), SUM(k) FROM t";
    let new = rig.root.rows(sums).await;
    back_up(&mut rig, "d", "s", "ON (t)").await;
    rig.root.done("DELETE FROM t WHERE k % 3 = 0").await;
    rig.root.done("INSERT INTO t SELECT n, 'later' FROM one").await;
    let old = rig.root.rows(sums).await;
    assert_ne!(old, new);
    let (stop, reads) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let readers: Vec<_> = (0..READERS)
        .map(|_| {
            let mut client = rig.operator();
            let (stop, reads) = (Arc::clone(&stop), Arc::clone(&reads));
            let (old, new) = (old.clone(), new.clone());
            tokio::spawn(async move {
                let mut has_seen_new = false;
                while !stop.load(Ordering::SeqCst) {
                    let seen = client.rows("SELECT COUNT(*), SUM(k) FROM d.t").await;
                    assert!(seen == new || (seen == old && !has_seen_new), "{seen:?}");
                    has_seen_new |= seen == new;
                    reads.fetch_add(1, Ordering::SeqCst);
                }
            })
        })
        .collect();
    restore(&mut rig, "d", "s", "").await.unwrap();
    assert_eq!(rig.root.rows(sums).await, new);
    let before = reads.load(Ordering::SeqCst);
    wait(|| reads.load(Ordering::SeqCst) >= before + READERS).await;
    stop.store(true, Ordering::SeqCst);
    for reader in readers {
        reader.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_table_under_restore_is_read_and_not_changed_and_others_go_on() {
    let cellar = Cellar::new();
    let mut rig = filled(&cellar).await;
    back_up(&mut rig, "d", "s", "ON (t)").await;
    let at = taken_at(&mut rig, "s").await;
    let rows = rig.root.rows("SELECT COUNT(*) FROM t").await;
    rig.root.done("ADMIN SET BACKEND CONFIG ('max_download_speed_kbps' = '20')").await;
    let sql = format!("RESTORE SNAPSHOT d.s FROM repo PROPERTIES ('backup_timestamp' = '{at}')");
    rig.root.done(&sql).await;
    let again = sql;
    let warehouse = rig.warehouse.clone();
    wait(|| warehouse.catalog().table("d", "t").unwrap().row().restoring).await;
    for sql in [
        "INSERT INTO t VALUES (1, 'x')",
        "INSERT OVERWRITE t VALUES (1, 'x')",
        "DELETE FROM t WHERE k = 1",
        "TRUNCATE TABLE t",
        "DROP TABLE t",
        "ALTER TABLE t ADD COLUMN x INT",
        "ALTER TABLE t DROP PARTITION a",
        "ALTER TABLE t RENAME u",
        "CREATE MATERIALIZED VIEW r AS SELECT k FROM t",
        "DROP DATABASE d FORCE",
    ] {
        let message = rig.root.refusal(sql).await.message;
        assert!(message.contains("Table t's state is not NORMAL: RESTORE"), "{sql}: {message}");
    }
    assert_eq!(rig.root.rows("SELECT COUNT(*) FROM t").await, rows);
    let backup = rig.root.refusal("BACKUP SNAPSHOT d.s2 TO repo").await.message;
    assert_eq!(backup, "Can only run one backup or restore job of a database at same time");
    let second = rig.root.refusal(&again).await.message;
    assert_eq!(second, "Can only run one backup or restore job of a database at same time");
    for sql in ["INSERT INTO one VALUES (10)", "CREATE TABLE other (k INT)", "DROP TABLE other"] {
        rig.root.done(sql).await;
    }
    rig.root.done("CANCEL RESTORE").await;
    rig.frontend.jobs().idle().await;
    let jobs = rig.root.rows("SHOW RESTORE").await;
    assert!(jobs[0].contains("|CANCELLED|"), "{jobs:?}");
    assert!(jobs[0].contains("[COMMON_ERROR, msg: user cancelled, current state: "), "{jobs:?}");
    assert_eq!(rig.root.rows("SELECT COUNT(*) FROM t").await, rows);
    rig.root.done("INSERT INTO t VALUES (1, 'x')").await;
}

async fn wait(mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "it does not come");
        sleep(Duration::from_millis(5)).await;
    }
}
