//! [`ReadBuffers`]: large read buffers, used again.
//!
//! A fresh buffer of megabytes costs a page fault for every 4 KiB, about as much as reading the bytes. The
//! answer of a large get gives its buffer back when its last slice is dropped.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

/// Smaller reads are left to the allocator, which serves them well.
const MIN_POOLED_BYTES: usize = 1 << 20;
/// Larger buffers are rare and not worth keeping.
const MAX_POOLED_BYTES: usize = 16 << 20;
/// Idle buffers of one storage: at most 64 MiB.
const MAX_IDLE: usize = 4;

/// Idle buffers of one storage.
#[derive(Debug, Default)]
pub(super) struct ReadBuffers {
    /// Initialised throughout. Guards the list only.
    idle: Mutex<Vec<Vec<u8>>>,
}

/// A buffer that is being filled.
#[derive(Debug)]
pub(super) struct ReadBuffer {
    bytes: Vec<u8>,
    length: usize,
    home: Option<Arc<ReadBuffers>>,
}

impl ReadBuffers {
    /// A buffer of `length` bytes with any content. `None` when there is no memory for it.
    pub(super) fn take(self: &Arc<Self>, length: usize) -> Option<ReadBuffer> {
        if !(MIN_POOLED_BYTES..=MAX_POOLED_BYTES).contains(&length) {
            return Some(ReadBuffer { bytes: zeroed(length)?, length, home: None });
        }
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let fitting = idle.iter().position(|bytes| bytes.len() >= length);
        let reused = fitting.map(|at| idle.swap_remove(at));
        drop(idle);
        let bytes = match reused {
            Some(bytes) => bytes,
            // Few sizes: a buffer fits most later reads.
            None => zeroed(length.next_power_of_two())?,
        };
        Some(ReadBuffer { bytes, length, home: Some(Arc::clone(self)) })
    }
}

/// Zeroed pages of the operating system; `None` when there are none.
fn zeroed(length: usize) -> Option<Vec<u8>> {
    // Reserving first makes a length that cannot be had an answer instead of an abort.
    Vec::<u8>::new().try_reserve_exact(length).ok()?;
    Some(vec![0; length])
}

impl ReadBuffer {
    /// The bytes to fill.
    pub(super) fn as_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[..self.length]
    }

    /// The filled buffer.
    pub(super) fn freeze(self) -> Bytes {
        if self.home.is_some() { Bytes::from_owner(self) } else { self.into_bytes() }
    }

    fn into_bytes(mut self) -> Bytes {
        std::mem::take(&mut self.bytes).into()
    }
}

impl AsRef<[u8]> for ReadBuffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

impl Drop for ReadBuffer {
    fn drop(&mut self) {
        let Some(home) = self.home.take() else { return };
        let mut idle = home.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MAX_IDLE {
            idle.push(std::mem::take(&mut self.bytes));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_comes_back_when_its_last_slice_is_gone() {
        let buffers = Arc::new(ReadBuffers::default());
        let mut buffer = buffers.take(MIN_POOLED_BYTES + 1).unwrap();
        buffer.as_mut().fill(7);
        let slice = buffer.freeze().slice(5..6);
        assert_eq!(buffers.idle.lock().unwrap().len(), 0);
        drop(slice);
        assert_eq!(buffers.idle.lock().unwrap().len(), 1);
        let again = buffers.take(MIN_POOLED_BYTES).unwrap();
        assert_eq!(again.as_ref().len(), MIN_POOLED_BYTES);
        assert_eq!(buffers.idle.lock().unwrap().len(), 0);
    }

    #[test]
    fn small_and_huge_buffers_are_not_kept_and_the_impossible_is_an_answer() {
        let buffers = Arc::new(ReadBuffers::default());
        for length in [0, 1, MAX_POOLED_BYTES + 1] {
            assert_eq!(buffers.take(length).unwrap().freeze().len(), length);
        }
        assert!(buffers.take(usize::MAX / 2).is_none());
        assert!(buffers.idle.lock().unwrap().is_empty());
    }

    #[test]
    fn idle_buffers_are_few() {
        let buffers = Arc::new(ReadBuffers::default());
        let taken: Vec<_> = (0..9).map(|_| buffers.take(MIN_POOLED_BYTES)).collect();
        drop(taken);
        assert_eq!(buffers.idle.lock().unwrap().len(), MAX_IDLE);
    }
}
