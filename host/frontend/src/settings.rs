//! [`Settings`]: what ADMIN SET CONFIG changes while the server runs: one table of names, kept in the catalog.

use std::sync::{Mutex, MutexGuard, PoisonError};

use cairn_pipeline::{Engine, SpeedLimits};
use cairn_warehouse::Warehouse;
use serde_json::json;

use crate::mysql::SqlError;
use crate::refusal;

/// The collection of documents that holds what was changed.
const COLLECTION: &str = "config";
/// A day, as StarRocks.
const DEFAULT_TIMEOUT_MILLIS: u64 = 86_400_000;

/// A setting: its name, what it is, and whether it changes while the server runs.
struct Known {
    name: &'static str,
    kind: &'static str,
    about: &'static str,
    is_mutable: bool,
}

const BOOLEAN: &str = "boolean";
const LONG: &str = "long";

/// All settings in the order of SHOW.
const KNOWN: &[Known] = &[
    Known {
        name: "allow_jobs_of_disjoint_tables",
        kind: BOOLEAN,
        about: "whether several backups and restores run in one database when their tables do not meet",
        is_mutable: true,
    },
    Known {
        name: "backup_job_default_timeout_ms",
        kind: LONG,
        about: "after how long a backup or restore is given up where the statement does not say",
        is_mutable: true,
    },
    Known {
        name: "download_worker_count",
        kind: LONG,
        about: "reads from a repository that may be on their way; set in the configuration file",
        is_mutable: false,
    },
    Known {
        name: "max_download_speed_kbps",
        kind: LONG,
        about: "KB/s that all restores together read at most; 0 is no limit",
        is_mutable: true,
    },
    Known {
        name: "max_upload_speed_kbps",
        kind: LONG,
        about: "KB/s that all backups together write at most; 0 is no limit",
        is_mutable: true,
    },
    Known {
        name: "upload_worker_count",
        kind: LONG,
        about: "packs that may be on their way to a repository; set in the configuration file",
        is_mutable: false,
    },
];

/// A setting as SHOW tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SettingView {
    /// Its name.
    pub name: &'static str,
    /// Its value.
    pub value: String,
    /// What values it takes, as StarRocks calls them: `boolean`, `long`.
    pub kind: &'static str,
    /// Whether it changes while the server runs.
    pub is_mutable: bool,
    /// What it is.
    pub about: &'static str,
}

/// What can be changed while the server runs.
#[derive(Debug)]
pub(crate) struct Settings {
    warehouse: Warehouse,
    engine: Engine,
    /// Guards values only.
    values: Mutex<Values>,
}

#[derive(Debug, Clone)]
struct Values {
    jobs_beside_others: bool,
    timeout_millis: u64,
}

impl Settings {
    /// The settings of a warehouse; what was changed in an earlier life of the server is applied.
    pub(crate) fn load(warehouse: Warehouse, engine: Engine) -> Result<Self, SqlError> {
        let values = Values { jobs_beside_others: false, timeout_millis: DEFAULT_TIMEOUT_MILLIS };
        let settings = Self { warehouse, engine, values: Mutex::new(values) };
        let stored = settings.warehouse.store().documents(COLLECTION);
        for (name, value) in stored.map_err(refusal::of_warehouse)? {
            let text = value.as_str().unwrap_or_default();
            // One that a later version does not know any more stays where it is.
            match Change::parse(&name, text) {
                Ok(change) => settings.apply(change),
                Err(error) => tracing::warn!(name, %error, "a stored setting is passed over"),
            }
        }
        Ok(settings)
    }

    /// Changes a setting, now and for later lives of the server. Blocks.
    pub(crate) fn set(&self, name: &str, value: &str) -> Result<(), SqlError> {
        let known = KNOWN.iter().find(|known| known.name == name);
        let known = known.ok_or_else(|| unknown(name))?;
        if !known.is_mutable {
            return Err(refusal::general(format!("Config '{name}' is not mutable")));
        }
        // Before it is stored nothing is in force: what fails leaves all as it was.
        let change = Change::parse(name, value)?;
        let store = self.warehouse.store();
        store.put_document(COLLECTION, name, &json!(value)).map_err(refusal::of_warehouse)?;
        self.apply(change);
        Ok(())
    }

