//! [`Wire`]: packets over a stream of bytes.
//!
//! A packet is a length of three bytes, a number that counts up and starts anew with each command, and a payload; a
//! payload of 16 MiB or more takes several packets. Memory follows what has come, never what a length claims, and an
//! idle wire holds none. Before a login nothing is read ahead, so that no byte from before TLS is taken for one inside.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::error::{WireError, io_error};
use super::packet::MAX_PAYLOAD;

/// What a wire runs over.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Sync + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Sync + Unpin> Stream for S {}

const HEADER: usize = 4;

/// What is gathered before it is sent: enough to make a system call worth while.
const SEND_FROM: usize = 64 << 10;

/// What is read of a client that talks while it is being answered. After that it waits in the kernel.
const MOST_AHEAD: usize = 4096;

/// A payload that is too large is read to its end, so that the client can be told; beyond this it is a flood.
const MOST_DROPPED: u64 = 1 << 30;

/// How long an ended connection is listened to, so that the last packet is not lost to a reset.
const FAREWELL: Duration = Duration::from_secs(1);

/// One end of a connection.
pub(super) struct Wire {
    stream: Box<dyn Stream>,
    /// Read already, by [`Wire::gone`].
    ahead: Vec<u8>,
    /// Not sent yet: whole packets, and the one that is being written.
    out: Vec<u8>,
    /// The number of the next packet, in either direction.
    sequence: u8,
    /// How long the client may take nothing.
    stall: Duration,
}

impl Wire {
    pub(super) fn new(stream: Box<dyn Stream>, stall: Duration) -> Self {
        Self { stream, ahead: Vec::new(), out: Vec::new(), sequence: 0, stall }
    }

    /// Goes on inside TLS.
    pub(super) async fn secure(mut self, acceptor: &TlsAcceptor) -> Result<Self, WireError> {
        let stream = acceptor.accept(self.stream).await.map_err(io_error("begin TLS"))?;
        self.stream = Box::new(stream);
        Ok(self)
    }

    /// Reads the next payload. One of more than `limit` bytes is dropped; the wire can be used after that.
    pub(super) async fn read(&mut self, limit: usize) -> Result<Vec<u8>, WireError> {
        let mut payload = Vec::new();
        let mut total = 0_u64;
        loop {
            let (length, sequence) = self.read_header(total == 0).await?;
            if sequence != self.sequence {
                return Err(WireError::OutOfOrder { expected: self.sequence, got: sequence });
            }
            self.sequence = self.sequence.wrapping_add(1);
            total += length as u64;
            if total <= limit as u64 {
                self.read_into(&mut payload, length).await?;
            } else if total <= MOST_DROPPED {
                payload = Vec::new();
                self.skip(length).await?;
            } else {
                return Err(WireError::Endless);
            }
            if length < MAX_PAYLOAD {
                break;
            }
        }
        if total > limit as u64 { Err(WireError::TooLarge { limit }) } else { Ok(payload) }
    }

    /// Reads the first payload of a command, from which packets are counted anew.
    pub(super) async fn read_command(&mut self, limit: usize) -> Result<Vec<u8>, WireError> {
        self.sequence = 0;
        self.read(limit).await
    }

    /// Writes a packet, which is sent by [`Wire::flush`].
    pub(super) fn write(&mut self, put: impl FnOnce(&mut Vec<u8>)) {
        let start = self.out.len();
        self.out.extend_from_slice(&[0; HEADER]);
        put(&mut self.out);
        self.seal(start);
    }

    /// Writes a packet, or nothing where that fails.
    pub(super) fn try_write<E>(
        &mut self,
        put: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        let start = self.out.len();
        self.out.extend_from_slice(&[0; HEADER]);
        match put(&mut self.out) {
            Ok(()) => self.seal(start),
            Err(error) => {
                self.out.truncate(start);
                return Err(error);
            }
        }
        Ok(())
    }

    /// Sends what is written when it is worth it; whether it was.
    pub(super) async fn flush_if_full(&mut self) -> Result<bool, WireError> {
        let is_full = self.out.len() >= SEND_FROM;
        if is_full {
            self.flush().await?;
        }
        Ok(is_full)
    }

