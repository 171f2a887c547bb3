//! Clients that do not behave: half packets, garbage, packets that make no sense, and clients that vanish.

use std::time::Duration;

use cairn_testkit::wait_until;

use crate::raw::{Raw, Refused};
use crate::serve::{Serving, serve, serve_with};

const PATIENCE: Duration = Duration::from_secs(30);

fn client(serving: &Serving) -> Raw {
    Raw::login(serving.address(), "ann", "secret").unwrap()
}

fn code(answer: Result<impl Sized, Refused>) -> u16 {
    answer.err().map(|refused| refused.code).unwrap_or_default()
}

#[test]
fn garbage_in_place_of_a_login_is_refused() {
    let serving = serve();
    let garbage: [&[u8]; 3] = [
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        &[0xff; 1000],
    ];
    for bytes in garbage {
        let mut client = Raw::connect(serving.address());
        client.read_ok().unwrap();
        client.bytes(bytes);
        client.expect_end();
    }
    for (bytes, expected) in [
        (&b"\x00\x00\x00\x01"[..], "Bad handshake: capabilities"),
        (b"\x04\x00\x00\x01\x00\x02\x00\x00", "Bad handshake: the largest packet"),
        (
            b"\x04\x00\x00\x01\x00\x00\x00\x00",
            "Bad handshake: the client speaks a protocol older than MySQL 4.1",
        ),
    ] {
        let mut client = Raw::connect(serving.address());
        client.read_ok().unwrap();
        client.bytes(bytes);
        client.count_from(2);
        let refused = client.read_ok().unwrap_err();
        assert_eq!((refused.code, refused.text.as_str()), (1043, expected));
        client.expect_end();
    }
    assert!(client(&serving).query("SELECT 1").is_ok());
}

#[test]
fn a_login_ends_in_time_wherever_it_stops() {
    let serving = serve_with(|config| {
        config.login_timeout = Duration::from_millis(200);
        config.max_logins = 4;
    });
    let huge = [&[0xff, 0xff, 0xff, 1][..], &[0; 1 << 20]].concat();
    for start in [&b""[..], b"\x20", b"\x20\x00\x00\x01\x00\x82", &huge] {
        let mut client = Raw::connect(serving.address());
        client.read_ok().unwrap();
        client.bytes(start);
        client.expect_end();
    }
    // Nor do those that hang up hold a place.
    for _ in 0..20 {
        Raw::connect(serving.address()).bytes(b"\x20\x00");
    }
    assert!(client(&serving).query("SELECT 1").is_ok());
}

#[test]
fn commands_that_make_no_sense_are_answered_and_the_connection_goes_on() {
    let serving = serve();
    let mut client = client(&serving);
    // COM_CREATE_DB, COM_PROCESS_INFO, COM_BINLOG_DUMP, COM_STMT_FETCH, one that nobody has.
    for command in [5, 10, 18, 28, 0xee] {
        assert_eq!(code(client.command(command, b"xxxxxxxx")), 1047, "{command}");
    }
    let change_user = client.command(17, b"bob\0\0\0").unwrap_err();
    assert_eq!(change_user.code, 1047);
    assert!(change_user.text.contains("new connection"), "{}", change_user.text);
    assert_eq!(code(client.command(23, b"\x01")), 1835, "half an execution");
    assert_eq!(code(client.command(23, b"\x63\0\0\0\0\x01\0\0\0")), 1243, "of no statement");
    assert_eq!(code(client.command(26, b"\x63\0\0\0")), 1243);
    assert_eq!(code(client.command(27, b"\x07\0")), 1835, "an option that nobody has");
    assert_eq!(code(client.command(3, b" -- nothing")), 1065);
    assert_eq!(code(client.command(3, b"ECHO \xff")), 1300);
    assert_eq!(code(client.command(3, b"FAIL on purpose")), 1064);
    assert_eq!(client.command(14, b"").unwrap()[0], 0, "a ping");
}

#[test]
fn packets_out_of_order_end_the_connection() {
    let serving = serve();
    let mut client = client(&serving);
    client.bytes(b"\x01\x00\x00\x05\x0e");
    client.expect_end();
}

#[test]
fn commands_may_be_sent_before_the_last_answer() {
    let serving = serve();
    let mut client = client(&serving);
    client.bytes(b"\x09\x00\x00\x00\x03SELECT 1\x01\x00\x00\x00\x0e\x01\x00\x00\x00\x0e");
    client.count_from(1);
    while client.read().unwrap()[0] != 0xfe {}
    for _ in 0..2 {
        client.count_from(1);
        assert_eq!(client.read().unwrap()[0], 0);
    }
}

#[test]
fn a_statement_ends_with_its_client() {
    let serving = serve();
    for statement in ["SLEEP", "STALL", "ROWS 1000000000"] {
        let mut client = client(&serving);
        client.count_from(0);
        client.send(&[b"\x03", statement.as_bytes()].concat());
        wait_until("it runs", PATIENCE, || serving.toy.running() == 1);
        drop(client);
        wait_until("it has ended", PATIENCE, || {
            serving.toy.running() == 0 && serving.toy.sessions() == 0
        });
    }
}

#[test]
fn a_client_that_reads_nothing_loses_its_statement() {
    let serving = serve_with(|config| config.write_timeout = Duration::from_millis(200));
    let mut client = client(&serving);
    client.count_from(0);
    client.send(b"\x03ROWS 1000000000");
    wait_until("it has ended", PATIENCE, || serving.toy.sessions() == 0);
    assert_eq!(serving.toy.running(), 0);
}

#[test]
fn a_panic_ends_its_own_connection_only() {
    let serving = serve();
    let (mut calm, mut hasty) = (client(&serving), client(&serving));
    hasty.count_from(0);
    hasty.send(b"\x03PANIC");
    hasty.expect_end();
    wait_until("its session has ended", PATIENCE, || serving.toy.sessions() == 1);
    assert!(calm.query("SELECT 1").is_ok());
    assert!(client(&serving).query("SELECT 1").is_ok());
}

#[test]
fn an_error_takes_the_place_of_a_row() {
    let serving = serve();
    let mut client = client(&serving);
    let refused = client.query("BREAK").unwrap_err();
    assert_eq!(refused.code, 1064);
    assert!(refused.text.contains("out of luck"), "{}", refused.text);
    assert!(client.query("SELECT 1").is_ok());
}
