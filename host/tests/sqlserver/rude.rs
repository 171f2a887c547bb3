//! Clients that do not behave: what they held is free again, and others notice nothing.

use cairn_testkit::wait_until;

use crate::client::Client;
use crate::place::Place;
use crate::raw::Raw;
use crate::server::{PATIENCE, Server, serve};

/// Rows without end: 10^12 of them.
const ENDLESS: &str = "SELECT a.k, b.k, c.k FROM d.t a, d.t b, d.t c, d.t d, d.t e, d.t f";
/// Work without a row.
const BUSY: &str = "SELECT count(*) FROM d.t a, d.t b, d.t c, d.t d, d.t e, d.t f \
                    WHERE a.k + b.k * c.k + d.k * e.k + f.k = -1";

/// A server with a table of 100 numbers.
fn with_numbers(place: &Place) -> Server<'_> {
    place.write(
        "cairn.toml",
        b"[sql]\nmax_user_connections = 600\nquery_memory_limit = \"16MiB\"\n",
    );
    let server = serve(place, &["--config", "cairn.toml"]);
    let mut root = server.root();
    root.done("CREATE DATABASE d");
    root.done("CREATE TABLE d.t (k INT)");
    let rows: Vec<String> = (0..100).map(|k| format!("({k})")).collect();
    root.done(&format!("INSERT INTO d.t VALUES {}", rows.join(", ")));
    server
}

/// The numbers of the connections that run a statement, but for the one that asks.
fn running(root: &mut Client) -> Vec<String> {
    let rows = root.rows("SHOW PROCESSLIST");
    let is_other = |row: &Vec<Option<String>>| {
        row[4].as_deref() == Some("Query") && row[8].as_deref() != Some("SHOW PROCESSLIST")
    };
    rows.into_iter().filter(is_other).map(|row| row[0].clone().unwrap()).collect()
}

fn connected(root: &mut Client) -> usize {
    root.rows("SHOW PROCESSLIST").len()
}

/// Sends a query without waiting for its answer.
fn begin(client: &mut Client, sql: &str) {
    client.raw.count_from(0);
    client.raw.send(&[b"\x03", sql.as_bytes()].concat());
}

#[test]
fn a_query_ends_with_its_client() {
    let place = Place::new();
    let server = with_numbers(&place);
    let mut root = server.root();
    server.wait_until_it_rests();
    let before = server.resident();
    for sql in [ENDLESS, BUSY] {
        let mut gone: Vec<Client> = (0..4).map(|_| server.root()).collect();
        for client in &mut gone {
            begin(client, sql);
        }
        if sql == ENDLESS {
            // In the middle of their rows.
            gone.iter_mut().for_each(|client| drop(client.raw.read().unwrap()));
        }
        wait_until("they run", PATIENCE, || running(&mut root).len() == 4);
        drop(gone);
        wait_until("they have ended", PATIENCE, || connected(&mut root) == 1);
        server.wait_until_it_rests();
    }
    let grown = server.resident().saturating_sub(before);
    assert!(grown < 64 << 20, "{grown} bytes are still there");
    assert_eq!(root.value("SELECT count(*) FROM d.t"), "100");
}

#[test]
fn kill_ends_a_query_or_its_connection() {
    let place = Place::new();
    let server = with_numbers(&place);
    let (mut root, mut victim) = (server.root(), server.root());
    for _ in 0..2 {
        begin(&mut victim, BUSY);
        wait_until("it runs", PATIENCE, || running(&mut root).len() == 1);
        let id = running(&mut root).remove(0);
        root.done(&format!("KILL QUERY {id}"));
        let refused = loop {
            if let Err(refused) = victim.raw.read_ok() {
                break refused;
            }
        };
        assert_eq!(refused.code, 1317, "{}", refused.text);
        assert_eq!(victim.value("SELECT 1"), "1", "the connection goes on");
    }
    let id = victim.value("SELECT CONNECTION_ID()");
    root.done("CREATE USER ann IDENTIFIED BY 'secret'");
    let mut ann = Client::login(server.address(), "ann", "secret").unwrap();
    assert_eq!(ann.refusal(&format!("KILL {id}")).code, 5203, "that of somebody else");
    root.done(&format!("KILL {id}"));
    victim.raw.expect_end();
    wait_until("it is gone", PATIENCE, || connected(&mut root) == 2);
}

#[test]
fn hundreds_of_idle_connections_cost_little() {
    let place = Place::new();
    let server = with_numbers(&place);
    let mut root = server.root();
    let before = server.resident();
    let mut idle: Vec<Client> = (0..500).map(|_| server.root()).collect();
    for client in &mut idle {
        assert_eq!(client.value("SELECT count(*) FROM d.t"), "100");
    }
    let each = server.resident().saturating_sub(before) / idle.len();
    assert!(each < 64 << 10, "{each} bytes for each idle connection");
    assert_eq!(connected(&mut root), 501);
    drop(idle);
    wait_until("all have ended", PATIENCE, || connected(&mut root) == 1);
}

#[test]
fn half_a_packet_and_garbage_are_their_senders_problem() {
    let place = Place::new();
    let server = serve(&place, &[]);
    let mut root = server.root();
    for bytes in [&b"\x10\x00\x00\x00\x03SELECT"[..], b"\xff\xff\xff", b"\x01\x00\x00\x07\x0e"] {
        let mut client = server.root();
        client.raw.bytes(bytes);
        drop(client);
        let mut stranger = Raw::connect(server.address());
        stranger.read_ok().unwrap();
        stranger.bytes(bytes);
    }
    wait_until("all have ended", PATIENCE, || connected(&mut root) == 1);
    // Half of one that then comes whole.
    root.raw.count_from(0);
    root.raw.bytes(b"\x09\x00\x00\x00\x03SEL");
    assert_eq!(server.root().value("SELECT 1"), "1", "nobody waits for it");
    root.raw.bytes(b"ECT 7");
    root.raw.count_from(1);
    while root.raw.read().unwrap().first() != Some(&0xfe) {}
    assert_eq!(root.value("SELECT 8"), "8");
}

#[test]
fn prepared_statements_that_nobody_closes_have_a_bound() {
    let place = Place::new();
    let server = serve(&place, &[]);
    let mut client = server.root();
    let before = server.resident();
    let mut refused = None;
    for _ in 0..100_000 {
        client.raw.count_from(0);
        if let Err(error) = client.raw.command(22, b"SELECT 1") {
            refused = Some(error);
            break;
        }
    }
    let refused = refused.expect("there is a bound");
    assert_eq!(refused.code, 1461, "{}", refused.text);
    assert!(refused.text.contains("close some"), "{}", refused.text);
    assert_eq!(client.value("SELECT 1"), "1");
    assert!(server.resident().saturating_sub(before) < 64 << 20);
    assert_eq!(server.root().raw.command(22, b"SELECT 1").unwrap()[0], 0, "others have theirs");
}
