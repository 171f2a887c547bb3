//! What can be typed.

use std::path::PathBuf;

use bytesize::ByteSize;
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::dataset::SetSpec;
use crate::scenario::Scenario;
use crate::store::StoreSpec;
use crate::tool::ToolOptions;

const EXAMPLES: &str = "\
Examples:
  cairn-bench quick                                    two minutes, generated data, every tool that is here
  cairn-bench run --sets small,rows:1GiB --runs 5      generated sets; `small` takes a number of files
  cairn-bench run --data /data --sets T1,T2,T4 --tools cairn,restic,rustic,cp,floor --runs 3
  cairn-bench run --sets segments --stores s3,s3@0ms,s3@50ms,hdfs --tools cairn,restic,rustic,rclone,hdfs-dfs
  cairn-bench scale --tools cairn                      ten times the segments, ten times the bytes
  cairn-bench sql --parts query,load                   what clients of the reference host wait for
  cairn-bench prune --store s3                         a million chunks, two thirds of them freed; requests counted
  cairn-bench report bench/results/2026-01-31-host     make summary.md and the plots again

Sets that are generated: small[:FILES] large[:SIZE] rows[:SIZE] segments[:SIZE]. Any other name is a folder
below --data; its next state, for the scenario `incremental`, is NAME-next (T1: T3, T2: T2i).";

/// Measures Cairn beside its peers: interleaved, repeated, and with a warning when a number means little.
#[derive(Debug, Parser)]
#[command(name = "cairn-bench", version, after_help = EXAMPLES, max_term_width = 110)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Small generated data, one run of each tool.
    Quick(CommonOptions),
    /// Chosen sets, tools and scenarios, repeated.
    Run(RunOptions),
    /// Whether throughput and memory hold with ten times the segments and ten times the bytes.
    Scale(ScaleOptions),
    /// What clients of `cairn serve` wait for: queries beside plain DataFusion, a load under backups, SHOW.
    Sql(SqlOptions),
    /// Make summary and plots again from raw.json.
    Report(ReportOptions),
    /// The floor: copy, cut and hash every byte once, on one thread.
    Floor(FloorOptions),
    /// What freeing space costs: many snapshots, most of them forgotten, then a prune.
    Prune(PruneOptions),
    /// What scraping costs: backups with and without a scraper, in turn.
    Scrape(ScrapeOptions),
    /// Run one command and write what it used.
    #[command(hide = true)]
    Measure(MeasureOptions),
}

/// Where things are; the same for every kind of run.
#[derive(Debug, Clone, Args)]
pub struct CommonOptions {
    /// What is compared, and where.
    #[command(flatten)]
    pub tools: ToolOptions,
    /// Folder of results; a run goes to `<date>-<machine>` in it.
    #[arg(long, default_value = "bench/results", value_name = "DIR")]
    pub results: PathBuf,
    /// Name of the machine in the results; by default its host name.
    #[arg(long, value_name = "NAME")]
    pub machine: Option<String>,
    /// Compare what was restored with the source in the first round, outside the time.
    #[arg(long)]
    pub verify: bool,
    /// Rounds; those disturbed by other processes count only when there is nothing better.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub runs: u32,
    /// Rounds at most: more than --runs lets disturbed ones be repeated.
    #[arg(long, value_name = "RUNS")]
    pub max_runs: Option<u32>,
}

/// Options of `run`.
#[derive(Debug, Clone, Args)]
pub struct RunOptions {
    /// Where the common things are.
    #[command(flatten)]
    pub common: CommonOptions,
    /// Data sets; see below.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "small,rows,segments",
        value_name = "SET[:SIZE],.."
    )]
    pub sets: Vec<SetSpec>,
    /// Folder of data sets that are not generated.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Where repositories are: s3 or hdfs; behind proxies that make a round trip longer, s3@0ms or s3@50ms. By default in
    /// the scratch directory.
    #[arg(long, value_delimiter = ',', value_name = "STORE[@MS],..")]
    pub stores: Vec<StoreSpec>,
    /// Where the programs of HDFS are kept; they are fetched if they are not there.
    #[arg(long, default_value = "target/test-servers/hdfs", value_name = "DIR")]
    pub servers: PathBuf,
    /// Scenarios, always run in this order; `full` is always among them.
    #[arg(long, value_delimiter = ',', value_enum, default_values_t = Scenario::ALL)]
    pub scenarios: Vec<Scenario>,
}

/// Options of `scale`.
#[derive(Debug, Clone, Args)]
pub struct ScaleOptions {
    /// Where the common things are.
    #[command(flatten)]
    pub common: CommonOptions,
    /// Bytes of the sets with few and with many segments.
    #[arg(long, default_value = "1GiB", value_name = "SIZE")]
    pub segments_size: ByteSize,
    /// Bytes of the smaller of the two sets that differ in size; most of them are holes.
    #[arg(long, default_value = "2GiB", value_name = "SIZE")]
    pub bytes_size: ByteSize,
}

/// A part of `sql`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SqlPart {
    /// Queries beside plain DataFusion.
    Query,
    /// A steady load without and with backups.
    Load,
    /// SHOW among many tables and snapshots.
    Show,
}

