//! [`MysqlServer`]: listens, and gives each connection a task of its own.
//!
//! - Connections have a bound, and so have those that have not logged in: beyond the former a client is refused, beyond
//!   the latter it waits a moment in the kernel's queue, until one that does nothing is sent away ([`lobby`](super::lobby)).
//! - A panic ends the connection that it happened on.
//! - [`MysqlServer::shutdown`] lets statements end; dropping the server ends everything at once.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures::FutureExt;
use rustix::net::sockopt;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::conversation::{Conversation, Next};
use super::error::{self, WireError};
use super::gate::{self, Gate, GateConfig, Refusal, Visitor};
use super::interrupt::Interrupt;
use super::lobby::{Lobby, Place};
use super::places::Places;
use super::result;
use super::service::Service;
use super::statistics::Statistics;
use super::throttle::Throttle;
use super::wire::Wire;

/// Clients that the kernel keeps until they are accepted: a pool of an application that starts.
const BACKLOG: u32 = 1024;

/// When the kernel asks a silent client whether it is there, how often, and how often in vain.
const KEEPALIVE: (Duration, Duration, u32) = (Duration::from_secs(60), Duration::from_secs(15), 4);

/// How long to wait where the process has run out of file descriptors.
const EXHAUSTED: Duration = Duration::from_millis(100);

/// How a server behaves.
#[derive(Debug, Clone)]
pub struct MysqlConfig {
    /// Where it listens; port 0 is any that is free.
    pub listen: SocketAddr,
    /// What it calls itself. Drivers read numbers from its front.
    pub version: String,
    /// Offers TLS: see [`server_config`](super::server_config).
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// Whether nobody comes in without it.
    pub require_tls: bool,
    /// Connections at one time.
    pub max_connections: usize,
    /// Connections of one user at one time.
    pub max_connections_per_user: usize,
    /// Connections at one time that have not logged in.
    pub max_logins: usize,
    /// How long a client may take to log in.
    pub login_timeout: Duration,
    /// How long a connection may be silent between commands.
    pub idle_timeout: Duration,
    /// How long a client may read nothing of what it asked for.
    pub write_timeout: Duration,
    /// The longest command, and what the prepared statements of a connection take.
    pub max_allowed_packet: usize,
    /// What wrong passwords cost, here and wherever else one can log in.
    pub throttle: Arc<Throttle>,
}

impl MysqlConfig {
    /// What serves most, at an address.
    pub fn new(listen: SocketAddr) -> Self {
        Self {
            listen,
            version: "8.0.33".to_owned(),
            tls: None,
            require_tls: false,
            max_connections: 4096,
            max_connections_per_user: 1024,
            max_logins: 256,
            login_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(8 * 60 * 60),
            write_timeout: Duration::from_secs(10 * 60),
            max_allowed_packet: 64 << 20,
            throttle: Arc::default(),
        }
    }
}

/// A server of the MySQL protocol. Dropping it ends it and every connection.
#[derive(Debug)]
pub struct MysqlServer {
    address: SocketAddr,
    /// How long statements may go on, once the end has come.
    end: watch::Sender<Option<Duration>>,
    /// Gone after a shutdown.
    listening: Option<JoinHandle<()>>,
}

