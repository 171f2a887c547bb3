use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use tempfile::TempDir;

use super::*;

fn files() -> (TempDir, Arc<SegmentFiles>) {
    let directory = tempfile::tempdir().unwrap();
    let files = SegmentFiles::open(&directory.path().join("tablets")).unwrap();
    (directory, files)
}

fn write(files: &Arc<SegmentFiles>, tablet: Id, number: u64) -> Arc<Segment> {
    let writer = files.create(tablet, number).unwrap();
    writer.file().write_all(b"rows").unwrap();
    writer.publish(3, None).unwrap()
}

fn exists(path: &Path) -> bool {
    path.try_exists().unwrap()
}

#[test]
fn a_file_has_its_name_only_when_it_is_published() {
    let (directory, files) = files();
    let tablet = directory.path().join("tablets/7");
    let writer = files.create(7, 1).unwrap();
    assert!(exists(&tablet.join("1.parquet.part")) && !exists(&tablet.join("1.parquet")));
    drop(writer);
    assert!(!exists(&tablet), "an abandoned writer leaves nothing");
    let segment = write(&files, 7, 2);
    assert_eq!((segment.rows, segment.bytes), (3, 4));
    assert_eq!(fs::read(files.path(&segment)).unwrap(), b"rows");
    assert!(!exists(&tablet.join("2.parquet.part")));
}

#[test]
fn w2_a_file_goes_with_the_last_reference_of_a_segment_that_nothing_names() {
    let (_directory, files) = files();
    let (never, dropped, kept) = (write(&files, 1, 1), write(&files, 1, 2), write(&files, 1, 3));
    let path = |segment: &Segment| files.path(segment);
    let (never_path, dropped_path, kept_path) = (path(&never), path(&dropped), path(&kept));
    dropped.set_named(true);
    kept.set_named(true);
    drop(never);
    assert!(!exists(&never_path));

    let reader = Arc::clone(&dropped);
    dropped.set_named(false);
    drop(dropped);
    assert!(exists(&dropped_path), "a reader holds it");
    drop(reader);
    assert!(!exists(&dropped_path));

    drop(kept);
    assert!(exists(&kept_path), "a row names it");
}

#[test]
fn the_directory_of_a_tablet_goes_with_its_last_file_and_comes_back() {
    let (directory, files) = files();
    let tablet = directory.path().join("tablets/1");
    drop(write(&files, 1, 1));
    assert!(!exists(&tablet));
    let segment = write(&files, 1, 2);
    assert!(exists(&files.path(&segment)));
}

#[test]
fn a_segment_comes_back_from_its_row_without_its_file() {
    let (_directory, files) = files();
    let segment = write(&files, 1, 2);
    let json = serde_json::to_string(&segment).unwrap();
    let epoch = segment.epoch;
    let expected = format!(r#"{{"number":2,"epoch":{epoch},"tablet":1,"rows":3,"bytes":4}}"#);
    assert_eq!(json, expected);
    let copy: Arc<Segment> = serde_json::from_str(&json).unwrap();
    assert!(copy == segment && !copy.is_adopted());
    drop(copy);
    assert!(exists(&files.path(&segment)), "a copy of a row owns nothing");
    files.adopt(&serde_json::from_str::<Segment>(&json).unwrap());
    assert!(exists(&files.path(&segment)), "an adopted one is named");
}

#[test]
fn a_sweep_removes_what_nothing_names_and_nothing_else() {
    let (directory, files) = files();
    let root = directory.path().join("tablets");
    for (path, remains) in [
        ("1/10.parquet", true),
        ("1/11.parquet", false),
        ("1/10.parquet.part", false),
        ("1/010.parquet", true),
        ("1/notes.txt", true),
        ("2/12.parquet", false),
        ("3/README", true),
        ("lost+found/13.parquet", true),
    ] {
        fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
        fs::write(root.join(path), if remains { "stays" } else { "goes" }).unwrap();
    }
    fs::write(root.join("4"), "stays").unwrap();
    let named = BTreeMap::from([(1, BTreeSet::from([10])), (5, BTreeSet::from([14]))]);
    files.sweep(&named).unwrap();
    let mut left = Vec::new();
    collect(&root, &mut left);
    left.sort();
    let left: Vec<_> = left.iter().map(|path| path.strip_prefix(&root).unwrap().to_str()).collect();
    let expected = ["1/010.parquet", "1/10.parquet", "1/notes.txt", "3/README", "4"];
    let expected = expected.into_iter().chain(["lost+found/13.parquet"]);
    assert_eq!(left, expected.map(Some).collect::<Vec<_>>());
    assert!(!exists(&root.join("2")));
}

fn collect(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { collect(&path, found) } else { found.push(path) }
    }
}

#[test]
fn segments_of_many_threads_meet_in_one_tablet() {
    let (_directory, files) = files();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let files = &files;
            scope.spawn(move || {
                for number in 0..20 {
                    let segment = write(files, 1, thread * 100 + number);
                    assert!(exists(&files.path(&segment)));
                }
            });
        }
    });
}
