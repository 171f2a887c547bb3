//! [`Signals`]: the first Ctrl-C or SIGTERM cancels, the second kills.
//!
//! *Does*: a thread waits for signals. The first one is handed to whoever is on watch; while nobody is, there is
//! nothing to wind down and the process ends as if the signal had not been caught. So does the second of a watch.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::low_level::emulate_default_handler;

type OnSignal = Box<dyn Fn() + Send>;

/// Who is told of the first signal.
#[derive(Clone, Default)]
pub(crate) struct Signals {
    /// Guards the two fields, which only change together.
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    is_signalled: bool,
    watch: Option<OnSignal>,
}

impl Signals {
    /// Starts to listen.
    pub(crate) fn install() -> anyhow::Result<Self> {
        let signals = Self::default();
        let mut received = signal_hook::iterator::Signals::new([SIGINT, SIGTERM])
            .context("cannot listen to signals")?;
        let told = signals.clone();
        let listen = move || {
            for signal in received.forever() {
                if !told.first() {
                    // Only fails for numbers that are no signal.
                    let _ = emulate_default_handler(signal);
                }
            }
        };
        std::thread::Builder::new()
            .name("cairn-signals".to_owned())
            .spawn(listen)
            .context("cannot start the thread for signals")?;
        Ok(signals)
    }

    /// Tells who is on watch. `false` when that was done before, or there is nobody.
    fn first(&self) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::replace(&mut state.is_signalled, true) {
            return false;
        }
        state.watch.as_ref().map(|tell| tell()).is_some()
    }

    /// Goes on watch until the answer is dropped.
    pub(crate) fn watch(&self, tell: impl Fn() + Send + 'static) -> Watch {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        // What was signalled before was about somebody else's work.
        *state = State { is_signalled: false, watch: Some(Box::new(tell)) };
        Watch { signals: self.clone() }
    }
}

/// Somebody is on watch.
#[must_use = "the watch ends when this is dropped"]
pub(crate) struct Watch {
    signals: Signals,
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut state = self.signals.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.watch = None;
    }
}
