//! [`Repositories`]: the repositories that were told to this server.
//!
//! A row says where a repository is and with what it is reached; secrets among that are sealed ([`seal`]). The repository itself
//! lies in a directory of its own below its location, so that several share a bucket and a second server that names the same
//! location and the same name finds the same snapshots. Dropping one forgets the row and touches nothing at the location.

mod local;
mod seal;
mod ttl;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cairn_pipeline::storage::{Location, OpenMode, Properties, Storage};
use cairn_pipeline::{Engine, Period, Repository, RepositorySecret, RepositorySettings};
use cairn_warehouse::Warehouse;
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;

use crate::clock::{Millis, now_millis};
use crate::mysql::SqlError;
use crate::refusal;
pub(crate) use local::LocalPlaces;
use seal::Seal;
pub(crate) use ttl::parse_ttl;

/// The collection of documents that holds the rows.
const COLLECTION: &str = "repositories";
/// The property that says how long snapshots are kept. It is not for the storage.
const DEFAULT_TTL: &str = "default_snapshot_ttl";
/// The code of the error that says that there is no repository yet.
const NO_REPOSITORY: &str = "CAIRN-R001";
/// The code of the error that says that a repository has no snapshot of a label.
pub(crate) const NO_SUCH_SNAPSHOT: &str = "CAIRN-R005";
/// What the keys of encryption begin with.
const ENCRYPTION: &str = "encryption.";
/// The one of them that a statement may hold: what names a file or a command is for who runs the server to say.
const PASSPHRASE: &str = "encryption.passphrase";
/// What the first key slot of an encrypted repository says of itself.
const FIRST_SLOT: &str = "made with the repository";

/// Where a repository is, and what opens it.
struct Place {
    at: Location,
    secret: Option<RepositorySecret>,
}

/// A repository as the catalog keeps it.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct RepositoryRow {
    id: u64,
    name: String,
    location: String,
    read_only: bool,
    broker: String,
    created_at: Millis,
    /// What is said of the storage and is no secret.
    properties: BTreeMap<String, String>,
    /// What is: a JSON object, sealed about the name of the repository.
    secrets: String,
    /// How long snapshots are kept whose BACKUP does not say, such as `7 DAY`; empty is for ever, none is as the server does.
    #[serde(default)]
    default_ttl: Option<String>,
}

/// What is asked of a new one.
#[derive(Debug, Clone)]
pub struct NewRepository {
    /// Its name.
    pub name: String,
    /// Below which place it is.
    pub location: String,
    /// Whether backups into it are refused.
    pub read_only: bool,
    /// The broker that was named; Cairn needs none.
    pub broker: String,
    /// What the storage is told.
    pub properties: Vec<(String, String)>,
}

/// Why a repository was not opened.
#[derive(Debug)]
pub struct Unopened {
    /// What a client is told.
    pub refused: SqlError,
    /// Whether its storage was not reached, so that it may be opened later.
    pub may_pass: bool,
}

impl From<SqlError> for Unopened {
    fn from(refused: SqlError) -> Self {
        Self { refused, may_pass: false }
    }
}

impl From<Unopened> for SqlError {
    fn from(unopened: Unopened) -> Self {
        unopened.refused
    }
}

/// A repository as SHOW tells it.
#[derive(Debug, Clone)]
pub struct RepositoryView {
    /// Its id.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// When it was told to this server.
    pub created_at: Millis,
    /// Whether backups into it are refused.
    pub read_only: bool,
    /// Below which place it is.
    pub location: String,
    /// The broker that was named.
    pub broker: String,
    /// Why it could not be reached the last time, and when that was.
    pub error: Option<(Millis, String)>,
}

/// The repositories of a server.
#[derive(Debug)]
pub struct Repositories {
    warehouse: Warehouse,
    engine: Engine,
    seal: Seal,
    settings: RepositorySettings,
    /// What opens encrypted repositories whose properties do not say it.
    secret: Option<RepositorySecret>,
    /// What every storage is told besides, by the configuration of the server.
    defaults: Properties,
    places: LocalPlaces,
    /// Held by whoever makes or drops one, while the catalog takes the change: before the map.
    changes: Mutex<()>,
    /// By name. Held for a look or a step: storages and the catalog are asked outside of it.
    known: Mutex<BTreeMap<String, Known>>,
}

