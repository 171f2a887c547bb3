//! [`Flight`]: work of a stage that runs elsewhere, under a fixed number of permits.
//!
//! The stage's thread launches work, waits for a result when all permits are out, and forwards results; whoever
//! does the work lands its result in a channel with room for one per permit and so never blocks. Work that is
//! lost (its task panicked) lands as a fault: no permit is ever waited for in vain.

use std::panic::AssertUnwindSafe;

use crossbeam_channel::{Receiver, Sender, bounded, select_biased};
use futures::FutureExt;

use crate::cancel::CancelToken;
use crate::error::{Fault, Stop};
use crate::metrics::StageId;
use crate::stage::{StageContext, panic_message};

/// Work under permits. Owned by one stage thread.
#[derive(Debug)]
pub(crate) struct Flight<T> {
    stage: StageId,
    cancel: CancelToken,
    done: Sender<Result<T, Stop>>,
    results: Receiver<Result<T, Stop>>,
    permits: usize,
    num_running: usize,
}

/// The permit of one piece of work; gives its result to the stage.
#[derive(Debug)]
pub(crate) struct Landing<T> {
    stage: StageId,
    cancel: CancelToken,
    /// Taken by the first result.
    done: Option<Sender<Result<T, Stop>>>,
}

impl<T> Flight<T> {
    /// At most `permits` pieces of work at once.
    pub(crate) fn new(permits: usize, context: &StageContext) -> Self {
        let (done, results) = bounded(permits);
        let (stage, cancel) = (context.stage(), context.cancel().clone());
        Self { stage, cancel, done, results, permits, num_running: 0 }
    }

    /// Whether every permit is out.
    pub(crate) fn is_full(&self) -> bool {
        self.num_running == self.permits
    }

    /// Whether nothing runs.
    pub(crate) fn is_idle(&self) -> bool {
        self.num_running == 0
    }

    /// Takes a permit for one piece of work.
    pub(crate) fn launch(&mut self) -> Landing<T> {
        debug_assert!(!self.is_full(), "the caller waits for a permit first");
        self.num_running += 1;
        let (stage, cancel) = (self.stage, self.cancel.clone());
        Landing { stage, cancel, done: Some(self.done.clone()) }
    }

    /// Where results arrive, to wait for next to an edge. Every one taken there is to be given to
    /// [`Flight::landed`].
    pub(crate) fn results(&self) -> &Receiver<Result<T, Stop>> {
        &self.results
    }

    /// Takes the permit of a result back.
    pub(crate) fn landed(&mut self, result: Result<T, Stop>) -> Result<T, Stop> {
        self.num_running -= 1;
        result
    }

    /// Waits for all that runs, whatever it comes to: what it holds, such as a file that is being restored, is let go before the
    /// stage ends. Only for work that always lands, cancelled or not.
    pub(crate) fn settle(&mut self) {
        while self.num_running > 0 && self.results.recv().is_ok() {
            self.num_running -= 1;
        }
    }

    /// Waits for a result and takes its permit back.
    pub(crate) fn wait(&mut self) -> Result<T, Stop> {
        let result = select_biased! {
            recv(self.cancel.gate()) -> _ => return Err(Stop::Cancelled),
            recv(self.results) -> result => result,
        };
        // This side holds a sender: the channel cannot be disconnected.
        let result = result.map_err(|_| Fault::defect(self.stage, "a result was lost"))?;
        self.landed(result)
    }
}

impl<T> Landing<T> {
    /// Gives what a task comes to to the stage; its panic is a fault of the stage.
    pub(crate) async fn land_from(self, task: impl Future<Output = Result<T, Fault>>) {
        let result = AssertUnwindSafe(task).catch_unwind().await;
        let stage = self.stage.as_str();
        let panicked = |message| Err(Fault::Panicked { stage, message });
        let result = result.unwrap_or_else(|panic| panicked(panic_message(panic.as_ref())));
        self.land(result.map_err(Stop::from));
    }

    /// Gives the result to the stage.
    pub(crate) fn land(mut self, result: Result<T, Stop>) {
        if let Some(done) = self.done.take() {
            // Room for every permit: never blocks. No receiver means that the stage has stopped.
            let _ = done.send(result);
        }
    }
}

impl<T> Drop for Landing<T> {
    fn drop(&mut self) {
        // Cancelled work is dropped where it waits; nobody waits for it.
        let Some(done) = self.done.take().filter(|_| !self.cancel.is_cancelled()) else {
            return;
        };
        let message = "work in flight was lost".to_owned();
        let fault = Fault::Panicked { stage: self.stage.as_str(), message };
        let _ = done.send(Err(fault.into()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context() -> StageContext {
        StageContext::new(StageId::Uploader, CancelToken::new())
    }

    #[test]
    fn lost_work_is_a_fault_and_its_permit_comes_back() {
        let mut flight: Flight<u32> = Flight::new(1, &context());
        flight.launch().land(Ok(7));
        assert_eq!(flight.wait().unwrap(), 7);
        drop(flight.launch());
        assert!(matches!(flight.wait(), Err(Stop::Failed(Fault::Panicked { .. }))));
        assert!(flight.is_idle());
    }

    #[test]
    fn cancelled_work_is_no_fault() {
        let context = context();
        let mut flight: Flight<u32> = Flight::new(1, &context);
        let landing = flight.launch();
        context.cancel().cancel();
        drop(landing);
        assert!(flight.results().is_empty());
        assert!(matches!(flight.wait(), Err(Stop::Cancelled)));
    }
}
