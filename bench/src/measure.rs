//! Measures one command: wall time, CPU time, peak memory, and what else the machine did meanwhile.
//!
//! The command is started by a small process of its own, this program again as `cairn-bench measure`. The
//! kernel counts the memory that a process shares with its parent before it executes its own program
//! towards the peak of that process; a parent that has generated data would give every tool its own peak.
//! So a peak below the few MiB of this program is not seen.

use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use wait4::Wait4;

/// What a command used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// Exit status; 128 and the signal, as shells have it, for a process that was killed.
    pub status: i32,
    /// From start to end.
    pub wall_secs: f64,
    /// CPU time in user mode, of all its threads and of children that it waited for.
    pub user_secs: f64,
    /// CPU time in the kernel.
    pub system_secs: f64,
    /// Largest resident set of the process.
    pub peak_bytes: u64,
    /// Processors that were busy with something else, on average.
    pub foreign_cpus: f64,
    /// Processors that a hypervisor gave to others, on average.
    pub stolen_cpus: f64,
}

impl Usage {
    /// User and system time.
    pub fn cpu_secs(&self) -> f64 {
        self.user_secs + self.system_secs
    }
}

/// A command to measure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Variables that are set for it.
    pub environment: Vec<(&'static str, OsString)>,
    /// Where it runs.
    pub directory: PathBuf,
}

/// Measures commands, one after another.
#[derive(Debug, Clone)]
pub struct Measurer {
    /// This program.
    pub helper: PathBuf,
    /// Where the helper leaves its answer.
    pub answer: PathBuf,
    /// Where the output of the commands is appended.
    pub log: PathBuf,
}

impl Measurer {
    /// Runs the command to its end. A command that fails is measured as well; one that cannot be started is
    /// an error.
    pub fn measure(&self, invocation: &Invocation) -> Result<Usage> {
        let status = Command::new(&self.helper)
            .args(["measure", "--report"])
            .arg(&self.answer)
            .arg("--log")
            .arg(&self.log)
            .arg("--")
            .arg(&invocation.program)
            .args(&invocation.arguments)
            .envs(invocation.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(&invocation.directory)
            .stdin(Stdio::null())
            .status()
            .with_context(|| format!("start {}", self.helper.display()))?;
        ensure!(status.success(), "{} could not be measured", invocation.program.display());
        let answer = fs::read(&self.answer).context("read the answer of the helper")?;
        fs::remove_file(&self.answer)?;
        serde_json::from_slice(&answer).context("understand the answer of the helper")
    }
}

/// The helper: runs a command, appends its output to the file `log` and writes a [`Usage`] to the file `report`.
pub fn answer(command: &[OsString], log: &Path, report: &Path) -> Result<()> {
    let (program, arguments) = command.split_first().context("no command")?;
    let log = open_log(log)?;
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    let usage =
        run(&mut command).with_context(|| format!("run {}", Path::new(program).display()))?;
    fs::write(report, serde_json::to_vec(&usage)?)?;
    Ok(())
}

fn open_log(path: &Path) -> Result<File> {
    let log = File::options().create(true).append(true).open(path);
    log.with_context(|| format!("open {}", path.display()))
}

fn run(command: &mut Command) -> Result<Usage> {
    let before = BusyTime::now();
    let started = Stopwatch::start();
    let ended = command.spawn()?.wait4()?;
    let wall = started.elapsed();
    let meanwhile = before.and_then(|before| BusyTime::now()?.since(before));
    let (user, system) = (ended.rusage.utime, ended.rusage.stime);
    let (foreign_cpus, stolen_cpus) = meanwhile.unwrap_or_default().shares(user + system, wall);
    let killed = || ended.status.signal().map_or(-1, |signal| 128 + signal);
    Ok(Usage {
        status: ended.status.code().unwrap_or_else(killed),
        wall_secs: wall.as_secs_f64(),
        user_secs: user.as_secs_f64(),
        system_secs: system.as_secs_f64(),
        peak_bytes: ended.rusage.maxrss,
        foreign_cpus,
        stolen_cpus,
    })
}

/// Elapsed time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stopwatch(std::time::Instant);

impl Stopwatch {
    #[expect(clippy::disallowed_methods, reason = "measuring is what this program is for")]
    pub(crate) fn start() -> Self {
        Self(std::time::Instant::now())
    }

