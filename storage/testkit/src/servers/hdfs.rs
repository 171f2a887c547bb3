//! [`HdfsCluster`]: a real HDFS for as long as this process lives.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use super::script;
use crate::skip_unless_required;

/// What the script wants for a cluster of four data nodes.
const PORTS: usize = 60;

/// The servers of a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HdfsMode {
    /// One name node.
    Simple,
    /// One name node, and data nodes that call themselves [`HdfsCluster::FAR`]: clients of the configuration `conf` go there
    /// for data, and a proxy must pass them on to the same port of loopback.
    Far,
    /// Two name nodes that share a journal; the first is active.
    Ha,
    /// One name node that wants Kerberos, and its realm.
    Kerberos,
}

/// A running cluster. It ends when this is dropped or the process dies: the script reads from a pipe of ours.
#[derive(Debug)]
pub struct HdfsCluster {
    /// Taken at the end; guards that an answer is read by whoever asked.
    pipe: Mutex<Option<(ChildStdin, BufReader<ChildStdout>)>>,
    script: Child,
    authority: String,
    first_name_node: String,
    /// Ports on which the data nodes transfer data.
    data_ports: Vec<u16>,
    directory: PathBuf,
}

impl HdfsCluster {
    /// What the data nodes of [`HdfsMode::Far`] call themselves.
    pub const FAR: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

    /// A cluster of up to four data nodes; `None` when this machine has no HDFS and need not.
    ///
    /// `target_tmpdir` is the `CARGO_TARGET_TMPDIR` of the test; the servers' jars are kept beside it, in
    /// `test-servers/hdfs`, from one run to the next.
    ///
    /// # Panics
    /// When there is none and `CAIRN_REQUIRE` names `hdfs`.
    pub fn start(target_tmpdir: &Path, mode: HdfsMode, data_nodes: usize) -> Option<Self> {
        let cache = target_tmpdir.with_file_name("test-servers").join("hdfs");
        let started = Self::start_in(&cache, &cache, mode, data_nodes);
        if let Err(error) = &started {
            skip_unless_required("hdfs", &format!("the cluster did not start: {error}"));
        }
        started.ok()
    }

    /// A cluster whose programs are kept in `cache`, below `jars`, and what it stores in a new directory below `runs`.
    pub fn start_in(
        cache: &Path,
        runs: &Path,
        mode: HdfsMode,
        data_nodes: usize,
    ) -> io::Result<Self> {
        ensure_programs(mode)?;
        let ports = free_ports()?;
        let mut script = Command::new("bash")
            .args([&script("hdfs.sh"), cache, runs])
            .arg(match mode {
                HdfsMode::Simple => "simple",
                HdfsMode::Far => "far",
                HdfsMode::Ha => "ha",
                HdfsMode::Kerberos => "kerberos",
            })
            .arg(data_nodes.to_string())
            .args(ports.iter().map(u16::to_string))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let pipes = script.stdin.take().zip(script.stdout.take().map(BufReader::new));
        let (input, mut output) = pipes.ok_or(io::ErrorKind::BrokenPipe)?;
        let directory = match read_answer(&mut output) {
            Ok(answer) => answer.into(),
            Err(error) => {
                drop(input);
                script.wait()?;
                return Err(error);
            }
        };
        let first_name_node = format!("127.0.0.1:{}", ports[0]);
        Ok(Self {
            directory,
            pipe: Mutex::new(Some((input, output))),
            script,
            authority: match mode {
                HdfsMode::Simple | HdfsMode::Far => first_name_node.clone(),
                HdfsMode::Ha => "cairn".to_owned(),
                HdfsMode::Kerberos => format!("localhost:{}", ports[0]),
            },
            first_name_node,
            // The script says so.
            data_ports: ports.into_iter().skip(5).step_by(3).take(data_nodes).collect(),
        })
    }

    /// Tells the script to do something, such as `kill dn1` (its header lists what), waits until it is done, and returns
    /// its answer.
    pub fn tell(&self, command: &str) -> io::Result<String> {
        let mut pipe = self.pipe.lock().unwrap_or_else(PoisonError::into_inner);
        let (input, output) = pipe.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        writeln!(input, "{command}")?;
        read_answer(output)
    }

    /// The cluster as a location names it.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The address of `nn1`, on which it listens alone.
    pub fn first_name_node(&self) -> &str {
        &self.first_name_node
    }

    /// The ports on which data nodes transfer data.
    pub fn data_ports(&self) -> &[u16] {
        &self.data_ports
    }

    /// Where its keys and the configuration of its clients (`conf`) are.
    pub fn directory(&self) -> &Path {
        &self.directory
    }
}

impl Drop for HdfsCluster {
    fn drop(&mut self) {
        // A closed pipe is the end. A test that failed may have poisoned the lock.
        drop(self.pipe.lock().unwrap_or_else(PoisonError::into_inner).take());
        let _ = self.script.wait();
    }
}

/// What follows the `ok` of an answer.
fn read_answer(output: &mut BufReader<ChildStdout>) -> io::Result<String> {
    let mut line = String::new();
    output.read_line(&mut line)?;
    let answer = line.trim().strip_prefix("ok").map(|answer| answer.trim().to_owned());
    answer.ok_or_else(|| io::Error::other(format!("the script says {line:?}")))
}

fn ensure_programs(mode: HdfsMode) -> io::Result<()> {
    let mut wanted = vec!["java", "python3"];
    if mode == HdfsMode::Kerberos {
        wanted.extend(["krb5kdc", "kadmin.local"]);
    }
    wanted.retain(|program| !is_there(program));
    match wanted.is_empty() {
        true => Ok(()),
        false => Err(io::Error::other(format!("{} is missing", wanted.join(", ")))),
    }
}

fn is_there(program: &str) -> bool {
    let path = Path::new("/usr/sbin").join(program);
    let found = Command::new("sh").args(["-c", "command -v \"$0\""]).arg(program).output();
    path.is_file() || found.is_ok_and(|found| found.status.success())
}

/// Ports that were free a moment ago.
fn free_ports() -> io::Result<Vec<u16>> {
    let listeners = (0..PORTS).map(|_| TcpListener::bind("127.0.0.1:0"));
    let listeners = listeners.collect::<io::Result<Vec<_>>>()?;
    listeners.iter().map(|listener| Ok(listener.local_addr()?.port())).collect()
}
