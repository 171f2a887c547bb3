//! What was typed. Parsing does no work and gives no meaning; [`super::high`] does.

pub(super) mod browse;
pub(super) mod retention;

use std::net::SocketAddr;
use std::path::PathBuf;

use bytesize::ByteSize;
use cairn_pipeline::Compression;
use clap::{Args, Parser, Subcommand};

use crate::{environment, exit};

const WAREHOUSE: &str = "\
A warehouse is a directory tree <database>/<table>/<partition>/<tablet>/<segment files>.
Shallower trees work too.";

#[cfg(feature = "sql")]
const SQL: &str = "\
No password is asked for: whoever may read and write the directory runs everything, as root.
One process has a directory at a time. Beside a running `cairn serve`, use mysql.

BACKUP and RESTORE are jobs. When the last statement has ended, those that still run are waited for.
Ctrl-C leaves them: they stay in the journal and begin anew when the directory is next opened.

An error is shown as `ERROR 1064 (42000) at line 3: ...` and ends a script; --force goes on behind it.
Without a job or a statement that failed the exit code is 0; a failed job is 1, a statement that makes
no sense or names what does not exist is 2, any other statement that failed is 1.

Examples:
  cairn sql --data /data                               type statements; Tab completes, Up remembers
  cairn sql --data /data -e 'SHOW DATABASES'
  cairn sql --data /data nightly.sql
  cairn sql --data /data -D shop --json -e 'SELECT * FROM orders LIMIT 3'";

const EXAMPLES: &str = "\
Examples:
  cairn quickstart                                     see everything work on generated tables
  cairn sql --data /data/warehouse                     type SQL, without a server
  cairn serve --data /data/warehouse                   answer SQL on the MySQL protocol
  cairn backup --repo /backup /data/warehouse          back up; the first time makes the repository
  cairn snapshots --repo /backup                       list what is there
  cairn ls --repo /backup nightly shop/orders          look into a snapshot; cat and diff do, too
  cairn restore --repo /backup --latest /data/restored restore all of the newest snapshot
  cairn restore --repo /backup --label nightly --table shop.orders /data/warehouse
  cairn check --repo /backup --read-data               verify every byte; --repair mends what can be
  cairn forget --repo /backup nightly-1 nightly-2      remove snapshots
  cairn forget --repo /backup --keep-last 7 --dry-run  see what a rule would remove";

fn epilogue() -> String {
    [WAREHOUSE, EXAMPLES, exit::HELP, environment::HELP].join("\n\n")
}

/// Back up and restore databases that keep their data in tablets.
#[derive(Debug, Parser)]
#[command(name = "cairn", version, after_help = epilogue(), max_term_width = 110)]
pub(super) struct Arguments {
    /// One JSON document on stdout, events as lines of JSON on stderr.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Configuration file; `cairn config print` shows every setting.
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Abort where this failpoint is passed (for the nth time).
    #[cfg(feature = "failpoints")]
    #[arg(long, global = true, hide = true, value_name = "NAME[:NTH]")]
    pub(super) failpoint: Option<String>,
    #[command(subcommand)]
    pub(super) verb: Verb,
}

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Back up a warehouse. Every backup after the first is incremental by itself.
    Backup(Backup),
    /// Restore a snapshot, or tables of it, into a warehouse. Atomic: all of it or nothing.
    Restore(Restore),
    /// List the snapshots of a repository.
    Snapshots(Snapshots),
    /// Show what is in a snapshot.
    Ls(browse::Ls),
    /// Write a segment of a snapshot to stdout, verified. With --json, only verify it.
    Cat(browse::Cat),
    /// Show what two snapshots differ in. What is the same in both is not read.
    Diff(browse::Diff),
    /// Remove snapshots from a repository, by name or by rules. What only they held takes space until a prune.
    Forget(retention::Forget),
    /// Keep snapshots from being forgotten.
    #[command(subcommand)]
    Hold(retention::Hold),
    /// Free what no snapshot of a repository needs. Safe beside backups and restores of any host.
    Prune(retention::Prune),
    /// Look for damage in a repository, and say what it touches.
    Check(Check),
    /// Make tables, back them up, change them, lose one and get it back, in SQL and with proof.
    #[cfg(feature = "sql")]
    Quickstart(Quickstart),
    /// Run SQL on a data directory, without a server: statements, a file, stdin, or a terminal.
    #[cfg(feature = "sql")]
    Sql(Sql),
    /// Serve SQL on the MySQL protocol, and metrics, health and a status page over HTTP.
    Serve(Serve),
    /// Repositories.
    #[command(subcommand)]
    Repo(Repo),
    /// Storages.
    #[command(subcommand)]
    Storage(Storage),
    /// Configuration.
    #[command(subcommand)]
    Config(Config),
}

