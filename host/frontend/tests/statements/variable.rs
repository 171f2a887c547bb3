//! SET, SHOW VARIABLES and ADMIN: what a session and a server are told.

use std::sync::Arc;

use cairn_frontend::Session;
use cairn_frontend::mysql::SqlSession;

use crate::rig::Rig;

#[tokio::test]
async fn what_is_set_is_seen_by_the_session_that_set_it() {
    let mut rig = Rig::new().await;
    assert_eq!(rig.root.rows("SHOW VARIABLES LIKE 'autocommit'").await, ["autocommit|ON"]);
    rig.root.done("SET autocommit = 0, @x = 'mine', query_timeout = 7").await;
    assert_eq!(rig.root.rows("SHOW SESSION VARIABLES LIKE 'autocommit'").await, ["autocommit|OFF"]);
    assert_eq!(
        rig.root.rows("SELECT @@autocommit, @@session.query_timeout, @X, @y").await,
        ["0|7|mine|NULL"]
    );
    let mut guest = rig.user("guest", &[]);
    assert_eq!(guest.rows("SELECT @@autocommit").await, ["1"]);
    assert_eq!(
        rig.root
            .rows("SHOW VARIABLES WHERE Variable_name = 'sql_mode' OR Variable_name LIKE 'tx_iso%'")
            .await,
        ["sql_mode|ONLY_FULL_GROUP_BY", "tx_isolation|REPEATABLE-READ"]
    );
    assert!(rig.root.rows("SHOW VARIABLES").await.iter().all(|row| !row.starts_with('@')));
}

#[tokio::test]
async fn what_nobody_knows_may_be_set() {
    let mut rig = Rig::new().await;
    rig.root.done("SET enable_profile = true").await;
    assert_eq!(rig.root.rows("SHOW VARIABLES LIKE 'enable_profile'").await, ["enable_profile|1"]);
    assert_eq!(rig.root.code("SET version = '1'").await, 1238);
    assert_eq!(rig.root.code("SET autocommit = 0, version = '1'").await, 1238);
    assert_eq!(rig.root.rows("SELECT @@autocommit").await, ["1"], "all of it or nothing");
}

#[tokio::test]
async fn a_reset_takes_everything_back() {
    let rig = Rig::new().await;
    let mut session = Session::of_operator(Arc::clone(&rig.frontend));
    session.execute("SET @x = 1, autocommit = 0").await.unwrap();
    session.reset();
    let answer = session.execute("SHOW VARIABLES LIKE 'autocommit'").await.unwrap();
    assert!(format!("{answer:?}").contains("\"ON\""), "{answer:?}");
}

#[tokio::test]
async fn the_session_is_known_to_its_queries() {
    let mut rig = Rig::new().await;
    let mut guest = rig.user("guest", &[]);
    assert_eq!(
        guest.rows("SELECT DATABASE(), USER(), CONNECTION_ID(), VERSION()").await,
        ["NULL|'guest'@'%'|7|8.0.33"]
    );
    assert_eq!(rig.root.rows("SELECT DATABASE()").await, ["d"]);
}

#[tokio::test]
async fn the_server_is_configured_by_who_operates_it() {
    let mut rig = Rig::new().await;
    let shown = rig.root.rows("ADMIN SHOW FRONTEND CONFIG LIKE '%upload_speed%'").await;
    assert_eq!(shown.len(), 1);
    assert!(shown[0].starts_with("max_upload_speed_kbps|[]|0|long|true|"), "{shown:?}");
    rig.root.done(r#"ADMIN SET FRONTEND CONFIG ("max_upload_speed_kbps" = "100")"#).await;
    let shown = rig.root.rows("ADMIN SHOW BACKEND CONFIG LIKE 'max_upload%'").await;
    assert!(shown[0].contains("|100|"), "{shown:?}");
    for sql in [
        r#"ADMIN SET FRONTEND CONFIG ("colour" = "red")"#,
        r#"ADMIN SET FRONTEND CONFIG ("upload_worker_count" = "0")"#,
        r#"ADMIN SET FRONTEND CONFIG ("upload_worker_count" = "257")"#,
        r#"ADMIN SET FRONTEND CONFIG ("download_worker_count" = "-1")"#,
        r#"ADMIN SET FRONTEND CONFIG ("backup_job_default_timeout_ms" = "0")"#,
        r#"ADMIN SET FRONTEND CONFIG ("a" = "1", "b" = "2")"#,
        "UPDATE information_schema.be_configs SET value = 'x' WHERE name = 'upload_worker_count'",
        r#"ADMIN SET FRONTEND CONFIG ("max_upload_speed_kbps" = "fast")"#,
    ] {
        assert_eq!(rig.root.code(sql).await, 1064, "{sql}");
    }
    let mut guest = rig.user("guest", &[]);
    assert_eq!(guest.code("ADMIN SHOW FRONTEND CONFIG").await, 5203);
    assert_eq!(guest.code(r#"ADMIN SET FRONTEND CONFIG ("a" = "1")"#).await, 5203);
}

#[tokio::test]
async fn a_backend_is_configured_through_its_relation() {
    let mut rig = Rig::new().await;
    let shown = "SELECT value, `default`, mutable FROM information_schema.be_configs \
                 WHERE NAME LIKE '%upload_worker_count%'";
    assert_eq!(rig.root.rows(shown).await, ["6|6|true"]);
    for (value, seen) in [("3", "3"), ("'4'", "4"), ("'0'", "4")] {
        let set = format!(
            "UPDATE information_schema.be_configs SET value = {value} WHERE name = 'upload_worker_count'"
        );
        let outcome = rig.root.run(&set).await;
        assert_eq!(outcome.is_ok(), value != "'0'", "{outcome:?}");
        assert_eq!(rig.root.rows(shown).await, [format!("{seen}|6|true")]);
    }
    let admin = rig.root.rows("ADMIN SHOW BACKEND CONFIG LIKE 'upload_worker_count'").await;
    assert!(admin[0].starts_with("upload_worker_count|[]|4|int|true|"), "{admin:?}");
    let mut guest = rig.user("guest", &[]);
    assert_eq!(guest.rows("SELECT * FROM information_schema.be_configs").await, [""; 0]);
    let set =
        "UPDATE information_schema.be_configs SET value = 1 WHERE name = 'upload_worker_count'";
    assert_eq!(guest.code(set).await, 5203);
}

#[tokio::test]
async fn a_change_lasts_as_long_as_the_server_unless_it_is_to_stay() {
    let mut rig = Rig::new().await;
    for sql in [
        r#"ADMIN SET FRONTEND CONFIG ("upload_worker_count" = "3")"#,
        r#"ADMIN SET FRONTEND CONFIG ("max_upload_speed_kbps" = "7") WITH PERSISTENT"#,
        r#"ADMIN SET FRONTEND CONFIG ("max_upload_speed_kbps" = "8")"#,
    ] {
        rig.root.done(sql).await;
    }
    let shown = "SELECT name, value FROM information_schema.be_configs WHERE name LIKE '%upload%' ORDER BY 1";
    assert_eq!(rig.root.rows(shown).await, ["max_upload_speed_kbps|8", "upload_worker_count|3"]);
    let mut rig = rig.restarted().await;
    assert_eq!(rig.root.rows(shown).await, ["max_upload_speed_kbps|7", "upload_worker_count|6"]);
}
