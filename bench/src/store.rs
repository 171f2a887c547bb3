//! Stores: where the repository of a step is when it is not a directory, and how far away that is.
//!
//! A store runs for as long as its value lives: an S3 server in this process, or an HDFS beside it. The one keeps what it
//! is given in memory, the other in the scratch directory, so that the tool is measured and not a disk. Latency is added by
//! proxies in this process, one before each server. They cost processor time themselves, so what a latency costs shows in the
//! ratio to a latency of nothing through the same proxies (`s3@0ms`), and tools are compared without them (`s3`).

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, Result};
use cairn_testkit::servers::{HdfsCluster, HdfsMode};
use cairn_testkit::{Direction, Line, Requests, S3Server, TcpProxy};
use clap::ValueEnum;
use tokio::runtime::Runtime;

/// What a store speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum StoreKind {
    /// S3, from a server in this process.
    S3,
    /// HDFS, from a name node and two data nodes beside this process.
    Hdfs,
}

/// A store as it is asked for: `s3`, or `s3@50ms` behind proxies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreSpec {
    /// What it speaks.
    pub kind: StoreKind,
    /// Time that proxies add to every round trip, in milliseconds; without proxies `None`.
    pub round_trip_ms: Option<u64>,
}

impl StoreSpec {
    fn is_far(self) -> bool {
        self.round_trip_ms.is_some()
    }

    /// What a set is called in the results when its repository is there; the report compares what
    /// comes before the `@`.
    pub fn of_set(self, set: &str) -> String {
        format!("{set}-{self}")
    }
}

impl std::fmt::Display for StoreSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = match self.kind {
            StoreKind::S3 => "s3",
            StoreKind::Hdfs => "hdfs",
        };
        match self.round_trip_ms {
            Some(milliseconds) => write!(f, "{kind}@{milliseconds}ms"),
            None => f.write_str(kind),
        }
    }
}

impl FromStr for StoreSpec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (kind, latency) = match text.split_once('@') {
            Some((kind, latency)) => (kind, Some(latency)),
            None => (text, None),
        };
        let milliseconds = |latency: &str| {
            let number = latency.strip_suffix("ms").and_then(|number| number.parse().ok());
            number.ok_or_else(|| format!("{latency} is no latency; write it as in s3@50ms"))
        };
        let round_trip_ms = latency.map(milliseconds).transpose()?;
        let kind = StoreKind::from_str(kind, false)
            .map_err(|_| format!("no store {kind}; there are s3 and hdfs"))?;
        Ok(Self { kind, round_trip_ms })
    }
}

/// Keys of the S3 server.
pub const S3_KEYS: [&str; 2] = ["AKBENCH", "benchmark"];
/// The bucket of the S3 server.
const BUCKET: &str = "bench";
/// How often HDFS keeps each block.
const DATA_NODES: usize = 2;
/// The directory of HDFS in which repositories are.
const DIRECTORY: &str = "/bench";

/// A store that runs.
#[derive(Debug)]
pub(crate) struct Store {
    spec: StoreSpec,
    runtime: Runtime,
    server: Server,
    proxies: Vec<TcpProxy>,
    servers: PathBuf,
}

#[derive(Debug)]
enum Server {
    /// A new one for each cycle.
    S3(S3Server),
    Hdfs(HdfsCluster),
}

/// What a command line must know of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// What it speaks.
    pub kind: StoreKind,
    /// Scheme, host and port.
    pub endpoint: String,
    /// The directory with the configuration of Hadoop's clients; empty for S3.
    pub conf: PathBuf,
    /// Where the programs of servers, and of Hadoop's own client, are.
    pub servers: PathBuf,
}

