//! [`Place`]: a server with the restored line items, and where its files are.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::client::Client;
use super::server::Server;
use super::tpch;
use crate::console::say;
use crate::scratch::Scratch;

/// The database of the line items.
pub(super) const DATABASE: &str = "tpch";

/// A server, and a scratch directory with its files.
pub(super) struct Place {
    /// Before the scratch: a server that runs would make files while they are removed.
    pub(super) server: Server,
    scratch: Scratch,
}

impl Place {
    /// Starts a server with these lines of `[sql]` besides the defaults.
    pub(super) fn start(
        scratch: Scratch,
        program: &Path,
        log: &Path,
        settings: &[String],
    ) -> Result<Self> {
        let root = scratch.root();
        let config = root.join("cairn.toml");
        let files = files(root);
        let text = format!("[sql]\nfiles = [{files:?}]\n{}\n", settings.join("\n"));
        std::fs::create_dir_all(&files)?;
        std::fs::write(&config, text)?;
        let server = Server::start(program, &root.join("data"), &config, log)?;
        Ok(Self { server, scratch })
    }

    /// Loads line items, backs them up, drops them, restores them.
    pub(super) fn restore_line_items(&self, scale: f64) -> Result<()> {
        say(format_args!("lineitem at scale {scale}: generate, load, back up, drop, restore"))?;
        let files = files(self.scratch.root());
        tpch::write(&files, scale)?;
        let mut client = self.server.connect()?;
        client.run(&format!("CREATE DATABASE {DATABASE}"))?;
        client.run(&format!("USE {DATABASE}"))?;
        client.run(tpch::CREATE_TABLE)?;
        let pattern = files.join("*.parquet");
        client.run(&format!(
            "INSERT INTO lineitem SELECT * FROM FILES('path' = '{}', 'format' = 'parquet')",
            pattern.display()
        ))?;
        crate::scratch::remove(&files)?;
        self.create_repository(&mut client, "first")?;
        client.run(&format!("BACKUP SNAPSHOT {DATABASE}.full TO first ON (lineitem)"))?;
        client.job_done("BACKUP", DATABASE)?;
        client.run("DROP TABLE lineitem FORCE")?;
        let timestamp =
            client.first("SHOW SNAPSHOT ON first", "Timestamp")?.context("no snapshot")?;
        client.run(&format!(
            "RESTORE SNAPSHOT {DATABASE}.full FROM first ON (lineitem) \
             PROPERTIES ('backup_timestamp' = '{timestamp}', 'replication_num' = '1')"
        ))?;
        client.job_done("RESTORE", DATABASE)?;
        self.drop_repository(&mut client, "first")
    }

    /// Makes a repository in a directory of its own.
    pub(super) fn create_repository(&self, client: &mut Client, name: &str) -> Result<()> {
        let location = self.repository(name);
        client.run(&format!(
            "CREATE REPOSITORY {name} WITH BROKER ON LOCATION \"file://{}\"",
            location.display()
        ))?;
        Ok(())
    }

    /// Forgets it and removes its directory.
    pub(super) fn drop_repository(&self, client: &mut Client, name: &str) -> Result<()> {
        client.run(&format!("DROP REPOSITORY {name}"))?;
        crate::scratch::remove(&self.repository(name))
    }

    pub(super) fn repository(&self, name: &str) -> PathBuf {
        self.scratch.root().join("repositories").join(name)
    }
}

/// Where files to load are.
fn files(root: &Path) -> PathBuf {
    root.join("files")
}
