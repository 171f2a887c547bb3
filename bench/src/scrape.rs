//! What scraping costs: the processor time of a backup that is scraped against that of one that is not, in turn in one run.
//!
//! *Does*: both serve metrics; only one is asked. Processor time, not wall time, is compared, so that what else the machine
//! does counts little. What several scrapes a second cost is divided by their number.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use wait4::Wait4;

use crate::cli::ScrapeOptions;
use crate::console::say;
use crate::measure::Stopwatch;
use crate::scratch::Scratch;
use crate::stats::median;

/// A backup and what was asked of it.
struct Measured {
    cpu_secs: f64,
    num_scrapes: u64,
    scraped_bytes: u64,
}

/// Backs up by turns and tells the difference.
pub fn run(options: &ScrapeOptions) -> Result<()> {
    ensure!(
        options.pairs > 0 && options.per_second > 0,
        "at least one pair and one scrape a second"
    );
    let scratch = Scratch::take(&options.scratch)?;
    let (mut ratios, mut costs) = (Vec::new(), Vec::new());
    for pair in 0..options.pairs {
        let backup = |name: &str, per_second| {
            let repository = scratch.root().join(format!("{name}-{pair}"));
            let measured = back_up(options, &repository, per_second);
            // It may not be there, if the backup says so.
            let _ = std::fs::remove_dir_all(&repository);
            measured
        };
        let (alone, scraped) = match pair % 2 {
            0 => (backup("alone", None)?, backup("scraped", Some(options.per_second))?),
            _ => {
                let scraped = backup("scraped", Some(options.per_second))?;
                (backup("alone", None)?, scraped)
            }
        };
        ensure!(
            scraped.num_scrapes > 0,
            "the backup was over before the first scrape: give it more"
        );
        ratios
            .push(1.0 + (scraped.cpu_secs / alone.cpu_secs - 1.0) / f64::from(options.per_second));
        costs.push((scraped.cpu_secs - alone.cpu_secs) / scraped.num_scrapes as f64);
        say(format!(
            "alone {:.2} s of processor, scraped {:.2} s, {} scrapes of {} bytes",
            alone.cpu_secs,
            scraped.cpu_secs,
            scraped.num_scrapes,
            scraped.scraped_bytes / scraped.num_scrapes
        ))?;
    }
    let (ratio, cost) = (median(&ratios).unwrap_or(f64::NAN), median(&costs).unwrap_or(f64::NAN));
    Ok(say(format!(
        "one scrape a second: {:.4} times the processor time; a scrape costs {:.2} ms (medians of {} pairs)",
        ratio,
        cost * 1000.0,
        options.pairs
    ))?)
}

/// Backs up, scraped so many times a second.
fn back_up(
    options: &ScrapeOptions,
    repository: &Path,
    per_second: Option<u32>,
) -> Result<Measured> {
    let verb = ["backup", "--listen", "127.0.0.1:0", "--repo"].map(OsStr::new);
    let mut command = Command::new(&options.cairn);
    command.args(verb).arg(repository).arg(&options.source);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child =
        command.spawn().with_context(|| format!("start {}", options.cairn.display()))?;
    let stderr = child.stderr.take().context("stderr is a pipe")?;
    let mut lines = BufReader::new(stderr).lines().map_while(Result::ok);
    let address = lines.find_map(|line| {
        let (_, rest) = line.split_once("http://")?;
        Some(rest.split('/').next()?.to_owned())
    });
    let address = address.context("the backup ended before it served its metrics")?;
    let (tell_end, end) = sync_channel(1);
    let drain = std::thread::spawn(move || lines.for_each(drop));
    let scraper =
        std::thread::spawn(move || scrape(&address, per_second, &|left| end.recv_timeout(left)));
    let used = child.wait4()?;
    drop(tell_end);
    let (num_scrapes, scraped_bytes) = scraper.join().unwrap_or_default();
    // A panic there has been printed by its thread.
    let _ = drain.join();
    ensure!(used.status.success(), "the backup failed: {}", used.status);
    let cpu_secs = (used.rusage.utime + used.rusage.stime).as_secs_f64();
    Ok(Measured { cpu_secs, num_scrapes, scraped_bytes })
}

/// Scrapes until the end: how often, and how many bytes.
fn scrape(
    address: &str,
    per_second: Option<u32>,
    wait: &dyn Fn(Duration) -> Result<(), RecvTimeoutError>,
) -> (u64, u64) {
    let Some(per_second) = per_second else {
        return (0, 0);
    };
    let (begun, mut scraped) = (Stopwatch::start(), (0, 0));
    for number in 1.. {
        let due = Duration::from_secs(1) / per_second * number;
        match wait(due.saturating_sub(begun.elapsed())) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(RecvTimeoutError::Disconnected) => break,
        }
        // The backup may end meanwhile.
        if let Ok(bytes) = get(address) {
            scraped = (scraped.0 + 1, scraped.1 + bytes);
        }
    }
    scraped
}

fn get(address: &str) -> std::io::Result<u64> {
    let mut stream = TcpStream::connect(address)?;
    write!(stream, "GET /metrics HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(answer.len() as u64)
}
