//! Commands and answers, seen from the bytes.

use std::time::Duration;

use cairn_testkit::wait_until;

use crate::raw::Raw;
use crate::serve::{Serving, serve};

const PATIENCE: Duration = Duration::from_secs(30);
const MORE_RESULTS: u8 = 8;

fn client(serving: &Serving) -> Raw {
    Raw::login(serving.address(), "ann", "secret").unwrap()
}

/// The first value of the first row of an answer.
fn value(packets: &[Vec<u8>]) -> String {
    String::from_utf8(packets[2][1..].to_vec()).unwrap()
}

#[test]
fn an_ok_packet_tells_what_was_done() {
    let serving = serve();
    let answer = client(&serving).command(3, b"INSERT").unwrap();
    assert_eq!(answer, b"\x00\x03\x07\x02\x00\x02\x00\x0aRecords: 3");
}

#[test]
fn statistics_are_text() {
    let serving = serve();
    let mut client = client(&serving);
    client.command(14, b"").unwrap();
    let text = String::from_utf8(client.command(9, b"").unwrap()).unwrap();
    assert!(text.starts_with("Uptime: "), "{text}");
    assert!(text.ends_with("  Threads: 1  Questions: 2"), "{text}");
}

#[test]
fn a_reset_forgets_variables_and_statements() {
    let serving = serve();
    let mut client = client(&serving);
    client.query("COUNT").unwrap();
    assert_eq!(value(&client.query("COUNT").unwrap()), "2");
    assert_eq!(client.command(22, b"COUNT").unwrap()[..5], [0, 1, 0, 0, 0]);
    client.command(31, b"").unwrap();
    assert_eq!(value(&client.query("COUNT").unwrap()), "1");
    assert_eq!(client.command(23, b"\x01\0\0\0\0\x01\0\0\0").unwrap_err().code, 1243);
}

#[test]
fn several_statements_need_to_be_allowed() {
    let serving = serve();
    let mut client = client(&serving);
    let alone = client.query("ECHO one; ECHO two").unwrap();
    assert_eq!(value(&alone), "one; ECHO two", "the session sees the whole text");
    assert_eq!(value(&client.query("ECHO one ;").unwrap()), "one");

    assert_eq!(client.command(27, b"\0\0").unwrap()[0], 0xfe);
    let first = client.query("ECHO one; ECHO ';'; FAIL here; ECHO four").unwrap();
    assert_eq!(value(&first), "one");
    let end = first.last().unwrap();
    assert_eq!(end[3] & MORE_RESULTS, MORE_RESULTS);
    for _ in 0..2 {
        client.read_ok().unwrap();
    }
    assert_eq!(client.read_ok().unwrap(), b"\x03';'");
    client.read_ok().unwrap();
    assert_eq!(client.read_ok().unwrap_err().text, "here");
    assert_eq!(client.command(14, b"").unwrap()[0], 0, "nothing follows an error");
}

#[test]
fn a_field_list_defines_the_columns_of_a_table() {
    let serving = serve();
    let mut client = client(&serving);
    let first = client.command(4, b"types\0%").unwrap();
    assert!(first.ends_with(b"\0\0\xfb"), "it has a default: {first:?}");
    let mut columns = 1;
    while client.read().unwrap()[0] != 0xfe {
        columns += 1;
    }
    assert_eq!(columns, 15);
    assert_eq!(client.command(4, b"missing\0").unwrap_err().code, 5502);
}

#[test]
fn a_statement_and_a_connection_can_be_killed_from_another_one() {
    let serving = serve();
    let (mut victim, mut killer) = (client(&serving), client(&serving));
    for statement in [&b"\x03SLEEP"[..], b"\x03STALL"] {
        victim.count_from(0);
        victim.send(statement);
        wait_until("it runs", PATIENCE, || serving.toy.running() == 1);
        killer.command(3, b"KILL QUERY 1").unwrap();
        let mut refused = None;
        while refused.is_none() {
            refused = victim.read_ok().err();
        }
        assert_eq!(refused.unwrap().code, 1317);
        assert_eq!(serving.toy.running(), 0);
    }
    assert_eq!(victim.command(14, b"").unwrap()[0], 0);
    victim.count_from(0);
    victim.send(b"\x03SLEEP");
    wait_until("it runs", PATIENCE, || serving.toy.running() == 1);
    killer.command(3, b"KILL 1").unwrap();
    victim.expect_end();
    assert_eq!(serving.toy.running(), 0);
}
