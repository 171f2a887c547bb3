//! SHOW SNAPSHOT and DROP SNAPSHOT on real repositories.

use std::time::Duration;

use crate::rig::{Client, Rig};

impl Rig {
    /// A server with a table that has rows, and a repository `r` beside it.
    pub(crate) async fn with_repository() -> Self {
        let mut rig = Self::new().await;
        rig.root.done("CREATE TABLE t (k INT) DUPLICATE KEY (k) DISTRIBUTED BY HASH (k)").await;
        rig.root.done("INSERT INTO t VALUES (1), (2)").await;
        rig.create_repository("r", "").await;
        rig
    }

    pub(crate) async fn create_repository(&mut self, name: &str, kind: &str) {
        let place = self.place("place");
        let sql = format!("CREATE {kind} REPOSITORY {name} WITH BROKER ON LOCATION \"{place}\"");
        self.root.done(&sql).await;
    }

    pub(crate) async fn back_up(&mut self, label: &str) {
        self.root.done(&format!("BACKUP SNAPSHOT d.{label} TO r")).await;
        self.frontend.jobs().idle().await;
    }
}

/// Labels that are shown.
pub(crate) async fn labels(client: &mut Client, condition: &str) -> Vec<String> {
    let rows = client.rows(&format!("SHOW SNAPSHOT ON r {condition}")).await;
    rows.iter().map(|row| row.split('|').next().unwrap().to_owned()).collect()
}

