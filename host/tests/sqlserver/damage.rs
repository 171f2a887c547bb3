//! Damaged files: a server that starts has everything, and one that does not says what to do, which is done here.

use std::fs;
use std::path::{Path, PathBuf};

use crate::client::Client;
use crate::place::Place;
use crate::server::{Server, refuses, serve, try_serve};

/// A server with a table of three rows, and their snapshot `s` in a repository `r`: also the time of that.
fn with_snapshot(place: &Place) -> (Server<'_>, String) {
    let server = serve(place, &[]);
    let mut root = server.root();
    root.done("CREATE DATABASE d");
    root.done("CREATE TABLE d.t (k INT, v VARCHAR(10))");
    root.done("INSERT INTO d.t VALUES (1, 'one'), (2, 'two'), (3, 'three')");
    create_repository(place, &mut root);
    let time = root.back_up("d", "s", "r");
    (server, time)
}

fn create_repository(place: &Place, root: &mut Client) {
    let location = place.path("backups").display().to_string();
    root.done(&format!(r#"CREATE REPOSITORY r WITH BROKER ON LOCATION "file://{location}""#));
}

/// The files of segments of a data directory.
fn segments(data: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for tablet in fs::read_dir(data.join("tablets")).unwrap() {
        let files = fs::read_dir(tablet.unwrap().path()).unwrap();
        found.extend(files.map(|file| file.unwrap().path()));
    }
    found
}

#[test]
fn a_damaged_catalog_starts_nothing_and_the_way_out_is_one() {
    let place = Place::new();
    let (server, time) = with_snapshot(&place);
    server.stop();
    let path = place.path("data/catalog.redb");
    let whole = fs::read(&path).unwrap();
    let before = segments(&place.path("data"));
    type Damage = fn(&mut Vec<u8>);
    let damages: [(&str, Damage); 4] = [
        ("emptied", Vec::clear),
        ("truncated", |bytes| bytes.truncate(bytes.len() / 2)),
        ("overwritten", |bytes| bytes.fill(0xa5)),
        ("without its head", |bytes| bytes[..100].fill(0)),
    ];
    for (name, damage) in damages {
        let mut bytes = whole.clone();
        damage(&mut bytes);
        fs::write(&path, bytes).unwrap();
        let told = refuses(&place, 5, &[]);
        for word in
            ["catalog.redb is damaged", "nothing was started", "CREATE REPOSITORY", "RESTORE"]
        {
            assert!(told.contains(word), "{name}: {told}");
        }
        assert_eq!(segments(&place.path("data")), before, "{name}: no data was swept");
    }
    fs::remove_file(&path).unwrap();
    assert!(refuses(&place, 5, &[]).contains("is damaged"), "one that is gone is no new one");

    // What the message says.
    let server = serve(&place, &["--data", "new"]);
    let mut root = server.root();
    create_repository(&place, &mut root);
    let listed = root.rows("SHOW SNAPSHOT ON r");
    assert_eq!(listed[0][..2], [Some("s".to_owned()), Some(time.clone())]);
    root.restore("d", "s", "r", &time);
    let rows = root.rows("SELECT k, v FROM d.t ORDER BY k");
    assert_eq!(rows[2], [Some("3".to_owned()), Some("three".to_owned())]);
}

#[test]
fn flipped_bits_of_a_catalog_are_found_or_mean_nothing() {
    let place = Place::new();
    let (server, _) = with_snapshot(&place);
    server.stop();
    let path = place.path("data/catalog.redb");
    let whole = fs::read(&path).unwrap();
    let used = whole.iter().rposition(|byte| *byte != 0).unwrap();
    for part in 0..8 {
        let mut bytes = whole.clone();
        let at = used * part / 8 + 77;
        bytes[at] ^= 1;
        fs::write(&path, bytes).unwrap();
        match try_serve(&place, &[]) {
            Ok(server) => assert_eq!(server.root().value("SELECT sum(k) FROM d.t"), "6", "at {at}"),
            Err(told) => assert!(told.contains("catalog.redb is damaged"), "at {at}: {told}"),
        }
    }
}

/// What is told of a backup into a new repository that does not finish: one that has the segments already would not miss
/// what it does not read anew.
fn failed_backup(place: &Place, root: &mut Client, directory: &str) -> String {
    let location = place.path(directory).display().to_string();
    root.done(&format!(r#"CREATE REPOSITORY o WITH BROKER ON LOCATION "file://{location}""#));
    root.done("BACKUP SNAPSHOT d.s TO o");
    let told = format!("{:?}", root.ended("SHOW BACKUP FROM d"));
    assert!(told.contains("CANCELLED"), "{told}");
    assert_eq!(root.rows("SHOW SNAPSHOT ON o").len(), 0, "{told}");
    root.done("DROP REPOSITORY o");
    told
}

#[test]
fn a_segment_of_which_a_bit_rotted_is_not_backed_up() {
    let place = Place::new();
    let (server, time) = with_snapshot(&place);
    let mut root = server.root();
    // One that was loaded, and one that was restored.
    for round in 0..2 {
        let [segment] = &segments(&place.path("data"))[..] else { panic!("one segment") };
        let whole = fs::read(segment).unwrap();
        for part in 0..4 {
            let mut bytes = whole.clone();
            bytes[whole.len() * part / 4 + 3] ^= 4;
            fs::write(segment, bytes).unwrap();
            let told = failed_backup(&place, &mut root, &format!("rotten{round}{part}"));
            let name = segment.file_name().unwrap().to_str().unwrap();
            assert!(told.contains(name) && told.contains("is damaged"), "{told}");
        }
        root.restore("d", "s", "r", &time);
        assert_eq!(root.value("SELECT sum(k) FROM d.t"), "6");
    }
}

#[test]
fn a_segment_that_is_gone_or_cut_is_named_by_whoever_reads_it() {
    let place = Place::new();
    let (server, time) = with_snapshot(&place);
    server.stop();
    let [segment] = &segments(&place.path("data"))[..] else { panic!("one load is one segment") };
    let name = segment.file_name().unwrap().to_str().unwrap();
    let whole = fs::read(segment).unwrap();
    let damages = [
        ("gone", None),
        ("emptied", Some(Vec::new())),
        ("cut", Some(whole[..whole.len() / 2].to_vec())),
    ];
    for (number, (damage, bytes)) in damages.into_iter().enumerate() {
        match bytes {
            Some(bytes) => fs::write(segment, bytes).unwrap(),
            None => fs::remove_file(segment).unwrap(),
        }
        let server = serve(&place, &[]);
        let mut root = server.root();
        let refused = root.refusal("SELECT sum(k), max(v) FROM d.t");
        assert!(refused.text.contains(name), "{damage}: {}", refused.text);
        let told = failed_backup(&place, &mut root, &format!("other{number}"));
        assert!(told.contains(name), "{damage}: {told}");
        // Other tables are not touched by it, and the damaged one is mended by its snapshot.
        root.done("CREATE TABLE d.other (k INT)");
        root.done("INSERT INTO d.other VALUES (1)");
        assert_eq!(root.value("SELECT count(*) FROM d.other"), "1");
        root.done("DROP TABLE d.other");
        server.stop();
        fs::write(segment, &whole).unwrap();
    }
    fs::write(segment, b"damaged").unwrap();
    let server = serve(&place, &[]);
    let mut root = server.root();
    root.restore("d", "s", "r", &time);
    assert_eq!(root.value("SELECT sum(k) FROM d.t"), "6");
}

#[test]
fn a_lost_key_of_secrets_is_told_with_the_repository() {
    let place = Place::new();
    let (server, _) = with_snapshot(&place);
    server.stop();
    fs::write(place.path("data/secret.key"), b"short").unwrap();
    let told = refuses(&place, 1, &[]);
    assert!(told.contains("secret.key") && told.contains("expected 32"), "{told}");
    fs::remove_file(place.path("data/secret.key")).unwrap();
    let server = serve(&place, &[]);
    let mut root = server.root();
    let refused = root.refusal("SHOW SNAPSHOT ON r");
    assert!(refused.text.contains("secret.key"), "{}", refused.text);
    // Told again, it is sealed again.
    root.done("DROP REPOSITORY r");
    create_repository(&place, &mut root);
    assert_eq!(root.rows("SHOW SNAPSHOT ON r").len(), 1);
    assert_eq!(root.value("SELECT sum(k) FROM d.t"), "6");
}
