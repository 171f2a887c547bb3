//! [`HdfsConfig`]: which cluster, who we are, and how files are laid out there.
//!
//! Properties are those of the system that users come from, which are mostly Hadoop's own. `password` is taken and
//! not used: Hadoop's simple authentication has none. What lies in an optional directory (`core-site.xml`,
//! `hdfs-site.xml`) counts where no property says otherwise. The environment is not read.

use std::collections::BTreeMap;
use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hdfs_native::{Client, ClientBuilder, HdfsError as ClientError};
use tokio::runtime::Handle;

use super::keytab::Keytab;
use crate::{KeyOwner, Properties, PropertyError, PropertyReader};

/// The port of a name node when none is said.
const DEFAULT_PORT: u16 = 8020;

/// Data nodes verify bytes in units of this many: a block holds whole ones.
const CHECKSUM_UNIT: u64 = 512;

/// A directory without configuration: the client would look into `HADOOP_CONF_DIR` if it were given none.
const NO_DIRECTORY: &str = "/dev/null";

const AUTHENTICATION: &str = "hadoop.security.authentication";
const DEFAULT_FS: &str = "fs.defaultFS";
const NAME_SERVICES: &str = "dfs.nameservices";
const NAME_NODES: &str = "dfs.ha.namenodes.";
const RPC_ADDRESS: &str = "dfs.namenode.rpc-address.";
const FAILOVER: &str = "dfs.client.failover.";
const REPLACE_DATA_NODE: &str = "dfs.client.block.write.replace-datanode-on-failure.";

/// Other settings that the client understands, or that are about things which it settles by itself.
const SETTINGS: [&[&str]; 5] = [
    &["dfs.client.socket-timeout"],
    &["dfs.client.use.datanode.hostname"],
    &["dfs.data.transfer.protection"],
    &["dfs.namenode.kerberos.principal"],
    &["dfs.namenode.kerberos.principal.pattern"],
];

/// What we want of the client when nobody says otherwise.
const DEFAULTS: [(&str, &str); 5] = [
    // Once around all name nodes and one more: to wait and try again is the business of the retry layer.
    ("dfs.client.failover.max.attempts", "3"),
    ("dfs.client.failover.sleep.base.millis", "50"),
    ("dfs.client.failover.sleep.max.millis", "500"),
    // A data node that is silent for so long is given up for another; Hadoop would wait a minute.
    ("dfs.client.socket-timeout", "15000"),
    // With few data nodes there is no other to replace one that died. The block goes on with those that are
    // left, and the name node copies it when it can.
    ("dfs.client.block.write.replace-datanode-on-failure.best-effort", "true"),
];

/// A cluster and how to use it. Only [`HdfsConfig::authority`] is needed.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct HdfsConfig {
    /// `host:port`, `host` or the name of a name service; empty for that of `fs.defaultFS`.
    pub authority: String,
    /// The user to be under simple authentication; else the user of the process.
    pub user: Option<String>,
    /// The identity to be under Kerberos; none for what the configuration directory says, or simple authentication.
    pub kerberos: Option<KerberosLogin>,
    /// Copies of each block; none for the default of the cluster.
    pub replication: Option<u32>,
    /// Bytes of a block; none for the default of the cluster.
    pub block_size: Option<u64>,
    /// A directory with `core-site.xml` and `hdfs-site.xml`.
    pub config_dir: Option<PathBuf>,
    /// Settings of the client under Hadoop's names.
    pub settings: BTreeMap<String, String>,
}

/// Who we are under Kerberos.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct KerberosLogin {
    /// The principal; none for that of the ticket cache of the process.
    pub principal: Option<String>,
    /// Its key; none for the ticket cache of the process.
    pub keytab: Option<Keytab>,
}

