//! Real clients: Debian's `mariadb`, PyMySQL, MySQL's driver for Python in both of its forms, MySQL's and MariaDB's for
//! Java. What they get to see is checked in the scripts of `drivers`.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use cairn_testkit::{mariadb, wait_until};

use crate::programs::{Jdbc, java, python};
use crate::serve::{certificate, serve, serve_with};

const PATIENCE: Duration = Duration::from_secs(30);
const ANN: [&str; 2] = ["--user=ann", "--password=secret"];

#[track_caller]
pub(crate) fn expect_done(output: Option<Output>) {
    let Some(output) = output else { return };
    let (stdout, stderr) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && stdout == "done\n", "{stdout}{stderr}");
}

#[track_caller]
fn expect_text(output: &Output, stdout: &str) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(String::from_utf8_lossy(&output.stdout), stdout, "{stderr}");
}

#[test]
fn pymysql_works() {
    expect_done(python("pymysql_probe.py", &[&serve().port(), "-"]));
}

#[test]
fn pymysql_works_inside_tls() {
    let Some(certificate) = certificate() else { return };
    let serving = serve_with(|config| config.tls = Some(Arc::clone(&certificate.config)));
    let arguments = [OsString::from(serving.port()), certificate.path.clone().into()];
    expect_done(python("pymysql_probe.py", &arguments));
}

#[test]
fn the_driver_of_mysql_for_python_works() {
    for kind in ["pure", "c"] {
        expect_done(python("connector_probe.py", &[&serve().port(), kind, "-"]));
    }
}

#[test]
fn the_driver_of_mysql_for_python_works_inside_tls() {
    let Some(certificate) = certificate() else { return };
    for kind in ["pure", "c"] {
        let serving = serve_with(|config| config.tls = Some(Arc::clone(&certificate.config)));
        let arguments =
            [serving.port().into(), OsString::from(kind), certificate.path.clone().into()];
        expect_done(python("connector_probe.py", &arguments));
    }
}

/// Statements are prepared by the server, and kept.
const PREPARED: &str = "useServerPrepStmts=true&cachePrepStmts=true";

#[test]
fn the_drivers_for_java_work() {
    for (jdbc, scheme, options) in [
        (Jdbc::ConnectorJ, "mysql", "sslMode=DISABLED&allowPublicKeyRetrieval=true"),
        (Jdbc::MariaDb, "mariadb", "useSSL=false"),
    ] {
        let serving = serve();
        let url = format!("jdbc:{scheme}://127.0.0.1:{}/shop?{options}&{PREPARED}", serving.port());
        expect_done(java(jdbc, &[url.as_str(), "false"]));
    }
}

#[test]
fn the_drivers_for_java_work_inside_tls() {
    let Some(certificate) = certificate() else { return };
    for (jdbc, scheme, options) in [
        (Jdbc::ConnectorJ, "mysql", "sslMode=REQUIRED".to_owned()),
        (
            Jdbc::MariaDb,
            "mariadb",
            format!("useSSL=true&serverSslCert={}", certificate.path.display()),
        ),
    ] {
        let serving = serve_with(|config| config.tls = Some(Arc::clone(&certificate.config)));
        let url = format!("jdbc:{scheme}://localhost:{}/shop?{options}&{PREPARED}", serving.port());
        expect_done(java(jdbc, &[url.as_str(), "true"]));
    }
}

#[test]
fn mariadb_shows_values_and_errors() {
    let serving = serve();
    let run = |arguments: &[&str]| mariadb(&serving.port(), &[&ANN, arguments].concat());
    let Some(types) = run(&["--execute=TYPES", "--skip-column-names"]) else { return };
    let nulls = ["NULL"; 15].join("\t");
    expect_text(
        &types,
        &format!(
            "1\t-128\t-32768\t-2147483648\t-9223372036854775808\t-1{}\t1.5\t-2.5e-7\t-1.23\t2024-02-29\t2024-02-29 01:02:03\t\
             2024-02-29 01:02:03.000045\tgr\u{fc}n \u{1f511}\t\u{fffd}\\0a\tNULL\n{nulls}\n",
            "0".repeat(37)
        ),
    );
    let failed = run(&["--execute=FAIL for a reason"]).unwrap();
    let said = String::from_utf8_lossy(&failed.stderr).into_owned();
    assert!(said.contains("ERROR 1064 (42000) at line 1: for a reason"), "{said}");
    expect_text(
        &run(&["--execute=ECHO one; ECHO 'two;'; use other; WHOAMI", "-N"]).unwrap(),
        "one\n'two;'\nann\tother\tfalse\t3\n",
    );
    let status = run(&["--execute=status"]).unwrap();
    let said = String::from_utf8_lossy(&status.stdout).into_owned();
    assert!(said.contains("Server version:\t\t8.0.33"), "{said}");
    // It asks for tables and their columns when it may complete names.
    let completed = run(&["--auto-rehash", "--execute=ECHO it", "-N", "shop"]).unwrap();
    expect_text(&completed, "it\n");
}

