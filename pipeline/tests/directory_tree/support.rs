//! What the tests of the directory warehouse share: a copier from source to sink, and pictures of trees.

use std::collections::BTreeMap;
use std::fs::{self, File, FileTimes, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use cairn_actors::tablet::{
    RestoreObject, RestorePlan, SegmentAddress, SegmentTarget, Selection, StagedRestore,
    TabletError, TabletSink, TabletSnapshot, TabletSource, TabletSpec,
};
use cairn_pipeline::directory::{DirectorySink, DirectorySource};
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};
use tempfile::TempDir;

/// Says that a case did not run, past the harness, which hides what a passing test prints.
pub(crate) fn skipped(reason: &str) {
    let mut stderr = io::stderr();
    writeln!(stderr, "SKIPPED: {reason}").unwrap();
}

/// A fresh directory on each kind of file system at hand.
pub(crate) fn places() -> Vec<TempDir> {
    let mut places = vec![tempfile::tempdir().unwrap()];
    match tempfile::tempdir_in("/dev/shm") {
        Ok(place) => places.push(place),
        Err(error) => skipped(&format!("on /dev/shm: {error}")),
    }
    places
}

/// What one path holds. Modification times of directories are not part of the contract.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Node {
    File { mode: u32, mtime: (i64, i64), content: Vec<u8> },
    Link { target: PathBuf, mtime: (i64, i64) },
    Directory { mode: u32 },
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File { mode, mtime, content } => {
                let start = String::from_utf8_lossy(&content[..content.len().min(20)]);
                write!(f, "file {mode:o} {mtime:?} {} bytes {start:?}", content.len())
            }
            Self::Link { target, mtime } => write!(f, "link {target:?} {mtime:?}"),
            Self::Directory { mode } => write!(f, "directory {mode:o}"),
        }
    }
}

/// Everything below a directory.
pub(crate) type Tree = BTreeMap<String, Node>;

/// A picture of everything below a directory, `.cairn` included.
pub(crate) fn tree(root: &Path) -> Tree {
    let mut found = Tree::new();
    add_to_tree(root, root, &mut found);
    found
}

fn add_to_tree(root: &Path, directory: &Path, found: &mut Tree) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let metadata = fs::symlink_metadata(&path).unwrap();
        let mode = metadata.mode() & 0o7777;
        let mtime = (metadata.mtime(), metadata.mtime_nsec());
        let node = match metadata.file_type() {
            kind if kind.is_dir() => Node::Directory { mode },
            kind if kind.is_symlink() => {
                Node::Link { target: fs::read_link(&path).unwrap(), mtime }
            }
            kind if kind.is_file() => Node::File { mode, mtime, content: fs::read(&path).unwrap() },
            _ => continue,
        };
        found.insert(path.strip_prefix(root).unwrap().to_str().unwrap().to_owned(), node);
        if metadata.is_dir() {
            add_to_tree(root, &path, found);
        }
    }
}

/// Writes a file with its parents, long ago.
pub(crate) fn write(path: impl AsRef<Path>, content: impl AsRef<[u8]>) {
    let path = path.as_ref();
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
    set_mtime(path, 1_600_000_000, 123_456_789);
}