/// Why properties make no [`HdfsConfig`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HdfsConfigError {
    /// One property, by itself.
    #[error(transparent)]
    Property(#[from] PropertyError),
    /// A name service without name nodes.
    #[error("load request missed necessary arguments for ha mode: {key}")]
    NameNodes {
        /// What is missing.
        key: String,
    },
    /// A name node without an address.
    #[error("missed {key} configuration")]
    Address {
        /// What is missing.
        key: String,
    },
    /// A keytab without a place in memory.
    #[error("the content of the keytab could not be kept in memory")]
    Keytab(#[source] std::io::Error),
}

impl HdfsConfig {
    /// The cluster at an authority, as the process's user.
    pub fn at(authority: impl Into<String>) -> Self {
        Self { authority: authority.into(), ..Self::default() }
    }

    /// The cluster at an authority (which may be empty) and what the user says of it.
    pub fn from_properties(
        authority: &str,
        properties: &Properties,
    ) -> Result<Self, HdfsConfigError> {
        let mut reader = properties.reader();
        let mut config = Self::at(authority);
        config.take_identity(&mut reader)?;
        config.replication = reader
            .parsed::<Replication>(&["dfs.replication"], "a number from 1 to 512")?
            .map(|is| is.0);
        config.block_size = reader
            .parsed::<BlockSize>(
                &["dfs.blocksize"],
                "a multiple of 512 bytes, such as 134217728 or 128m",
            )?
            .map(|is| is.0);
        config.config_dir = reader.text(&["hadoop.conf.dir"])?.map(PathBuf::from);
        config.take_settings(&mut reader)?;
        reader.finish(KeyOwner::Hdfs)?;
        config.check_name_services()?;
        Ok(config)
    }

    fn take_identity(&mut self, reader: &mut PropertyReader<'_>) -> Result<(), HdfsConfigError> {
        let method = reader.text(&[AUTHENTICATION])?;
        self.user = reader.text(&["username", "hadoop.security.username"])?.map(str::to_owned);
        reader.secret(&["password", "hadoop.security.password"])?;
        let principal =
            reader.text(&["kerberos_principal", "hadoop.security.kerberos.principal"])?;
        let file = reader.text(&["kerberos_keytab", "hadoop.security.kerberos.keytab_file"])?;
        let content =
            reader.secret(&["kerberos_keytab_content", "hadoop.security.kerberos.keytab_data"])?;
        let keytab = match (file, content) {
            (Some(file), _) => Some(Keytab::file(file)),
            (None, Some(content)) => {
                let bytes = STANDARD.decode(content.reveal().trim()).map_err(|_| {
                    PropertyError::Invalid { key: "kerberos_keytab_content", expected: "base64" }
                })?;
                Some(Keytab::bytes(&bytes).map_err(HdfsConfigError::Keytab)?)
            }
            (None, None) => None,
        };
        match method.map(str::to_ascii_lowercase).as_deref() {
            Some("kerberos") => {
                let principal = principal.map(local_principal).transpose()?;
                if keytab.is_some() && principal.is_none() {
                    return Err(PropertyError::Missing {
                        key: "kerberos_principal",
                        reason: "principal is required for kerberos authentication with a keytab",
                    }
                    .into());
                }
                self.kerberos = Some(KerberosLogin { principal, keytab });
            }
            Some("simple") => {
                self.settings.insert(AUTHENTICATION.to_owned(), "simple".to_owned());
            }
            None => {}
            Some(_) => {
                let expected = "simple or kerberos";
                return Err(PropertyError::Invalid { key: AUTHENTICATION, expected }.into());
            }
        }
        Ok(())
    }

    fn take_settings(&mut self, reader: &mut PropertyReader<'_>) -> Result<(), PropertyError> {
        let default_fs = reader.text(&[DEFAULT_FS])?;
        if let Some(url) = default_fs.filter(|_| self.authority.is_empty()) {
            let authority = url.strip_prefix("hdfs://").map(|rest| rest.trim_end_matches('/'));
            let expected = "hdfs:// and a host or name service";
            let authority = authority
                .filter(|authority| !authority.is_empty() && !authority.contains('/'))
                .ok_or(PropertyError::Invalid { key: DEFAULT_FS, expected })?;
            authority.clone_into(&mut self.authority);
        }
        if self.authority.is_empty() && self.config_dir.is_none() {
            let reason = "the location names no host";
            return Err(PropertyError::Missing { key: DEFAULT_FS, reason });
        }
        for spellings in [&[NAME_SERVICES]].into_iter().map(|one| &one[..]).chain(SETTINGS) {
            if let (Some(value), Some(key)) = (reader.text(spellings)?, spellings.first()) {
                self.settings.insert((*key).to_owned(), value.to_owned());
            }
        }
        for family in [NAME_NODES, RPC_ADDRESS, FAILOVER, REPLACE_DATA_NODE] {
            for (key, value) in reader.family(family) {
                // The client takes "nn1, nn2" for names one of which begins with a space.
                let value: String = value.chars().filter(|c| !c.is_whitespace()).collect();
                self.settings.insert(key.to_owned(), value);
            }
        }
        Ok(())
    }

    /// Every name service has name nodes and they have addresses, unless the directory may say so.
    fn check_name_services(&self) -> Result<(), HdfsConfigError> {
        if self.config_dir.is_some() {
            return Ok(());
        }
        let services = self.settings.get(NAME_SERVICES).map_or("", String::as_str);
        for service in services.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            let key = format!("{NAME_NODES}{service}");
            let Some(nodes) = self.settings.get(&key).filter(|nodes| !nodes.is_empty()) else {
                return Err(HdfsConfigError::NameNodes { key });
            };
            for node in nodes.split(',') {
                let key = format!("{RPC_ADDRESS}{service}.{node}");
                if !self.settings.contains_key(&key) {
                    return Err(HdfsConfigError::Address { key });
                }
            }
        }
        Ok(())
    }

    /// The URL of the cluster.
    pub(super) fn url(&self) -> String {
        format!("hdfs://{}", self.authority)
    }

    /// A client. Reads the configuration directory and does no network.
    pub(super) fn client(&self, runtime: Handle) -> hdfs_native::Result<Client> {
        match self.client_at(self.url(), runtime.clone()) {
            // Not a name service, so it is a host.
            Err(ClientError::InvalidArgument(text))
                if text.contains("No NameNode") && !self.authority.contains(':') =>
            {
                self.client_at(format!("{}:{DEFAULT_PORT}", self.url()), runtime)
            }
            client => client,
        }
    }

    fn client_at(&self, url: String, runtime: Handle) -> hdfs_native::Result<Client> {
        let directory = match &self.config_dir {
            // The client takes a directory that is not there for an empty one.
            Some(directory) => {
                std::fs::read_dir(directory)?;
                directory.display().to_string()
            }
            None => NO_DIRECTORY.to_owned(),
        };
        let mut builder = ClientBuilder::new()
            .with_url(url)
            .with_config_dir(directory)
            .with_config(self.client_settings())
            .with_io_runtime(runtime);
        match &self.kerberos {
            Some(KerberosLogin { principal, keytab }) => {
                if let Some(principal) = principal {
                    builder = builder.with_kerberos_principal(principal);
                }
                if let Some(keytab) = keytab {
                    builder = builder.with_kerberos_keytab(keytab.path());
                }
            }
            // Under Kerberos the client would take it for a user to be impersonated.
            None => {
                if let Some(user) = &self.user {
                    builder = builder.with_user(user);
                }
            }
        }
        builder.build()
    }

    fn client_settings(&self) -> BTreeMap<String, String> {
        let mut settings: BTreeMap<String, String> =
            DEFAULTS.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        // A new client in the place of a silent one must not begin with the same name node.
        settings.insert(format!("{FAILOVER}random.order.{}", self.authority), "true".to_owned());
        if self.kerberos.is_some() {
            settings.insert(AUTHENTICATION.to_owned(), "kerberos".to_owned());
        }
        settings.extend(self.settings.clone());
        settings
    }
}

