//! What was typed means: arguments, environment and configuration file become one [`Invocation`].

mod browse;
mod copy;
mod retention;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use cairn_pipeline::storage::Properties;
use cairn_pipeline::tablet::SelectedItem;
use cairn_pipeline::{Period, RepositorySettings, RestoreItem, Selection, SlotId};

pub(super) use self::browse::{DiffPlan, LookPlan};
pub(super) use self::copy::{AnewPlan, RepoCopyPlan};
pub(super) use self::retention::{ForgetPlan, Forgotten, HoldAction, HoldPlan};
use super::low::{self, Verb};
use crate::config::HostConfig;
use crate::environment::Environment;
use crate::exit::Refusal;
use crate::secret::SecretSource;
#[cfg(feature = "sql")]
use crate::shell::Layout;

/// Everything that a run of the program depends on.
#[derive(Debug)]
pub(super) struct Invocation {
    pub(super) config: HostConfig,
    pub(super) action: Action,
    /// Where metrics are served while a job runs.
    pub(super) listen: Option<SocketAddr>,
}

#[derive(Debug)]
pub(super) enum Action {
    Backup(BackupPlan),
    Restore(RestorePlan),
    Snapshots(Location),
    Ls(LookPlan),
    Cat(LookPlan),
    Diff(DiffPlan),
    Forget(ForgetPlan),
    Hold(HoldPlan),
    Prune(PrunePlan),
    Check(CheckPlan),
    RepoCreate(RepoCreatePlan),
    RepoKey(RepoKeyPlan),
    RepoCopy(RepoCopyPlan),
    #[cfg(feature = "sql")]
    Quickstart(QuickstartPlan),
    #[cfg(feature = "sql")]
    Sql(SqlPlan),
    Serve(ServePlan),
    StorageValidate(Location),
    ConfigPrint,
}

/// Where a repository or a storage is, as the user wrote it.
pub(super) type Location = String;

#[derive(Debug)]
pub(super) struct BackupPlan {
    pub(super) repository: Location,
    pub(super) settings: RepositorySettings,
    pub(super) label: Option<String>,
    pub(super) selection: Selection,
    pub(super) rescan: bool,
    pub(super) ttl: Option<Period>,
    pub(super) warehouse: PathBuf,
}

#[derive(Debug)]
pub(super) struct RestorePlan {
    pub(super) repository: Location,
    /// None is the newest.
    pub(super) label: Option<String>,
    pub(super) items: Vec<RestoreItem>,
    pub(super) partial: bool,
    pub(super) target: PathBuf,
}

#[derive(Debug)]
pub(super) struct PrunePlan {
    pub(super) repository: Location,
    pub(super) grace: Duration,
    /// In percent; none leaves packs alone.
    pub(super) max_unused: Option<u8>,
    pub(super) accept_loss: bool,
    pub(super) dry_run: bool,
}

#[derive(Debug)]
pub(super) struct CheckPlan {
    pub(super) repository: Location,
    pub(super) read_data: bool,
    pub(super) repair: Repair,
}

/// What a check does about what it finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repair {
    /// It tells.
    No,
    /// It repairs.
    Damaged,
    /// It opens what has lost its config, and puts back also what only packs know.
    Recovered,
}

#[derive(Debug)]
pub(super) struct RepoCreatePlan {
    pub(super) repository: Location,
    pub(super) settings: RepositorySettings,
    /// Whether it must be encrypted; one for which a key is given is anyway.
    pub(super) encrypt: bool,
}

#[derive(Debug)]
pub(super) struct RepoKeyPlan {
    pub(super) repository: Location,
    pub(super) change: KeyChange,
}

/// What is done to the keys of a repository.
#[derive(Debug)]
pub(super) enum KeyChange {
    List,
    Add { secret: NewSecret, note: String },
    Remove(SlotId),
    Rotate,
}

/// Where the secret of a new slot is.
#[derive(Debug)]
pub(super) enum NewSecret {
    PassphraseFile(PathBuf),
    Source(SecretSource),
}