/// Makes a symbolic link, long ago.
pub(crate) fn link(target: &str, path: impl AsRef<Path>) {
    symlink(target, path.as_ref()).unwrap();
    let long_ago = Timespec { tv_sec: 1_600_000_000, tv_nsec: 7 };
    let times = Timestamps { last_access: long_ago, last_modification: long_ago };
    utimensat(CWD, path.as_ref(), &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
}

pub(crate) fn set_mtime(path: &Path, secs: u64, nanos: u32) {
    let time = UNIX_EPOCH + Duration::new(secs, nanos);
    let file = File::options().append(true).open(path).unwrap();
    file.set_times(FileTimes::new().set_modified(time)).unwrap();
}

pub(crate) fn set_mode(path: impl AsRef<Path>, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// A small warehouse with something at every level.
pub(crate) fn sample(root: &Path) {
    write(root.join("loose.txt"), "in the root");
    write(root.join("db/loose.txt"), "in the database");
    write(root.join("db/t/loose.txt"), "in the table");
    write(root.join("db/t/p/loose.txt"), "in the partition");
    write(root.join("db/t/p/b/0.dat"), "in the tablet");
    write(root.join("db/t/p/b/x/y.dat"), "below the tablet");
    write(root.join("db/t/p/b/empty"), "");
    write(root.join("db/t/p/c/0.dat"), vec![7; 300_000]);
    write(root.join("db/t/q/b/0.dat"), "another partition");
    write(root.join("db/u/p/b/0.dat"), "another table");
    for empty in ["nothing", "db/v", "db/t/r", "db/t/p/d", "db/t/p/b/x/z/w"] {
        fs::create_dir_all(root.join(empty)).unwrap();
    }
    link("nowhere", root.join("dangling"));
    link("..", root.join("db/t/up"));
    link("/", root.join("db/t/p/b/x/slash"));
    set_mode(root.join("db"), 0o750);
    set_mode(root.join("db/t/p"), 0o700);
    set_mode(root.join("db/t/p/b"), 0o2775);
    set_mode(root.join("db/t/p/b/x"), 0o711);
    set_mode(root.join("db/t/q/b/0.dat"), 0o600);
}

/// Every segment of a view with its address and the specification of its tablet.
pub(crate) fn segments(view: &dyn TabletSnapshot) -> Vec<(String, SegmentAddress)> {
    let mut found = Vec::new();
    for_each_partition(view, |object, partition, tablets| {
        let spec = &view.objects()[object as usize];
        let levels = [&*spec.key.database, &spec.key.name, &spec.partitions[partition as usize]];
        for (tablet, of_tablet) in (0..).zip(tablets) {
            for (segment, of_segment) in (0..).zip(&of_tablet.segments) {
                let mut path: Vec<&str> = levels.to_vec();
                path.extend([of_tablet.name.as_str(), of_segment.name.as_str()]);
                path.retain(|level| !level.is_empty());
                found.push((path.join("/"), SegmentAddress { object, partition, tablet, segment }));
            }
        }
    });
    found
}

pub(crate) fn address_of(view: &dyn TabletSnapshot, path: &str) -> SegmentAddress {
    segments(view).into_iter().find(|(found, _)| found == path).expect(path).1
}

pub(crate) fn identity_of(view: &dyn TabletSnapshot, path: &str) -> Box<[u8]> {
    let address = address_of(view, path);
    let tablets = view.tablets(address.object, address.partition).unwrap();
    let tablet = &tablets[address.tablet as usize];
    tablet.segments[address.segment as usize].identity.clone()
}

pub(crate) fn for_each_partition(
    view: &dyn TabletSnapshot,
    mut visit: impl FnMut(u32, u32, &[TabletSpec]),
) {
    for (object, spec) in (0..).zip(view.objects()) {
        for (partition, _) in (0..).zip(&spec.partitions) {
            visit(object, partition, &view.tablets(object, partition).unwrap());
        }
    }
}

/// Reads a pinned segment to its end.
pub(crate) fn read(
    view: &dyn TabletSnapshot,
    address: SegmentAddress,
) -> Result<(Vec<u8>, Box<[u8]>), TabletError> {
    let mut reader = view.open(address)?;
    let mut content = Vec::new();
    let mut buffer = [0; 10_000];
    loop {
        match reader.read(&mut buffer)? {
            0 => return Ok((content, reader.finish()?)),
            count => content.extend_from_slice(&buffer[..count]),
        }
    }
}

/// A plan that restores a whole view under its own names.
pub(crate) fn plan(view: &dyn TabletSnapshot, job: &str, whole: bool) -> RestorePlan {
    let objects = view.objects().iter();
    let objects = objects.map(|spec| RestoreObject { spec: spec.clone(), whole });
    RestorePlan { job: job.to_owned(), objects: objects.collect() }
}

/// Copies all segments of a view into a staging place.
pub(crate) fn fill(
    view: &dyn TabletSnapshot,
    staged: &dyn StagedRestore,
) -> Result<(), TabletError> {
    let addresses: Vec<_> = segments(view).into_iter().map(|(_, address)| address).collect();
    view.pin(&addresses)?;
    for (object, spec) in (0..).zip(view.objects()) {
        for (partition, _) in (0..).zip(&spec.partitions) {
            let tablets = view.tablets(object, partition)?;
            let names: Vec<_> = tablets.iter().map(|t| (t.index.clone(), t.name.clone())).collect();
            staged.prepare(object, partition, &names)?;
            for (tablet, of_tablet) in (0..).zip(&tablets) {
                for (segment, of_segment) in (0..).zip(&of_tablet.segments) {
                    let address = SegmentAddress { object, partition, tablet, segment };
                    let (content, _) = read(view, address)?;
                    assert_eq!(content.len() as u64, of_segment.len);
                    let writer = staged.create(SegmentTarget {
                        object,
                        partition,
                        index: &of_tablet.index,
                        tablet: &of_tablet.name,
                        segment: &of_segment.name,
                        len: of_segment.len,
                        attributes: &of_segment.attributes,
                    })?;
                    let (front, back) = content.split_at(content.len() / 3);
                    if !content.is_empty() {
                        writer.write_at(front.len() as u64, back)?;
                        writer.write_at(0, front)?;
                    }
                    writer.finish()?;
                }
            }
        }
    }
    Ok(())
}

/// Stages what is selected from one directory for another.
pub(crate) fn stage(
    from: &Path,
    selection: &Selection,
    sink: &DirectorySink,
    whole: bool,
) -> Result<Box<dyn StagedRestore>, TabletError> {
    let source = DirectorySource::open(from)?;
    let view = source.snapshot(selection)?;
    let staged = sink.begin(plan(&*view, "job", whole))?;
    fill(&*view, &*staged)?;
    Ok(staged)
}

/// Copies what is selected from one directory to another.
pub(crate) fn copy(
    from: &Path,
    selection: &Selection,
    to: &Path,
    whole: bool,
) -> Result<(), TabletError> {
    stage(from, selection, &DirectorySink::open(to)?, whole)?.install()
}

/// Waits for a condition that time brings about.
#[track_caller]
pub(crate) fn wait_until(what: &str, is_met: impl FnMut() -> bool) {
    cairn_testkit::wait_until(what, Duration::from_secs(60), is_met);
}

/// Waits until no segment of a warehouse is too young for an identity.
pub(crate) fn wait_for_rest(source: &DirectorySource) {
    wait_until("rest", || {
        let view = source.snapshot(&Selection::everything()).unwrap();
        let mut rests = true;
        for_each_partition(&*view, |_, _, tablets| {
            let mut all = tablets.iter().flat_map(|tablet| &tablet.segments);
            rests &= all.all(|segment| !segment.identity.is_empty());
        });
        rests
    });
}

/// A tiny file system of its own, unmounted when dropped; `None` where mounting is not permitted.
pub(crate) struct Mount(pub(crate) TempDir);

impl Mount {
    pub(crate) fn tmpfs(options: &str) -> Option<Self> {
        let place = tempfile::tempdir().unwrap();
        Self::over(place, options)
    }

    fn over(place: TempDir, options: &str) -> Option<Self> {
        let mounted = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "none"])
            .arg(place.path())
            .output();
        match mounted {
            Ok(output) if output.status.success() => Some(Self(place)),
            other => {
                skipped(&format!("a tmpfs cannot be mounted: {other:?}"));
                None
            }
        }
    }

    pub(crate) fn remount(&self, options: &str) {
        let status = std::process::Command::new("mount")
            .args(["-o", &format!("remount,{options}")])
            .arg(self.0.path())
            .status();
        assert!(status.unwrap().success());
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

/// A hook that calls a closure at one point.
pub(crate) fn at(
    point: cairn_pipeline::directory::SwitchPoint,
    action: impl Fn() + Send + Sync + 'static,
) -> cairn_pipeline::directory::SwitchHook {
    Arc::new(move |reached| {
        if reached == point {
            action();
        }
    })
}

/// Where a test in a child process works.
pub(crate) fn child_root() -> PathBuf {
    std::env::current_dir().unwrap()
}

/// Runs one ignored test of this binary in a process of its own, after a prefix of a command that
/// changes how it runs.
pub(crate) fn run_child(prefix: &[&str], test: &str, root: &Path) -> std::process::Output {
    let binary = std::env::current_exe().unwrap();
    let binary = binary.to_str().unwrap();
    let words = [prefix, &[binary, "--exact", test, "--ignored", "--nocapture"]].concat();
    std::process::Command::new(words[0]).args(&words[1..]).current_dir(root).output().unwrap()
}

/// Runs one ignored test of this binary as a user who may not do everything.
pub(crate) fn run_as_nobody(test: &str, root: &Path) {
    if !rustix::process::geteuid().is_root() {
        skipped("becoming another user takes root");
        return;
    }
    if !Path::new("/usr/bin/setpriv").is_file() {
        skipped("there is no setpriv");
        return;
    }
    let prefix = ["/usr/bin/setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"];
    assert_passed(&run_child(&prefix, test, root));
}

/// Fails unless the child ran its test, and with success.
pub(crate) fn assert_passed(output: &std::process::Output) {
    let (stdout, stderr) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{stdout}{stderr}");
    assert!(stdout.contains("1 passed"), "the test did not run: {stdout}");
}
