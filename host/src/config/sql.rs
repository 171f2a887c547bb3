//! [`SqlConfig`]: how the warehouse is reached, by whom at once, and what of this machine its users may touch.

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytesize::ByteSize;
use cairn_pipeline::Priority;
use serde::{Deserialize, Serialize};

use super::as_text;
use crate::exit::Refusal;

/// Where StarRocks' FE speaks SQL.
const PORT: u16 = 9030;
/// What a packet of the protocol can hold at most, and what a statement needs at least to be one.
const PACKET_BYTES: std::ops::RangeInclusive<u64> = 1 << 10..=1 << 30;
/// Below this not even small queries run.
const MIN_QUERY_BYTES: u64 = 16 << 20;
/// After how long a job is given up, as in StarRocks.
const DAY_MILLIS: NonZeroU64 = NonZeroU64::new(86_400_000).unwrap();

/// Settings of the SQL server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct SqlConfig {
    pub(crate) listen: SocketAddr,
    /// Empty is no TLS.
    pub(crate) tls_certificate: PathBuf,
    pub(crate) tls_key: PathBuf,
    pub(crate) require_tls: bool,
    pub(crate) max_connections: usize,
    pub(crate) max_user_connections: usize,
    #[serde(with = "as_text")]
    pub(crate) max_allowed_packet: ByteSize,
    #[serde(with = "as_text")]
    pub(crate) idle_timeout: humantime::Duration,
    #[serde(with = "as_text")]
    pub(crate) query_memory_limit: ByteSize,
    pub(crate) files: Vec<PathBuf>,
    pub(crate) repositories: Vec<PathBuf>,
    pub(crate) allow_jobs_of_disjoint_tables: bool,
    pub(crate) backup_job_default_timeout_ms: NonZeroU64,
    pub(crate) job_priority: Priority,
}

impl Default for SqlConfig {
    fn default() -> Self {
        Self {
            listen: (Ipv4Addr::LOCALHOST, PORT).into(),
            tls_certificate: PathBuf::new(),
            tls_key: PathBuf::new(),
            require_tls: false,
            max_connections: 4096,
            max_user_connections: 1024,
            max_allowed_packet: ByteSize::mib(64),
            idle_timeout: Duration::from_secs(8 * 60 * 60).into(),
            query_memory_limit: ByteSize::gib(1),
            files: Vec::new(),
            repositories: vec![PathBuf::from("/")],
            allow_jobs_of_disjoint_tables: false,
            backup_job_default_timeout_ms: DAY_MILLIS,
            job_priority: Priority::Idle,
        }
    }
}

impl SqlConfig {
    /// How jobs are run that do not say it themselves.
    #[cfg(feature = "sql")]
    pub(crate) fn job_settings(&self) -> cairn_frontend::JobSettings {
        cairn_frontend::JobSettings {
            allow_jobs_of_disjoint_tables: self.allow_jobs_of_disjoint_tables,
            backup_job_default_timeout_ms: self.backup_job_default_timeout_ms.get(),
            ..cairn_frontend::JobSettings::default()
        }
    }

    /// The files of a certificate and its key; none where TLS is not offered.
    #[cfg_attr(not(feature = "sql"), expect(dead_code, reason = "only SQL is served by it"))]
    pub(crate) fn tls(&self) -> anyhow::Result<Option<(&Path, &Path)>> {
        let given = |path: &PathBuf| !path.as_os_str().is_empty();
        match (given(&self.tls_certificate), given(&self.tls_key)) {
            (true, true) => Ok(Some((&self.tls_certificate, &self.tls_key))),
            (false, false) if self.require_tls => {
                Err(Refusal::usage("sql.require_tls needs sql.tls_certificate and sql.tls_key"))
            }
            (false, false) => Ok(None),
            (true, false) => Err(Refusal::usage("sql.tls_certificate needs sql.tls_key")),
            (false, true) => Err(Refusal::usage("sql.tls_key needs sql.tls_certificate")),
        }
    }

    /// Refuses numbers with which nothing would work, and directories that do not say where they are.
    #[cfg_attr(not(feature = "sql"), expect(dead_code, reason = "only SQL is served by it"))]
    pub(crate) fn validate(&self) -> anyhow::Result<()> {
        let refuse = |message: String| Err(Refusal::usage(message));
        if self.max_connections == 0 || self.max_user_connections == 0 {
            return refuse("sql.max_connections and sql.max_user_connections: at least 1".into());
        }
        if !PACKET_BYTES.contains(&self.max_allowed_packet.as_u64()) {
            return refuse(format!(
                "sql.max_allowed_packet {}: must be 1 KiB to 1 GiB",
                self.max_allowed_packet
            ));
        }
        if self.idle_timeout.is_zero() {
            return refuse("sql.idle_timeout: longer than nothing".into());
        }
        if self.query_memory_limit.as_u64() < MIN_QUERY_BYTES {
            return refuse(format!(
                "sql.query_memory_limit {}: at least 16 MiB",
                self.query_memory_limit
            ));
        }
        match self.files.iter().chain(&self.repositories).find(|path| !path.is_absolute()) {
            Some(path) => refuse(format!(
                "{}: directories of sql.files and sql.repositories begin with /",
                path.display()
            )),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> SqlConfig {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn the_default_is_fine_and_offers_no_tls() {
        assert!(SqlConfig::default().validate().is_ok());
        assert_eq!(SqlConfig::default().tls().unwrap(), None);
    }

    #[test]
    fn what_cannot_work_is_refused_by_name() {
        for (text, message) in [
            ("max_connections = 0", "sql.max_connections"),
            ("max_user_connections = 0", "sql.max_user_connections"),
            ("max_allowed_packet = \"1B\"", "sql.max_allowed_packet 1 B: must be 1 KiB"),
            ("max_allowed_packet = \"2GiB\"", "sql.max_allowed_packet 2.0 GiB: must be"),
            ("idle_timeout = \"0s\"", "sql.idle_timeout"),
            ("query_memory_limit = \"1MiB\"", "sql.query_memory_limit 1.0 MiB: at least 16 MiB"),
            ("files = [\"data\"]", "data: directories of sql.files"),
            ("repositories = [\"\"]", ": directories of sql.files"),
        ] {
            let error = read(text).validate().unwrap_err().to_string();
            assert!(error.contains(message), "{text}: {error}");
        }
    }

    #[test]
    fn a_certificate_and_its_key_come_together() {
        let both = read("tls_certificate = \"c\"\ntls_key = \"k\"");
        assert_eq!(both.tls().unwrap(), Some((Path::new("c"), Path::new("k"))));
        for (text, message) in [
            ("tls_certificate = \"c\"", "needs sql.tls_key"),
            ("tls_key = \"k\"", "needs sql.tls_certificate"),
            ("require_tls = true", "sql.require_tls needs"),
        ] {
            let error = read(text).tls().unwrap_err().to_string();
            assert!(error.contains(message), "{text}: {error}");
        }
    }
}