#[derive(Debug)]
#[cfg(feature = "sql")]
pub(super) struct QuickstartPlan {
    pub(super) directory: PathBuf,
    /// Where the repository shall be, if not in the directory.
    pub(super) repository: Option<Location>,
    /// What was typed of its properties.
    pub(super) said: Vec<String>,
    pub(super) scale: f64,
    /// How this program was called.
    pub(super) program: String,
}

#[derive(Debug)]
#[cfg(feature = "sql")]
pub(super) struct SqlPlan {
    pub(super) data: PathBuf,
    pub(super) text: SqlText,
    pub(super) database: Option<String>,
    /// None is what suits stdout.
    pub(super) layout: Option<Layout>,
    pub(super) has_names: bool,
    pub(super) force: bool,
    /// Where what was typed on a terminal is kept.
    pub(super) history: Option<PathBuf>,
}

/// Where statements come from.
#[derive(Debug)]
#[cfg(feature = "sql")]
pub(super) enum SqlText {
    Typed(String),
    File(PathBuf),
    /// A script, or a terminal.
    Stdin,
}

#[derive(Debug)]
pub(super) struct ServePlan {
    pub(super) repositories: Vec<Location>,
    pub(super) listen: SocketAddr,
    /// The directory of the warehouse, and where its clients come to.
    #[cfg(feature = "sql")]
    pub(super) sql: Option<(PathBuf, SocketAddr)>,
}

impl Invocation {
    pub(super) fn of(typed: low::Arguments, environment: Environment) -> anyhow::Result<Self> {
        #[cfg(feature = "failpoints")]
        typed.failpoint.as_deref().map(arm).transpose()?;
        let file = typed.config.or(environment.config);
        let mut config = HostConfig::read(file.as_deref())?;
        config.log = config.log.with_environment(environment.log, environment.log_format)?;
        let found = environment.of_storages;
        config.properties = std::mem::take(&mut config.properties).with_environment(found);
        let from_environment = environment.repository;
        say(&mut config.properties, typed.verb.said())?;
        let repository = |typed: low::Repository| {
            let none =
                || Refusal::usage("which repository? give --repo <location> or set CAIRN_REPO");
            typed.repo.or_else(|| from_environment.clone()).ok_or_else(none)
        };
        let mut listen = None;
        let action = match typed.verb {
            Verb::Backup(typed) => {
                listen = typed.watching.listen;
                Action::Backup(BackupPlan {
                    repository: repository(typed.repository)?,
                    settings: settings(&config, &typed.new)?,
                    label: typed.label,
                    selection: selection(&typed.table)?,
                    rescan: typed.rescan,
                    ttl: ttl(&config, typed.ttl.as_deref())?,
                    warehouse: typed.warehouse,
                })
            }
            Verb::Restore(typed) => {
                listen = typed.watching.listen;
                Action::Restore(RestorePlan {
                    repository: repository(typed.repository)?,
                    label: typed.label,
                    items: restore_items(&typed.table, typed.renamed.as_deref())?,
                    partial: typed.partial,
                    target: typed.target,
                })
            }
            Verb::Snapshots(typed) => Action::Snapshots(repository(typed.repository)?),
            Verb::Ls(low::browse::Ls { repository: at, label, path }) => {
                Action::Ls(LookPlan { repository: repository(at)?, label, path })
            }
            Verb::Cat(low::browse::Cat { repository: at, label, path }) => {
                Action::Cat(LookPlan { repository: repository(at)?, label, path })
            }
            Verb::Diff(low::browse::Diff { repository: at, before, after }) => {
                Action::Diff(DiffPlan { repository: repository(at)?, before, after })
            }
            Verb::Forget(mut typed) => {
                let at = repository(std::mem::take(&mut typed.repository))?;
                Action::Forget(ForgetPlan::of(at, typed)?)
            }
            Verb::Hold(mut typed) => {
                let at = repository(std::mem::take(typed.repository_mut()))?;
                Action::Hold(HoldPlan::of(at, typed))
            }
            Verb::Prune(typed) => {
                listen = typed.watching.listen;
                Action::Prune(PrunePlan {
                    repository: repository(typed.repository)?,
                    grace: typed.grace.into(),
                    max_unused: (!typed.keep_packs).then_some(typed.max_unused),
                    accept_loss: typed.accept_loss,
                    dry_run: typed.dry_run,
                })
            }
            Verb::Check(typed) => {
                listen = typed.watching.listen;
                let repository = repository(typed.repository)?;
                let repair = if typed.repair { Repair::Damaged } else { Repair::No };
                Action::Check(CheckPlan { repository, read_data: typed.read_data, repair })
            }
            #[cfg(feature = "sql")]
            Verb::Sql(typed) => Action::Sql(sql(typed, environment.state)),
            #[cfg(feature = "sql")]
            Verb::Quickstart(typed) => Action::Quickstart(QuickstartPlan {
                directory: typed.dir,
                repository: typed.repo,
                said: typed.said.property,
                scale: scale(typed.scale)?,
                program: environment.program,
            }),
            Verb::Serve(typed) => {
                #[cfg(feature = "sql")]
                say_of_sql(&mut config.sql, &typed);
                Action::Serve(ServePlan {
                    repositories: match typed.repo.is_empty() {
                        true => from_environment.into_iter().collect(),
                        false => typed.repo,
                    },
                    listen: typed.listen.unwrap_or(config.http.listen),
                    #[cfg(feature = "sql")]
                    sql: typed.data.map(|data| (data, config.sql.listen)),
                })
            }
            Verb::Repo(low::Repo::Create { repository: at, new, encrypt }) => {
                let (settings, repository) = (settings(&config, &new)?, repository(at)?);
                Action::RepoCreate(RepoCreatePlan { repository, settings, encrypt })
            }
            Verb::Repo(low::Repo::Key(typed)) => {
                let (at, change) = key_change(typed)?;
                Action::RepoKey(RepoKeyPlan { repository: repository(at)?, change })
            }
            Verb::Repo(low::Repo::Recover(typed)) => {
                listen = typed.watching.listen;
                let repository = repository(typed.repository)?;
                let (read_data, repair) = (typed.read_data, Repair::Recovered);
                Action::Check(CheckPlan { repository, read_data, repair })
            }
            Verb::Repo(low::Repo::Copy(typed)) => {
                listen = typed.watching.listen;
                Action::RepoCopy(RepoCopyPlan::of(&config, *typed)?)
            }
            Verb::Storage(low::Storage::Validate { location, .. }) => {
                Action::StorageValidate(location)
            }
            Verb::Config(low::Config::Print) => Action::ConfigPrint,
        };
        Ok(Self { config, action, listen })
    }
}