    /// Sends what is written.
    pub(super) async fn flush(&mut self) -> Result<(), WireError> {
        let sending = async {
            self.stream.write_all(&self.out).await?;
            self.stream.flush().await
        };
        timeout(self.stall, sending)
            .await
            .map_err(|_| WireError::Stalled(self.stall))?
            .map_err(io_error("send"))?;
        self.out.clear();
        Ok(())
    }

    /// Gives back what an idle wire does not need.
    pub(super) fn rest(&mut self) {
        self.out = Vec::new();
        if self.ahead.is_empty() {
            self.ahead = Vec::new();
        }
    }

    /// Waits until the client is gone. May be dropped at any time: what the client says meanwhile is kept.
    pub(super) async fn gone(&mut self) {
        while self.ahead.len() < MOST_AHEAD {
            let mut chunk = [0; 256];
            match self.stream.read(&mut chunk).await {
                Ok(0) | Err(_) => return,
                Ok(count) => self.ahead.extend_from_slice(chunk.get(..count).unwrap_or(&chunk)),
            }
        }
        std::future::pending().await
    }

    /// Sends what is written and ends the connection. What the client still says is read for a moment: a socket that is
    /// closed with bytes unread is reset, and the last packet with it.
    pub(super) async fn farewell(mut self) {
        let parting = async {
            if self.flush().await.is_err() || self.stream.shutdown().await.is_err() {
                return;
            }
            let mut rest = self.stream.take(MOST_DROPPED);
            let _ = tokio::io::copy(&mut rest, &mut tokio::io::sink()).await;
        };
        let _ = timeout(FAREWELL, parting).await;
    }

    async fn read_header(&mut self, first: bool) -> Result<(usize, u8), WireError> {
        let mut header = Vec::with_capacity(HEADER);
        match self.read_into(&mut header, HEADER).await {
            Err(WireError::CutOff) if first && header.is_empty() => return Err(WireError::Closed),
            read => read?,
        }
        let mut bytes = [0; HEADER];
        bytes.copy_from_slice(&header);
        let [low, middle, high, sequence] = bytes;
        let length = usize::from(low) | usize::from(middle) << 8 | usize::from(high) << 16;
        Ok((length, sequence))
    }

    async fn read_into(&mut self, payload: &mut Vec<u8>, count: usize) -> Result<(), WireError> {
        let known = count.min(self.ahead.len());
        payload.extend(self.ahead.drain(..known));
        let missing = (count - known) as u64;
        let mut rest = (&mut self.stream).take(missing);
        let read = rest.read_to_end(payload).await.map_err(io_error("receive"))?;
        if (read as u64) < missing { Err(WireError::CutOff) } else { Ok(()) }
    }

    async fn skip(&mut self, count: usize) -> Result<(), WireError> {
        let known = count.min(self.ahead.len());
        self.ahead.drain(..known);
        let missing = (count - known) as u64;
        let mut rest = (&mut self.stream).take(missing);
        let read = tokio::io::copy(&mut rest, &mut tokio::io::sink())
            .await
            .map_err(io_error("receive"))?;
        if read < missing { Err(WireError::CutOff) } else { Ok(()) }
    }

    /// Fills in the header of the packet from `start` on, and those of the packets that it takes beyond the first.
    fn seal(&mut self, start: usize) {
        let payload = start + HEADER;
        if self.out.len() - payload < MAX_PAYLOAD {
            let header = self.next_header(self.out.len() - payload);
            self.out[start..payload].copy_from_slice(&header);
            return;
        }
        let long = self.out.split_off(payload);
        self.out.truncate(start);
        // A last packet, empty if need be, says that there is no further one.
        for at in (0..=long.len()).step_by(MAX_PAYLOAD) {
            let part = &long[at..long.len().min(at + MAX_PAYLOAD)];
            let header = self.next_header(part.len());
            self.out.extend_from_slice(&header);
            self.out.extend_from_slice(part);
        }
    }

    fn next_header(&mut self, length: usize) -> [u8; HEADER] {
        let [low, middle, high, ..] = length.to_le_bytes();
        let header = [low, middle, high, self.sequence];
        self.sequence = self.sequence.wrapping_add(1);
        header
    }
}

#[cfg(test)]
#[path = "wire/tests.rs"]
mod tests;