#[test]
fn mariadb_logs_in_in_every_way() {
    let Some(certificate) = certificate() else { return };
    let serving = serve_with(|config| config.tls = Some(Arc::clone(&certificate.config)));
    let ca = format!("--ssl-ca={}", certificate.path.display());
    let who = |arguments: &[&str]| {
        mariadb(&serving.port(), &[arguments, &["-N", "--execute=WHOAMI"]].concat())
    };
    for (plugin, user, options, tls) in [
        ("mysql_native_password", "ann", vec!["--skip-ssl"], false),
        ("mysql_native_password", "ann", vec!["--ssl", "--ssl-verify-server-cert", &ca], true),
        ("caching_sha2_password", "ann", vec!["--skip-ssl"], false),
        ("caching_sha2_password", "ann", vec!["--ssl", &ca], true),
        // The server keeps no hash for this plugin: inside TLS it asks for the password, else for another proof.
        ("caching_sha2_password", "native", vec!["--ssl", &ca], true),
        ("caching_sha2_password", "native", vec!["--skip-ssl"], false),
        ("client_ed25519", "ann", vec!["--skip-ssl"], false),
    ] {
        let user = [format!("--user={user}"), format!("--default-auth={plugin}")];
        let user: Vec<&str> = user.iter().map(String::as_str).collect();
        let all = [&user[..], &["--password=secret"], &options].concat();
        let Some(output) = who(&all) else { return };
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains(&format!("\t{tls}\t")), "{all:?}: {said}{stderr}");
    }
    let wrong = who(&["--user=ann", "--password=wrong", "--ssl", &ca]).unwrap();
    let said = String::from_utf8_lossy(&wrong.stderr).into_owned();
    assert!(
        said.contains(
            "ERROR 1045 (28000): Access denied for user 'ann'@'127.0.0.1' (using password: YES)"
        ),
        "{said}"
    );
}

#[test]
fn a_client_killed_inside_a_result_ends_its_query() {
    let serving = serve();
    let port = serving.port();
    let spawned = Command::new("mariadb")
        .args(["--no-defaults", "--host=127.0.0.1", "--port", &port, "--quick", "-N"])
        .args(ANN)
        .arg("--execute=ROWS 1000000000")
        .stdout(Stdio::piped())
        .spawn();
    let Ok(mut client) = spawned else {
        // It says what is missing.
        mariadb(&port, &ANN);
        return;
    };
    let mut lines = BufReader::new(client.stdout.take().unwrap());
    let mut first = String::new();
    lines.read_line(&mut first).unwrap();
    assert_eq!((first.as_str(), serving.toy.running()), ("0\n", 1));
    client.kill().unwrap();
    client.wait().unwrap();
    wait_until("the query has ended", PATIENCE, || {
        serving.toy.running() == 0 && serving.toy.sessions() == 0
    });
    drop(lines.read_to_string(&mut first));
}

#[test]
fn mariadb_sends_ten_megabytes() {
    let serving = serve();
    let file = tempfile::NamedTempFile::new().unwrap();
    let statement = format!("LENGTH '{}'", "x".repeat(10 << 20));
    std::fs::write(file.path(), format!("{statement};")).unwrap();
    let source = format!("--execute=source {}", file.path().display());
    let arguments = [&ANN[..], &["-N", "--max-allowed-packet=64M", &source]].concat();
    let Some(output) = mariadb(&serving.port(), &arguments) else { return };
    expect_text(&output, &format!("{}\n", statement.len()));
}