impl MysqlServer {
    /// Listens, on a runtime that must have its drivers for network and time.
    pub fn start<S: Service>(
        config: MysqlConfig,
        service: Arc<S>,
        runtime: &Handle,
    ) -> io::Result<Self> {
        let _inside = runtime.enter();
        let listener = listen(config.listen)?;
        let address = listener.local_addr()?;
        let gate = GateConfig {
            version: config.version.clone(),
            tls: config.tls.clone().map(TlsAcceptor::from),
            require_tls: config.require_tls,
            patience: config.login_timeout,
            throttle: Arc::clone(&config.throttle),
        };
        let gate = Gate::new(service, gate)
            .map_err(|_| io::Error::other("the system has no random numbers"))?;
        let (end, ended) = watch::channel(None);
        let shared = Shared {
            gate,
            places: Arc::new(Places::new(config.max_connections, config.max_connections_per_user)),
            lobby: Arc::new(Lobby::new(config.max_logins)),
            last_id: AtomicU32::new(0),
            statistics: Arc::new(Statistics::new()),
            ended: ended.clone(),
            config,
        };
        let listening = runtime.spawn(Arc::new(shared).listen(listener, ended));
        Ok(Self { address, end, listening: Some(listening) })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes no more connections, ends those that are idle, lets statements go on for `grace` and then ends them.
    pub async fn shutdown(mut self, grace: Duration) {
        self.end.send_replace(Some(grace));
        if let Some(listening) = self.listening.take() {
            // It does not panic: connections have tasks of their own.
            let _ = listening.await;
        }
    }
}

impl Drop for MysqlServer {
    fn drop(&mut self) {
        if let Some(listening) = &self.listening {
            listening.abort();
        }
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// What the connections of a server share.
struct Shared<S> {
    config: MysqlConfig,
    gate: Gate<S>,
    places: Arc<Places>,
    lobby: Arc<Lobby>,
    last_id: AtomicU32,
    statistics: Arc<Statistics>,
    ended: watch::Receiver<Option<Duration>>,
}

impl<S: Service> Shared<S> {
    async fn listen(
        self: Arc<Self>,
        listener: TcpListener,
        mut ended: watch::Receiver<Option<Duration>>,
    ) {
        let mut connections = JoinSet::new();
        // One that has come and has no place yet: nothing of it is read, and no other is accepted.
        let mut arrived: Option<(TcpStream, SocketAddr)> = None;
        loop {
            let peer = arrived.as_ref().map(|(_, peer)| peer.ip());
            tokio::select! {
                biased;
                // Also when the server is dropped.
                _ = ended.changed() => break,
                Some(_) = connections.join_next() => {}
                Some(place) = self.place(peer) => if let Some((stream, peer)) = arrived.take() {
                    connections.spawn(Arc::clone(&self).connect(stream, peer, place));
                },
                accepted = listener.accept(), if peer.is_none() => match accepted {
                    Ok(accepted) => arrived = Some(accepted),
                    Err(error) => {
                        tracing::warn!(%error, "a connection was not accepted");
                        tokio::time::sleep(EXHAUSTED).await;
                    }
                },
            }
        }
        drop(listener);
        let grace = ended.borrow().unwrap_or_default();
        let all = async { while connections.join_next().await.is_some() {} };
        if timeout(grace, all).await.is_err() {
            connections.shutdown().await;
        }
    }

    /// A place for who has come.
    async fn place(&self, peer: Option<IpAddr>) -> Option<Place> {
        Some(self.lobby.place(peer?).await)
    }

    /// A connection from its first packet to its last.
    async fn connect(self: Arc<Self>, stream: TcpStream, peer: SocketAddr, place: Place) {
        let id = self.last_id.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        let serving = AssertUnwindSafe(self.serve(stream, peer, id, place)).catch_unwind();
        match serving.await {
            Ok(Ok(())) => tracing::debug!(id, %peer, "connection ended"),
            Ok(Err(error)) => tracing::debug!(id, %peer, %error, "connection broken"),
            Err(panic) => {
                tracing::error!(id, %peer, panic = panic_text(&*panic), "connection panicked")
            }
        }
    }

    async fn serve(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        id: u32,
        place: Place,
    ) -> Result<(), WireError> {
        tune(&stream).map_err(error::io_error("set up the socket"))?;
        let mut wire = Wire::new(Box::new(stream), self.config.write_timeout);
        if self.places.are_taken() {
            wire.write(|out| result::put_error_for_greeting(out, &error::too_many_connections()));
            wire.farewell().await;
            return Ok(());
        }
        let interrupt = Interrupt::default();
        let visitor = Visitor { peer, connection_id: id, interrupt: interrupt.clone() };
        let mut place = place;
        let admission = tokio::select! {
            biased;
            admission = Box::pin(self.gate.admit(wire, visitor)) => admission,
            () = place.sent_away() => return Ok(()),
        };
        let admitted = match admission {
            Ok(admitted) => admitted,
            Err(Refusal::Silent(error)) => return Err(error),
            Err(Refusal::Told(wire, error)) => {
                gate::refuse(wire, &error).await;
                return Ok(());
            }
        };
        let _connection = match self.places.take(&admitted.user) {
            Ok(connection) => connection,
            Err(error) => {
                gate::refuse(admitted.wire, &error).await;
                return Ok(());
            }
        };
        drop(place);
        let _counted = self.statistics.count_connection();
        let statistics = Arc::clone(&self.statistics);
        let max_packet = self.config.max_allowed_packet;
        let conversation = Conversation::new(admitted, interrupt.clone(), statistics, max_packet);
        tokio::select! {
            ended = self.converse(conversation) => ended,
            () = interrupt.connection() => Ok(()),
        }
    }

    async fn converse(&self, mut conversation: Conversation<S::Session>) -> Result<(), WireError> {
        conversation.welcome().await?;
        let mut ended = self.ended.clone();
        loop {
            let heard = tokio::select! {
                biased;
                _ = ended.wait_for(Option::is_some) => break,
                heard = timeout(self.config.idle_timeout, conversation.listen()) => heard,
            };
            let Ok(heard) = heard else { break };
            // In a box, which an idle connection does not have.
            match Box::pin(conversation.answer(heard?)).await? {
                Next::Listen => {}
                Next::End => break,
            }
        }
        conversation.end().await;
        Ok(())
    }
}

/// Sends packets at once, and finds out that a client is gone.
fn tune(stream: &TcpStream) -> io::Result<()> {
    let (idle, interval, count) = KEEPALIVE;
    stream.set_nodelay(true)?;
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, idle)?;
    sockopt::set_tcp_keepintvl(stream, interval)?;
    sockopt::set_tcp_keepcnt(stream, count)?;
    Ok(())
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("of no text")
}
