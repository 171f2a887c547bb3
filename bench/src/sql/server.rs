//! [`Server`]: `cairn serve` as a process of its own.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::client::Client;

/// A running server. It is killed when this is dropped: its data is thrown away.
pub(super) struct Server {
    child: Child,
    address: SocketAddr,
    data: PathBuf,
}

impl Server {
    /// Starts the program on a data directory that it makes; what it says goes to `log`.
    pub(super) fn start(program: &Path, data: &Path, config: &Path, log: &Path) -> Result<Self> {
        let log = File::options().create(true).append(true).open(log)?;
        let mut child = Command::new(program)
            .args(["--json", "serve", "--listen=127.0.0.1:0", "--sql-listen=127.0.0.1:0", "--data"])
            .arg(data)
            .arg("--config")
            .arg(config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("start {}", program.display()))?;
        let address = address(&mut child, log);
        let mut server = Self { child, address: ([0; 4], 0).into(), data: data.to_owned() };
        server.address = address?;
        Ok(server)
    }

    /// A new connection.
    pub(super) fn connect(&self) -> Result<Client> {
        Client::connect(self.address)
    }

    /// CPU time that it has used, in user and in kernel mode.
    pub(super) fn cpu_secs(&self) -> Result<f64> {
        cpu_secs(self.child.id())
    }

    /// All segments of all tables.
    pub(super) fn segments(&self) -> Result<Vec<PathBuf>> {
        let mut segments = Vec::new();
        for tablet in fs::read_dir(self.data.join("tablets"))? {
            for segment in fs::read_dir(tablet?.path())? {
                segments.push(segment?.path());
            }
        }
        segments.retain(|path| path.extension().is_some_and(|extension| extension == "parquet"));
        segments.sort();
        Ok(segments)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // One that has ended needs no killing, and nobody waits for what it answers.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where it says that it listens. What it says goes to `log`, then and until it ends.
fn address(child: &mut Child, mut log: File) -> Result<SocketAddr> {
    let mut said = BufReader::new(child.stderr.take().context("no output")?);
    let mut line = String::new();
    while said.read_line(&mut line)? > 0 {
        log.write_all(line.as_bytes())?;
        let event: Value = serde_json::from_str(&line).unwrap_or_default();
        if event["event"] == "serving_sql" {
            // It ends with the server.
            thread::spawn(move || std::io::copy(&mut said, &mut log));
            return Ok(event["address"].as_str().context("no address")?.parse()?);
        }
        line.clear();
    }
    bail!("the server ended before it listened; see server.log")
}

/// CPU time of a process with all its threads.
pub(super) fn cpu_secs(process: u32) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    let ticks = cpu_ticks(&stat).with_context(|| format!("no times in {stat}"))?;
    Ok(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

/// utime and stime, the 14th and 15th field; the second is a name in brackets that may hold anything.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_stand_behind_the_name() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194304 9 0 0 0 120 34 5 6 20 0 1 0";
        assert_eq!(cpu_ticks(stat), Some(154));
        assert_eq!(cpu_ticks("7 (a) S 1"), None);
        assert!(cpu_secs(std::process::id()).is_ok());
    }
}
