//! [`Settings`]: what can be changed while the server runs: one table of names.
//!
//! The configuration file says with what the server begins. A change lasts until the process ends, as in StarRocks; one WITH
//! PERSISTENT is kept in the catalog and made again by the next server. What is shown is what is in force: values live in
//! one place, those of the engine in the engine.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use cairn_pipeline::{Engine, Period, SpeedLimits, WorkerCounts};
use cairn_warehouse::Warehouse;
use serde_json::json;

use crate::mysql::SqlError;
use crate::refusal;

/// The collection of documents that holds what was changed for good.
const COLLECTION: &str = "config";
/// A day, as StarRocks.
const DEFAULT_TIMEOUT_MILLIS: u64 = 86_400_000;

/// A setting: its name and what it is.
struct Known {
    name: &'static str,
    kind: &'static str,
    about: &'static str,
}

const BOOLEAN: &str = "boolean";
const INT: &str = "int";
const LONG: &str = "long";

/// All settings in the order of SHOW.
const KNOWN: &[Known] = &[
    Known {
        name: "allow_jobs_of_disjoint_tables",
        kind: BOOLEAN,
        about: "whether several backups and restores run in one database when their tables do not meet",
    },
    Known {
        name: "backup_job_default_timeout_ms",
        kind: LONG,
        about: "after how long a backup or restore is given up where the statement does not say",
    },
    Known {
        name: "download_worker_count",
        kind: INT,
        about: "reads from a repository that a job may have on their way; for jobs that start afterwards",
    },
    Known {
        name: "max_download_speed_kbps",
        kind: LONG,
        about: "KB/s that all jobs together read from repositories at most, those that run too; 0 is no limit",
    },
    Known {
        name: "max_upload_speed_kbps",
        kind: LONG,
        about: "KB/s that all jobs together write to repositories at most, those that run too; 0 is no limit",
    },
    Known {
        name: "upload_worker_count",
        kind: INT,
        about: "packs that a job may have on their way to a repository; for jobs that start afterwards",
    },
];

/// How jobs are run that do not say it themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobSettings {
    /// Whether several jobs run in one database when their tables do not meet.
    pub allow_jobs_of_disjoint_tables: bool,
    /// After how long a job is given up where the statement does not say.
    pub backup_job_default_timeout_ms: u64,
    /// How long snapshots are kept where neither statement nor repository says; none is for ever.
    pub default_ttl: Option<Period>,
}

impl Default for JobSettings {
    fn default() -> Self {
        Self {
            allow_jobs_of_disjoint_tables: false,
            backup_job_default_timeout_ms: DEFAULT_TIMEOUT_MILLIS,
            default_ttl: None,
        }
    }
}

/// A setting as SHOW tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SettingView {
    /// Its name.
    pub name: &'static str,
    /// The value in force.
    pub value: String,
    /// The value of the configuration file, or of none.
    pub default: String,
    /// What values it takes, as StarRocks calls them: `boolean`, `int`, `long`.
    pub kind: &'static str,
    /// What it is.
    pub about: &'static str,
}

/// What can be changed while the server runs.
#[derive(Debug)]
pub(crate) struct Settings {
    warehouse: Warehouse,
    engine: Engine,
    /// What the server began with, by name.
    defaults: BTreeMap<&'static str, String>,
    /// Guards values, and makes one change at a time of those that read what they change.
    jobs: Mutex<JobSettings>,
}

impl Settings {
    /// The settings of a server that begins with these; what was changed for good in an earlier life is changed again.
    pub(crate) fn load(
        warehouse: Warehouse,
        engine: Engine,
        jobs: JobSettings,
    ) -> Result<Self, SqlError> {
        let jobs = Mutex::new(jobs);
        let mut settings = Self { warehouse, engine, defaults: BTreeMap::new(), jobs };
        let began = KNOWN.iter().map(|known| (known.name, settings.value(known.name)));
        settings.defaults = began.collect();
        let stored = settings.warehouse.store().documents(COLLECTION);
        for (name, value) in stored.map_err(refusal::of_warehouse)? {
            let text = value.as_str().unwrap_or_default();
            // One that a later version does not know any more stays where it is.
            if let Err(error) = settings.apply(&name, text) {
                tracing::warn!(name, %error, "a stored setting is passed over");
            }
        }
        Ok(settings)
    }