/// What was typed about the SQL server goes before what the file says.
#[cfg(feature = "sql")]
fn say_of_sql(config: &mut crate::config::SqlConfig, typed: &low::Serve) {
    config.listen = typed.sql_listen.unwrap_or(config.listen);
    if let Some(file) = &typed.tls_certificate {
        config.tls_certificate.clone_from(file);
    }
    if let Some(file) = &typed.tls_key {
        config.tls_key.clone_from(file);
    }
    config.require_tls |= typed.require_tls;
    config.files.extend_from_slice(&typed.sql_files);
}

/// Adds properties of the command line.
fn say(properties: &mut Properties, typed: &[String]) -> anyhow::Result<()> {
    for pair in typed {
        // What is not of the form may be a secret, whole.
        let (key, value) = pair
            .split_once('=')
            .ok_or_else(|| Refusal::usage("--property has the form KEY=VALUE"))?;
        if Properties::is_secret(key) {
            return Err(Refusal::usage(format!(
                "{key} is a secret, and everybody on this machine can see a command line: write it into [properties] \
                 of a configuration file"
            )));
        }
        properties.insert(key, value);
    }
    Ok(())
}

fn key_change(typed: low::Key) -> anyhow::Result<(low::Repository, KeyChange)> {
    Ok(match typed {
        low::Key::List { repository } => (repository, KeyChange::List),
        low::Key::Add { repository, new, note } => {
            (repository, KeyChange::Add { secret: new_secret(new)?, note })
        }
        low::Key::Remove { repository, slot } => {
            let slot = slot.parse().map_err(|_| {
                Refusal::usage(format!("{slot:?} is no key slot: `cairn repo key list` has them"))
            })?;
            (repository, KeyChange::Remove(slot))
        }
        low::Key::Rotate { repository } => (repository, KeyChange::Rotate),
    })
}

