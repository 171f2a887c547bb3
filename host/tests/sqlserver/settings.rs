//! Settings of the server: what is wrong with them is said at the start, what is right holds.

use std::fs;
use std::process::Command;

use cairn_testkit::{skip_unless_required, wait_until};

use crate::client::Client;
use crate::place::Place;
use crate::raw::Raw;
use crate::server::{PATIENCE, refuses, serve};

/// The files of a certificate for `localhost` and of its key, in a place; none where there is no `openssl`.
pub(crate) fn certificate(place: &Place, name: &str) -> Option<[String; 2]> {
    let files =
        ["cert", "key"].map(|kind| place.path(&format!("{name}-{kind}.pem")).display().to_string());
    let made = Command::new("openssl")
        .args(["req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=localhost"])
        .args(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"])
        .args(["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"])
        .args(["-out", &files[0], "-keyout", &files[1]])
        .output();
    if made.is_ok_and(|made| made.status.success()) {
        return Some(files);
    }
    skip_unless_required("mysql", "openssl cannot be run, so there is no certificate for TLS");
    None
}

#[test]
fn files_of_tls_that_are_no_good_are_named_at_the_start() {
    let place = Place::new();
    place.write("text.pem", b"no certificate");
    let refused = |certificate: &str, key: &str| {
        refuses(&place, 2, &["--tls-certificate", certificate, "--tls-key", key])
    };
    assert!(refused("nowhere.pem", "text.pem").contains("the certificate nowhere.pem: No such"));
    let told = refused("text.pem", "text.pem");
    assert!(
        told.contains("the certificate text.pem: it holds no such thing in PEM form"),
        "{told}"
    );
    assert!(refuses(&place, 2, &["--tls-certificate", "text.pem"]).contains("needs sql.tls_key"));
    assert!(refuses(&place, 2, &["--require-tls"]).contains("sql.require_tls needs"));
    let (Some(one), Some(other)) = (certificate(&place, "one"), certificate(&place, "other"))
    else {
        return;
    };
    let told = refused(&one[0], "text.pem");
    assert!(told.contains("the key text.pem: it holds no such thing"), "{told}");
    let told = refused(&one[0], &other[1]);
    assert!(told.contains(&one[0]) && told.contains(&other[1]), "{told}");
    assert!(!place.has("data"), "a data directory was made for nothing");
}

#[test]
fn numbers_that_cannot_work_are_refused_by_name() {
    let place = Place::new();
    for (setting, message) in [
        ("max_connections = 0", "sql.max_connections"),
        ("max_allowed_packet = \"2GiB\"", "sql.max_allowed_packet 2.0 GiB"),
        ("files = [\"here\"]", "here: directories of sql.files"),
        ("colour = \"red\"", "unknown field `colour`"),
    ] {
        place.write("cairn.toml", format!("[sql]\n{setting}\n").as_bytes());
        let told = refuses(&place, 2, &["--config", "cairn.toml"]);
        assert!(told.contains(message), "{setting}: {told}");
    }
}

#[test]
fn root_without_a_password_is_not_shown_to_a_network() {
    let place = Place::new();
    let everywhere = ["--sql-listen", "0.0.0.0:0"];
    let told = refuses(&place, 2, &everywhere);
    assert!(told.contains("root has no password") && told.contains("SET PASSWORD"), "{told}");
    let server = serve(&place, &[]);
    server.root().done("SET PASSWORD = PASSWORD('long enough')");
    server.stop();
    let server = serve(&place, &everywhere);
    let here = ([127, 0, 0, 1], server.address().port()).into();
    let mut root = Client::login(here, "root", "long enough").unwrap();
    assert_eq!(root.value("SELECT 1"), "1");
}

#[test]
fn limits_hold() {
    let place = Place::new();
    place.write(
        "cairn.toml",
        b"[sql]\nmax_user_connections = 2\nmax_connections = 3\nmax_allowed_packet = \"64KiB\"\n",
    );
    let server = serve(&place, &["--config", "cairn.toml"]);
    let mut root = server.root();
    root.done("CREATE USER ann IDENTIFIED BY 'secret'");
    let ann = || Client::login(server.address(), "ann", "secret");
    let code = |login: Result<Client, crate::raw::Refused>| login.err().map(|refused| refused.code);
    let anns = [ann().unwrap(), ann().unwrap()];
    // All places are taken, which is said before anybody is asked for a name.
    assert_eq!(code(ann()), Some(1040));
    drop(root);
    wait_until("ann is told that she has too many", PATIENCE, || code(ann()) == Some(1203));
    drop(anns);
    let mut root = None;
    wait_until("there is room", PATIENCE, || {
        root = Client::login(server.address(), "root", "").ok();
        root.is_some()
    });
    let mut root = root.unwrap();
    let long = format!("SELECT length('{}')", "x".repeat(70_000));
    let refused = root.refusal(&long);
    assert_eq!(refused.code, 1153, "{}", refused.text);
    assert!(refused.text.contains("65536"), "{}", refused.text);
}

#[test]
fn who_is_silent_for_too_long_goes() {
    let place = Place::new();
    place.write("cairn.toml", b"[sql]\nidle_timeout = \"300ms\"\n");
    let server = serve(&place, &["--config", "cairn.toml"]);
    server.root().raw.expect_end();
}

#[test]
fn files_are_read_where_the_operator_allows_it() {
    let place = Place::new();
    place.write("in/a.csv", b"1\n2\n");
    place.write("secret/a.csv", b"1\n");
    let files = |directory: &str| {
        let path = place.path(directory).join("a.csv");
        format!(
            r#"SELECT count(*) FROM FILES("path" = "file://{}", "format" = "csv")"#,
            path.display()
        )
    };
    let server = serve(&place, &[]);
    let refused = server.root().refusal(&files("in"));
    assert!(refused.text.contains("sql.files"), "nobody reads files by default: {}", refused.text);
    server.stop();
    let allowed = place.path("in").display().to_string();
    let server = serve(&place, &["--sql-files", &allowed]);
    assert_eq!(server.root().value(&files("in")), "2");
    let refused = server.root().refusal(&files("secret"));
    assert!(
        refused.text.contains("secret/a.csv") && refused.text.contains("sql.files"),
        "{}",
        refused.text
    );
}

#[test]
fn repositories_lie_where_the_operator_allows_it() {
    let place = Place::new();
    let backups = place.path("backups");
    fs::create_dir(&backups).unwrap();
    let config = format!("[sql]\nrepositories = [\"{}\"]\n", backups.display());
    place.write("cairn.toml", config.as_bytes());
    let server = serve(&place, &["--config", "cairn.toml"]);
    let mut root = server.root();
    let create = |name: &str, path: &str| {
        let location = place.path(path).display().to_string();
        format!(r#"CREATE REPOSITORY {name} WITH BROKER ON LOCATION "file://{location}""#)
    };
    root.done(&create("r", "backups/r"));
    for (path, message) in [
        ("elsewhere", "sql.repositories"),
        ("backups/../elsewhere", "sql.repositories"),
        ("data/tablets", "inside the data directory"),
    ] {
        let refused = root.refusal(&create("s", path));
        assert!(refused.text.contains(message), "{path}: {}", refused.text);
    }
    assert!(!place.has("elsewhere"));
    let relative = r#"CREATE REPOSITORY s WITH BROKER ON LOCATION "backups/s""#;
    assert!(root.refusal(relative).text.contains("a whole path"));
}

#[test]
fn without_tls_nobody_comes_in_where_it_is_required() {
    let place = Place::new();
    let Some([certificate, key]) = certificate(&place, "one") else { return };
    let files = ["--tls-certificate", &certificate, "--tls-key", &key, "--require-tls"];
    let server = serve(&place, &files);
    let Err(refused) = Raw::login(server.address(), "root", "") else { panic!("root came in") };
    assert_eq!(refused.code, 3159, "{}", refused.text);
}
