//! [`RadosGateway`]: Ceph's S3 gateway, of other authors than ours.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::script;
use crate::skip_unless_required;

/// A running gateway with a store in memory. It has the buckets `bucket` and `versioned`.
#[derive(Debug)]
pub struct RadosGateway {
    address: SocketAddr,
    home: TempDir,
}

impl RadosGateway {
    /// A gateway to whoever has these keys; `None` when this machine has none and need not.
    ///
    /// # Panics
    /// When there is none and `CAIRN_REQUIRE` names `s3`.
    pub fn start(access_key: &str, secret_key: &str) -> Option<Self> {
        let started = Self::run(access_key, secret_key);
        if let Err(error) = &started {
            skip_unless_required("s3", &format!("radosgw did not start: {error}"));
        }
        started.ok()
    }

    fn run(access_key: &str, secret_key: &str) -> io::Result<Self> {
        let home = tempfile::tempdir()?;
        let mut up = call("up", home.path());
        up.env("ACCESS_KEY", access_key).env("SECRET_KEY", secret_key);
        let output = up.stderr(Stdio::inherit()).output()?;
        if !output.status.success() {
            return Err(io::Error::other(output.status.to_string()));
        }
        let said = String::from_utf8_lossy(&output.stdout);
        let address = said.trim().parse().map_err(io::Error::other)?;
        Ok(Self { address, home })
    }

    /// Where it listens, for HTTP.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends the gateway at once (SIGKILL). What it stored stays.
    pub fn kill(&self) -> io::Result<()> {
        self.told("kill")
    }

    /// Starts it again after [`Self::kill`] and waits until it serves.
    pub fn restart(&self) -> io::Result<()> {
        self.told("restart")
    }

    fn told(&self, verb: &str) -> io::Result<()> {
        let status = call(verb, self.home.path()).stdout(Stdio::null()).status()?;
        if status.success() { Ok(()) } else { Err(io::Error::other(status.to_string())) }
    }
}

impl Drop for RadosGateway {
    fn drop(&mut self) {
        let _ = self.told("down");
    }
}

fn call(verb: &str, home: &Path) -> Command {
    let mut command = Command::new(script("radosgw.sh"));
    command.arg(verb).arg(home);
    command
}