fn new_secret(typed: low::NewSecret) -> anyhow::Result<NewSecret> {
    let source = |source| Ok(NewSecret::Source(source));
    match (typed.new_passphrase_file, typed.new_key_file, typed.new_key_command) {
        (Some(file), _, _) => Ok(NewSecret::PassphraseFile(file)),
        (_, Some(file), _) => source(SecretSource::KeyFile(file)),
        (_, _, Some(command)) => source(SecretSource::Command(command)),
        (None, None, None) => Err(Refusal::usage("no new secret is named")),
    }
}

#[cfg(feature = "failpoints")]
fn arm(text: &str) -> anyhow::Result<()> {
    let (name, nth) = text.split_once(':').unwrap_or((text, "1"));
    let armed = nth.parse().ok().and_then(|nth| cairn_pipeline::failpoint::arm(name, nth));
    armed.map(drop).ok_or_else(|| Refusal::usage(format!("there is no failpoint {text}")))
}

#[cfg(feature = "sql")]
fn sql(typed: low::Sql, state: Option<PathBuf>) -> SqlPlan {
    SqlPlan {
        data: typed.data,
        text: match (typed.execute, typed.file) {
            (Some(text), _) => SqlText::Typed(text),
            (None, Some(file)) => SqlText::File(file),
            (None, None) => SqlText::Stdin,
        },
        database: typed.database,
        layout: match (typed.table, typed.vertical) {
            (true, _) => Some(Layout::Table),
            (_, true) => Some(Layout::Vertical),
            _ => None,
        },
        has_names: !typed.skip_column_names,
        force: typed.force,
        history: state.map(|state| state.join("cairn/sql_history")),
    }
}

/// Largest scale that the quickstart makes: some 30 GB of tables.
#[cfg(feature = "sql")]
const MAX_SCALE: f64 = 100.0;

#[cfg(feature = "sql")]
fn scale(scale: f64) -> anyhow::Result<f64> {
    match scale > 0.0 && scale <= MAX_SCALE {
        true => Ok(scale),
        false => Err(Refusal::usage(format!("the scale is above 0 and at most {MAX_SCALE}"))),
    }
}

/// How long a snapshot is kept: as typed, else as configured.
fn ttl(config: &HostConfig, typed: Option<&str>) -> anyhow::Result<Option<Period>> {
    match typed {
        None => config.retention.default_ttl(),
        Some("") => Ok(None),
        Some(text) => {
            let refused = |error| Refusal::usage(format!("--ttl {text:?}: {error}"));
            text.parse().map(Some).map_err(refused)
        }
    }
}

fn settings(config: &HostConfig, typed: &low::NewRepository) -> anyhow::Result<RepositorySettings> {
    let mut new = config.repository.clone();
    new.compression = typed.compression.unwrap_or(new.compression);
    new.pack_size = typed.pack_size.unwrap_or(new.pack_size);
    new.settings()
}

fn selection(items: &[String]) -> anyhow::Result<Selection> {
    let items = items.iter().map(|text| {
        let Named { database, object, partition } = Named::parse(text)?;
        Ok(SelectedItem { database, object, partitions: partition.map(|name| vec![name]) })
    });
    Ok(Selection { items: items.collect::<anyhow::Result<_>>()? })
}

fn restore_items(items: &[String], renamed: Option<&str>) -> anyhow::Result<Vec<RestoreItem>> {
    if renamed.is_some() && items.len() != 1 {
        return Err(Refusal::usage("--as renames what one --table names; there are several"));
    }
    let renamed = renamed.map(Named::parse).transpose()?;
    items.iter().map(|text| restore_item(text, renamed.as_ref())).collect()
}

