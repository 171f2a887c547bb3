//! [`Server`]: the real program, serving a data directory of a [`Place`].

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use cairn_testkit::wait_until;

use crate::client::Client;
use crate::place::Place;

/// Longer than anything takes on a machine that others use, too.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// What the program says to its operator, in a [`Place`].
const LOG: &str = "serve.log";

/// A server that runs until its value is dropped, which kills it.
pub(crate) struct Server<'a> {
    place: &'a Place,
    child: Child,
    address: SocketAddr,
    http: String,
}

/// `serve --data data` with more arguments, on ports that are free.
pub(crate) fn serve<'a>(place: &'a Place, arguments: &[&str]) -> Server<'a> {
    run(place, command(place, arguments)).unwrap()
}

/// The same where it may not start: then what it says.
pub(crate) fn try_serve<'a>(place: &'a Place, arguments: &[&str]) -> Result<Server<'a>, String> {
    run(place, command(place, arguments))
}

/// The same with another log filter.
pub(crate) fn serve_logging<'a>(place: &'a Place, filter: &str, arguments: &[&str]) -> Server<'a> {
    let mut command = command(place, arguments);
    command.env("CAIRN_LOG", filter);
    run(place, command).unwrap()
}

fn run(place: &Place, mut command: Command) -> Result<Server<'_>, String> {
    let log = File::options().create(true).append(true).open(place.path(LOG)).unwrap();
    let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let (mut http, mut address) = (None, None);
    for line in lines.by_ref().map_while(Result::ok) {
        if let Some(rest) = line.strip_prefix("serving http://") {
            http = rest.split('/').next().map(str::to_owned);
        } else if let Some(rest) = line.strip_prefix("serving SQL on ") {
            address = rest.split(' ').next().and_then(|address| address.parse().ok());
            break;
        }
    }
    let Some((http, address)) = http.zip(address) else {
        let status = child.wait().unwrap();
        return Err(format!("{status}: {}", fs::read_to_string(place.path(LOG)).unwrap()));
    };
    // What it says at its end must find a reader.
    std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
    Ok(Server { place, child, address, http })
}

/// Why the server does not start: what it says, after it has ended with this status.
#[track_caller]
pub(crate) fn refuses(place: &Place, status: i32, arguments: &[&str]) -> String {
    let output = command(place, arguments).output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(status), "{told}");
    assert!(!String::from_utf8_lossy(&output.stdout).contains("serving SQL"), "half a start");
    told
}

fn command(place: &Place, arguments: &[&str]) -> Command {
    let has = |flag: &str| arguments.contains(&flag);
    let mut command = place.command(&["serve", "--listen", "127.0.0.1:0"]);
    if !has("--data") {
        command.args(["--data", "data"]);
    }
    if !has("--sql-listen") {
        command.args(["--sql-listen", "127.0.0.1:0"]);
    }
    command.args(arguments);
    command
}

impl Server<'_> {
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where its page is: address and port.
    pub(crate) fn http(&self) -> &str {
        &self.http
    }

    pub(crate) fn port(&self) -> String {
        self.address.port().to_string()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A connection of root, who has no password yet.
    pub(crate) fn root(&self) -> Client {
        Client::login(self.address, "root", "").unwrap()
    }

    /// What it has said to its operator, and so did those before it.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.place.path(LOG)).unwrap()
    }

    /// Ends it as an operator does.
    pub(crate) fn stop(mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        let mut status = None;
        wait_until("the server ends", PATIENCE, || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        assert!(status.is_some_and(|status| status.success()), "{status:?}: {}", self.log());
    }

    /// Bytes of memory that it has.
    pub(crate) fn resident(&self) -> usize {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() << 10
    }

    /// Waits until it uses no processor any more.
    pub(crate) fn wait_until_it_rests(&self) {
        let ticks = || {
            let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap();
            let fields = stat.rsplit_once(')').unwrap().1;
            let times = fields.split_whitespace().skip(11).take(2);
            times.map(|time| time.parse::<u64>().unwrap()).sum::<u64>()
        };
        // 200 looks are half a second.
        let (mut before, mut looks) = (ticks(), 0);
        wait_until("the server rests", PATIENCE, || {
            let now = ticks();
            looks = if now == before { looks + 1 } else { 0 };
            before = now;
            looks == 200
        });
    }
}

impl Drop for Server<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
