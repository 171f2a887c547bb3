//! File systems without space: real ones, small ones. What was there stays, and what was asked for works when there is space.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use cairn_testkit::skip_unless_required;

use crate::client::Client;
use crate::place::{Place, noise};
use crate::server::serve;

/// A file system in memory, until it is dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// None where this user may not mount one.
    fn mount(at: PathBuf, megabytes: u32) -> Option<Self> {
        fs::create_dir(&at).unwrap();
        let size = format!("size={megabytes}m");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(&at).output();
        if mounted.is_ok_and(|mounted| mounted.status.success()) {
            return Some(Self(at));
        }
        skip_unless_required("mount", "this user may not mount a small file system");
        None
    }

    fn resize(&self, megabytes: u32) {
        let size = format!("remount,size={megabytes}m");
        assert!(Command::new("mount").args(["-o", &size]).arg(&self.0).status().unwrap().success());
    }

    /// Leaves nothing free.
    fn fill(&self) {
        let mut ballast = File::create(self.0.join("ballast")).unwrap();
        for length in [1 << 20, 1 << 12] {
            while ballast.write_all(&vec![1; length]).is_ok() {}
        }
    }

    fn free(&self) {
        fs::remove_file(self.0.join("ballast")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

/// A statement with about so many megabytes, which do not get much smaller.
fn insert(table: &str, content: &str, megabytes: u8) -> String {
    let hex = |part: u8| {
        let bytes = noise(content, part, 500_000);
        bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    let rows: Vec<String> =
        (0..megabytes).map(|part| format!("({part}, '{}')", hex(part))).collect();
    format!("INSERT INTO {table} VALUES {}", rows.join(", "))
}

fn tables(root: &mut Client) {
    root.done("CREATE DATABASE d");
    root.done("CREATE TABLE d.t (k INT, v VARCHAR(1048576))");
    root.done("INSERT INTO d.t VALUES (1, 'one'), (2, 'two'), (3, 'three')");
}

/// All files below a directory, by name.
fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

#[test]
fn a_load_without_space_is_no_load() {
    let place = Place::new();
    let Some(disk) = SmallDisk::mount(place.path("disk"), 48) else { return };
    let data = disk.0.join("data").display().to_string();
    let server = serve(&place, &["--data", &data]);
    let mut root = server.root();
    tables(&mut root);
    let tablets = Path::new(&data).join("tablets");
    let before = files(&tablets);
    disk.fill();

    // Large and small ones, and what is only a change of the catalog.
    for sql in [
        insert("d.t", "load", 4),
        "INSERT INTO d.t VALUES (4, 'four')".to_owned(),
        insert("d.t", "again", 1),
    ] {
        let refused = root.refusal(&sql);
        assert_eq!(refused.code, 1021, "{}", refused.text);
        for word in [&data, "No space left on device", "free space there and try again"] {
            assert!(refused.text.contains(word), "{}", refused.text);
        }
        assert_eq!(root.value("SELECT sum(k) FROM d.t"), "6");
        assert_eq!(files(&tablets), before, "what was begun is gone");
    }
    let mut made = 0;
    let refused = (0..400).find_map(|n| {
        let made_it = root.run(&format!("CREATE TABLE d.u{n} (k INT)"));
        made += usize::from(made_it.is_ok());
        made_it.err()
    });
    let refused = refused.expect("the catalog has no space either");
    assert_eq!(refused.code, 1021, "{}", refused.text);
    assert!(refused.text.contains("catalog.redb"), "{}", refused.text);
    assert_eq!(root.value("SELECT sum(k) FROM d.t"), "6", "queries go on");
    assert_eq!(root.rows("SHOW TABLES FROM d").len(), 1 + made);

    disk.free();
    root.done("CREATE TABLE d.later (k INT)");
    root.done("INSERT INTO d.t VALUES (4, 'four')");
    root.done(&insert("d.t", "load", 4));
    assert_eq!(root.value("SELECT count(*) FROM d.t"), "8");
    server.stop();
    let server = serve(&place, &["--data", &data]);
    let mut root = server.root();
    assert_eq!(root.value("SELECT count(*) FROM d.t"), "8", "and after a restart");
    assert_eq!(root.rows("SHOW TABLES FROM d").len(), 2 + made);
    assert_eq!(files(&tablets).len(), before.len() + 2);
    drop(server);
}

#[test]
fn a_backup_without_space_is_no_snapshot() {
    let place = Place::new();
    let Some(disk) = SmallDisk::mount(place.path("disk"), 4) else { return };
    let server = serve(&place, &[]);
    let mut root = server.root();
    tables(&mut root);
    root.done(&insert("d.t", "backup", 12));
    let location = disk.0.display().to_string();
    root.done(&format!(r#"CREATE REPOSITORY r WITH BROKER ON LOCATION "file://{location}""#));
    root.done("BACKUP SNAPSHOT d.s TO r");
    let job = format!("{:?}", root.ended("SHOW BACKUP FROM d"));
    for word in ["CANCELLED", "No space left", "repository r at file://", &location] {
        assert!(job.contains(word), "{word}: {job}");
    }
    assert_eq!(root.rows("SHOW SNAPSHOT ON r").len(), 0, "half a backup is no snapshot");
    assert_eq!(root.value("SELECT count(*) FROM d.t"), "15");

    disk.resize(64);
    let time = root.back_up("d", "s", "r");
    let config = place.path("disk/__cairn_repository_r").display().to_string();
    let check = place.command(&["check", "--repo", &config, "--read-data"]).output().unwrap();
    assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stdout));
    root.restore("e", "s", "r", &time);
    let sums = ["d", "e"].map(|database| {
        root.rows(&format!("SELECT count(*), sum(k), max(v), min(v) FROM {database}.t"))
    });
    assert_eq!(sums[0], sums[1]);
}

#[test]
fn a_restore_without_space_leaves_the_table_as_it_was() {
    let place = Place::new();
    let Some(disk) = SmallDisk::mount(place.path("disk"), 48) else { return };
    let data = disk.0.join("data").display().to_string();
    let server = serve(&place, &["--data", &data]);
    let mut root = server.root();
    tables(&mut root);
    root.done(&insert("d.t", "restore", 4));
    let location = place.path("backups").display().to_string();
    root.done(&format!(r#"CREATE REPOSITORY r WITH BROKER ON LOCATION "file://{location}""#));
    let time = root.back_up("d", "s", "r");
    root.done("DELETE FROM d.t WHERE length(v) > 100");
    let tablets = Path::new(&data).join("tablets");
    let before = files(&tablets);
    let leave_a_little = disk.0.join("little");
    fs::write(&leave_a_little, vec![1; 1 << 20]).unwrap();
    disk.fill();
    fs::remove_file(&leave_a_little).unwrap();
    let properties = format!(r#"PROPERTIES ("backup_timestamp" = "{time}")"#);
    root.done(&format!("RESTORE SNAPSHOT d.s FROM r {properties}"));
    let job = format!("{:?}", root.ended("SHOW RESTORE FROM d"));
    for word in ["CANCELLED", "No space left on device", &data] {
        assert!(job.contains(word), "{word}: {job}");
    }
    assert_eq!(root.value("SELECT sum(k) FROM d.t"), "6", "the old data");
    assert_eq!(files(&tablets), before, "what was begun is gone");
    disk.free();
    root.done("INSERT INTO d.t VALUES (4, 'four')");
    root.restore("d", "s", "r", &time);
    assert_eq!(root.value("SELECT count(*) FROM d.t"), "7");
}