    /// Changes a setting now, and with `persistent` for later lives of the server: both or, with an error, neither. Blocks.
    pub(crate) fn set(&self, name: &str, value: &str, persistent: bool) -> Result<(), SqlError> {
        let before = self.value(name);
        self.apply(name, value)?;
        if !persistent {
            return Ok(());
        }
        let store = self.warehouse.store();
        store.put_document(COLLECTION, name, &json!(value)).map_err(|error| {
            // What was in force is a value that it can have.
            let _ = self.apply(name, &before);
            refusal::of_warehouse(error)
        })
    }

    /// All settings, by name.
    pub(crate) fn list(&self) -> Vec<SettingView> {
        let view = |known: &Known| SettingView {
            name: known.name,
            value: self.value(known.name),
            default: self.defaults.get(known.name).cloned().unwrap_or_default(),
            kind: known.kind,
            about: known.about,
        };
        KNOWN.iter().map(view).collect()
    }

    /// Whether jobs of one database may run beside each other when their objects do not meet.
    pub(crate) fn jobs_beside_others(&self) -> bool {
        self.lock().allow_jobs_of_disjoint_tables
    }

    /// After how many seconds a job is given up where the statement does not say.
    pub(crate) fn job_timeout_seconds(&self) -> u64 {
        self.lock().backup_job_default_timeout_ms.div_ceil(1000)
    }

    /// How long snapshots are kept where neither statement nor repository says.
    pub(crate) fn default_ttl(&self) -> Option<Period> {
        self.lock().default_ttl
    }

    fn apply(&self, name: &str, value: &str) -> Result<(), SqlError> {
        let mut jobs = self.lock();
        let value = value.trim();
        let number = || match value.parse::<u64>() {
            Ok(number) => Ok(number),
            Err(_) => Err(invalid(name, value, "a whole number, 0 or more")),
        };
        match name {
            "allow_jobs_of_disjoint_tables" => {
                let truth = value.to_ascii_lowercase().parse();
                let truth = truth.map_err(|_| invalid(name, value, "true or false"))?;
                jobs.allow_jobs_of_disjoint_tables = truth;
            }
            "backup_job_default_timeout_ms" => match number()? {
                0 => return Err(invalid(name, value, "at least 1")),
                millis => jobs.backup_job_default_timeout_ms = millis,
            },
            "download_worker_count" => {
                let counts = self.engine.worker_counts();
                self.set_workers(WorkerCounts { download: count(name, value)?, ..counts })?;
            }
            "max_download_speed_kbps" => {
                let (limits, max_download_speed_kbps) = (self.engine.speed_limits(), number()?);
                self.engine.set_speed_limits(SpeedLimits { max_download_speed_kbps, ..limits });
            }
            "max_upload_speed_kbps" => {
                let (limits, max_upload_speed_kbps) = (self.engine.speed_limits(), number()?);
                self.engine.set_speed_limits(SpeedLimits { max_upload_speed_kbps, ..limits });
            }
            "upload_worker_count" => {
                let counts = self.engine.worker_counts();
                self.set_workers(WorkerCounts { upload: count(name, value)?, ..counts })?;
            }
            _ => return Err(unknown(name)),
        }
        Ok(())
    }

    fn set_workers(&self, counts: WorkerCounts) -> Result<(), SqlError> {
        let changed = self.engine.set_worker_counts(counts);
        changed.map_err(|error| refusal::general(format!("Invalid config value: {error}")))
    }

    fn value(&self, name: &str) -> String {
        match name {
            "allow_jobs_of_disjoint_tables" => {
                self.lock().allow_jobs_of_disjoint_tables.to_string()
            }
            "backup_job_default_timeout_ms" => {
                self.lock().backup_job_default_timeout_ms.to_string()
            }
            "download_worker_count" => self.engine.worker_counts().download.to_string(),
            "max_download_speed_kbps" => {
                self.engine.speed_limits().max_download_speed_kbps.to_string()
            }
            "max_upload_speed_kbps" => self.engine.speed_limits().max_upload_speed_kbps.to_string(),
            "upload_worker_count" => self.engine.worker_counts().upload.to_string(),
            _ => String::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, JobSettings> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn count(name: &str, value: &str) -> Result<usize, SqlError> {
    value.parse().map_err(|_| invalid(name, value, "a whole number"))
}

fn invalid(name: &str, value: &str, expected: &str) -> SqlError {
    refusal::general(format!("Invalid value for config '{name}': {value}; it is {expected}"))
}

fn unknown(name: &str) -> SqlError {
    let names: Vec<&str> = KNOWN.iter().map(|known| known.name).collect();
    refusal::general(format!("Config '{name}' does not exist; there are {}", names.join(", ")))
}