    /// All settings, by name.
    pub(crate) fn list(&self) -> Vec<SettingView> {
        let view = |known: &Known| SettingView {
            name: known.name,
            value: self.value(known.name),
            kind: known.kind,
            is_mutable: known.is_mutable,
            about: known.about,
        };
        KNOWN.iter().map(view).collect()
    }

    /// Whether jobs of one database may run beside each other when their objects do not meet.
    pub(crate) fn jobs_beside_others(&self) -> bool {
        self.lock().jobs_beside_others
    }

    /// After how many seconds a job is given up where the statement does not say.
    pub(crate) fn job_timeout_seconds(&self) -> u64 {
        self.lock().timeout_millis.div_ceil(1000)
    }

    fn apply(&self, change: Change) {
        let limits = self.engine.speed_limits();
        let limits = match change {
            Change::JobsBesideOthers(allowed) => {
                self.lock().jobs_beside_others = allowed;
                return;
            }
            Change::TimeoutMillis(millis) => {
                self.lock().timeout_millis = millis;
                return;
            }
            Change::Download(kbps) => SpeedLimits { max_download_speed_kbps: kbps, ..limits },
            Change::Upload(kbps) => SpeedLimits { max_upload_speed_kbps: kbps, ..limits },
        };
        self.engine.set_speed_limits(limits);
    }

    fn value(&self, name: &str) -> String {
        let limits = self.engine.speed_limits();
        let config = self.engine.config();
        match name {
            "allow_jobs_of_disjoint_tables" => self.lock().jobs_beside_others.to_string(),
            "backup_job_default_timeout_ms" => self.lock().timeout_millis.to_string(),
            "download_worker_count" => config.download_worker_count().to_string(),
            "max_download_speed_kbps" => limits.max_download_speed_kbps.to_string(),
            "max_upload_speed_kbps" => limits.max_upload_speed_kbps.to_string(),
            "upload_worker_count" => config.upload_worker_count().to_string(),
            _ => String::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Values> {
        self.values.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A setting with a value that it can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    JobsBesideOthers(bool),
    TimeoutMillis(u64),
    Download(u64),
    Upload(u64),
}

impl Change {
    fn parse(name: &str, value: &str) -> Result<Self, SqlError> {
        let invalid = || refusal::general(format!("Invalid value for config '{name}': {value}"));
        let number = || value.trim().parse::<u64>().map_err(|_| invalid());
        Ok(match name {
            "allow_jobs_of_disjoint_tables" => {
                let allowed = value.trim().to_ascii_lowercase().parse();
                Self::JobsBesideOthers(allowed.map_err(|_| invalid())?)
            }
            // Without time every job would be given up as it begins.
            "backup_job_default_timeout_ms" => match number()? {
                0 => return Err(invalid()),
                millis => Self::TimeoutMillis(millis),
            },
            "max_download_speed_kbps" => Self::Download(number()?),
            "max_upload_speed_kbps" => Self::Upload(number()?),
            _ => return Err(unknown(name)),
        })
    }
}

fn unknown(name: &str) -> SqlError {
    let names: Vec<&str> = KNOWN.iter().map(|known| known.name).collect();
    refusal::general(format!("Config '{name}' does not exist; there are {}", names.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_one_that_makes_sense() {
        let parse = |name: &str, value: &str| Change::parse(name, value).ok();
        let timeout = "backup_job_default_timeout_ms";
        assert_eq!(parse(timeout, " 1000 "), Some(Change::TimeoutMillis(1000)));
        for value in ["0", "-1", "x", ""] {
            assert_eq!(parse(timeout, value), None, "{value}");
        }
        assert_eq!(parse("max_upload_speed_kbps", "0"), Some(Change::Upload(0)));
        let beside = "allow_jobs_of_disjoint_tables";
        assert_eq!(parse(beside, "TRUE"), Some(Change::JobsBesideOthers(true)));
        assert_eq!(parse("colour", "red"), None);
    }
}
