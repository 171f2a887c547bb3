//! Logins on the real server: who comes in, how, and who does not.

use std::process::{Command, Output};
use std::time::{Duration, Instant};

use cairn_testkit::skip_unless_required;
use ring::digest::{SHA256, digest};

use crate::client::Client;
use crate::place::Place;
use crate::raw::{Raw, salt};
use crate::server::{Server, serve};
use crate::settings::certificate;

/// Logs in by `caching_sha2_password` on a plain connection: what is said at the end.
fn by_sha2(server: &Server<'_>, user: &str, password: &str) -> Result<Vec<u8>, u16> {
    let mut client = Raw::connect(server.address());
    let salt = salt(&client.read_ok().unwrap());
    let sha = |parts: &[&[u8]]| digest(&SHA256, &parts.concat()).as_ref().to_vec();
    let hash = sha(&[password.as_bytes()]);
    let mask = sha(&[&sha(&[&hash]), &salt]);
    let proof: Vec<u8> = hash.iter().zip(mask).map(|(hash, mask)| hash ^ mask).collect();
    client.say_hello(user, "caching_sha2_password", &proof);
    let answer = client.read_ok().map_err(|refused| refused.code)?;
    // A fast login is followed by its OK.
    match answer.first() {
        Some(1) => client.read_ok().map_err(|refused| refused.code),
        _ => Ok(answer),
    }
}

fn code(server: &Server<'_>, user: &str, password: &str) -> u16 {
    Client::login(server.address(), user, password).err().map_or(0, |refused| refused.code)
}

/// What `mariadb` says of a statement; none where there is no such program.
fn mariadb(server: &Server<'_>, arguments: &[&str], sql: &str) -> Option<Output> {
    let run = Command::new("mariadb")
        .args(["--no-defaults", "--batch", "--skip-column-names", "--host=127.0.0.1"])
        .args(["--port", &server.port()])
        .args(arguments)
        .args(["--execute", sql])
        .output();
    if run.is_err() {
        skip_unless_required("mysql", "`mariadb` cannot be run; install Debian's mariadb-client");
    }
    run.ok()
}

#[test]
fn a_password_opens_by_either_plugin_and_nothing_else_does() {
    let place = Place::new();
    let server = serve(&place, &[]);
    let mut root = server.root();
    root.done("CREATE USER ann IDENTIFIED BY 'secret'");
    root.done("CREATE USER bob@'10.1.%' IDENTIFIED BY 'secret'");
    root.done("CREATE USER open");
    assert_eq!(code(&server, "ann", "secret"), 0);
    assert_eq!(by_sha2(&server, "ann", "secret").unwrap()[0], 0);
    assert_eq!(by_sha2(&server, "ann", "Secret").unwrap_err(), 1045);
    assert_eq!(code(&server, "open", ""), 0);
    for (user, password) in [
        ("", ""),
        ("nobody", ""),
        ("nobody", "secret"),
        ("ANN", "secret"),
        ("ann", ""),
        ("open", "secret"),
        // From another network.
        ("bob", "secret"),
        ("root", "root"),
    ] {
        assert_eq!(code(&server, user, password), 1045, "{user} {password}");
    }
    root.done("SET PASSWORD FOR ann = PASSWORD('other')");
    root.done("SET PASSWORD = PASSWORD('of root')");
    server.stop();
    let server = serve(&place, &[]);
    assert_eq!(code(&server, "ann", "other"), 0, "after a restart");
    assert_eq!(code(&server, "ann", "secret"), 1045);
    assert_eq!(code(&server, "root", ""), 1045);
    let mut root = Client::login(server.address(), "root", "of root").unwrap();
    let mut ann = Client::login(server.address(), "ann", "other").unwrap();
    root.done("DROP USER ann");
    assert_eq!(code(&server, "ann", "other"), 1045);
    assert_eq!(
        ann.run("CREATE DATABASE x").unwrap_err().code,
        5203,
        "what is open is worth nothing"
    );
}

#[test]
fn guessing_is_slow_and_others_do_not_wait() {
    let place = Place::new();
    let server = serve(&place, &[]);
    server.root().done("CREATE USER ann IDENTIFIED BY 'secret'");
    for user in ["ann", "nobody"] {
        #[expect(clippy::disallowed_methods, reason = "the test is about time")]
        let start = Instant::now();
        for _ in 0..4 {
            assert_eq!(code(&server, user, "guess"), 1045);
        }
        let took = start.elapsed();
        assert!(took >= Duration::from_millis(250 + 500 + 1000), "{user}: {took:?}");
    }
    // Neither does who guesses on many connections at once keep others out.
    let guesses: Vec<Raw> = (0..40)
        .map(|_| {
            let mut client = Raw::connect(server.address());
            let greeting = client.read_ok().unwrap();
            client.answer(&greeting, "ann", "guess");
            client
        })
        .collect();
    #[expect(clippy::disallowed_methods, reason = "the test is about time")]
    let start = Instant::now();
    assert_eq!(server.root().value("SELECT 1"), "1");
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    drop(guesses);
}

#[test]
fn the_client_of_mariadb_comes_in_by_password_and_by_tls() {
    let place = Place::new();
    let Some([certificate, key]) = certificate(&place, "one") else { return };
    let server = serve(&place, &["--tls-certificate", &certificate, "--tls-key", &key]);
    server.root().done("CREATE USER ann IDENTIFIED BY 'secret'");
    let sql = "SELECT CURRENT_USER()";
    let authority = format!("--ssl-ca={certificate}");
    let told = |output: &Output| {
        let (out, err) = (&output.stdout, &output.stderr);
        format!("{}{}", String::from_utf8_lossy(out), String::from_utf8_lossy(err))
    };
    for plugin in ["mysql_native_password", "caching_sha2_password"] {
        let plugin = format!("--default-auth={plugin}");
        let by_password = ["--user=ann", "--password=secret", "--skip-ssl", &plugin];
        let by_tls =
            ["--user=ann", "--password=secret", &authority, "--ssl-verify-server-cert", &plugin];
        for arguments in [&by_password[..], &by_tls] {
            let Some(output) = mariadb(&server, arguments, sql) else { return };
            assert!(output.status.success() && told(&output).contains("ann"), "{}", told(&output));
        }
    }
    let wrong = ["--user=ann", "--password=wrong", "--skip-ssl"];
    let Some(output) = mariadb(&server, &wrong, sql) else { return };
    assert!(told(&output).contains("ERROR 1045 (28000): Access denied for user 'ann'@'127.0.0.1'"));
}

#[test]
fn where_tls_is_required_the_client_of_mariadb_needs_it() {
    let place = Place::new();
    let Some([certificate, key]) = certificate(&place, "one") else { return };
    let files = ["--tls-certificate", &certificate, "--tls-key", &key, "--require-tls"];
    let server = serve(&place, &files);
    let authority = format!("--ssl-ca={certificate}");
    let Some(inside) = mariadb(&server, &["--user=root", &authority], "SELECT 1") else { return };
    assert!(inside.status.success(), "{}", String::from_utf8_lossy(&inside.stderr));
    let Some(outside) = mariadb(&server, &["--user=root", "--skip-ssl"], "SELECT 1") else {
        return;
    };
    let told = String::from_utf8_lossy(&outside.stderr).into_owned();
    assert!(
        !outside.status.success() && told.contains("3159") && told.contains("requires TLS"),
        "{told}"
    );
}
