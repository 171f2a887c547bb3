//! The control plane: one actor per stage, one supervisor per job, one thread for all of them.
//!
//! Messages steer, channels carry: nothing here touches a segment or a chunk. The actors run on an actix system of
//! their own on a thread of their own, so that an embedder needs none, and two engines in one process do
//! not meet. No handler blocks: waiting is done by the stages' threads, and their exits arrive as futures.
//!
//! Why not `SyncArbiter`: its mailboxes have no bound, and a panic there loses its cause.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use actix::prelude::*;
use tokio::sync::oneshot;

use crate::cancel::CancelToken;
use crate::error::Fault;
use crate::metrics::StageId;
use crate::priority::Priority;
use crate::progress::Progress;
use crate::stage::{StageContext, StageExit, Worker, spawn};
use crate::trace::Trace;

/// Ends the work of a job as soon as its stages notice.
#[derive(Debug, Message)]
#[rtype(result = "()")]
struct Cancel;

/// Ends the work of a job early but in order: what was begun is finished and kept.
#[derive(Debug, Message)]
#[rtype(result = "()")]
struct Drain;

/// Asks what the stages are doing.
#[derive(Debug, Message)]
#[rtype(result = "Vec<StageObservation>")]
struct Observe;

/// Starts the workers of a stage.
#[derive(Message)]
#[rtype(result = "()")]
struct Start {
    supervisor: Addr<Supervisor>,
}

/// Asks one stage what it is doing.
#[derive(Message)]
#[rtype(result = "StageObservation")]
struct ObserveStage;

/// A worker of a stage has ended and its thread is joined.
#[derive(Message)]
#[rtype(result = "()")]
struct WorkerExited {
    stage: StageId,
    exit: StageExit,
}

/// What a stage is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, MessageResponse)]
pub struct StageObservation {
    /// Which stage.
    pub stage: StageId,
    /// Its workers.
    pub workers: usize,
    /// Those that still work.
    pub working: usize,
}

/// How a job ended, as its supervisor saw it.
#[derive(Debug)]
pub enum JobExit {
    /// Every worker finished.
    Finished,
    /// It was cancelled.
    Cancelled,
    /// The first fault.
    Failed(Fault),
}

/// A stage of a job: its workers, not started yet.
pub(crate) struct StageSpec {
    pub(crate) stage: StageId,
    pub(crate) workers: Vec<Box<dyn Worker>>,
    /// Set by [`Drain`]; only the first stage of a pipeline has one.
    pub(crate) drain: Option<Arc<AtomicBool>>,
}

/// A job, ready to be started.
#[must_use]
pub struct Topology {
    pub(crate) cancel: CancelToken,
    /// Of the job, for who looks at its stages.
    pub(crate) progress: Arc<Progress>,
    pub(crate) stages: Vec<StageSpec>,
}

impl std::fmt::Debug for Topology {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.stages.iter().map(|stage| stage.stage)).finish()
    }
}

// ---------------------------------------------------------------- stage

/// Owns the threads of one stage.
struct StageActor {
    context: StageContext,
    drain: Option<Arc<AtomicBool>>,
    waiting: Vec<Box<dyn Worker>>,
    num_workers: usize,
    threads: Vec<Option<JoinHandle<()>>>,
    num_working: usize,
}

impl Actor for StageActor {
    type Context = Context<Self>;
}

impl StageActor {
    fn new(spec: StageSpec, cancel: CancelToken, progress: &Progress) -> Self {
        let flow = progress.flow().stage(spec.stage, spec.workers.len());
        Self {
            context: StageContext::observed(spec.stage, cancel, flow),
            drain: spec.drain,
            num_workers: spec.workers.len(),
            waiting: spec.workers,
            threads: Vec::new(),
            num_working: 0,
        }
    }

    /// Starts one worker and arranges for its exit to be told.
    fn launch(
        &mut self,
        worker: Box<dyn Worker>,
        supervisor: &Addr<Supervisor>,
        context: &mut Context<Self>,
    ) {
        let number = self.threads.len();
        let stage = self.context.stage();
        let name = format!("cairn-{}-{number}", stage.as_str());
        let exit = match spawn(name, worker, self.context.clone()) {
            Ok(running) => {
                self.threads.push(Some(running.thread));
                running.exit
            }
            Err(source) => {
                self.threads.push(None);
                let what = format!("starting a thread of the {} stage", stage.as_str());
                let (report, exit) = oneshot::channel();
                let _ = report.send(StageExit::Failed(Fault::System { what, source }));
                exit
            }
        };
        self.num_working += 1;
        let supervisor = supervisor.clone();
        let told = exit.into_actor(self).then(move |exit, stage_actor, _| {
            let exit = stage_actor.joined(number, exit.ok());
            supervisor.send(WorkerExited { stage, exit }).into_actor(stage_actor)
        });
        // The supervisor outlives its stages: it stops when it has heard of every worker.
        context.spawn(told.map(|_, _, _| ()));
    }

