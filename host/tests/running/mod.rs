//! The program running beside the test: what it says on stderr, signals, its end.

use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStderr, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

/// The program running.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    stderr: BufReader<ChildStderr>,
}

impl Running {
    /// Starts it with nothing to read.
    pub(crate) fn start(mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        Self { child, stderr }
    }

    /// Waits until stderr has a line with this text, and answers it.
    pub(crate) fn wait_for(&mut self, text: &str) -> String {
        let mut seen = String::new();
        loop {
            let mut line = String::new();
            let length = self.stderr.read_line(&mut line).unwrap();
            assert!(length > 0, "no {text:?} before the end of\n{seen}");
            if line.contains(text) {
                return line;
            }
            seen.push_str(&line);
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for the end: the exit code or else minus the signal, and stdout.
    pub(crate) fn end(self) -> (i32, String) {
        let Self { child, stderr } = self;
        // What nobody reads any more may fill the pipe.
        let drain = std::thread::spawn(move || stderr.lines().for_each(drop));
        let output = child.wait_with_output().unwrap();
        drain.join().unwrap();
        let status = output.status.code().or(output.status.signal().map(|signal| -signal));
        (status.unwrap(), String::from_utf8(output.stdout).unwrap())
    }
}
