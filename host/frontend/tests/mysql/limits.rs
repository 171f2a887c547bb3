//! How many, how long, how large.

use std::fs;
use std::process::Command;
use std::time::Duration;

use cairn_testkit::wait_until;

use crate::raw::Raw;
use crate::serve::{Serving, serve, serve_with};

const PATIENCE: Duration = Duration::from_secs(30);

fn client(serving: &Serving) -> Raw {
    Raw::login(serving.address(), "ann", "secret").unwrap()
}

#[test]
fn one_connection_too_many_is_refused() {
    let serving = serve_with(|config| config.max_connections = 2);
    let mut first = client(&serving);
    let second = client(&serving);
    let refused = Raw::connect(serving.address()).read_ok().unwrap_err();
    assert_eq!((refused.code, refused.text.as_str()), (1040, "Too many connections"));
    drop(second);
    wait_until("there is room again", PATIENCE, || {
        Raw::login(serving.address(), "ann", "secret").is_ok()
    });
    assert!(first.query("SELECT 1").is_ok());
}

#[test]
fn those_beyond_the_last_login_wait() {
    let serving = serve_with(|config| config.max_logins = 1);
    let clients: Vec<_> = (0..10)
        .map(|_| {
            let address = serving.address();
            std::thread::spawn(move || Raw::login(address, "ann", "secret").is_ok())
        })
        .collect();
    assert!(clients.into_iter().all(|client| client.join().unwrap()));
}

#[test]
fn those_who_say_nothing_do_not_keep_others_out() {
    let serving = serve_with(|config| {
        config.max_logins = 8;
        config.login_timeout = PATIENCE;
    });
    let mut silent: Vec<Raw> = (0..12).map(|_| Raw::connect(serving.address())).collect();
    for client in &mut silent[..8] {
        client.read_ok().unwrap();
    }
    assert!(Raw::login(serving.address(), "ann", "secret").is_ok());
    silent[0].expect_end();
}

/// In a process of its own, whose memory is nobody else's.
#[test]
fn hundreds_of_idle_connections_cost_little() {
    let alone = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "limits::five_hundred_idle_connections"])
        .output()
        .unwrap();
    assert!(alone.status.success(), "{}", String::from_utf8_lossy(&alone.stdout));
    assert!(String::from_utf8_lossy(&alone.stdout).contains("1 passed"), "it was not found");
}

#[test]
#[ignore = "run by the test above"]
fn five_hundred_idle_connections() {
    let serving = serve();
    client(&serving).query("ROWS 10000").unwrap();
    let before = resident();
    let mut idle: Vec<Raw> = (0..500).map(|_| client(&serving)).collect();
    for client in &mut idle {
        client.query("ROWS 100").unwrap();
    }
    let each = resident().saturating_sub(before) / idle.len();
    assert!(each < 12 << 10, "{each} bytes for each idle connection");
    for client in &mut idle {
        assert_eq!(client.command(14, b"").unwrap()[0], 0);
    }
    assert_eq!(serving.toy.sessions(), 500);
    drop(idle);
    wait_until("all have ended", PATIENCE, || serving.toy.sessions() == 0);
}

/// Bytes of memory that this process has, clients and server.
fn resident() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    let kilobytes: usize = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kilobytes << 10
}

#[test]
fn a_large_statement_works_and_a_larger_one_is_refused() {
    let serving = serve();
    let mut client = client(&serving);
    for megabytes in [10, 40] {
        let sql = format!("LENGTH '{}'", "x".repeat(megabytes << 20));
        let packets = client.query(&sql).unwrap();
        let said = sql.len().to_string();
        assert_eq!(packets[2][1..], *said.as_bytes());
    }
    let refused = client.query(&"x".repeat(70 << 20)).unwrap_err();
    assert_eq!(refused.code, 1153);
    assert!(refused.text.contains("67108864"), "{}", refused.text);
    assert!(client.query("SELECT 1").is_ok(), "the connection goes on");
}

#[test]
fn a_row_may_take_several_packets() {
    let serving = serve();
    let packets = client(&serving).query(&format!("WIDE {}", 40 << 20)).unwrap();
    assert_eq!(packets[2].len(), (40 << 20) + 9);
}

#[test]
fn a_silent_connection_ends() {
    let serving = serve_with(|config| config.idle_timeout = Duration::from_millis(200));
    let mut silent = client(&serving);
    silent.expect_end();
    assert_eq!(serving.toy.sessions(), 0);
}

#[test]
fn a_shutdown_lets_statements_end() {
    let mut serving = serve();
    let mut idle = client(&serving);
    let mut busy = client(&serving);
    busy.count_from(0);
    busy.send(b"\x03ROWS 3000000");
    wait_until("it runs", PATIENCE, || serving.toy.running() == 1);
    let reading = std::thread::spawn(move || {
        let mut rows = 0;
        while busy.read().unwrap()[0] != 0xfe {
            rows += 1;
        }
        busy.expect_end();
        rows
    });
    serving.shutdown(PATIENCE);
    idle.expect_end();
    assert_eq!(reading.join().unwrap(), 3_000_000 + 2);
    assert_eq!(serving.toy.sessions(), 0);
}

#[test]
fn a_shutdown_does_not_wait_for_ever() {
    let mut serving = serve();
    let mut busy = client(&serving);
    busy.count_from(0);
    busy.send(b"\x03SLEEP");
    wait_until("it runs", PATIENCE, || serving.toy.running() == 1);
    serving.shutdown(Duration::from_millis(100));
    assert_eq!((serving.toy.running(), serving.toy.sessions()), (0, 0));
    busy.expect_end();
}
