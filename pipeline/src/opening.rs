//! Makes and opens repositories.

use std::sync::Arc;

use cairn_repository::config::RepositorySettings;
use cairn_repository::{ListedSlot, RepositorySecret};
use cairn_storage::{Location, OpenMode, Storage};

use crate::engine::Engine;
use crate::error::Error;
use crate::repository::Repository;

impl Engine {
    /// Whether a storage holds nothing: making a repository there litters nobody's place.
    pub fn is_vacant(&self, storage: &Arc<dyn Storage>) -> Result<bool, Error> {
        let storage = Arc::clone(storage);
        let looked = self.block_on(async move {
            cairn_repository::Repository::is_vacant(storage.as_ref()).await
        })?;
        Ok(looked?)
    }

    /// Makes a repository at a location, such as `/backup`, `file:///backup`, `s3://bucket/backup` or
    /// `hdfs://namenode:8020/backup`. What is said of the place beside its name is in the [`Location`].
    pub fn create_repository(
        &self,
        location: impl Into<Location>,
        settings: RepositorySettings,
    ) -> Result<Repository, Error> {
        let storage = self.open_storage(location, OpenMode::Create)?;
        self.create_repository_on(storage, settings)
    }

    /// Makes a repository on a storage of the embedder's.
    pub fn create_repository_on(
        &self,
        storage: Arc<dyn Storage>,
        settings: RepositorySettings,
    ) -> Result<Repository, Error> {
        let made = self.block_on(async move {
            cairn_repository::Repository::create(storage, &settings).await
        })?;
        Ok(Repository::new(self.clone(), made?))
    }

    /// Makes a repository on a storage of the embedder's of which everything is encrypted, for ever. `secret` opens it; what
    /// `note` says is readable by who can list the storage.
    pub fn create_encrypted_repository_on(
        &self,
        storage: Arc<dyn Storage>,
        settings: RepositorySettings,
        secret: &RepositorySecret,
        note: &str,
    ) -> Result<Repository, Error> {
        let (secret, note) = (secret.clone(), note.to_owned());
        let made = self.block_on(async move {
            let made =
                cairn_repository::Repository::create_encrypted(storage, &settings, &secret, &note);
            made.await
        })?;
        Ok(Repository::new(self.clone(), made?))
    }

    /// Opens an encrypted repository on a storage. One that is not encrypted is refused, so that nothing which was to be
    /// encrypted is ever stored in clear.
    pub fn unlock_repository_on(
        &self,
        storage: Arc<dyn Storage>,
        secret: &RepositorySecret,
    ) -> Result<Repository, Error> {
        let secret = secret.clone();
        let opened =
            self.block_on(
                async move { cairn_repository::Repository::unlock(storage, &secret).await },
            )?;
        Ok(Repository::new(self.clone(), opened?))
    }

    /// Opens a repository that has lost its config, with its secret if it is encrypted: what it was created with is put back from its packs. One that
    /// has its config is opened as ever. What else was lost is put back by a check: [`crate::CheckRequest::recover`].
    pub fn recover_repository_on(
        &self,
        storage: Arc<dyn Storage>,
        secret: Option<&RepositorySecret>,
    ) -> Result<Repository, Error> {
        let secret = secret.cloned();
        let opened = self.block_on(async move {
            cairn_repository::Repository::recover(storage, secret.as_ref()).await
        })?;
        Ok(Repository::new(self.clone(), opened?))
    }

    /// The key slots of the encrypted repository on a storage; needs no secret.
    pub fn key_slots(&self, storage: &Arc<dyn Storage>) -> Result<Vec<ListedSlot>, Error> {
        let storage = Arc::clone(storage);
        let listed = self.block_on(async move {
            cairn_repository::Repository::key_slots(storage.as_ref()).await
        })?;
        Ok(listed?)
    }

    /// Opens a repository.
    pub fn open_repository(&self, location: impl Into<Location>) -> Result<Repository, Error> {
        let storage = self.open_storage(location, OpenMode::Existing)?;
        self.open_repository_on(storage)
    }

    /// Opens a repository on which nothing may be changed.
    pub fn open_repository_read_only(
        &self,
        location: impl Into<Location>,
    ) -> Result<Repository, Error> {
        let storage = self.open_storage(location, OpenMode::ReadOnly)?;
        self.open_repository_on(storage)
    }

    /// Opens a repository on a storage of the embedder's.
    pub fn open_repository_on(&self, storage: Arc<dyn Storage>) -> Result<Repository, Error> {
        let opened = self.block_on(cairn_repository::Repository::open(storage))?;
        Ok(Repository::new(self.clone(), opened?))
    }
}