#[derive(Debug, Clone)]
struct Known {
    row: RepositoryRow,
    opened: Option<Arc<Repository>>,
    error: Option<(Millis, String)>,
    /// Whether it is being reached for.
    is_asked: bool,
    /// Whether its records were read in advance, so that no SHOW has to.
    is_read: bool,
}

impl Known {
    fn new(row: RepositoryRow, opened: Option<Arc<Repository>>) -> Self {
        Self { row, opened, error: None, is_asked: false, is_read: false }
    }
}

impl Repositories {
    /// The repositories that a warehouse knows of. None of them is asked for yet.
    pub fn load(
        warehouse: Warehouse,
        engine: Engine,
        settings: RepositorySettings,
        secret: Option<RepositorySecret>,
        defaults: Properties,
        places: LocalPlaces,
    ) -> Result<Self, SqlError> {
        let seal = Seal::open(warehouse.data_dir())?;
        let documents = warehouse.store().documents(COLLECTION).map_err(refusal::of_warehouse)?;
        let mut known = BTreeMap::new();
        for (name, document) in documents {
            let row: RepositoryRow = serde_json::from_value(document)
                .map_err(|error| refusal::corrupt(&format!("repository {name}"), &error))?;
            known.insert(name, Known::new(row, None));
        }
        let (changes, known) = (Mutex::default(), Mutex::new(known));
        Ok(Self { warehouse, engine, seal, settings, secret, defaults, places, changes, known })
    }

    /// Reaches a place, makes a repository there or adopts the one that is there, and remembers it. Blocks.
    pub fn create(&self, new: NewRepository) -> Result<(), SqlError> {
        let NewRepository { name, location, read_only, broker, properties } = new;
        let (of_snapshots, properties): (Vec<_>, Vec<_>) =
            properties.into_iter().partition(|(key, _)| key.eq_ignore_ascii_case(DEFAULT_TTL));
        let default_ttl = of_snapshots.into_iter().next_back().map(|(_, ttl)| ttl);
        if let Some(text) = &default_ttl {
            parse_ttl(DEFAULT_TTL, text)?;
        }
        if name.is_empty() {
            return Err(refusal::analysis("Repository does not empty"));
        }
        refusal::check_name("Repository", &name)?;
        if location.is_empty() {
            return Err(refusal::analysis("You must specify a location on the repository"));
        }
        if self.lock().contains_key(&name) {
            return Err(already_exists(&name));
        }
        let location = location.trim_end_matches('/').to_owned();
        self.places.check(&location)?;
        let place = self.place(&name, &location, properties.iter().cloned())?;
        let opened = self.adopt_or_make(&place, read_only).map_err(|error| {
            refusal::general(format!(
                "Failed to create repository: {}",
                refusal::with_causes(&error)
            ))
        })?;
        let (secrets, properties): (BTreeMap<_, _>, BTreeMap<_, _>) =
            properties.into_iter().partition(|(key, _)| Properties::is_secret(key));
        let secrets = serde_json::to_string(&secrets)
            .map_err(|error| refusal::corrupt("properties", &error))?;
        let row = RepositoryRow {
            id: self.warehouse.next_id().map_err(refusal::of_warehouse)?,
            secrets: self.seal.seal(&name, &secrets)?,
            name: name.clone(),
            location,
            read_only,
            broker,
            created_at: now_millis(),
            properties,
            default_ttl,
        };
        let document =
            serde_json::to_value(&row).map_err(|error| refusal::corrupt("repository", &error))?;
        let _changes = lock(&self.changes);
        if self.lock().contains_key(&name) {
            return Err(already_exists(&name));
        }
        let store = self.warehouse.store();
        store.put_document(COLLECTION, &name, &document).map_err(refusal::of_warehouse)?;
        self.lock().insert(name, Known::new(row, Some(Arc::new(opened))));
        Ok(())
    }

    /// Forgets a repository. What it holds stays.
    pub fn drop(&self, name: &str) -> Result<(), SqlError> {
        let _changes = lock(&self.changes);
        if !self.lock().contains_key(name) {
            return Err(refusal::general("Repository does not exist"));
        }
        let store = self.warehouse.store();
        store
            .remove_document(COLLECTION, name)
            .map_err(|error| refusal::general(format!("Failed to drop repository: {error}")))?;
        self.lock().remove(name);
        Ok(())
    }

