//! [`EngineConfig`]: every setting of an engine, with defaults that work.
//!
//! What is written ([`EngineConfig`]) and what is meant ([`ValidConfig`]) are two types: only the
//! second reaches the engine.

use std::time::Duration;

use cairn_storage::layer::{Bandwidth, LayerConfig, SpeedLimits};
use serde::{Deserialize, Serialize};

use crate::error::Error;

/// Settings of an engine as a person writes them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EngineConfig {
    /// Threads for hashing and compression; 0 is one per core.
    pub compute_threads: usize,
    /// Readers of segments, each with a chunker; 0 chooses by the number of cores.
    pub reader_count: usize,
    /// Packs that may be on their way to the repository at once.
    pub upload_worker_count: usize,
    /// Reads from the repository that may be on their way at once.
    pub download_worker_count: usize,
    /// Most bytes a second that all jobs together put into repositories, in units of 1024; 0 is no limit. Changeable at
    /// any time: [`crate::Engine::set_speed_limits`].
    pub max_upload_speed_kbps: u64,
    /// The same for what they get from repositories.
    pub max_download_speed_kbps: u64,
    /// Writers of restored segments; 0 chooses by the number of cores.
    pub install_worker_count: usize,
    /// Bytes of one read window of a reader.
    pub window_bytes: usize,
    /// Memory for the chunk index of the repository; what does not fit is looked up in the repository.
    pub index_memory_bytes: u64,
    /// Stored bytes after which a backup makes what it has stored findable.
    pub checkpoint_bytes: u64,
    /// Time after which it does so at the latest, such as `30s`.
    #[serde(with = "humantime_text")]
    pub checkpoint_interval: Duration,
    /// Retry, limits and timeouts of storages.
    pub storage: LayerConfig,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            compute_threads: 0,
            reader_count: 0,
            upload_worker_count: 6,
            download_worker_count: 8,
            max_upload_speed_kbps: 0,
            max_download_speed_kbps: 0,
            install_worker_count: 0,
            window_bytes: 4 << 20,
            index_memory_bytes: 96 << 20,
            checkpoint_bytes: 1 << 30,
            checkpoint_interval: Duration::from_secs(30),
            storage: LayerConfig::default(),
        }
    }
}

/// Checked settings, with every 0 that means "choose" resolved.
#[derive(Debug, Clone)]
pub struct ValidConfig {
    pub(crate) compute_threads: usize,
    pub(crate) readers: usize,
    pub(crate) uploads: usize,
    pub(crate) downloads: usize,
    pub(crate) installers: usize,
    pub(crate) window_bytes: usize,
    pub(crate) index_memory_bytes: u64,
    pub(crate) checkpoint_bytes: u64,
    pub(crate) checkpoint_interval: Duration,
    pub(crate) storage: LayerConfig,
}

/// How many requests a job may have on their way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkerCounts {
    /// Packs that may be on their way to a repository.
    pub upload: usize,
    /// Reads from a repository that may be on their way.
    pub download: usize,
}

impl ValidConfig {
    /// Requests that a job which starts now may have on their way.
    pub(crate) fn worker_counts(&self) -> WorkerCounts {
        WorkerCounts { upload: self.uploads, download: self.downloads }
    }

    /// The same with other counts.
    pub(crate) fn with_worker_counts(&self, counts: WorkerCounts) -> Result<Self, Error> {
        let WorkerCounts { upload, download } = counts;
        Ok(Self {
            uploads: workers("upload_worker_count", upload)?,
            downloads: workers("download_worker_count", download)?,
            ..self.clone()
        })
    }
}

/// Most readers, uploads, downloads or installers that make sense: each holds megabytes.
const MAX_WORKERS: usize = 256;
/// A window must hold a few small segments, and memory grows with it.
const WINDOW_BYTES: std::ops::RangeInclusive<usize> = 64 << 10..=64 << 20;

/// A number of workers that makes sense.
fn workers(name: &str, count: usize) -> Result<usize, Error> {
    match count {
        1..=MAX_WORKERS => Ok(count),
        _ => Err(Error::config(format!("{name} = {count}: must be 1 to {MAX_WORKERS}"))),
    }
}

impl EngineConfig {
    /// Checks every setting; the error names the first that is wrong and what it may be.
    pub fn validate(self) -> Result<ValidConfig, Error> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let choose = |value: usize, chosen: usize| if value == 0 { chosen } else { value };
        if !WINDOW_BYTES.contains(&self.window_bytes) {
            let message = format!("window_bytes = {}: must be 64 KiB to 64 MiB", self.window_bytes);
            return Err(Error::config(message));
        }
        if self.checkpoint_bytes == 0 {
            return Err(Error::config("checkpoint_bytes = 0: must be at least 1".to_owned()));
        }
        let limits = SpeedLimits {
            max_upload_speed_kbps: self.max_upload_speed_kbps,
            max_download_speed_kbps: self.max_download_speed_kbps,
        };
        let mut storage = self.storage;
        // A live one of its own: two engines of one configuration share nothing.
        storage.bandwidth = Bandwidth::new(limits);
        Ok(ValidConfig {
            compute_threads: workers("compute_threads", choose(self.compute_threads, cores))?,
            // A lane cuts about 2.8 GiB/s, several times what one core compresses.
            readers: workers("reader_count", choose(self.reader_count, cores.div_ceil(2)))?,
            uploads: workers("upload_worker_count", self.upload_worker_count)?,
            downloads: workers("download_worker_count", self.download_worker_count)?,
            installers: workers("install_worker_count", choose(self.install_worker_count, cores))?,
            window_bytes: self.window_bytes,
            index_memory_bytes: self.index_memory_bytes,
            checkpoint_bytes: self.checkpoint_bytes,
            checkpoint_interval: self.checkpoint_interval,
            storage,
        })
    }
}

mod humantime_text {
    //! Durations as people write them.

    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(value: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&humantime::format_duration(*value))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        let text = String::deserialize(from)?;
        humantime::parse_duration(&text).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_valid() {
        assert!(EngineConfig::default().validate().unwrap().readers > 0);
    }

    #[test]
    fn engines_of_one_configuration_share_no_bandwidth() {
        let config = EngineConfig { max_upload_speed_kbps: 7, ..EngineConfig::default() };
        let [one, two] = [config.clone(), config].map(|config| config.validate().unwrap().storage);
        one.bandwidth.set(SpeedLimits::default());
        assert_eq!(two.bandwidth.limits().max_upload_speed_kbps, 7);
    }

    #[test]
    fn a_wrong_setting_is_named_with_what_it_may_be() {
        let config = EngineConfig { upload_worker_count: 0, ..EngineConfig::default() };
        let error = config.validate().unwrap_err();
        assert_eq!(error.to_string(), "upload_worker_count = 0: must be 1 to 256");
    }
}
