//! The programs of the clients: which there are, and how they are run.
//!
//! What is missing is said, and fails where `CAIRN_REQUIRE` names `mysql`.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use cairn_testkit::skip_unless_required;

/// Where Debian's `libmariadb-java` puts it.
const MARIADB_JAR: &str = "/usr/share/java/mariadb-java-client.jar";

/// What is fetched from PyPI.
#[derive(Debug)]
struct Fetched {
    python: PathBuf,
    connector_j: PathBuf,
}

/// Runs a script of this folder with the drivers for Python.
pub(crate) fn python<I: AsRef<OsStr>>(script: &str, arguments: &[I]) -> Option<Output> {
    let fetched = fetched()?;
    Some(Command::new(&fetched.python).arg(driver(script)).args(arguments).output().unwrap())
}

/// Which driver a program of Java uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Jdbc {
    ConnectorJ,
    MariaDb,
}

/// Runs the program of this folder with a driver for Java.
pub(crate) fn java<I: AsRef<OsStr>>(jdbc: Jdbc, arguments: &[I]) -> Option<Output> {
    let jar = match jdbc {
        Jdbc::ConnectorJ => fetched()?.connector_j.clone(),
        Jdbc::MariaDb if Path::new(MARIADB_JAR).is_file() => MARIADB_JAR.into(),
        Jdbc::MariaDb => {
            skip_unless_required("mysql", "install Debian's libmariadb-java");
            return None;
        }
    };
    let run =
        Command::new("java").arg("-cp").arg(jar).arg(driver("Probe.java")).args(arguments).output();
    match run {
        Ok(output) => Some(output),
        Err(error) => {
            let cure = "install a Java development kit of version 11 or later";
            skip_unless_required("mysql", &format!("`java` cannot be run: {error}; {cure}"));
            None
        }
    }
}

fn driver(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mysql/drivers").join(name)
}

/// Fetched once and kept beside what else tests fetch.
fn fetched() -> Option<&'static Fetched> {
    static FETCHED: OnceLock<Option<Fetched>> = OnceLock::new();
    FETCHED
        .get_or_init(|| {
            let cache =
                Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("test-clients").join("mysql");
            let run = Command::new("bash").args([&driver("fetch.sh"), &cache]).output();
            let why = match run {
                Ok(run) if run.status.success() => {
                    let (python, connector_j) =
                        (cache.join("venv/bin/python"), cache.join("connector-j.jar"));
                    return Some(Fetched { python, connector_j });
                }
                Ok(run) => String::from_utf8_lossy(&run.stderr).into_owned(),
                Err(error) => error.to_string(),
            };
            skip_unless_required("mysql", &format!("drivers cannot be fetched from PyPI: {why}"));
            None
        })
        .as_ref()
}