impl Store {
    /// Starts it; what HDFS keeps is below `scratch`, its programs below `servers`.
    pub(crate) fn start(spec: StoreSpec, scratch: &Path, servers: &Path) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let server = match spec.kind {
            StoreKind::S3 => Server::S3(runtime.block_on(s3_server())?),
            StoreKind::Hdfs => {
                let mode = if spec.is_far() { HdfsMode::Far } else { HdfsMode::Simple };
                let cluster = HdfsCluster::start_in(servers, scratch, mode, DATA_NODES);
                Server::Hdfs(cluster.context("start HDFS")?)
            }
        };
        let servers = std::path::absolute(servers)?;
        let mut store = Self { spec, runtime, server, proxies: Vec::new(), servers };
        store.connect()?;
        Ok(store)
    }

    pub(crate) fn spec(&self) -> StoreSpec {
        self.spec
    }

    /// Makes it empty.
    pub(crate) fn clear(&mut self) -> Result<()> {
        match &mut self.server {
            Server::S3(server) => {
                *server = self.runtime.block_on(s3_server())?;
                self.connect()?;
            }
            Server::Hdfs(cluster) => {
                cluster.tell(&format!("fs -rm -r -f -skipTrash {DIRECTORY}"))?;
                cluster.tell(&format!("fs -mkdir {DIRECTORY}"))?;
            }
        }
        Ok(())
    }

    /// Puts the proxies that it needs before its servers.
    fn connect(&mut self) -> Result<()> {
        self.proxies.clear();
        let Some(milliseconds) = self.spec.round_trip_ms else { return Ok(()) };
        let latency = Duration::from_millis(milliseconds) / 2;
        for port in self.ports()? {
            let server = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            let at = SocketAddr::from((HdfsCluster::FAR, port));
            let proxy = self.runtime.block_on(TcpProxy::start_at(at, server, 0))?;
            for direction in [Direction::Up, Direction::Down] {
                proxy.set_line(direction, Line { latency, bytes_per_second: None });
            }
            self.proxies.push(proxy);
        }
        Ok(())
    }

    /// The ports of its servers: first the one that clients are told.
    fn ports(&self) -> Result<Vec<u16>> {
        let (authority, others) = match &self.server {
            Server::S3(server) => (server.endpoint().trim_start_matches("http://"), &[][..]),
            Server::Hdfs(cluster) => (cluster.authority(), cluster.data_ports()),
        };
        let first: SocketAddr = authority.parse()?;
        Ok([&[first.port()], others].concat())
    }

    pub(crate) fn address(&self) -> Result<Address> {
        let host = if self.spec.is_far() { HdfsCluster::FAR } else { Ipv4Addr::LOCALHOST };
        let port = self.ports()?.first().copied().unwrap_or_default();
        let (scheme, conf) = match &self.server {
            Server::S3(_) => ("http", PathBuf::new()),
            Server::Hdfs(cluster) => ("hdfs", cluster.directory().join("conf")),
        };
        let endpoint = format!("{scheme}://{host}:{port}");
        Ok(Address { kind: self.spec.kind, endpoint, conf, servers: self.servers.clone() })
    }

    /// Requests that it was sent since it was cleared; `None` of HDFS.
    pub(crate) fn requests(&self) -> Option<Requests> {
        match &self.server {
            Server::S3(server) => Some(server.requests()),
            Server::Hdfs(_) => None,
        }
    }

    /// Bytes of all objects; of HDFS once, however often they are replicated.
    pub(crate) fn stored_bytes(&self) -> Result<u64> {
        match &self.server {
            Server::S3(server) => Ok(server.stored_bytes()),
            Server::Hdfs(cluster) => {
                let answer = cluster.tell(&format!("fs -du -s {DIRECTORY}"))?;
                let bytes = answer.split_whitespace().next().and_then(|word| word.parse().ok());
                bytes.with_context(|| format!("HDFS says {answer:?}"))
            }
        }
    }
}

async fn s3_server() -> std::io::Result<S3Server> {
    let [access_key, secret_key] = S3_KEYS;
    S3Server::start(access_key, secret_key, &[BUCKET]).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stores_are_named_with_their_latency() {
        let spec = |text: &str| text.parse::<StoreSpec>();
        let far = spec("s3@50ms").unwrap();
        assert_eq!(far, StoreSpec { kind: StoreKind::S3, round_trip_ms: Some(50) });
        assert_eq!(far.of_set("T1"), "T1-s3@50ms");
        assert_eq!(spec("hdfs").unwrap().to_string(), "hdfs");
        assert_eq!(spec("s3@0ms").unwrap().to_string(), "s3@0ms");
        for wrong in ["", "tape", "s3@", "s3@50", "s3@-1ms"] {
            assert!(spec(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn tools_are_sent_to_the_server_or_to_the_proxy_before_it() {
        for (name, host) in [("s3", "127.0.0.1"), ("s3@0ms", "127.0.0.2"), ("s3@5ms", "127.0.0.2")]
        {
            let mut store =
                Store::start(name.parse().unwrap(), Path::new("."), Path::new(".")).unwrap();
            // What is cleared is another server, and needs another proxy.
            store.clear().unwrap();
            let endpoint = store.address().unwrap().endpoint;
            let address = endpoint.strip_prefix("http://").unwrap();
            assert!(address.starts_with(host), "{name}: {address}");
            std::net::TcpStream::connect(address).unwrap();
        }
    }
}