    /// The thread has reported, which is the last thing it does: joining does not block.
    fn joined(&mut self, number: usize, exit: Option<StageExit>) -> StageExit {
        self.num_working -= 1;
        self.context.worker_ended();
        if let Some(thread) = self.threads.get_mut(number).and_then(Option::take) {
            // A panic was caught and reported inside.
            let _ = thread.join();
        }
        exit.unwrap_or_else(|| {
            let what = "a worker ended without a report";
            StageExit::Failed(Fault::defect(self.context.stage(), what))
        })
    }
}

impl Handler<Start> for StageActor {
    type Result = ();

    fn handle(&mut self, message: Start, context: &mut Context<Self>) {
        for worker in std::mem::take(&mut self.waiting) {
            self.launch(worker, &message.supervisor, context);
        }
    }
}

impl Handler<Drain> for StageActor {
    type Result = ();

    fn handle(&mut self, _: Drain, _: &mut Context<Self>) {
        if let Some(drain) = &self.drain {
            // Relaxed: a plain flag; nothing else is published with it.
            drain.store(true, Ordering::Relaxed);
        }
    }
}

impl Handler<ObserveStage> for StageActor {
    type Result = StageObservation;

    fn handle(&mut self, _: ObserveStage, _: &mut Context<Self>) -> StageObservation {
        StageObservation {
            stage: self.context.stage(),
            workers: self.num_workers,
            working: self.num_working,
        }
    }
}

// ---------------------------------------------------------------- supervisor

/// Watches over one job: the first fault wins, the job ends when every worker has.
struct Supervisor {
    cancel: CancelToken,
    stages: Vec<Addr<StageActor>>,
    num_working: usize,
    /// The first fault, and whether anybody ended otherwise than well.
    fault: Option<Fault>,
    was_cancelled: bool,
    /// A stage that lost a neighbour; its neighbour is the cause.
    echo: Option<StageId>,
    exit: Option<oneshot::Sender<JobExit>>,
    trace: Trace,
}

impl std::fmt::Debug for Supervisor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Supervisor({} workers at work)", self.num_working)
    }
}

impl Actor for Supervisor {
    type Context = Context<Self>;
}

impl Supervisor {
    fn record(&mut self, stage: StageId, exit: StageExit) {
        let is_clean = matches!(exit, StageExit::Finished);
        match exit {
            StageExit::Finished => {}
            StageExit::Cancelled => self.was_cancelled = true,
            StageExit::DownstreamClosed | StageExit::UpstreamLost => {
                self.echo.get_or_insert(stage);
            }
            StageExit::Failed(fault) => {
                self.trace.in_scope(|| {
                    tracing::debug!(stage = stage.as_str(), error = %fault, "a stage failed");
                });
                self.fault.get_or_insert(fault);
            }
        }
        if !is_clean {
            self.cancel.cancel();
        }
    }

    fn outcome(&mut self) -> JobExit {
        match (self.fault.take(), self.was_cancelled, self.echo) {
            (Some(fault), ..) => JobExit::Failed(fault),
            (None, _, Some(stage)) if !self.was_cancelled => {
                JobExit::Failed(Fault::defect(stage, "a neighbour went away without a cause"))
            }
            (None, true, _) => JobExit::Cancelled,
            (None, false, _) => JobExit::Finished,
        }
    }
}

impl Handler<WorkerExited> for Supervisor {
    type Result = ();

    fn handle(&mut self, message: WorkerExited, context: &mut Context<Self>) {
        self.num_working -= 1;
        self.record(message.stage, message.exit);
        if self.num_working == 0 {
            let outcome = self.outcome();
            if let Some(exit) = self.exit.take() {
                // No receiver means that nobody waits for the job any more.
                let _ = exit.send(outcome);
            }
            // Dropping the last addresses stops the stage actors.
            self.stages.clear();
            context.stop();
        }
    }
}

impl Handler<Cancel> for Supervisor {
    type Result = ();

    fn handle(&mut self, _: Cancel, _: &mut Context<Self>) {
        self.cancel.cancel();
    }
}

impl Handler<Drain> for Supervisor {
    type Result = ();