/// A principal with this host in the place of `_HOST`.
fn local_principal(principal: &str) -> Result<String, PropertyError> {
    if principal.contains("_IP") {
        let expected = "a principal without _IP; _HOST is expanded";
        return Err(PropertyError::Invalid { key: "kerberos_principal", expected });
    }
    let name = rustix::system::uname();
    let host = name.nodename().to_string_lossy().to_ascii_lowercase();
    Ok(principal.replace("_HOST", &host))
}

struct Replication(u32);

impl std::str::FromStr for Replication {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text.parse() {
            Ok(copies @ 1..=512) => Ok(Self(copies)),
            _ => Err(()),
        }
    }
}

struct BlockSize(u64);

impl std::str::FromStr for BlockSize {
    type Err = ();

    /// Bytes, or a number with one of Hadoop's suffixes.
    fn from_str(text: &str) -> Result<Self, ()> {
        let text = text.to_ascii_lowercase();
        let (digits, shift) = match text.char_indices().last() {
            Some((end, 'k')) => (text.get(..end), 10),
            Some((end, 'm')) => (text.get(..end), 20),
            Some((end, 'g')) => (text.get(..end), 30),
            _ => (Some(text.as_str()), 0),
        };
        let number: u64 = digits.unwrap_or_default().parse().map_err(|_| ())?;
        let bytes = number.checked_mul(1 << shift).ok_or(())?;
        if bytes == 0 || !bytes.is_multiple_of(CHECKSUM_UNIT) { Err(()) } else { Ok(Self(bytes)) }
    }
}

#[cfg(test)]
mod tests;
