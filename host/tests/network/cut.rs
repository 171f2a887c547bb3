//! Connections cut at random, 200 times.

use std::io::Write;

use cairn_testkit::{Direction, NetFault, S3Server, TcpProxy};
use tokio::runtime::Runtime;

use crate::job::{ACCESS_KEY, Client, SECRET_KEY, bucket_properties};

const CUTS_EACH_WAY: u32 = 25;
/// A connection is cut before so many bytes have passed: a little more than a job moves.
const BYTES: u64 = 5 << 20;
const SEGMENTS: u8 = 4;

/// Backs up and restores until so many connections were cut in each direction, at points of its seed.
fn jobs_survive_cuts(seed: u64) {
    let runtime = Runtime::new().unwrap();
    let server = runtime.block_on(S3Server::start(ACCESS_KEY, SECRET_KEY, &["bucket"])).unwrap();
    let address = server.endpoint().trim_start_matches("http://").parse().unwrap();
    let proxy = runtime.block_on(TcpProxy::start(address, seed)).unwrap();
    let client = Client::new("s3://bucket/backups", &bucket_properties(proxy.address()));
    client.start(&["repo", "create"]).succeed();
    let mut jobs = [0, 0];
    for direction in [Direction::Up, Direction::Down] {
        let cut = NetFault::reset().on(direction).after_one_of(0..=BYTES).times(CUTS_EACH_WAY);
        let cuts = proxy.plan(cut);
        for round in 0.. {
            let label = format!("{direction:?}-{round}");
            client.fill("table", &label, SEGMENTS);
            let is_backed_up = client.backup(&label).succeeds_or_says_why();
            jobs[usize::from(is_backed_up)] += 1;
            if !is_backed_up {
                continue;
            }
            let is_restored = client.restore(&label, "out").succeeds_or_says_why();
            jobs[usize::from(is_restored)] += 1;
            if is_restored {
                assert_eq!(client.place.tree("out"), client.place.tree("wh"));
            }
            if cuts.hits() == CUTS_EACH_WAY {
                break;
            }
        }
    }
    client.backup("last").succeed();
    client.prove("last");
    assert_eq!(server.num_uploads(), 0, "uploads in parts were left open");
    let mut stream = std::io::stderr();
    // Past the test runner, which keeps the output of what passes to itself.
    writeln!(stream, "seed {seed}: {} jobs succeeded, {} said why not", jobs[1], jobs[0]).unwrap();
}

#[test]
fn jobs_survive_cuts_of_seed_1() {
    jobs_survive_cuts(1);
}

#[test]
fn jobs_survive_cuts_of_seed_2() {
    jobs_survive_cuts(2);
}

#[test]
fn jobs_survive_cuts_of_seed_3() {
    jobs_survive_cuts(3);
}

#[test]
fn jobs_survive_cuts_of_seed_4() {
    jobs_survive_cuts(4);
}