impl Verb {
    /// What was typed of properties.
    pub(super) fn said(&self) -> &[String] {
        let said = match self {
            Self::Backup(Backup { repository, .. })
            | Self::Restore(Restore { repository, .. })
            | Self::Snapshots(Snapshots { repository })
            | Self::Forget(retention::Forget { repository, .. })
            | Self::Prune(retention::Prune { repository, .. })
            | Self::Check(Check { repository, .. })
            | Self::Ls(browse::Ls { repository, .. })
            | Self::Cat(browse::Cat { repository, .. })
            | Self::Diff(browse::Diff { repository, .. })
            | Self::Repo(
                Repo::Create { repository, .. } | Repo::Recover(Recover { repository, .. }),
            ) => &repository.said,
            Self::Hold(hold) => &hold.repository().said,
            Self::Repo(Repo::Key(key)) => &key.repository().said,
            Self::Repo(Repo::Copy(copy)) => &copy.said,
            Self::Serve(Serve { said, .. }) | Self::Storage(Storage::Validate { said, .. }) => said,
            #[cfg(feature = "sql")]
            Self::Quickstart(Quickstart { said, .. }) | Self::Sql(Sql { said, .. }) => said,
            Self::Config(_) => return &[],
        };
        &said.property
    }
}

/// Where the repository is.
#[derive(Debug, Default, Args)]
pub(super) struct Repository {
    /// The repository: a directory, file:///directory, s3://bucket/prefix or hdfs://host:port/path. Instead of it: CAIRN_REPO.
    #[arg(long, value_name = "LOCATION")]
    pub(super) repo: Option<String>,
    #[command(flatten)]
    pub(super) said: Said,
}

/// What is said of storages.
#[derive(Debug, Default, Args)]
pub(super) struct Said {
    /// A property of the storage, such as aws.s3.endpoint=localhost:9000; can be repeated. Secrets go into the
    /// configuration file.
    #[arg(long, value_name = "KEY=VALUE")]
    pub(super) property: Vec<String>,
}

/// Settings of a repository that is made.
#[derive(Debug, Args)]
pub(super) struct NewRepository {
    /// Compression of a new repository: off, auto, or a zstd level from 1 to 19.
    #[arg(long, value_name = "LEVEL")]
    pub(super) compression: Option<Compression>,
    /// Target size of a pack of a new repository, 1MiB to 512MiB.
    #[arg(long, value_name = "SIZE")]
    pub(super) pack_size: Option<ByteSize>,
}

/// Watching a job.
#[derive(Debug, Args)]
pub(super) struct Watching {
    /// Serve /metrics and a status page here while the job runs.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(super) listen: Option<SocketAddr>,
}

