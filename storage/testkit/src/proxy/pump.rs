//! [`pump`]: the bytes of one direction of a connection, as late, as slow and as far as they come.

use std::io;
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::future;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};

use super::plan::{Armed, Effect};

/// Longest piece that is read at once.
const PIECE_BYTES: usize = 64 << 10;
/// Pieces on the way in one direction: 4 MiB, what Linux lets a sender have on the way by default.
const PIECES: usize = 64;
/// Slices of a second in which a drip comes.
const DRIPS_PER_SECOND: u64 = 20;

/// What one direction is like.
#[derive(Debug, Clone, Copy, Default)]
pub struct Line {
    /// How long each byte is on its way.
    pub latency: Duration,
    /// How many bytes arrive in a second; `None` is as many as there are.
    pub bytes_per_second: Option<NonZeroU64>,
}

/// One direction of a proxy.
#[derive(Debug, Default)]
pub(super) struct Lane {
    pub(super) line: watch::Sender<Line>,
    /// Bytes that arrived.
    pub(super) bytes: AtomicU64,
}

/// What travels in one direction.
enum Parcel {
    Bytes { due: Instant, bytes: Bytes },
    Reset,
}

/// Passes the bytes of one direction on until their end. An error is a lost connection.
pub(super) async fn pump(
    from: ReadHalf<'_>,
    to: WriteHalf<'_>,
    lane: &Lane,
    armed: Option<Armed>,
) -> io::Result<()> {
    let (sender, receiver) = mpsc::channel(PIECES);
    let taking = take(from, sender, lane, armed);
    let giving = give(to, receiver, lane);
    future::try_join(taking, giving).await.map(|_| ())
}

async fn take(
    mut from: ReadHalf<'_>,
    sender: mpsc::Sender<Parcel>,
    lane: &Lane,
    mut armed: Option<Armed>,
) -> io::Result<()> {
    let mut buffer = vec![0; PIECE_BYTES];
    let mut taken = 0;
    loop {
        if let Some(due) = armed.take_if(|armed| armed.at == taken) {
            match due.happen() {
                Effect::Reset => {
                    let _ = sender.send(Parcel::Reset).await;
                    return Ok(());
                }
                Effect::Stall => return future::pending().await,
                // The end of the channel is the end of the stream for the receiver.
                Effect::HalfClose => drop(sender),
                Effect::BlackHole => {
                    swallow(&mut from, &mut buffer).await?;
                    drop(sender);
                    return Ok(());
                }
            }
            return swallow(&mut from, &mut buffer).await;
        }
        let until_fault = armed.as_ref().map_or(u64::MAX, |armed| armed.at - taken);
        let most = usize::try_from(until_fault).unwrap_or(usize::MAX).min(buffer.len());
        let read = from.read(&mut buffer[..most]).await?;
        if read == 0 {
            return Ok(());
        }
        taken += read as u64;
        let due = Instant::now() + lane.line.borrow().latency;
        let bytes = Bytes::copy_from_slice(&buffer[..read]);
        if sender.send(Parcel::Bytes { due, bytes }).await.is_err() {
            return Ok(());
        }
    }
}

async fn swallow(from: &mut ReadHalf<'_>, buffer: &mut [u8]) -> io::Result<()> {
    while from.read(buffer).await? > 0 {}
    Ok(())
}

async fn give(
    mut to: WriteHalf<'_>,
    mut receiver: mpsc::Receiver<Parcel>,
    lane: &Lane,
) -> io::Result<()> {
    while let Some(parcel) = receiver.recv().await {
        let Parcel::Bytes { due, mut bytes } = parcel else {
            return Err(io::ErrorKind::ConnectionReset.into());
        };
        sleep_until(due).await;
        while !bytes.is_empty() {
            let speed = lane.line.borrow().bytes_per_second;
            let drip = speed.map_or(u64::MAX, |speed| (speed.get() / DRIPS_PER_SECOND).max(1));
            let most = usize::try_from(drip).unwrap_or(usize::MAX).min(bytes.len());
            let piece = bytes.split_to(most);
            to.write_all(&piece).await?;
            lane.bytes.fetch_add(piece.len() as u64, Ordering::Relaxed);
            if let Some(speed) = speed {
                sleep(Duration::from_secs_f64(piece.len() as f64 / speed.get() as f64)).await;
            }
        }
    }
    to.shutdown().await
}