    pub(crate) fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

/// Time that all processors together were busy, or stolen, since the machine started; in clock ticks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct BusyTime {
    busy_ticks: u64,
    stolen_ticks: u64,
}

impl BusyTime {
    /// `None` where the kernel does not say.
    fn now() -> Option<Self> {
        Self::parse(&fs::read_to_string("/proc/stat").ok()?)
    }

    /// The first line of /proc/stat: user, nice, system, idle, iowait, irq, softirq, steal.
    fn parse(stat: &str) -> Option<Self> {
        let line = stat.lines().next()?.strip_prefix("cpu ")?;
        let ticks: Vec<u64> = line.split_whitespace().map_while(|text| text.parse().ok()).collect();
        let &[user, nice, system, _, _, irq, soft_irq, stolen_ticks, ..] = ticks.as_slice() else {
            return None;
        };
        Some(Self { busy_ticks: user + nice + system + irq + soft_irq, stolen_ticks })
    }

    fn since(self, before: Self) -> Option<Self> {
        Some(Self {
            busy_ticks: self.busy_ticks.checked_sub(before.busy_ticks)?,
            stolen_ticks: self.stolen_ticks.checked_sub(before.stolen_ticks)?,
        })
    }

    /// Processors busy with something else, and stolen, on average. Ticks are coarse: a time as short as a
    /// few of them gives no share worth the name, so it counts as ten.
    fn shares(self, own: Duration, wall: Duration) -> (f64, f64) {
        let tick = 1.0 / rustix::param::clock_ticks_per_second() as f64;
        let wall = wall.as_secs_f64().max(10.0 * tick);
        let foreign = self.busy_ticks as f64 * tick - own.as_secs_f64();
        (foreign.max(0.0) / wall, self.stolen_ticks as f64 * tick / wall)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn busy_time_is_read_and_compared() {
        let parse = |text| BusyTime::parse(text).unwrap();
        let before = parse("cpu  10 0 20 999 5 0 0 7 0 0\ncpu0 1 2 3\n");
        assert_eq!(before, BusyTime { busy_ticks: 30, stolen_ticks: 7 });
        let after = parse("cpu  210 0 120 1999 5 1 2 17 0 0\n");
        let meanwhile = after.since(before).unwrap();
        assert_eq!(meanwhile, BusyTime { busy_ticks: 303, stolen_ticks: 10 });
        assert_eq!(before.since(after), None);
        assert_eq!(BusyTime::parse("intr 5"), None);
    }

    #[test]
    fn foreign_load_is_what_the_command_did_not_use() {
        let ticks = rustix::param::clock_ticks_per_second();
        let meanwhile = BusyTime { busy_ticks: 3 * ticks, stolen_ticks: ticks };
        let (foreign, stolen) = meanwhile.shares(Duration::from_secs(2), Duration::from_secs(2));
        assert!((foreign - 0.5).abs() < 1e-9 && (stolen - 0.5).abs() < 1e-9);
        let (foreign, _) = meanwhile.shares(Duration::from_secs(9), Duration::from_secs(2));
        assert!(foreign.abs() < 1e-9);
    }

    #[test]
    fn the_end_of_a_command_is_told() {
        let shell = |script| run(Command::new("/bin/sh").args(["-c", script])).unwrap();
        assert_eq!(shell("exit 3").status, 3);
        assert_eq!(shell("kill -9 $$").status, 128 + 9);
        assert!(shell("true").peak_bytes > 0);
    }
}