    /// All of them by name.
    pub fn list(&self) -> Vec<RepositoryView> {
        let view = |known: &Known| RepositoryView {
            id: known.row.id,
            name: known.row.name.clone(),
            created_at: known.row.created_at,
            read_only: known.row.read_only,
            location: known.row.location.clone(),
            broker: known.row.broker.clone(),
            error: known.error.clone(),
        };
        self.lock().values().map(view).collect()
    }

    /// Whether there is one of this name.
    pub fn has(&self, name: &str) -> bool {
        self.lock().contains_key(name)
    }

    /// How long snapshots of a repository are kept whose BACKUP does not say: inside, none is for ever; outside, it does not
    /// say either.
    pub fn default_ttl(&self, name: &str) -> Option<Option<Period>> {
        let text = self.find(name).ok()?.row.default_ttl?;
        // Only what was understood once is written down.
        Some(text.parse().ok())
    }

    /// Which one it is and where, for messages.
    pub fn describe(&self, name: &str) -> String {
        let location = self.find(name).map(|known| known.row.location);
        location.map_or_else(|error| error.message, |at| format!("repository {name} at {at}"))
    }

    /// A repository to write to. Blocks while it is opened for the first time.
    pub fn open_to_write(&self, name: &str) -> Result<Arc<Repository>, Unopened> {
        if self.find(name)?.row.read_only {
            return Err(refusal::general(format!("Repository {name} is read only")).into());
        }
        self.open(name)
    }

    /// A repository. Blocks while it is opened for the first time.
    pub fn open(&self, name: &str) -> Result<Arc<Repository>, Unopened> {
        let Known { row, opened, .. } = self.find(name)?;
        if let Some(opened) = opened {
            return Ok(opened);
        }
        self.places.check(&row.location)?;
        let secrets = self.seal.open_text(name, &row.secrets).map_err(SqlError::from)?;
        let secrets: BTreeMap<String, String> = serde_json::from_str(&secrets)
            .map_err(|error| refusal::corrupt(&format!("repository {name}"), &error))?;
        let place = self.place(name, &row.location, row.properties.into_iter().chain(secrets))?;
        let opened = self.open_at(&place, row.read_only);
        let outcome = opened.map(Arc::new);
        self.told(row.id, |known| match &outcome {
            Ok(repository) => {
                known.opened = Some(Arc::clone(repository));
                known.error = None;
            }
            Err(error) => known.error = Some((now_millis(), refusal::with_causes(error))),
        });
        outcome.map_err(|error| {
            let causes = refusal::with_causes(&error);
            let refused = refusal::general(format!("Repository {name} cannot be opened: {causes}"));
            Unopened { refused, may_pass: error.may_pass() }
        })
    }

    /// Looks whether each can be reached, and remembers why not; the first time its records are read, too. Each by itself, in the background: one that does not answer
    /// keeps nobody waiting, and is not asked again meanwhile.
    pub fn ping(self: &Arc<Self>, runtime: &Handle) {
        for known in self.lock().values_mut().filter(|known| !known.is_asked) {
            known.is_asked = true;
            let (repositories, id, name) = (Arc::clone(self), known.row.id, known.row.name.clone());
            runtime.spawn_blocking(move || repositories.ping_one(id, &name));
        }
    }

    fn ping_one(&self, id: u64, name: &str) {
        let outcome = self.open(name).map_err(SqlError::from).and_then(|repository| {
            repository.ping().map_err(|error| refusal::general(refusal::with_causes(&error)))
        });
        self.told(id, |known| {
            known.error = outcome.err().map(|error| (now_millis(), error.message));
            known.is_asked = false;
        });
        self.read_ahead(id, name);
    }

    /// Reads the records of a repository once, that the first SHOW need not wait for them.
    fn read_ahead(&self, id: u64, name: &str) {
        let Ok(Known { opened: Some(repository), error: None, is_read: false, .. }) =
            self.find(name)
        else {
            return;
        };
        match repository.snapshots() {
            Ok(_) => self.told(id, |known| known.is_read = true),
            Err(error) => {
                tracing::warn!(name, %error, "the snapshots of a repository are not listed");
            }
        }
    }