/// Options of `sql`.
#[derive(Debug, Clone, Args)]
pub struct SqlOptions {
    /// Parts, always run in this order.
    #[arg(long, value_delimiter = ',', value_enum, default_values_t = [SqlPart::Query, SqlPart::Load, SqlPart::Show])]
    pub parts: Vec<SqlPart>,
    /// The scale factor of the line items.
    #[arg(long, default_value_t = 1.0)]
    pub scale: f64,
    /// Rounds of queries and of SHOW.
    #[arg(long, default_value_t = 11, value_parser = clap::value_parser!(u32).range(1..))]
    pub runs: u32,
    /// Clients of the load; every second one inserts, the others query.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(2..))]
    pub clients: u32,
    /// Statements of each client in a second.
    #[arg(long, default_value_t = 10.0)]
    pub rate: f64,
    /// Phases without backups, and as many with them.
    #[arg(long, default_value_t = 5)]
    pub phases: u32,
    /// Length of a phase.
    #[arg(long, default_value_t = 20, value_name = "SECONDS")]
    pub phase_secs: u64,
    /// Tables among which SHOW is asked.
    #[arg(long, default_value_t = 1000)]
    pub tables: u32,
    /// Snapshots among which SHOW is asked.
    #[arg(long, default_value_t = 10_000)]
    pub snapshots: u32,
    /// A line for the section `[sql]` of the server's configuration, such as `job_priority = "low"`; can be repeated.
    #[arg(long = "setting", value_name = "KEY = VALUE")]
    pub settings: Vec<String>,
    /// The cairn binary; by default the one built beside this program.
    #[arg(long, value_name = "FILE")]
    pub cairn: Option<PathBuf>,
    /// Directory for data and repositories; in memory, if disks are not what is measured.
    #[arg(long, default_value = "/dev/shm", value_name = "DIR")]
    pub scratch: PathBuf,
    /// Folder of results; a run goes to `<date>-<machine>` in it.
    #[arg(long, default_value = "bench/results", value_name = "DIR")]
    pub results: PathBuf,
    /// Name of the machine in the results; by default its host name.
    #[arg(long, value_name = "NAME")]
    pub machine: Option<String>,
}

/// Options of `report`.
#[derive(Debug, Args)]
pub struct ReportOptions {
    /// The folder with raw.json.
    pub results: PathBuf,
}

/// Options of `scrape`.
#[derive(Debug, Args)]
pub struct ScrapeOptions {
    /// The cairn binary.
    #[arg(long, value_name = "FILE")]
    pub cairn: PathBuf,
    /// Backups of each kind.
    #[arg(long, default_value_t = 5)]
    pub pairs: usize,
    /// Scrapes in a second. More than one makes the cost larger than the noise; the answer is for one.
    #[arg(long, default_value_t = 1)]
    pub per_second: u32,
    /// Where repositories are made.
    #[arg(long, value_name = "DIR", default_value = "/var/tmp")]
    pub scratch: PathBuf,
    /// The warehouse to back up, a tree of database/table/partition/tablet.
    pub source: PathBuf,
}

/// Options of `prune`.
#[derive(Debug, Args)]
pub struct PruneOptions {
    /// What is compared, and where.
    #[command(flatten)]
    pub tools: ToolOptions,
    /// Where repositories are: s3, one server for each tool, whose requests are counted. By default in the scratch directory.
    #[arg(long, value_name = "STORE[@MS]")]
    pub store: Option<StoreSpec>,
    /// Where the programs of HDFS are kept; they are fetched if they are not there.
    #[arg(long, default_value = "target/test-servers/hdfs", value_name = "DIR")]
    pub servers: PathBuf,
    /// Snapshots that each tool takes.
    #[arg(long, default_value_t = 1000)]
    pub snapshots: u32,
    /// Files of a snapshot, of 1 KiB each; none of them was in the snapshot before.
    #[arg(long, default_value_t = 1000)]
    pub files: u32,
    /// The newest snapshots, which are kept.
    #[arg(long, default_value_t = 333, value_parser = clap::value_parser!(u32).range(1..))]
    pub keep: u32,
}

/// Options of `floor`.
#[derive(Debug, Args)]
pub struct FloorOptions {
    /// Undo it: read the stored form, decompress, verify, write.
    #[arg(long, conflicts_with_all = ["check", "compress"])]
    pub restore: bool,
    /// Read the stored form, decompress and verify it, and write nothing.
    #[arg(long, conflicts_with = "compress")]
    pub check: bool,
    /// Compress each chunk as a repository does by default.
    #[arg(long)]
    pub compress: bool,
    /// The tree to read.
    pub source: PathBuf,
    /// Where to write.
    #[arg(required_unless_present = "check")]
    pub target: Option<PathBuf>,
}

/// Options of `measure`.
#[derive(Debug, Args)]
pub struct MeasureOptions {
    /// Where to write what was used.
    #[arg(long)]
    pub report: PathBuf,
    /// Where the output of the command is appended.
    #[arg(long)]
    pub log: PathBuf,
    /// The command.
    #[arg(required = true, last = true)]
    pub command: Vec<std::ffi::OsString>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn sets_have_sizes() {
        let typed = "cairn-bench run --sets T1,rows:3MiB,small:70 --runs 3 --scenarios full,check";
        let Verb::Run(options) = Arguments::parse_from(typed.split(' ')).verb else {
            panic!("not run");
        };
        let names: Vec<&str> = options.sets.iter().map(SetSpec::name).collect();
        assert_eq!(names, ["T1", "rows", "small"]);
        assert_eq!(options.scenarios, [Scenario::Full, Scenario::Check]);
        assert_eq!(options.common.runs, 3);
    }
}
