//! The user's guide of BACKUP and RESTORE, typed as it stands there; only addresses and secrets are exchanged.

use std::path::Path;

use cairn_testkit::servers::{HdfsCluster, HdfsMode, RadosGateway};

use crate::client::{self, Client};
use crate::guide::{self, Block};
use crate::member;
use crate::place::Place;
use crate::server::{self, Server};

const ACCESS_KEY: &str = "AKTEST";
const SECRET_KEY: &str = "very-secret";
/// The time in the guide.
const PRINTED_TIME: &str = "2023-02-07-14-45-53-143";
/// Where nothing answers; port 1 is nobody's.
const NOWHERE: &str = "http://127.0.0.1:1";

/// What stands in the guide for something that only the reader has, and what this reader has.
struct Exchange(Vec<(&'static str, String)>);

impl Exchange {
    fn of(&self, statement: &str) -> String {
        self.0
            .iter()
            .fold(statement.to_owned(), |text, (printed, ours)| text.replace(printed, ours))
    }
}

/// The blocks by what they do, each in the order of the guide.
fn parted(blocks: &[Block]) -> (Vec<&Block>, Vec<&Block>) {
    blocks.iter().partition(|block| block.statement.trim_start().starts_with("CREATE REPOSITORY"))
}

fn is_of_amazon_alone(block: &Block) -> bool {
    block.statement.contains("use_instance_profile")
}

/// A server with the table of the guide in it, whose rows are answered too.
fn server_with_member(place: &Place) -> (Server, String) {
    let metadata = [("AWS_EC2_METADATA_SERVICE_ENDPOINT", NOWHERE)];
    let server = Server::start_with(place, "data", &metadata);
    member::create(&server);
    server.run(&member::load(0..500));
    server.run(&member::load(900..1400));
    let rows = member::rows(&server, "sr_hub.sr_member");
    (server, rows)
}

#[test]
fn the_guide_on_hdfs() {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let (true, Some(blocks)) = (client::is_there(), guide::blocks()) else { return };
    let Some(cluster) = HdfsCluster::start(target, HdfsMode::Simple, 1) else { return };
    let exchange = Exchange(vec![
        ("<hdfs_host>:<hdfs_port>", cluster.authority().to_owned()),
        ("<hdfs_username>", "cairn".to_owned()),
        ("<hdfs_password>", SECRET_KEY.to_owned()),
    ]);
    let (repositories, story) = parted(&blocks);
    let of_hdfs: Vec<_> =
        repositories.into_iter().filter(|block| block.statement.contains("hdfs://")).collect();
    assert_eq!(of_hdfs.len(), 1);
    let place = Place::new();
    let (server, rows) = server_with_member(&place);
    tell(&server, &exchange.of(&of_hdfs[0].statement), &story, &rows);
}

#[test]
fn the_guide_on_s3() {
    let (true, Some(blocks)) = (client::is_there(), guide::blocks()) else { return };
    let Some(gateway) = RadosGateway::start(ACCESS_KEY, SECRET_KEY) else { return };
    let endpoint = format!("http://{}", gateway.address());
    let exchange = Exchange(vec![
        ("bucket_s3", "bucket".to_owned()),
        ("bucket_gcs", "versioned".to_owned()),
        ("s3.us-east-1.amazonaws.com", endpoint.clone()),
        ("storage.googleapis.com", endpoint),
        ("XXXXXXXXXXXXXXXXX", ACCESS_KEY.to_owned()),
        ("yyyyyyyyyyyyyyyyyyyyyyyy", SECRET_KEY.to_owned()),
        ("xxxxxxxxxxxxxxxxxxxx", ACCESS_KEY.to_owned()),
        ("yyyyyyyyyyyyyyyyyyyy", SECRET_KEY.to_owned()),
    ]);
    let place = Place::new();
    let (server, rows) = server_with_member(&place);
    let (repositories, story) = parted(&blocks);
    let of_s3 = repositories.into_iter().filter(|block| block.statement.contains("s3a://"));
    let mut told = 0;
    for block in of_s3 {
        if is_of_amazon_alone(block) {
            // Understood; what it lacks here is named.
            let error = server.refused(&exchange.of(&block.statement));
            assert!(error.contains("Failed to create repository"), "{error}");
            assert!(error.contains("the instance profile"), "{error}");
            assert_eq!(server.table("SHOW REPOSITORIES").rows.len(), 0);
        } else {
            tell(&server, &exchange.of(&block.statement), &story, &rows);
            told += 1;
        }
    }
    assert_eq!(told, 2, "keys of a user, at Amazon's and at Google's");
    server.terminate();
}

#[test]
fn the_guide_on_a_local_disk() {
    let (true, Some(blocks)) = (client::is_there(), guide::blocks()) else { return };
    let place = Place::new();
    let (server, rows) = server_with_member(&place);
    let (repositories, story) = parted(&blocks);
    let (statement, _) = repositories[0].statement.split_once("PROPERTIES").unwrap();
    let location = format!("file://{}", place.path("repo_dir/backup").display());
    let (before, after) =
        statement.split_once("hdfs://<hdfs_host>:<hdfs_port>/repo_dir/backup").unwrap();
    tell(&server, &format!("{before}{location}{after}"), &story, &rows);
    server::check(&place, "repo_dir/backup/__cairn_repository_test_repo");
}

/// The story of the guide on one repository, and what it says in passing.
fn tell(client: &Client, create: &str, story: &[&Block], rows: &str) {
    create_repository(client, create);
    let [backup, show, restore] = story else {
        panic!("another guide: {story:?}");
    };
    back_up(client, &backup.statement);
    let timestamp = show_snapshot(client, show);
    client.run("DROP TABLE sr_hub.sr_member");
    assert!(client.refused("SELECT 1 FROM sr_hub.sr_member").contains("sr_member"));
    restore_table(client, &restore.statement, &timestamp);
    assert_eq!(member::rows(client, "sr_hub.sr_member"), rows);
    drop_repository(client, create, &timestamp);
}

fn create_repository(client: &Client, create: &str) {
    client.run(create);
    let shown = client.table("SHOW REPOSITORIES");
    let columns =
        ["RepoId", "RepoName", "CreateTime", "IsReadOnly", "Location", "Broker", "ErrMsg"];
    assert_eq!(shown.columns, columns);
    let (_, location) = create.split_once("LOCATION \"").unwrap();
    let (location, _) = location.split_once('"').unwrap();
    let fixed = ["RepoName", "IsReadOnly", "Location", "Broker", "ErrMsg"];
    let expected = ["test_repo", "false", location, "", "NULL"];
    assert_eq!(fixed.map(|column| shown.get(column)), expected);
    assert_eq!(shown.get("CreateTime").len(), "2026-01-31 13:00:00".len());
    assert!(!format!("{shown:?}").contains(SECRET_KEY));
    assert!(client.refused(create).contains("Repository with same name already exist: test_repo"));
}

fn back_up(client: &Client, backup: &str) {
    assert_eq!(client.run(backup), "");
    let (shown, states) = client.ended("SHOW BACKUP FROM sr_hub");
    let columns = [
        "JobId",
        "SnapshotName",
        "DbName",
        "State",
        "BackupObjs",
        "CreateTime",
        "SnapshotFinishedTime",
        "UploadFinishedTime",
        "FinishedTime",
        "UnfinishedTasks",
        "Progress",
        "TaskErrMsg",
        "Status",
        "Timeout",
    ];
    assert_eq!(shown.columns, columns);
    let fixed = [
        "SnapshotName",
        "DbName",
        "State",
        "BackupObjs",
        "UnfinishedTasks",
        "TaskErrMsg",
        "Status",
        "Timeout",
    ];
    let expected =
        ["sr_member_backup", "sr_hub", "FINISHED", "[sr_hub.sr_member]", "", "", "[OK]", "86400"];
    assert_eq!(fixed.map(|column| shown.get(column)), expected);
    let times = ["CreateTime", "SnapshotFinishedTime", "UploadFinishedTime", "FinishedTime"];
    let times = times.map(|column| shown.get(column));
    assert!(times.is_sorted() && !times.contains(&"NULL".to_owned()), "{times:?}");
    assert_in_order(&states, &["PENDING", "SNAPSHOTING", "UPLOADING", "SAVE_META", "FINISHED"]);
    let again = client.refused(backup);
    assert!(again.contains("Snapshot with name 'sr_member_backup' already exist"), "{again}");
}

/// The table begins with the one in the guide but for the time, which is answered. Behind it are the columns of later versions.
fn show_snapshot(client: &Client, show: &Block) -> String {
    let timestamp = client.table(&show.statement).get("Timestamp");
    assert_eq!(timestamp.len(), PRINTED_TIME.len());
    let printed = show.printed.replace(PRINTED_TIME, &timestamp);
    let (table, seconds) = printed.rsplit_once(" (").unwrap();
    assert!(seconds.ends_with(" sec)"), "{printed}");
    let framed = client.framed(&show.statement);
    let mut lines = framed.lines();
    for line in table.lines() {
        assert!(lines.any(|shown| shown.starts_with(line)), "{framed}\n--- instead of\n{printed}");
    }
    timestamp
}

fn restore_table(client: &Client, restore: &str, timestamp: &str) {
    let wrong = client.refused(restore);
    assert!(wrong.contains("Maybe specified wrong backup timestamp"), "{wrong}");
    assert_eq!(client.run(&restore.replace(PRINTED_TIME, timestamp)), "");
    let (shown, states) = client.ended("SHOW RESTORE FROM sr_hub");
    let columns = [
        "JobId",
        "Label",
        "Timestamp",
        "DbName",
        "State",
        "AllowLoad",
        "ReplicationNum",
        "RestoreObjs",
        "CreateTime",
        "MetaPreparedTime",
        "SnapshotFinishedTime",
        "DownloadFinishedTime",
        "FinishedTime",
        "UnfinishedTasks",
        "Progress",
        "TaskErrMsg",
        "Status",
        "Timeout",
    ];
    assert_eq!(shown.columns, columns);
    let fixed = [
        "Label",
        "Timestamp",
        "DbName",
        "State",
        "AllowLoad",
        "ReplicationNum",
        "RestoreObjs",
        "Status",
        "Timeout",
    ];
    let expected = [
        "sr_member_backup",
        timestamp,
        "sr_hub",
        "FINISHED",
        "false",
        "1",
        "sr_member",
        "[OK]",
        "86400",
    ];
    assert_eq!(fixed.map(|column| shown.get(column)), expected);
    let times = [
        "CreateTime",
        "MetaPreparedTime",
        "SnapshotFinishedTime",
        "DownloadFinishedTime",
        "FinishedTime",
    ];
    let times = times.map(|column| shown.get(column));
    assert!(times.is_sorted() && !times.contains(&"NULL".to_owned()), "{times:?}");
    let order = ["PENDING", "SNAPSHOTING", "DOWNLOADING", "COMMITTING", "FINISHED"];
    assert_in_order(&states, &order);
}

/// What was backed up outlives the repository in this server: who names it again finds it.
fn drop_repository(client: &Client, create: &str, timestamp: &str) {
    client.run("DROP REPOSITORY test_repo");
    assert_eq!(client.table("SHOW REPOSITORIES").rows.len(), 0);
    assert!(client.refused("SHOW SNAPSHOT ON test_repo").contains("test_repo"));
    client.run(create);
    assert_eq!(client.timestamp("test_repo", "sr_member_backup"), timestamp);
    client.run("DROP REPOSITORY test_repo");
}

/// A look now and then sees some of the states, never one before the other.
#[track_caller]
fn assert_in_order(seen: &[String], order: &[&str]) {
    let mut rest = order.iter();
    assert!(seen.iter().all(|state| rest.any(|next| next == state)), "{seen:?}");
}
