//! How long snapshots stay: ttl, holds, and what goes by itself.

use std::sync::Arc;
use std::time::Duration;

use cairn_frontend::{SweepRule, Sweeps};
use cairn_pipeline::{Policy, Rule, Scope};

use crate::rig::Rig;
use crate::snapshot::labels;

impl Rig {
    async fn back_up_with(&mut self, label: &str, properties: &str) {
        let sql = format!("BACKUP SNAPSHOT d.{label} TO r PROPERTIES ({properties})");
        self.root.done(&sql).await;
        self.frontend.jobs().idle().await;
    }

    /// Sweeps the repositories again and again.
    fn sweep(&self, rules: Vec<SweepRule>) -> Sweeping {
        let sweeps = Sweeps::new(Arc::clone(&self.frontend), rules);
        let task = tokio::spawn(Arc::clone(&sweeps).run(Duration::from_millis(20)));
        Sweeping { sweeps, task }
    }

    /// Waits until these are the labels of the repository `r`.
    async fn until_labels_are(&mut self, expected: &[&str]) {
        let waiting = async {
            while labels(&mut self.root, "").await != expected {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let ended = tokio::time::timeout(Duration::from_secs(30), waiting).await;
        if ended.is_err() {
            panic!("{expected:?} are not {:?}", labels(&mut self.root, "").await);
        }
    }
}

struct Sweeping {
    sweeps: Arc<Sweeps>,
    task: tokio::task::JoinHandle<()>,
}

impl Sweeping {
    async fn end(self) {
        self.sweeps.stop();
        self.task.await.unwrap();
    }
}

/// The columns about retention of each snapshot: ClusterId, FinishTime, TTL, ExpireTime.
async fn retention(rig: &mut Rig) -> Vec<Vec<String>> {
    let rows = rig.root.rows("SHOW SNAPSHOT ON r").await;
    rows.iter().map(|row| row.split('|').skip(3).map(str::to_owned).collect()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ttl_is_written_down_and_shown() {
    let mut rig = Rig::with_repository().await;
    rig.back_up("a").await;
    rig.back_up_with("b", "\"ttl\" = \"7 day\"").await;
    rig.back_up_with("c", "\"TTL\" = \" \", \"timeout\" = \"3600\"").await;
    let cluster = rig.warehouse.cluster_id().to_string();
    let shown = retention(&mut rig).await;
    let ttls: Vec<&str> = shown.iter().map(|row| row[2].as_str()).collect();
    assert_eq!(ttls, ["NULL", "7 DAY", "NULL"]);
    assert!(shown.iter().all(|row| row[0] == cluster), "{shown:?}");
    assert_eq!((shown[0][3].as_str(), shown[2][3].as_str()), ("NULL", "NULL"));
    let time = |text: &str| text.parse::<jiff::civil::DateTime>().unwrap();
    let lived = time(&shown[1][3]) - time(&shown[1][1]);
    assert!(
        (7.0..7.01).contains(
            &lived.total((jiff::Unit::Day, jiff::SpanRelativeTo::days_are_24_hours())).unwrap()
        ),
        "{shown:?}"
    );
    let detail = rig.root.rows("SHOW SNAPSHOT ON r WHERE SNAPSHOT = 'b'").await[0].clone();
    let timestamp = detail.split('|').nth(1).unwrap();
    let sql = format!("SHOW SNAPSHOT ON r WHERE SNAPSHOT = 'b' AND TIMESTAMP = '{timestamp}'");
    let row = rig.root.rows(&sql).await[0].clone();
    assert_eq!(row.rsplit('|').take(2).collect::<Vec<_>>(), [shown[1][3].as_str(), "7 DAY"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_has_a_ttl_of_its_own_which_a_backup_overrides() {
    let mut rig = Rig::with_repository().await;
    rig.root.done("DROP REPOSITORY r").await;
    let place = rig.place("kept");
    let create = |ttl: &str| {
        format!(
            "CREATE REPOSITORY r WITH BROKER ON LOCATION 'file://{place}' PROPERTIES ('default_snapshot_ttl' = '{ttl}')"
        )
    };
    let refused = rig.root.refusal(&create("soon")).await;
    assert!(refused.message.contains("Invalid default_snapshot_ttl: 'soon'"), "{refused}");
    rig.root.done(&create("1 MONTH")).await;
    rig.back_up("a").await;
    rig.back_up_with("b", "\"ttl\" = \"12 HOUR\"").await;
    rig.back_up_with("c", "\"ttl\" = \"\"").await;
    let ttls =
        |rows: Vec<Vec<String>>| rows.into_iter().map(|row| row[2].clone()).collect::<Vec<_>>();
    assert_eq!(ttls(retention(&mut rig).await), ["1 MONTH", "12 HOUR", "NULL"]);
    let mut rig = rig.restarted().await;
    rig.back_up("d").await;
    assert_eq!(ttls(retention(&mut rig).await).last().unwrap(), "1 MONTH");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ttl_that_makes_no_sense_is_refused_in_starrocks_words() {
    let mut rig = Rig::with_repository().await;
    for (ttl, message) in [
        (
            "soon",
            "Getting analyzing error. Detail message: Invalid ttl: 'soon'. Expected a duration such as '7 DAY' or '12 HOUR', or an empty value to keep the snapshot forever.",
        ),
        (
            "-1 DAY",
            "Getting analyzing error. Detail message: ttl must be a positive duration, but got: -1 DAY.",
        ),
    ] {
        let sql = format!("BACKUP SNAPSHOT d.a TO r PROPERTIES (\"ttl\" = \"{ttl}\")");
        assert_eq!(rig.root.refusal(&sql).await.message, message);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_keeps_a_snapshot_whatever_is_said() {
    let mut rig = Rig::with_repository().await;
    rig.back_up("a").await;
    let mut other = Rig::beside(&rig).await;
    other.create_repository("r", "").await;
    rig.root.done("ALTER SNAPSHOT a ON r ADD HOLD audit COMMENT 'tax 2026'").await;
    other.root.done("ALTER SNAPSHOT a ON r ADD HOLD `case-7`").await;
    let holds = other.root.rows("SHOW HOLDS ON r").await;
    let placed: Vec<&str> = holds.iter().map(|row| row.rsplit('|').next().unwrap()).collect();
    let shown: Vec<_> =
        holds.iter().map(|row| row.split('|').collect::<Vec<_>>()[2..5].join("|")).collect();
    assert_eq!(shown, ["audit|tax 2026|root@%", "case-7||root@%"]);
    for sql in [
        "DROP SNAPSHOT a ON r",
        "DROP SNAPSHOT a ON r FORCE",
        "DROP SNAPSHOT ON r WHERE SNAPSHOT LIKE '%' FORCE",
    ] {
        let expected = format!(
            "Snapshot a in repository r is held: audit (\"tax 2026\", placed by root@% at {}), case-7 (placed by root@% at {}). \
             Release it with ALTER SNAPSHOT a ON r DROP HOLD audit",
            placed[0], placed[1]
        );
        assert_eq!(rig.root.refusal(sql).await.message, expected);
    }
    rig.root.done("ALTER SNAPSHOT a ON r DROP HOLD audit").await;
    let error = rig.root.refusal("ALTER SNAPSHOT a ON r DROP HOLD audit").await;
    assert_eq!(
        error.message,
        "Failed to alter snapshot a in repository r: the snapshot a is not held as audit"
    );
    assert!(rig.root.refusal("DROP SNAPSHOT a ON r").await.message.contains("DROP HOLD case-7"));
    rig.root.done("ALTER SNAPSHOT a ON r DROP HOLD 'case-7'").await;
    assert_eq!(rig.root.rows("SHOW HOLDS ON r").await, [""; 0]);
    rig.root.done("DROP SNAPSHOT a ON r").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_hold_is_told_why() {
    let mut rig = Rig::with_repository().await;
    rig.back_up("a").await;
    for (sql, message) in [
        ("ALTER SNAPSHOT b ON r ADD HOLD h", "Snapshot does not exist in repository r: b"),
        ("ALTER SNAPSHOT `b/c` ON r ADD HOLD h", "Snapshot does not exist in repository r: b/c"),
        ("ALTER SNAPSHOT a ON s ADD HOLD h", "Repository s does not exist"),
        ("SHOW HOLDS ON s", "Repository s does not exist"),
        (
            "ALTER SNAPSHOT a ON r ADD HOLD `x y`",
            "Getting analyzing error. Detail message: Incorrect hold name 'x y': as of a label, a label has only letters, digits and _-.: in it, not ' ' at position 1.",
        ),
    ] {
        assert_eq!(rig.root.refusal(sql).await.message, message, "{sql}");
    }
    let mut guest = rig.user("guest", &[]);
    assert_eq!(guest.code("ALTER SNAPSHOT a ON r ADD HOLD h").await, 5203);
    assert_eq!(guest.code("SHOW HOLDS ON r").await, 5203);
    rig.root.done("DROP REPOSITORY r").await;
    rig.create_repository("r", "READ ONLY").await;
    let error = rig.root.refusal("ALTER SNAPSHOT a ON r ADD HOLD h").await;
    assert_eq!(error.message, "Repository r is read only");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_expired_goes_by_itself_unless_it_is_held_or_another_made_it() {
    let mut rig = Rig::with_repository().await;
    let soon = "\"ttl\" = \"1 SECOND\"";
    let mut other = Rig::beside(&rig).await;
    other.root.done("CREATE TABLE t (k INT) DUPLICATE KEY (k) DISTRIBUTED BY HASH (k)").await;
    other.create_repository("r", "").await;
    other.back_up_with("foreign", soon).await;
    rig.back_up("kept").await;
    rig.back_up_with("held", soon).await;
    rig.root.done("ALTER SNAPSHOT held ON r ADD HOLD audit").await;
    rig.back_up_with("over", soon).await;
    rig.back_up_with("young", "\"ttl\" = \"1 DAY\"").await;
    let sweeping = rig.sweep(Vec::new());
    rig.until_labels_are(&["foreign", "held", "kept", "young"]).await;
    rig.root.done("ALTER SNAPSHOT held ON r DROP HOLD audit").await;
    rig.until_labels_are(&["foreign", "kept", "young"]).await;
    sweeping.end().await;
    let sweeping = other.sweep(Vec::new());
    other.until_labels_are(&["kept", "young"]).await;
    sweeping.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_let_go_what_they_do_not_keep_where_they_hold() {
    let mut rig = Rig::with_repository().await;
    for label in ["nightly_1", "nightly_2", "nightly_3", "once"] {
        rig.back_up(label).await;
    }
    let scope = Scope { series: Some("nightly".to_owned()), database: Some("d".to_owned()) };
    let rule = Rule { scope, policy: Policy { last: 2, ..Policy::default() }, ..Rule::default() };
    let nothing = Rule { policy: Policy { last: 1, ..Policy::default() }, ..Rule::default() };
    let rules = [("elsewhere", nothing), ("r", rule)]
        .map(|(at, rule)| SweepRule { repository: Some(at.to_owned()), rule });
    let sweeping = rig.sweep(rules.to_vec());
    rig.until_labels_are(&["nightly_2", "nightly_3", "once"]).await;
    rig.back_up("nightly_4").await;
    rig.until_labels_are(&["nightly_3", "nightly_4", "once"]).await;
    sweeping.end().await;
    // One that is stopped lets nothing go any more.
    rig.back_up("nightly_5").await;
    assert_eq!(labels(&mut rig.root, "").await.len(), 4);
}