    fn handle(&mut self, _: Drain, context: &mut Context<Self>) {
        for stage in &self.stages {
            let sent = stage.send(Drain).into_actor(self);
            // A stage that has ended has nothing to drain.
            context.spawn(sent.map(|_, _, _| ()));
        }
    }
}

impl Handler<Observe> for Supervisor {
    type Result = ResponseFuture<Vec<StageObservation>>;

    fn handle(&mut self, _: Observe, _: &mut Context<Self>) -> Self::Result {
        let asked: Vec<_> = self.stages.iter().map(|stage| stage.send(ObserveStage)).collect();
        Box::pin(async move {
            let answers = futures::future::join_all(asked).await;
            answers.into_iter().flatten().collect()
        })
    }
}

// ---------------------------------------------------------------- control plane

/// A started job.
#[derive(Debug)]
pub struct RunningJob {
    /// Its cancel switch; works without a message.
    pub cancel: CancelToken,
    /// To drain and observe it.
    pub control: JobControl,
    /// Resolves when every thread of the job is joined.
    pub exit: oneshot::Receiver<JobExit>,
}

/// A way to talk to the actors of a job.
#[derive(Debug, Clone)]
pub struct JobControl {
    supervisor: Addr<Supervisor>,
}

impl JobControl {
    /// Ends the job as soon as its stages notice; `false` when nobody hears it any more.
    pub fn cancel(&self) -> bool {
        self.supervisor.try_send(Cancel).is_ok()
    }

    /// Ends the job early but in order: what was begun is finished and kept.
    pub fn drain(&self) {
        // A full mailbox of a supervisor that hears little cannot be; a stopped one has ended.
        let _ = self.supervisor.try_send(Drain);
    }

    /// What the stages are doing; nothing when the job has ended.
    pub async fn observe(&self) -> Vec<StageObservation> {
        self.supervisor.send(Observe).await.unwrap_or_default()
    }
}

/// The thread that all actors of an engine live on. Dropping it stops and joins the thread; the engine
/// cancels its jobs before.
#[derive(Debug)]
pub struct ControlPlane {
    arbiter: ArbiterHandle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl ControlPlane {
    /// Starts the thread with this priority, which stages have too.
    pub fn start(priority: Priority) -> Result<Self, Fault> {
        let system_error =
            |source| Fault::System { what: "starting the control plane".to_owned(), source };
        let (ready, started) = crossbeam_channel::bounded(1);
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::Builder::new()
            .name("cairn-control".to_owned())
            .spawn(move || {
                priority.apply();
                let runner = System::new();
                runner.block_on(async move {
                    // The other side waits for exactly this message.
                    let _ = ready.send(Arbiter::current());
                    // Resolves also when the sender is dropped.
                    let _ = stopped.await;
                });
            })
            .map_err(system_error)?;
        let arbiter =
            started.recv().map_err(|_| system_error(std::io::Error::other("it ended")))?;
        Ok(Self { arbiter, stop: Some(stop), thread: Some(thread) })
    }

    /// Starts the workers of a job.
    pub async fn launch(&self, topology: Topology) -> Result<RunningJob, Fault> {
        let gone = || Fault::System {
            what: "starting a job".to_owned(),
            source: std::io::Error::other("the control plane has stopped"),
        };
        let cancel = topology.cancel.clone();
        let (report, exit) = oneshot::channel();
        let (ready, started) = oneshot::channel();
        let (stages, progress) = (topology.stages.into_iter(), topology.progress);
        let stages: Vec<StageActor> =
            stages.map(|spec| StageActor::new(spec, cancel.clone(), &progress)).collect();
        let (token, trace) = (cancel.clone(), Trace::current());
        let is_running = self.arbiter.spawn_fn(move || {
            let num_working = stages.iter().map(|stage| stage.num_workers).sum();
            let stages: Vec<_> = stages.into_iter().map(Actor::start).collect();
            let supervisor = Supervisor {
                cancel: token,
                stages: stages.clone(),
                num_working,
                fault: None,
                was_cancelled: false,
                echo: None,
                exit: Some(report),
                trace,
            }
            .start();
            let starts: Vec<_> = stages
                .iter()
                .map(|stage| stage.send(Start { supervisor: supervisor.clone() }))
                .collect();
            actix::spawn(async move {
                futures::future::join_all(starts).await;
                // The caller may have gone: the job runs on.
                let _ = ready.send(supervisor);
            });
        });
        if !is_running {
            return Err(gone());
        }
        let supervisor = started.await.map_err(|_| gone())?;
        Ok(RunningJob { cancel, control: JobControl { supervisor }, exit })
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the control thread has nobody left to tell.
            let _ = thread.join();
        }
    }
}
