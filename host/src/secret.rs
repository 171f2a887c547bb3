//! [`SecretSource`]: where the secret of an encrypted repository comes from, as the properties `encryption...` say.
//!
//! A command is run without a shell and has half a minute; what it says is the passphrase, and goes nowhere else. A secret is
//! fetched when a repository is opened, not before.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Duration;

use anyhow::Context;
use cairn_pipeline::storage::{Properties, Secret};
use cairn_pipeline::{KeyError, RepositorySecret};
use tokio::time::Instant;

use crate::exit::Refusal;

/// What the keys begin with.
const FAMILY: &str = "encryption.";
const PASSPHRASE: &str = "encryption.passphrase";
const KEY_FILE: &str = "encryption.key_file";
const KEY_COMMAND: &str = "encryption.key_command";

/// How to give a key, for messages.
pub(crate) const HOW: &str = "write encryption.passphrase, encryption.key_file or encryption.key_command into [properties] \
                              of a configuration file";

/// Longest secret in bytes.
const MAX_BYTES: usize = 64 << 10;
/// How long a command may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two looks whether a command has ended.
const TICK: Duration = Duration::from_millis(20);

/// One of the three ways.
#[derive(Debug, Clone)]
pub(crate) enum SecretSource {
    Passphrase(Secret),
    KeyFile(PathBuf),
    /// Program and arguments, between spaces.
    Command(String),
}

impl SecretSource {
    /// Takes what is said of encryption out of the properties. A key that nobody knows is refused: who misspells one must not get
    /// a repository in clear.
    pub(crate) fn take(properties: &mut Properties) -> anyhow::Result<Option<Self>> {
        let mut found = Vec::new();
        for (key, value) in properties.take_family(FAMILY).reader().family(FAMILY) {
            found.push(match key {
                _ if value.is_empty() => continue,
                PASSPHRASE => Self::Passphrase(Secret::new(value)),
                KEY_FILE => Self::KeyFile(value.into()),
                KEY_COMMAND => Self::Command(value.to_owned()),
                _ => {
                    return Err(Refusal::usage(format!(
                        "unknown property {key}; known are {PASSPHRASE}, {KEY_FILE}, {KEY_COMMAND}"
                    )));
                }
            });
        }
        match found.len() {
            0 | 1 => Ok(found.pop()),
            _ => Err(Refusal::usage(format!(
                "give one of {PASSPHRASE}, {KEY_FILE} and {KEY_COMMAND}, not several"
            ))),
        }
    }

    /// The secret.
    pub(crate) fn fetch(&self) -> anyhow::Result<RepositorySecret> {
        match self {
            Self::Passphrase(passphrase) => {
                RepositorySecret::passphrase(passphrase.reveal()).map_err(refused)
            }
            Self::KeyFile(path) => {
                let bytes = read(path)?;
                let about = || format!("the key file {}", path.display());
                RepositorySecret::key(bytes).map_err(refused).with_context(about)
            }
            Self::Command(command) => {
                let about = || format!("the command of {KEY_COMMAND}");
                let said = run(command).with_context(about)?;
                RepositorySecret::passphrase_line(said).map_err(refused).with_context(about)
            }
        }
    }

    /// The passphrase in a file.
    pub(crate) fn passphrase_in(path: &Path) -> anyhow::Result<RepositorySecret> {
        let about = || format!("the passphrase in {}", path.display());
        RepositorySecret::passphrase_line(read(path)?).map_err(refused).with_context(about)
    }
}

fn refused(error: KeyError) -> anyhow::Error {
    Refusal::usage(error.to_string())
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    let about = || format!("cannot read {}", path.display());
    let file = std::fs::File::open(path).map_err(|error| Refusal::usage(error.to_string()));
    bounded(file.with_context(about)?).with_context(about)
}

fn bounded(from: impl Read) -> anyhow::Result<Vec<u8>> {
    // At once: a buffer that grows leaves copies behind.
    let mut bytes = Vec::with_capacity(MAX_BYTES + 1);
    from.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    match bytes.len() {
        ..=MAX_BYTES => Ok(bytes),
        _ => Err(Refusal::usage("a secret has at most 64 KiB")),
    }
}

