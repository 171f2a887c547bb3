//! [`mariadb`]: the program of that name, which types statements into a server as a person does.
//!
//! Where it is missing that is said, and fails where `CAIRN_REQUIRE` names `mysql`.

use std::ffi::OsStr;
use std::io::{self, Write};
use std::process::{Command, Output, Stdio};

use crate::skip_unless_required;

/// What the client prints for these arguments, at a port of loopback: tabs between values and no frames, unless an
/// argument says otherwise. `None` when this machine has no such program and need not.
///
/// # Panics
/// When there is none and `CAIRN_REQUIRE` names `mysql`.
pub fn mariadb<I: AsRef<OsStr>>(port: &str, arguments: &[I]) -> Option<Output> {
    mariadb_reads(port, arguments, "")
}

/// The same with statements that are typed: there may be more of them than arguments hold.
///
/// # Panics
/// As [`mariadb`].
pub fn mariadb_reads<I: AsRef<OsStr>>(
    port: &str,
    arguments: &[I],
    statements: &str,
) -> Option<Output> {
    let mut client = Command::new("mariadb");
    client
        .args(["--no-defaults", "--default-character-set=utf8mb4", "--batch"])
        .args(["--host", "127.0.0.1", "--port", port])
        .args(arguments);
    match type_into(client, statements) {
        Ok(output) => Some(output),
        Err(error) => {
            let why = format!("`mariadb` cannot be run: {error}; install Debian's mariadb-client");
            skip_unless_required("mysql", &why);
            None
        }
    }
}

fn type_into(mut client: Command, statements: &str) -> io::Result<Output> {
    client.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut client = client.spawn()?;
    let input = client.stdin.take();
    std::thread::scope(|scope| {
        // One that ends early, at an error or without a server, does not read to the end.
        scope.spawn(|| input.map(|mut input| input.write_all(statements.as_bytes())));
        client.wait_with_output()
    })
}
