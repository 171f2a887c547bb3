//! [`BufferPool`]: the windows that segment bytes are read into, used over and over.
//!
//! A fresh buffer of megabytes costs a page fault for every 4 KiB of it, which is more than reading the
//! bytes. A pool also bounds the memory of a lane by construction: no free buffer, no read.

use crossbeam_channel::{Receiver, Sender, bounded, select_biased};

use crate::cancel::CancelToken;

/// A fixed number of buffers of one size.
#[derive(Debug, Clone)]
pub(crate) struct BufferPool {
    free: Receiver<Vec<u8>>,
    give_back: Sender<Vec<u8>>,
}

/// A buffer of a pool; goes back when it is dropped.
#[derive(Debug)]
pub(crate) struct PooledBuffer {
    bytes: Vec<u8>,
    home: Sender<Vec<u8>>,
}

impl BufferPool {
    /// `count` buffers of `size` zeroed bytes. Memory is committed when a buffer is first written.
    pub(crate) fn new(count: usize, size: usize) -> Self {
        let (give_back, free) = bounded(count);
        for _ in 0..count {
            // Room for every buffer of the pool: never full.
            let _ = give_back.try_send(vec![0; size]);
        }
        Self { free, give_back }
    }

    /// A free buffer, waiting for one; `None` when the job is cancelled.
    pub(crate) fn take(&self, cancel: &CancelToken) -> Option<PooledBuffer> {
        let bytes = select_biased! {
            recv(cancel.gate()) -> _ => None,
            recv(self.free) -> bytes => bytes.ok(),
        }?;
        Some(PooledBuffer { bytes, home: self.give_back.clone() })
    }
}

impl AsRef<[u8]> for PooledBuffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl AsMut<[u8]> for PooledBuffer {
    fn as_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }
}

impl Drop for PooledBuffer {
    fn drop(&mut self) {
        // Room for every buffer of the pool, and no receiver only when the pool is gone.
        let _ = self.home.try_send(std::mem::take(&mut self.bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_buffer_can_be_taken_again_and_cancel_ends_the_wait() {
        let (pool, cancel) = (BufferPool::new(1, 16), CancelToken::new());
        let buffer = pool.take(&cancel).unwrap();
        let bytes = bytes::Bytes::from_owner(buffer);
        let slice = bytes.slice(3..5);
        drop(bytes);
        assert!(pool.free.is_empty(), "a slice keeps the buffer");
        drop(slice);
        assert_eq!(pool.take(&cancel).unwrap().as_ref().len(), 16);
        let held = pool.take(&cancel);
        cancel.cancel();
        assert!(pool.take(&cancel).is_none());
        drop(held);
    }
}