fn restore_item(text: &str, renamed: Option<&Named>) -> anyhow::Result<RestoreItem> {
    let Named { database, object, partition } = Named::parse(text)?;
    if let Some(renamed) = renamed {
        if renamed.partition.is_some() {
            return Err(Refusal::usage(
                "a partition cannot be renamed: --as takes DATABASE[.TABLE]",
            ));
        }
        if renamed.object.is_some() != object.is_some() {
            return Err(Refusal::usage("--table and --as name both a database or both a table"));
        }
    }
    Ok(RestoreItem {
        database,
        object,
        partitions: partition.map(|name| vec![name]),
        as_database: renamed.map(|renamed| renamed.database.clone()),
        as_object: renamed.and_then(|renamed| renamed.object.clone()),
    })
}

/// `DATABASE[.TABLE[/PARTITION]]`. A level that is empty on disk is written `-`.
#[derive(Debug, PartialEq, Eq)]
struct Named {
    database: String,
    object: Option<String>,
    partition: Option<String>,
}

impl Named {
    fn parse(text: &str) -> anyhow::Result<Self> {
        let (database, object) = match text.split_once('.') {
            Some((database, object)) => (database, Some(object)),
            None => (text, None),
        };
        let (object, partition) = match object.and_then(|object| object.split_once(['/', ':'])) {
            Some((object, partition)) => (Some(object), Some(partition)),
            None => (object, None),
        };
        let levels = [Some(database), object, partition];
        if levels.iter().flatten().any(|level| level.is_empty()) || database.contains('/') {
            let message = format!("{text:?} is not of the form DATABASE[.TABLE[/PARTITION]]");
            return Err(Refusal::usage(message));
        }
        let level = |level: &str| {
            if level == "-" { String::new() } else { level.to_owned() }
        };
        Ok(Self {
            database: level(database),
            object: object.map(level),
            partition: partition.map(level),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(text: &str) -> Option<[Option<String>; 3]> {
        let Named { database, object, partition } = Named::parse(text).ok()?;
        Some([Some(database), object, partition])
    }

    #[test]
    fn names_have_one_to_three_levels() {
        let levels = |levels: [Option<&str>; 3]| Some(levels.map(|level| level.map(str::to_owned)));
        assert_eq!(named("shop"), levels([Some("shop"), None, None]));
        assert_eq!(named("shop.orders"), levels([Some("shop"), Some("orders"), None]));
        assert_eq!(named("shop.a.b/p.1"), levels([Some("shop"), Some("a.b"), Some("p.1")]));
        assert_eq!(named("shop.orders:p1"), levels([Some("shop"), Some("orders"), Some("p1")]));
        assert_eq!(named("-.-/-"), levels([Some(""), Some(""), Some("")]));
        for wrong in ["", ".", "shop.", ".orders", "shop.orders/", "shop/orders"] {
            assert_eq!(named(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn properties_are_said_but_no_secrets() {
        let said = |pair: &str| {
            let mut properties = Properties::default();
            say(&mut properties, &[pair.to_owned()]).map(|()| properties)
        };
        assert_eq!(
            said("aws.s3.endpoint=http://a?b=c").unwrap(),
            [("aws.s3.endpoint", "http://a?b=c")].into_iter().collect()
        );
        let error = said("aws.s3.secret_key=HIDDEN").unwrap_err().to_string();
        assert!(error.contains("aws.s3.secret_key is a secret"), "{error}");
        assert!(!error.contains("HIDDEN"), "{error}");
        assert!(!said("HIDDEN").unwrap_err().to_string().contains("HIDDEN"));
    }

    #[test]
    fn renaming_needs_one_item_of_the_same_level() {
        let items = |items: &[&str], renamed| {
            let items: Vec<String> = items.iter().map(ToString::to_string).collect();
            restore_items(&items, Some(renamed))
        };
        let restored = items(&["shop.orders"], "copy.orders2").unwrap();
        assert_eq!(restored[0].as_object.as_deref(), Some("orders2"));
        assert_eq!(restored[0].as_database.as_deref(), Some("copy"));
        assert!(items(&["shop.a", "shop.b"], "shop.c").is_err());
        assert!(items(&["shop.a"], "copy").is_err());
        assert!(items(&["shop"], "copy.a").is_err());
        assert!(items(&["shop.a"], "copy.a/p").is_err());
    }
}