    /// Keeps what was learned of a repository, unless another one has its name by now.
    fn told(&self, id: u64, keep: impl FnOnce(&mut Known)) {
        if let Some(known) = self.lock().values_mut().find(|known| known.row.id == id) {
            keep(known);
        }
    }

    fn adopt_or_make(
        &self,
        place: &Place,
        read_only: bool,
    ) -> Result<Repository, cairn_pipeline::Error> {
        if read_only {
            return self.open_at(place, read_only);
        }
        let storage = self.engine.open_storage(place.at.clone(), OpenMode::Create)?;
        match (self.open_on(Arc::clone(&storage), place), &place.secret) {
            (Err(error), Some(secret)) if error.code() == NO_REPOSITORY => self
                .engine
                .create_encrypted_repository_on(storage, self.settings, secret, FIRST_SLOT),
            (Err(error), None) if error.code() == NO_REPOSITORY => {
                self.engine.create_repository_on(storage, self.settings)
            }
            (opened, _) => opened,
        }
    }

    fn open_at(&self, place: &Place, read_only: bool) -> Result<Repository, cairn_pipeline::Error> {
        let mode = if read_only { OpenMode::ReadOnly } else { OpenMode::Existing };
        self.open_on(self.engine.open_storage(place.at.clone(), mode)?, place)
    }

    fn open_on(
        &self,
        storage: Arc<dyn Storage>,
        place: &Place,
    ) -> Result<Repository, cairn_pipeline::Error> {
        match &place.secret {
            Some(secret) => self.engine.unlock_repository_on(storage, secret),
            None => self.engine.open_repository_on(storage),
        }
    }

    fn place(
        &self,
        name: &str,
        location: &str,
        properties: impl Iterator<Item = (String, String)>,
    ) -> Result<Place, SqlError> {
        let mut all = self.defaults.clone();
        for (key, value) in properties {
            all.insert(key, value);
        }
        let said = all.take_family(ENCRYPTION);
        if let Some(unknown) = said.keys().find(|key| *key != PASSPHRASE) {
            return Err(refusal::analysis(format!(
                "unknown property {unknown}; known is {PASSPHRASE}"
            )));
        }
        let passphrase = said.reader().text(&[PASSPHRASE]).ok().flatten();
        let secret = match passphrase.map(RepositorySecret::passphrase).transpose() {
            Ok(secret) => secret.or_else(|| self.secret.clone()),
            Err(error) => return Err(refusal::analysis(error.to_string())),
        };
        let at = Location::new(format!("{location}/__cairn_repository_{name}"));
        Ok(Place { at: at.with_properties(all), secret })
    }

    fn find(&self, name: &str) -> Result<Known, SqlError> {
        let found = self.lock().get(name).cloned();
        found.ok_or_else(|| refusal::general(format!("Repository {name} does not exist")))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Known>> {
        lock(&self.known)
    }
}

/// What these mutexes guard is changed in single steps.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn already_exists(name: &str) -> SqlError {
    refusal::general(format!("Repository with same name already exist: {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new(place: &std::path::Path) -> NewRepository {
        NewRepository {
            name: "r".to_owned(),
            location: format!("file://{}", place.display()),
            read_only: false,
            broker: String::new(),
            properties: Vec::new(),
        }
    }

    /// Whoever took long to reach a repository finds another one under its name.
    #[test]
    fn what_is_learned_of_a_repository_is_not_kept_of_its_successor() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| {
            let path = place.path().join(name);
            std::fs::create_dir(&path).unwrap();
            path
        };
        let warehouse = Warehouse::open(&at("data")).unwrap();
        let (settings, defaults) = (RepositorySettings::default(), Properties::default());
        let (engine, places) =
            (Engine::start().unwrap(), LocalPlaces::new(&["/".into()], warehouse.data_dir()));
        let repositories =
            Repositories::load(warehouse, engine, settings, None, defaults, places).unwrap();
        repositories.create(new(&at("old"))).unwrap();
        let old = repositories.find("r").unwrap();
        repositories.drop("r").unwrap();
        repositories.create(new(&at("new"))).unwrap();
        repositories.told(old.row.id, |known| {
            known.opened = old.opened.clone();
            known.error = Some((0, "unreachable".to_owned()));
        });
        let opened = repositories.open("r").unwrap();
        assert!(opened.location().contains("/new/"), "{}", opened.location());
        assert!(repositories.list()[0].error.is_none());
    }
}