#[derive(Debug, Args)]
pub(super) struct Backup {
    #[command(flatten)]
    pub(super) repository: Repository,
    /// Name of the snapshot; by default made from the time.
    #[arg(long)]
    pub(super) label: Option<String>,
    /// Only this database, table or partition; can be repeated.
    #[arg(long, value_name = "DATABASE[.TABLE[/PARTITION]]")]
    pub(super) table: Vec<String>,
    /// How long to keep the snapshot, such as "7 days"; then the next sweep or `cairn forget --expired` forgets it. "" is for
    /// ever, whatever is configured.
    #[arg(long, value_name = "TIME")]
    pub(super) ttl: Option<String>,
    /// Read every segment again, even those that look unchanged. What is known is not stored again.
    #[arg(long)]
    pub(super) rescan: bool,
    #[command(flatten)]
    pub(super) new: NewRepository,
    #[command(flatten)]
    pub(super) watching: Watching,
    /// The directory to back up.
    pub(super) warehouse: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct Restore {
    #[command(flatten)]
    pub(super) repository: Repository,
    /// The snapshot.
    #[arg(long, required_unless_present = "latest")]
    pub(super) label: Option<String>,
    /// The newest snapshot.
    #[arg(long, conflicts_with = "label")]
    pub(super) latest: bool,
    /// Only this database, table or partition; can be repeated.
    #[arg(long, value_name = "DATABASE[.TABLE[/PARTITION]]")]
    pub(super) table: Vec<String>,
    /// Another name for what is restored; with one --table.
    #[arg(long = "as", value_name = "DATABASE[.TABLE]", requires = "table")]
    pub(super) renamed: Option<String>,
    /// Of a damaged snapshot: leave out segments of which something is lost and say which, into an empty directory. Reads everything
    /// twice, and exits with 3 if something is missing.
    #[arg(long)]
    pub(super) partial: bool,
    #[command(flatten)]
    pub(super) watching: Watching,
    /// The directory to restore into. Tables that it has are replaced, others are left alone.
    pub(super) target: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct Snapshots {
    #[command(flatten)]
    pub(super) repository: Repository,
}

#[derive(Debug, Args)]
pub(super) struct Check {
    #[command(flatten)]
    pub(super) repository: Repository,
    /// Read and verify every byte, not only the structure.
    #[arg(long)]
    pub(super) read_data: bool,
    /// Repair what is found: take what is sound out of damaged packs, put back index and records from packs. What is lost is
    /// stored again by the next backup, where the data still has it.
    #[arg(long)]
    pub(super) repair: bool,
    #[command(flatten)]
    pub(super) watching: Watching,
}

#[derive(Debug, Args)]
pub(super) struct Recover {
    #[command(flatten)]
    pub(super) repository: Repository,
    /// Read and verify every byte, not only the structure.
    #[arg(long)]
    pub(super) read_data: bool,
    #[command(flatten)]
    pub(super) watching: Watching,
}

#[derive(Debug, Args)]
#[cfg(feature = "sql")]
pub(super) struct Quickstart {
    /// Where to put the tables and the repository.
    #[arg(long, default_value = "cairn-quickstart")]
    pub(super) dir: PathBuf,
    /// Where to put the repository instead, such as s3://bucket/prefix.
    #[arg(long, value_name = "LOCATION")]
    pub(super) repo: Option<String>,
    #[command(flatten)]
    pub(super) said: Said,
    /// TPC-H scale factor: 0.01 is 60,000 line items.
    #[arg(long, default_value_t = 0.01)]
    pub(super) scale: f64,
}

#[derive(Debug, Args)]
#[cfg(feature = "sql")]
#[command(after_help = SQL)]
pub(super) struct Sql {
    /// The directory of the warehouse; it is made where there is none.
    #[arg(long, value_name = "DIRECTORY")]
    pub(super) data: PathBuf,
    /// Run these statements; `;` stands between them.
    #[arg(short = 'e', long, value_name = "STATEMENTS", conflicts_with = "file")]
    pub(super) execute: Option<String>,
    /// The database to begin in.
    #[arg(short = 'D', long, value_name = "DATABASE")]
    pub(super) database: Option<String>,
    /// Boxes around rows, as on a terminal; else values stand between tabs.
    #[arg(short = 't', long)]
    pub(super) table: bool,
    /// A line for each value, as for a statement that ends in \G.
    #[arg(short = 'E', long, conflicts_with = "table")]
    pub(super) vertical: bool,
    /// No names of columns.
    #[arg(short = 'N', long)]
    pub(super) skip_column_names: bool,
    /// Go on behind an error; the exit code is that of the first one.
    #[arg(short = 'f', long)]
    pub(super) force: bool,
    #[command(flatten)]
    pub(super) said: Said,
    /// Run the statements of this file; without it and without -e those of stdin or of a terminal.
    pub(super) file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct Serve {
    /// A repository to show on the status page; can be repeated. Instead of it: CAIRN_REPO.
    #[arg(long, value_name = "LOCATION")]
    pub(super) repo: Vec<String>,
    #[command(flatten)]
    pub(super) said: Said,
    /// Where to listen, by default the configured 127.0.0.1:8030; port 0 chooses one.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(super) listen: Option<SocketAddr>,
    /// The directory of the warehouse that SQL works on; it is made where there is none. Without it no SQL is served.
    #[arg(long, value_name = "DIRECTORY")]
    #[cfg(feature = "sql")]
    pub(super) data: Option<PathBuf>,
    /// Where to listen for MySQL clients, by default the configured 127.0.0.1:9030; port 0 chooses one.
    #[arg(long, value_name = "ADDRESS:PORT", requires = "data")]
    #[cfg(feature = "sql")]
    pub(super) sql_listen: Option<SocketAddr>,
    /// The PEM file of the certificate with which TLS is offered to MySQL clients.
    #[arg(long, value_name = "FILE", requires = "data")]
    #[cfg(feature = "sql")]
    pub(super) tls_certificate: Option<PathBuf>,
    /// The PEM file of its key.
    #[arg(long, value_name = "FILE", requires = "data")]
    #[cfg(feature = "sql")]
    pub(super) tls_key: Option<PathBuf>,
    /// Turn MySQL clients without TLS away.
    #[arg(long, requires = "data")]
    #[cfg(feature = "sql")]
    pub(super) require_tls: bool,
    /// A directory below which FILES() may read; can be repeated. Beside those of the configuration, which are none.
    #[arg(long, value_name = "DIRECTORY", requires = "data")]
    #[cfg(feature = "sql")]
    pub(super) sql_files: Vec<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(super) enum Repo {
    /// Make an empty repository. `backup` does it by itself where there is none.
    Create {
        #[command(flatten)]
        repository: Repository,
        #[command(flatten)]
        new: NewRepository,
        /// Encrypt everything in it, for ever, with the key that encryption.passphrase, encryption.key_file or
        /// encryption.key_command names among the properties of the configuration. Without a key it refuses.
        #[arg(long)]
        encrypt: bool,
    },
    /// Key slots of an encrypted repository, and its data keys.
    #[command(subcommand)]
    Key(Key),
    /// Put back what a repository has lost and its packs still know: config, index, snapshots; also snapshots that were forgotten and not yet
    /// pruned. Says what each of them misses.
    Recover(Recover),
    /// Copy a repository to another place, object by object, or with --anew snapshot by snapshot. Run again, it copies what is missing.
    Copy(Box<Copy>),
}

#[derive(Debug, Subcommand)]
pub(super) enum Key {
    /// List the key slots. Needs no key.
    List {
        #[command(flatten)]
        repository: Repository,
    },
    /// Let another passphrase or key file open the repository too.
    Add {
        #[command(flatten)]
        repository: Repository,
        #[command(flatten)]
        new: NewSecret,
        /// Whose it is, for who lists the slots: stored in clear.
        #[arg(long, default_value = "", value_name = "TEXT")]
        note: String,
    },
    /// Remove a key slot, unless it is the last. Who kept a copy of it can still open what is stored.
    Remove {
        #[command(flatten)]
        repository: Repository,
        /// The slot, as `list` names it.
        slot: String,
    },
    /// Seal what is stored from now on with a new data key. Nothing that is stored changes.
    Rotate {
        #[command(flatten)]
        repository: Repository,
    },
}

impl Key {
    fn repository(&self) -> &Repository {
        match self {
            Self::List { repository }
            | Self::Add { repository, .. }
            | Self::Remove { repository, .. }
            | Self::Rotate { repository } => repository,
        }
    }
}

/// A secret for a new slot.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(super) struct NewSecret {
    /// A file with the new passphrase.
    #[arg(long, value_name = "FILE")]
    pub(super) new_passphrase_file: Option<PathBuf>,
    /// A file with at least 32 random bytes.
    #[arg(long, value_name = "FILE")]
    pub(super) new_key_file: Option<PathBuf>,
    /// A command that prints the new passphrase; run without a shell.
    #[arg(long, value_name = "COMMAND")]
    pub(super) new_key_command: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct Copy {
    /// The repository to copy.
    #[arg(long, value_name = "LOCATION")]
    pub(super) from: String,
    /// Where to: a place that holds nothing, or an older or unfinished copy of the same repository; with --anew any repository.
    #[arg(long, value_name = "LOCATION")]
    pub(super) to: String,
    /// Store the snapshots anew, one after the other, in a repository of its own keys, chunk sizes and compression; it is made where there is
    /// none. Everything is read, verified and stored as a backup stores it.
    #[arg(long)]
    pub(super) anew: bool,
    /// With --anew: only this snapshot; can be repeated.
    #[arg(long, value_name = "LABEL", requires = "anew")]
    pub(super) label: Vec<String>,
    /// With --anew: only snapshots that these rules keep, as `cairn forget` explains them.
    #[command(flatten)]
    pub(super) keep: retention::Keep,
    /// With --anew: encrypt a repository that is made, with the key that is given for it.
    #[arg(long, requires = "anew")]
    pub(super) encrypt: bool,
    /// With --anew: a configuration file whose properties hold for --to, such as its key and its credentials.
    #[arg(long, value_name = "FILE", requires = "anew")]
    pub(super) to_config: Option<PathBuf>,
    #[command(flatten)]
    pub(super) new: NewRepository,
    #[command(flatten)]
    pub(super) said: Said,
    #[command(flatten)]
    pub(super) watching: Watching,
}

#[derive(Debug, Subcommand)]
pub(super) enum Storage {
    /// Try whether a storage does everything that a repository needs. Leaves nothing behind.
    Validate {
        /// A directory, file:///directory, s3://bucket/prefix or hdfs://host:port/path.
        location: String,
        #[command(flatten)]
        said: Said,
    },
}

#[derive(Debug, Clone, Copy, Subcommand)]
pub(super) enum Config {
    /// Print every setting with its default and its meaning.
    Print,
}
