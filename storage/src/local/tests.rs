//! What is special to files; the contract itself is checked by `tests/conformance.rs`.

use std::fs::File;
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use cairn_testkit::wait_until;
use futures::{FutureExt, TryStreamExt};
use tempfile::TempDir;

use super::*;
use crate::{ErrorKind, StorageExt};

const DEADLINE: Duration = Duration::from_secs(10);

/// More syncs than any test makes between two looks.
const RECORDS: usize = 64;

fn path(text: &str) -> ObjectPath {
    ObjectPath::parse(text).unwrap()
}

fn root() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn open(root: &TempDir) -> LocalStorage {
    LocalStorage::open(root.path()).unwrap()
}

fn open_with(root: &TempDir, fsync: impl Fsync + 'static) -> LocalStorage {
    LocalStorage::open_with(root.path().to_owned(), Arc::new(fsync)).unwrap()
}

/// Names of staged files.
fn staged(root: &TempDir) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(root.path().join(staging::STAGING)) else {
        return Vec::new();
    };
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

async fn put(storage: &LocalStorage, object: &str, mode: PutMode) -> Result<()> {
    storage.put(&path(object), Payload::from(vec![7; 3 << 20]), mode).await
}

async fn listed(storage: &LocalStorage) -> Vec<String> {
    let metas: Vec<ObjectMeta> = storage.list(&ObjectPath::root()).try_collect().await.unwrap();
    metas.into_iter().map(|meta| meta.path.to_string()).collect()
}

/// Records what is synced, with `root` for the root.
#[derive(Debug)]
struct RecordingFsync(Mutex<SyncSender<String>>);

impl RecordingFsync {
    fn new() -> (Self, Receiver<String>) {
        let (sender, receiver) = sync_channel(RECORDS);
        (Self(Mutex::new(sender)), receiver)
    }

    fn record(&self, what: String) {
        // Nobody reads the record of a storage that is only there to exist.
        let _ = self.0.lock().unwrap().send(what);
    }
}

impl Fsync for RecordingFsync {
    fn file(&self, file: &File) -> io::Result<()> {
        self.record(format!("file of {} bytes", file.metadata()?.len()));
        Ok(())
    }

    fn directory(&self, _directory: BorrowedFd<'_>, path: &str) -> io::Result<()> {
        self.record(if path.is_empty() { "root".into() } else { path.into() });
        Ok(())
    }
}

#[tokio::test]
async fn the_file_and_every_new_directory_entry_are_synced_before_put_returns() {
    let (root, (fsync, record)) = (root(), RecordingFsync::new());
    let storage = open_with(&root, fsync);
    let synced = || record.try_iter().collect::<Vec<_>>();
    put(&storage, "a/b/c/1", PutMode::Create).await.unwrap();
    assert_eq!(synced(), ["root", "a", "a/b", "file of 3145728 bytes", "a/b/c"]);
    put(&storage, "a/b/c/2", PutMode::Overwrite).await.unwrap();
    assert_eq!(synced(), ["file of 3145728 bytes", "a/b/c"]);
    put(&storage, "a/x/1", PutMode::Create).await.unwrap();
    assert_eq!(synced(), ["a", "file of 3145728 bytes", "a/x"]);
    put(&storage, "1", PutMode::Create).await.unwrap();
    assert_eq!(synced(), ["file of 3145728 bytes", "root"]);
}

#[tokio::test]
async fn a_directory_that_another_process_made_is_synced_too() {
    let (root, (fsync, record)) = (root(), RecordingFsync::new());
    put(&open(&root), "a/b/1", PutMode::Create).await.unwrap();
    put(&open_with(&root, fsync), "a/b/2", PutMode::Create).await.unwrap();
    assert_eq!(record.try_iter().take(2).collect::<Vec<_>>(), ["root", "a"]);
}

#[tokio::test]
async fn a_directory_that_vanished_and_is_made_again_is_synced_again() {
    let (root, (fsync, record)) = (root(), RecordingFsync::new());
    let storage = open_with(&root, fsync);
    put(&storage, "a/b/1", PutMode::Create).await.unwrap();
    std::fs::remove_dir_all(root.path().join("a/b")).unwrap();
    record.try_iter().for_each(drop);
    put(&storage, "a/b/1", PutMode::Create).await.unwrap();
    assert_eq!(record.try_iter().collect::<Vec<_>>(), ["a", "file of 3145728 bytes", "a/b"]);
}

#[tokio::test]
async fn a_delete_is_synced_and_so_is_the_entry_a_lost_create_was_told_of() {
    let (root, (fsync, record)) = (root(), RecordingFsync::new());
    let storage = open_with(&root, fsync);
    put(&storage, "a/1", PutMode::Create).await.unwrap();
    record.try_iter().for_each(drop);
    let lost = put(&storage, "a/1", PutMode::Create).await.unwrap_err();
    assert_eq!(lost.kind(), ErrorKind::AlreadyExists);
    assert_eq!(record.try_iter().collect::<Vec<_>>(), ["a"]);
    storage.delete(&path("a/1")).await.unwrap();
    assert_eq!(record.try_iter().collect::<Vec<_>>(), ["a"]);
}