/// What a command writes to its stdout. Its stderr is ours.
fn run(command: &str) -> anyhow::Result<Vec<u8>> {
    let mut words = command.split_whitespace();
    let program = words.next().ok_or_else(|| Refusal::usage("no program is named"))?;
    let mut child = Command::new(program)
        .args(words)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| Refusal::usage(format!("{program}: {error}")))?;
    let stdout = child.stdout.take().context("its output is not to be had")?;
    // One answer.
    let (tell, told) = sync_channel(1);
    thread::spawn(move || tell.send(bounded(stdout)));
    let deadline = Instant::now() + PATIENCE;
    let Some(status) = ended(&mut child, deadline)? else {
        child.kill()?;
        child.wait()?;
        return Err(Refusal::usage(format!("{program} has not ended within 30 seconds")));
    };
    // Whoever it left behind may still hold its stdout.
    let left = deadline.saturating_duration_since(Instant::now());
    let said = told.recv_timeout(left);
    let said = said.map_err(|_| Refusal::usage(format!("{program} keeps its output open")))??;
    match status.success() {
        true => Ok(said),
        false => Err(Refusal::usage(format!("{program} failed: {status}"))),
    }
}

/// Waits for a child; `None` when it takes too long.
fn ended(child: &mut Child, deadline: Instant) -> std::io::Result<Option<ExitStatus>> {
    loop {
        match child.try_wait()? {
            Some(status) => return Ok(Some(status)),
            None if Instant::now() >= deadline => return Ok(None),
            // The standard library waits for ever or not at all.
            None => thread::park_timeout(TICK),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(pairs: &[(&str, &str)]) -> anyhow::Result<Option<SecretSource>> {
        let mut properties: Properties = pairs.iter().copied().collect();
        let taken = SecretSource::take(&mut properties);
        assert!(properties.keys().all(|key| !key.starts_with(FAMILY)));
        taken
    }

    #[test]
    fn one_way_is_taken_and_nothing_is_guessed() {
        assert!(taken(&[("aws.s3.region", "r")]).unwrap().is_none());
        let shown = format!("{:?}", taken(&[(PASSPHRASE, "HIDDEN")]).unwrap());
        assert_eq!(shown, "Some(Passphrase(***))");
        let misspelt = taken(&[("encryption.passphrse", "HIDDEN")]).unwrap_err().to_string();
        assert!(
            misspelt.starts_with("unknown property encryption.passphrse; known are"),
            "{misspelt}"
        );
        assert!(taken(&[(PASSPHRASE, "a"), (KEY_FILE, "b")]).is_err());
    }

    #[test]
    fn a_command_says_a_passphrase() {
        let fetch = |command: &str| SecretSource::Command(command.to_owned()).fetch();
        let secret = fetch("echo four random words").unwrap();
        assert_eq!(format!("{secret:?}"), "RepositorySecret(passphrase, ***)");
        let failed = |command: &str| format!("{:#}", fetch(command).unwrap_err());
        assert!(failed("false").contains("false failed: exit status: 1"));
        assert!(failed("no-such-program-anywhere").contains("no-such-program-anywhere: "));
        assert!(failed("true").contains("a passphrase is not empty"));
        assert!(failed("head -c 100000 /dev/zero").contains("at most 64 KiB"));
        assert!(failed("printf \\377").contains("a passphrase is text"));
    }

    #[test]
    fn a_key_file_has_enough_bytes() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        let fetch = || SecretSource::KeyFile(path.clone()).fetch();
        assert!(format!("{:#}", fetch().unwrap_err()).contains("cannot read"));
        std::fs::write(&path, [7; 31]).unwrap();
        assert!(format!("{:#}", fetch().unwrap_err()).contains("at least 32 random bytes"));
        std::fs::write(&path, [7; 32]).unwrap();
        assert!(fetch().is_ok());
    }
}
