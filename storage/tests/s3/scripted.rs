//! A server that says what a test wants: for what no real one can be brought to say.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// A request as it came in. Names of headers are in lower case.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) target: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// What is said to a request.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// An answer with its length.
    Http { status: u16, headers: Vec<(String, String)>, body: Vec<u8> },
    /// These bytes, and the connection is closed.
    Raw(Vec<u8>),
    /// These bytes, and nothing more.
    Stall(Vec<u8>),
    /// Nothing, for ever.
    Silence,
}

impl Reply {
    pub(crate) fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self::Http { status, headers: Vec::new(), body: body.into() }
    }

    /// A refusal as S3 writes it.
    pub(crate) fn refusal(status: u16, code: &str) -> Self {
        Self::new(
            status,
            format!(
                "<?xml version=\"1.0\"?>\n<Error><Code>{code}</Code><Message>of {code}</Message></Error>"
            ),
        )
    }

    /// An object.
    pub(crate) fn object(body: impl Into<Vec<u8>>) -> Self {
        Self::new(200, body)
            .with("etag", "\"e\"")
            .with("last-modified", "Thu, 01 Jan 1970 00:00:07 GMT")
    }

    /// The same with another header.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        if let Self::Http { headers, .. } = &mut self {
            headers.push((name.to_owned(), value.to_owned()));
        }
        self
    }
}

type Script = Arc<dyn Fn(usize, &Seen) -> Reply + Send + Sync>;

/// The server and what it has seen. It ends with its value.
pub(crate) struct Scripted {
    endpoint: String,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

struct Shared {
    script: Script,
    seen: Mutex<Vec<Seen>>,
    connections: Mutex<usize>,
    has_seen: Notify,
}

impl Shared {
    fn new(script: impl Fn(usize, &Seen) -> Reply + Send + Sync + 'static) -> Self {
        let script: Script = Arc::new(script);
        Self {
            script,
            seen: Mutex::default(),
            connections: Mutex::default(),
            has_seen: Notify::new(),
        }
    }
}

impl Scripted {
    /// A server that answers the requests by their number and what they are.
    pub(crate) async fn start(
        script: impl Fn(usize, &Seen) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::new(Shared::new(script));
        let serving = Arc::clone(&shared);
        let accepting = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                *serving.connections.lock().unwrap() += 1;
                tokio::spawn(serve(socket, Arc::clone(&serving)));
            }
        });
        Self { endpoint, shared, accepting }
    }

    /// The same answer to everything.
    pub(crate) async fn always(reply: Reply) -> Self {
        Self::start(move |_, _| reply.clone()).await
    }

    /// Scheme, host and port.
    pub(crate) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap().clone()
    }

    pub(crate) fn num_connections(&self) -> usize {
        *self.shared.connections.lock().unwrap()
    }

    /// Waits until it has seen a request of a kind.
    pub(crate) async fn wait_for(&self, is_it: impl Fn(&Seen) -> bool) -> Seen {
        loop {
            let noticed = self.shared.has_seen.notified();
            if let Some(seen) = self.seen().into_iter().find(|seen| is_it(seen)) {
                return seen;
            }
            noticed.await;
        }
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Serves an object to whatever is asked on one connection.
pub(crate) async fn serve_object(socket: impl AsyncRead + AsyncWrite + Unpin) {
    serve(socket, Arc::new(Shared::new(|_, _| Reply::object("abc")))).await;
}

async fn serve(mut socket: impl AsyncRead + AsyncWrite + Unpin, shared: Arc<Shared>) {
    while let Some(request) = read_request(&mut socket).await {
        let number = {
            let mut seen = shared.seen.lock().unwrap();
            seen.push(request.clone());
            seen.len() - 1
        };
        shared.has_seen.notify_waiters();
        let is_head = request.method == "HEAD";
        match (shared.script)(number, &request) {
            Reply::Silence => std::future::pending().await,
            Reply::Stall(bytes) => {
                let _ = socket.write_all(&bytes).await;
                std::future::pending().await
            }
            Reply::Raw(bytes) => {
                let _ = socket.write_all(&bytes).await;
                let _ = socket.shutdown().await;
                return;
            }
            Reply::Http { status, headers, body } => {
                let mut head = format!("HTTP/1.1 {status} x\r\n");
                if !headers.iter().any(|(name, _)| name == "content-length") {
                    head += &format!("content-length: {}\r\n", body.len());
                }
                headers.iter().for_each(|(name, value)| head += &format!("{name}: {value}\r\n"));
                head += "\r\n";
                let body = if is_head { &[][..] } else { &body[..] };
                if socket.write_all(&[head.as_bytes(), body].concat()).await.is_err() {
                    return;
                }
            }
        }
    }
}

async fn read_request(socket: &mut (impl AsyncRead + Unpin)) -> Option<Seen> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(socket.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).ok()?;
    let mut lines = head.lines();
    let mut first = lines.next()?.split(' ');
    let (method, target) = (first.next()?.to_owned(), first.next()?.to_owned());
    let headers: BTreeMap<String, String> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length = headers.get("content-length").and_then(|length| length.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    socket.read_exact(&mut body).await.ok()?;
    Some(Seen { method, target, headers, body })
}