/// Fails the sync of every file.
#[derive(Debug)]
struct FailingFsync(Errno);

impl Fsync for FailingFsync {
    fn file(&self, _file: &File) -> io::Result<()> {
        Err(self.0.into())
    }

    fn directory(&self, _directory: BorrowedFd<'_>, _path: &str) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_full_disk_is_no_space_and_leaves_nothing() {
    let root = root();
    let storage = open_with(&root, FailingFsync(Errno::NOSPC));
    for mode in [PutMode::Create, PutMode::Overwrite] {
        let error = put(&storage, "a/1", mode).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NoSpace);
    }
    assert_eq!(staged(&root), [""; 0]);
    assert_eq!(listed(&storage).await, [""; 0]);
}

/// Announces the sync of a file and waits for leave to go on.
#[derive(Debug)]
struct GatedFsync {
    reached: Mutex<SyncSender<()>>,
    leave: Mutex<Receiver<()>>,
}

impl Fsync for GatedFsync {
    fn file(&self, _file: &File) -> io::Result<()> {
        self.reached.lock().unwrap().send(()).unwrap();
        // The sender is dropped to give leave.
        let _ = self.leave.lock().unwrap().recv_timeout(DEADLINE);
        Ok(())
    }

    fn directory(&self, _directory: BorrowedFd<'_>, _path: &str) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_dropped_put_publishes_nothing_and_removes_its_staging_file() {
    let root = root();
    let ((reached_sender, reached), (leave_sender, leave)) = (sync_channel(1), sync_channel(1));
    let fsync = GatedFsync { reached: Mutex::new(reached_sender), leave: Mutex::new(leave) };
    let storage = open_with(&root, fsync);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    let clone = storage.clone();
    let task = runtime.spawn(async move { put(&clone, "a/1", PutMode::Create).await });
    reached.recv_timeout(DEADLINE).unwrap();
    assert_eq!(staged(&root).len(), 1);
    task.abort();
    let ended = runtime.block_on(task);
    assert!(ended.unwrap_err().is_cancelled());
    drop(leave_sender);
    // Dropping a runtime waits for what blocks on its threads.
    drop(runtime);
    assert_eq!(staged(&root), [""; 0]);
    assert!(!root.path().join("a/1").try_exists().unwrap());
}

#[test]
fn a_sweep_takes_the_files_of_the_dead_and_leaves_those_of_the_living() {
    let root = root();
    let tree = Tree::open(root.path().to_owned(), Arc::new(KernelFsync)).unwrap();
    let living = StagedFile::create(&tree).unwrap();
    std::fs::write(root.path().join(staging::STAGING).join("of-the-dead"), b"rubbish").unwrap();
    assert_eq!(staged(&root).len(), 2);
    drop(open(&root));
    assert_eq!(staged(&root).len(), 1);
    drop(living);
    assert_eq!(staged(&root), [""; 0]);
}

#[tokio::test]
async fn a_put_whose_staging_file_was_taken_away_may_be_tried_again() {
    let root = root();
    let tree = Tree::open(root.path().to_owned(), Arc::new(KernelFsync)).unwrap();
    let taken = StagedFile::create(&tree).unwrap();
    std::fs::remove_file(root.path().join(staging::STAGING).join(&staged(&root)[0])).unwrap();
    let parent = tree.make_parent(&path("a/1")).unwrap();
    let error = taken.publish(&parent, "1", PutMode::Create).unwrap_err();
    assert_eq!(error.classify(Operation::Put, "a/1").kind(), ErrorKind::Transient);
}

#[tokio::test]
async fn a_link_publishes_once_where_no_exclusive_rename_is() {
    let root = root();
    let tree = Tree::open(root.path().to_owned(), Arc::new(KernelFsync)).unwrap();
    let parent = tree.make_parent(&path("a/1")).unwrap();
    StagedFile::create(&tree).unwrap().publish_by_link(&parent, "1").unwrap();
    let lost = StagedFile::create(&tree).unwrap().publish_by_link(&parent, "1").unwrap_err();
    assert!(lost.is_taken());
    assert_eq!(staged(&root), [""; 0]);
    assert_eq!(listed(&open(&root)).await, ["a/1"]);
}

#[tokio::test]
async fn staging_is_beside_the_objects_and_out_of_their_reach() {
    let root = root();
    let storage = open(&root);
    put(&storage, ".staging/1", PutMode::Create).await.unwrap();
    assert!(ObjectPath::parse(staging::STAGING).is_err());
    assert!(root.path().join(staging::STAGING).is_dir());
    assert_eq!(listed(&storage).await, [".staging/1"]);
}

#[tokio::test]
async fn symbolic_links_are_not_followed() {
    let (root, elsewhere) = (root(), root());
    std::fs::write(elsewhere.path().join("1"), b"secret").unwrap();
    let link = |from: &str| std::os::unix::fs::symlink(elsewhere.path(), root.path().join(from));
    link("directory").unwrap();
    std::os::unix::fs::symlink(elsewhere.path().join("1"), root.path().join("object")).unwrap();
    let storage = open(&root);
    for object in ["directory/1", "object"] {
        let get = storage.get(&path(object), ByteRange::Full).await.unwrap_err();
        assert_eq!(get.kind(), ErrorKind::Other, "{object}");
        let head = storage.head(&path(object)).await.unwrap_err();
        assert_eq!(head.kind(), ErrorKind::Other, "{object}");
    }
    assert_eq!(
        put(&storage, "directory/2", PutMode::Create).await.unwrap_err().kind(),
        ErrorKind::Other
    );
    assert!(!elsewhere.path().join("2").try_exists().unwrap());
    assert_eq!(listed(&storage).await, [""; 0]);
    let mut below = storage.list(&path("directory"));
    assert_eq!(below.try_next().await.unwrap_err().kind(), ErrorKind::Other);
    assert_eq!(below.try_next().await.unwrap(), None);
    // Overwriting a link replaces the link.
    put(&storage, "object", PutMode::Overwrite).await.unwrap();
    assert_eq!(std::fs::read(elsewhere.path().join("1")).unwrap(), b"secret");
    assert_eq!(listed(&storage).await, ["object"]);
}

#[tokio::test]
async fn a_listing_is_sorted_within_a_directory() {
    let root = root();
    let storage = open(&root);
    for object in ["b/2", "b/1", "a/1", "c", "b/0/1"] {
        storage.put(&path(object), Payload::default(), PutMode::Create).await.unwrap();
    }
    assert_eq!(listed(&storage).await, ["c", "a/1", "b/1", "b/2", "b/0/1"]);
}

#[tokio::test]
async fn a_directory_is_listed_whole_whatever_number_of_pages_it_has() {
    for objects in [1, 1024, 1025, 2048, 2049] {
        let root = root();
        std::fs::create_dir(root.path().join("a")).unwrap();
        let mut expected: Vec<String> = (0..objects).map(|number| format!("a/{number}")).collect();
        expected.iter().for_each(|name| std::fs::write(root.path().join(name), b"").unwrap());
        expected.sort_unstable();
        let storage = open(&root);
        assert_eq!(listed(&storage).await, expected);
        let pages: Vec<_> = storage.list_pages(&path("a")).try_collect().await.unwrap();
        assert_eq!(pages.len(), usize::div_ceil(objects, 1024));
    }
}

/// Whether this process holds a directory open.
#[cfg(target_os = "linux")]
fn is_held_open(directory: &Path) -> bool {
    let handles = std::fs::read_dir("/proc/self/fd").unwrap();
    let mut targets = handles.flatten().map(|handle| std::fs::read_link(handle.path()));
    targets.any(|target| target.is_ok_and(|target| target == directory))
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_listing_that_is_given_up_lets_its_directory_go() {
    let root = root();
    let directory = root.path().join("a");
    std::fs::create_dir(&directory).unwrap();
    let directory = directory.canonicalize().unwrap();
    (0..5000).for_each(|name| std::fs::write(directory.join(name.to_string()), b"").unwrap());
    let storage = open(&root);
    let mut pages = storage.list_pages(&path("a"));
    assert_eq!(pages.try_next().await.unwrap().map(|page| page.len()), Some(1024));
    assert!(is_held_open(&directory), "there is more to list");
    drop(pages);
    // What has begun to look names up ends first.
    wait_until("the end of the listing", DEADLINE, || !is_held_open(&directory));
}

#[test]
fn a_missing_root_is_made_only_by_create() {
    let root = root();
    let missing = root.path().join("deep/er");
    let error = LocalStorage::open(&missing).unwrap_err();
    assert_eq!((error.kind(), error.operation()), (ErrorKind::NotFound, Operation::Open));
    assert!(error.to_string().contains("deep/er"), "{error}");
    let storage = LocalStorage::create(&missing).unwrap();
    assert_eq!(storage.to_string(), format!("file://{}", missing.display()));
    LocalStorage::create(&missing).unwrap();
    LocalStorage::open(&missing).unwrap();
}

#[test]
fn every_ancestor_of_a_new_root_is_synced() {
    let (root, (fsync, record)) = (root(), RecordingFsync::new());
    tree::make_root(&root.path().join("deep/er"), &fsync).unwrap();
    let at = |path: &str| root.path().join(path).display().to_string();
    let root_itself = root.path().display().to_string();
    assert_eq!(record.try_iter().collect::<Vec<_>>(), [root_itself, at("deep")]);
}

#[test]
fn without_a_runtime_a_call_fails_instead_of_panicking() {
    let root = root();
    let storage = open(&root);
    let head = storage.head(&path("a")).now_or_never().unwrap();
    assert_eq!(head.unwrap_err().kind(), ErrorKind::Other);
    let listed = storage.list(&path("a")).try_next().now_or_never().unwrap();
    assert_eq!(listed.unwrap_err().kind(), ErrorKind::Other);
}
