//! [`TcpProxy`]: a network that is slow and fails as planned.
//!
//! It listens on loopback and passes every connection on to a server. What the lines are like ([`Line`]: latency,
//! a drip of bytes) and whether connections are refused can be changed at any time. What happens once is planned
//! as a [`NetFault`]: to which connections, in which direction and after how many bytes. A fault that
//! never happened fails the test, as it does for [`crate::FaultStorage`].
//!
//! - *Order*: bytes of a direction arrive in order, each after the latency that was in force when it came.
//! - *Memory*: at most 4 MiB are on the way in each direction of a connection.

mod plan;
mod pump;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::future;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, JoinSet};

use self::plan::{Armed, Plan};
pub use self::plan::{Direction, NetFault};
pub use self::pump::Line;
use self::pump::{Lane, pump};
use crate::fault::FaultHandle;

/// Connections that wait to be accepted.
const BACKLOG: u32 = 1024;

#[derive(Debug)]
struct Shared {
    server: SocketAddr,
    plan: Arc<Plan>,
    connections: AtomicU64,
    up: Lane,
    down: Lane,
}

/// A proxy before a server.
///
/// # Panics
/// When it is dropped and a planned fault never happened, unless the thread panics already.
#[derive(Debug)]
pub struct TcpProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    refusals: mpsc::Sender<(bool, oneshot::Sender<()>)>,
    accepting: JoinHandle<io::Result<()>>,
}

impl TcpProxy {
    /// A proxy on a free port that passes everything on; the seed decides what is random.
    pub async fn start(server: SocketAddr, seed: u64) -> io::Result<Self> {
        Self::start_at((Ipv4Addr::LOCALHOST, 0).into(), server, seed).await
    }

    /// A proxy at an address, which must be one of loopback, for servers that tell clients where to go.
    pub async fn start_at(at: SocketAddr, server: SocketAddr, seed: u64) -> io::Result<Self> {
        let listener = TcpListener::bind(at).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            server,
            plan: Plan::new(seed),
            connections: AtomicU64::new(0),
            up: Lane::default(),
            down: Lane::default(),
        });
        // One order at a time: whoever gives one waits until it is obeyed.
        let (refusals, orders) = mpsc::channel(1);
        let accepting = tokio::spawn(accept(listener, address, Arc::clone(&shared), orders));
        Ok(Self { address, shared, refusals, accepting })
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Makes a direction of all connections, those that are open too, like this.
    pub fn set_line(&self, direction: Direction, line: Line) {
        self.shared.lane(direction).line.send_replace(line);
    }

    /// Refuses new connections, or accepts them again. Open ones stay.
    pub async fn refuse(&self, is_refusing: bool) {
        let (obeyed, done) = oneshot::channel();
        // An error would mean that the port could not be kept: nobody connects then either.
        if self.refusals.send((is_refusing, obeyed)).await.is_ok() {
            let _ = done.await;
        }
    }

    /// Plans a fault. Where several fit a connection, it carries the one planned first.
    pub fn plan(&self, fault: NetFault) -> FaultHandle {
        self.shared.plan.add(fault)
    }

    /// How many connections were accepted.
    pub fn connections(&self) -> u64 {
        // Relaxed, here and below: the counts stand alone.
        self.shared.connections.load(Ordering::Relaxed)
    }

    /// How many bytes arrived in a direction.
    pub fn bytes(&self, direction: Direction) -> u64 {
        self.shared.lane(direction).bytes.load(Ordering::Relaxed)
    }
}

impl Drop for TcpProxy {
    fn drop(&mut self) {
        self.accepting.abort();
        let missed = self.shared.plan.missed();
        if !missed.is_empty() && !std::thread::panicking() {
            panic!("planned faults never happened: {missed:?}");
        }
    }
}

impl Shared {
    fn lane(&self, direction: Direction) -> &Lane {
        match direction {
            Direction::Up => &self.up,
            Direction::Down => &self.down,
        }
    }
}

async fn accept(
    mut listener: TcpListener,
    address: SocketAddr,
    shared: Arc<Shared>,
    mut orders: mpsc::Receiver<(bool, oneshot::Sender<()>)>,
) -> io::Result<()> {
    // Dropped, and every connection with it, when this task is aborted.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (client, _) = accepted?;
                shared.connections.fetch_add(1, Ordering::Relaxed);
                let armed = shared.plan.arm();
                connections.spawn(connect(client, Arc::clone(&shared), armed));
            }
            Some(_) = connections.join_next() => {}
            Some((is_refusing, obeyed)) = orders.recv() => {
                if is_refusing {
                    drop(listener);
                    // A socket that is bound and does not listen: the port is kept and refuses.
                    let socket = TcpSocket::new_v4()?;
                    socket.set_reuseaddr(true)?;
                    socket.bind(address)?;
                    let _ = obeyed.send(());
                    let Some(obeyed) = end_of_refusal(&mut orders).await else { return Ok(()) };
                    listener = socket.listen(BACKLOG)?;
                    let _ = obeyed.send(());
                } else {
                    let _ = obeyed.send(());
                }
            }
        }
    }
}

async fn end_of_refusal(
    orders: &mut mpsc::Receiver<(bool, oneshot::Sender<()>)>,
) -> Option<oneshot::Sender<()>> {
    loop {
        match orders.recv().await? {
            (false, obeyed) => return Some(obeyed),
            (true, obeyed) => drop(obeyed.send(())),
        }
    }
}

async fn connect(mut client: TcpStream, shared: Arc<Shared>, armed: Option<Armed>) {
    let Ok(mut server) = TcpStream::connect(shared.server).await else {
        let _ = client.set_zero_linger();
        return;
    };
    // Small pieces go at once: latency is what the lines say.
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let is_up = armed.as_ref().is_some_and(|armed| armed.direction == Direction::Up);
    let (armed_up, armed_down) = if is_up { (armed, None) } else { (None, armed) };
    let ended = {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let up = pump(from_client, to_server, &shared.up, armed_up);
        let down = pump(from_server, to_client, &shared.down, armed_down);
        future::try_join(up, down).await
    };
    if ended.is_err() {
        // Closed like this, a socket tells its peer that the connection is lost.
        let _ = (client.set_zero_linger(), server.set_zero_linger());
    }
}
