//! A real S3 gateway that is killed in the middle of a job and started again.

use cairn_testkit::servers::RadosGateway;
use cairn_testkit::{Direction, TcpProxy};
use tokio::runtime::Runtime;

use crate::job::{
    ACCESS_KEY, Client, Job, SECRET_KEY, bucket_properties, wait_for_the_middle, wait_until,
};

/// How often a job asks in vain before the gateway is back.
const TRIES_IN_VAIN: u64 = 5;
const SEGMENTS: u8 = 40;
/// When the gateway dies.
const IN_THE_MIDDLE: u64 = (SEGMENTS as u64 / 3) << 20;

/// The gateway dies when so many bytes have gone a way, in the middle of a job.
fn kill_in_the_middle(gateway: &RadosGateway, proxy: &TcpProxy, way: Direction, job: &mut Job) {
    let begun = proxy.bytes(way);
    wait_for_the_middle(job, || proxy.bytes(way) - begun > IN_THE_MIDDLE);
    gateway.kill().unwrap();
}

fn restart_later(gateway: &RadosGateway, proxy: &TcpProxy) {
    let before = proxy.connections();
    wait_until("the job tries again", || proxy.connections() >= before + TRIES_IN_VAIN);
    gateway.restart().unwrap();
}

#[test]
fn a_gateway_may_die_in_the_middle_of_any_job() {
    let Some(gateway) = RadosGateway::start(ACCESS_KEY, SECRET_KEY) else { return };
    let runtime = Runtime::new().unwrap();
    // It only counts: the test sees how far a job is.
    let proxy = runtime.block_on(TcpProxy::start(gateway.address(), 1)).unwrap();
    let settings = |budget: &str| {
        // One request at a time: what is on the way must not be all that is left when the gateway dies.
        let engine = "[engine]\nmax_upload_speed_kbps = 20480\nmax_download_speed_kbps = 20480\n\
                      upload_worker_count = 1\ndownload_worker_count = 1\n";
        let retry = format!("[engine.storage.retry]\nbudget = \"{budget}\"\n");
        format!("{engine}{retry}{}", bucket_properties(proxy.address()))
    };
    let client = Client::new("s3://bucket/backups", &settings("2m"));
    client.fill("first", "first", SEGMENTS);

    // It comes back: the jobs go on.
    let mut backup = client.backup("first");
    kill_in_the_middle(&gateway, &proxy, Direction::Up, &mut backup);
    restart_later(&gateway, &proxy);
    backup.succeed();
    let mut restore = client.restore("first", "out");
    kill_in_the_middle(&gateway, &proxy, Direction::Down, &mut restore);
    restart_later(&gateway, &proxy);
    restore.succeed();
    assert_eq!(client.place.tree("out"), client.place.tree("wh"));

    // It stays away: the jobs say so, and succeed when it is there again.
    client.place.write("cairn.toml", settings("1s").as_bytes());
    client.fill("second", "second", SEGMENTS);
    let mut backup = client.backup("second");
    kill_in_the_middle(&gateway, &proxy, Direction::Up, &mut backup);
    assert!(!backup.succeeds_or_says_why());
    gateway.restart().unwrap();
    client.backup("second").succeed();
    let before = client.place.tree("out");
    let mut restore = client.restore("second", "out");
    kill_in_the_middle(&gateway, &proxy, Direction::Down, &mut restore);
    assert!(!restore.succeeds_or_says_why());
    let mut left = client.place.tree("out");
    left.retain(|path, _| !path.starts_with(".cairn"));
    assert_eq!(left, before, "a restore that failed changed its target");
    gateway.restart().unwrap();
    client.restore("second", "out").succeed();
    client.prove("second");
}
