//! Servers of a real HDFS that are killed in the middle of a job.

use std::path::{Path, PathBuf};

use cairn_testkit::servers::{HdfsCluster, HdfsMode};

use crate::job::{Client, bytes_below, wait_for_the_middle};

const SEGMENTS: u8 = 48;
/// When a server dies.
const IN_THE_MIDDLE: u64 = (SEGMENTS as u64 / 3) << 20;

#[test]
fn servers_may_die_in_the_middle_of_any_job() {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let Some(cluster) = HdfsCluster::start(target, HdfsMode::Simple, 3) else { return };
    let repo = format!("hdfs://{}/backups", cluster.authority());
    let client = Client::new(
        &repo,
        "[engine]\nmax_upload_speed_kbps = 8192\nmax_download_speed_kbps = 8192\n\
         [properties]\nusername = \"cairn\"\ndfs.replication = 2\n",
    );
    // What the data nodes or a restore have written says how far a job is.
    let grows = |directory: PathBuf| {
        let before = bytes_below(&directory);
        move || bytes_below(&directory) > before + IN_THE_MIDDLE
    };
    let stored = || grows(cluster.directory().to_owned());
    let restored = || grows(client.place.path("out"));
    let tell = |command: &str| cluster.tell(command).unwrap();

    // A data node dies and stays dead: the other two serve.
    client.fill("first", "first", SEGMENTS);
    let middle = stored();
    let mut backup = client.backup("first");
    wait_for_the_middle(&mut backup, middle);
    tell("kill dn1");
    backup.succeed();
    tell("start dn1");
    let middle = restored();
    let mut restore = client.restore("first", "out");
    wait_for_the_middle(&mut restore, middle);
    tell("kill dn2");
    restore.succeed();
    assert_eq!(client.place.tree("out"), client.place.tree("wh"));
    tell("start dn2");

    // The name node dies and comes back.
    client.fill("second", "second", SEGMENTS);
    let middle = stored();
    let mut backup = client.backup("second");
    wait_for_the_middle(&mut backup, middle);
    tell("kill nn1");
    tell("start nn1");
    if !backup.succeeds_or_says_why() {
        tell("admin -safemode wait");
        client.backup("second").succeed();
    }
    let middle = restored();
    let mut restore = client.restore("second", "out");
    wait_for_the_middle(&mut restore, middle);
    tell("kill nn1");
    tell("start nn1");
    if !restore.succeeds_or_says_why() {
        tell("admin -safemode wait");
        client.restore("second", "out").succeed();
    }
    tell("admin -safemode wait");
    client.prove("second");
}