async fn time_of(client: &mut Client, label: &str) -> String {
    let rows = client.rows(&format!("SHOW SNAPSHOT ON r WHERE SNAPSHOT = '{label}'")).await;
    rows[0].split('|').nth(1).unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_is_dropped_by_its_name_and_the_name_is_free() {
    let mut rig = Rig::with_repository().await;
    rig.back_up("a").await;
    rig.back_up("b").await;
    assert_eq!(labels(&mut rig.root, "").await, ["a", "b"]);
    assert_eq!(rig.root.done("DROP SNAPSHOT a ON r").await.affected, 1);
    assert_eq!(labels(&mut rig.root, "").await, ["b"]);
    let error = rig.root.refusal("DROP SNAPSHOT a ON r").await;
    assert_eq!(error.message, "Snapshot does not exist in repository r: a");
    assert_eq!(error.code, 1064);
    rig.back_up("a").await;
    assert_eq!(labels(&mut rig.root, "").await, ["a", "b"]);
    let time = time_of(&mut rig.root, "b").await;
    let restore = format!(
        "RESTORE SNAPSHOT d.b FROM r ON (t AS u) PROPERTIES (\"backup_timestamp\" = \"{time}\")"
    );
    rig.root.done(&restore).await;
    rig.frontend.jobs().idle().await;
    assert_eq!(rig.root.rows("SELECT count(*) FROM u").await, ["2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_are_dropped_by_name_pattern_and_time() {
    let mut rig = Rig::with_repository().await;
    for label in ["day_1", "day_2", "day_3", "week_1", "week_2"] {
        rig.back_up(label).await;
    }
    let (second, third) =
        (time_of(&mut rig.root, "day_2").await, time_of(&mut rig.root, "day_3").await);
    for (condition, expected) in [
        (format!("TIMESTAMP < '{second}'"), &["day_1"][..]),
        (format!("TIMESTAMP > '{third}'"), &["week_1", "week_2"]),
        (format!("TIMESTAMP >= '{second}' AND TIMESTAMP <= '{third}'"), &["day_2", "day_3"]),
        ("TIMESTAMP < '2001-01-01 00:00:00'".to_owned(), &[]),
        ("SNAPSHOT IN ('day_1', 'nobody')".to_owned(), &["day_1"]),
    ] {
        assert_eq!(labels(&mut rig.root, &format!("WHERE {condition}")).await, expected);
    }
    let mut drop = async |condition: &str| {
        rig.root.done(&format!("DROP SNAPSHOT ON r WHERE {condition}")).await.affected
    };
    assert_eq!(drop("TIMESTAMP < '2001-01-01'").await, 0);
    assert_eq!(drop(&format!("SNAPSHOT LIKE 'day%' AND TIMESTAMP < '{third}'")).await, 2);
    assert_eq!(drop("SNAPSHOT IN ('week_1', 'week_2')").await, 2);
    assert_eq!(labels(&mut rig.root, "").await, ["day_3"]);
    let error = rig.root.refusal("DROP SNAPSHOT ON r WHERE SNAPSHOT IN ('day_3', 'week_1')").await;
    assert_eq!(error.message, "Snapshot does not exist in repository r: week_1");
    let error = rig.root.refusal("DROP SNAPSHOT ON r WHERE TIMESTAMP < 'yesterday'").await;
    assert!(error.message.contains("Invalid timestamp: 'yesterday'"), "{}", error.message);
    assert_eq!(labels(&mut rig.root, "").await, ["day_3"], "all or nothing is judged before");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_or_must_not_drop_is_told_why() {
    let mut rig = Rig::with_repository().await;
    rig.back_up("a").await;
    let error = rig.root.refusal("DROP SNAPSHOT a ON nowhere").await;
    assert_eq!(error.message, "Repository does not exist: nowhere");
    for label in ["", "x/y"] {
        let sql = format!("DROP SNAPSHOT ON r WHERE SNAPSHOT = '{label}'");
        let error = rig.root.refusal(&sql).await;
        assert!(error.message.contains("path separator"), "{}", error.message);
    }
    let mut guest = rig.user("guest", &[]);
    assert_eq!(guest.code("DROP SNAPSHOT a ON r").await, 5203);
    rig.root.done("DROP REPOSITORY r").await;
    rig.create_repository("r", "READ ONLY").await;
    let error = rig.root.refusal("DROP SNAPSHOT a ON r").await;
    assert_eq!(error.message, "Repository r is read only");
    assert_eq!(labels(&mut rig.root, "").await, ["a"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_cluster_made_goes_by_force_only() {
    let mut rig = Rig::with_repository().await;
    rig.back_up("a").await;
    let mut other = Rig::beside(&rig).await;
    other.create_repository("r", "").await;
    let error = other.root.refusal("DROP SNAPSHOT a ON r").await;
    let (ours, theirs) = (other.warehouse.cluster_id(), rig.warehouse.cluster_id());
    assert_ne!(ours, theirs);
    assert_eq!(
        error.message,
        format!(
            "Snapshot a in repository r was created by cluster {theirs}, and this cluster is {ours}. \
             Use DROP SNAPSHOT ... FORCE to drop it anyway"
        )
    );
    assert_eq!(labels(&mut rig.root, "").await, ["a"]);
    other.root.done("DROP SNAPSHOT a ON r FORCE").await;
    assert_eq!(labels(&mut rig.root, "").await, [""; 0], "seen by the first server at once");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_job_uses_stays() {
    let mut rig = Rig::with_repository().await;
    rig.back_up("a").await;
    let time = time_of(&mut rig.root, "a").await;
    let slowly = |kbps: u32| {
        [
            format!("ADMIN SET FRONTEND CONFIG (\"max_upload_speed_kbps\" = \"{kbps}\")"),
            format!("ADMIN SET FRONTEND CONFIG (\"max_download_speed_kbps\" = \"{kbps}\")"),
        ]
    };
    let restore = format!(
        "RESTORE SNAPSHOT d.a FROM r ON (t AS u) PROPERTIES (\"backup_timestamp\" = \"{time}\")"
    );
    let jobs = [
        ("BACKUP SNAPSHOT d.b TO r", "b", "Can not drop snapshot b: a backup is writing it"),
        (restore.as_str(), "a", "Can not drop snapshot a: a restore is reading it"),
    ];
    rig.root.done("INSERT INTO t VALUES (3)").await;
    for (job, label, message) in jobs {
        for sql in slowly(2) {
            rig.root.done(&sql).await;
        }
        rig.root.done(job).await;
        let error = rig.root.refusal(&format!("DROP SNAPSHOT {label} ON r FORCE")).await;
        assert_eq!(error.message, message);
        for sql in slowly(0) {
            rig.root.done(&sql).await;
        }
        let ended = tokio::time::timeout(Duration::from_secs(30), rig.frontend.jobs().idle());
        ended.await.unwrap();
    }
    assert_eq!(labels(&mut rig.root, "").await, ["a", "b"]);
    assert_eq!(rig.root.rows("SELECT count(*) FROM u").await, ["2"]);
}
