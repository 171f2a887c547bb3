//! What goes through a directory source into a directory sink comes back the same.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::support::*;
use cairn_actors::tablet::{
    SelectedItem, Selection, TabletErrorKind, TabletSink, TabletSnapshot, TabletSource,
};
use cairn_pipeline::directory::{DirectorySink, DirectorySource};
use proptest::prelude::*;

#[test]
fn sample_of_every_level_comes_back_whole() {
    for place in places() {
        let (from, to) = (place.path().join("from"), place.path().join("to/not/made/yet"));
        sample(&from);
        let before = tree(&from);
        copy(&from, &Selection::everything(), &to, true).unwrap();
        assert_eq!(tree(&to), before);
        assert_eq!(tree(&from), before, "the source is as it was, without `.cairn`");
        // Once more, over what is there now.
        copy(&from, &Selection::everything(), &to, true).unwrap();
        assert_eq!(tree(&to), before);
    }
}

#[test]
fn view_follows_the_convention() {
    let place = tempfile::tempdir().unwrap();
    sample(place.path());
    let source = DirectorySource::open(place.path()).unwrap();
    let view = source.snapshot(&Selection::everything()).unwrap();
    let objects: Vec<_> =
        view.objects().iter().map(|o| (o.key.to_string(), &o.partitions)).collect();
    let names = |list: &[&str]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
    let expected = [
        ("-.-", names(&[""])),
        ("db.-", names(&[""])),
        ("db.t", names(&["", "p", "q", "r"])),
        ("db.u", names(&["p"])),
        ("db.v", names(&[])),
        ("nothing.-", names(&[])),
    ];
    let expected: Vec<_> = expected.iter().map(|(key, list)| (key.to_string(), list)).collect();
    assert_eq!(objects, expected);
    let tablets = view.tablets(2, 1).unwrap();
    let tablets: Vec<(&str, Vec<&str>)> = tablets
        .iter()
        .map(|t| (t.name.as_str(), t.segments.iter().map(|s| s.name.as_str()).collect()))
        .collect();
    let below = vec!["0.dat", "empty", "x", "x/slash", "x/y.dat", "x/z/w"];
    assert_eq!(
        tablets,
        [("", vec!["loose.txt"]), ("b", below), ("c", vec!["0.dat"]), ("d", vec![])]
    );
    assert_eq!(view.tablets(2, 3).unwrap(), []);
    assert_eq!(view.tablets(2, 4).unwrap_err().kind(), TabletErrorKind::NotFound);
    assert!(view.skipped().is_empty());
}

fn item(database: &str, object: Option<&str>, partitions: Option<&[&str]>) -> SelectedItem {
    SelectedItem {
        database: database.to_owned(),
        object: object.map(ToOwned::to_owned),
        partitions: partitions.map(|list| list.iter().map(ToString::to_string).collect()),
    }
}

#[test]
fn selection_takes_what_it_names() {
    let place = tempfile::tempdir().unwrap();
    sample(place.path());
    let source = DirectorySource::open(place.path()).unwrap();
    let listed = |items: Vec<SelectedItem>| {
        let view = source.snapshot(&Selection { items }).unwrap();
        let objects = view.objects().iter();
        objects.map(|o| format!("{}{:?}", o.key, o.partitions)).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(listed(vec![item("", None, None)]), r#"-.-[""]"#);
    assert_eq!(listed(vec![item("nothing", None, None)]), "nothing.-[]");
    assert_eq!(listed(vec![item("db", Some(""), None)]), r#"db.-[""]"#);
    assert_eq!(listed(vec![item("db", Some("t"), Some(&["q", ""]))]), r#"db.t["", "q"]"#);
    assert_eq!(
        listed(vec![item("db", Some("v"), None), item("db", Some("t"), Some(&["q"]))]),
        r#"db.t["q"] db.v[]"#
    );
}

#[test]
fn selection_of_what_is_not_there_names_it() {
    let place = tempfile::tempdir().unwrap();
    sample(place.path());
    let source = DirectorySource::open(place.path()).unwrap();
    let items = vec![
        item("db", Some("t"), Some(&["q", "missing-p"])),
        item("missing-db", None, None),
        item("db", Some("missing-t"), None),
        item("nothing", Some("x"), None),
        item(".cairn", None, None),
    ];
    let error = source.snapshot(&Selection { items }).unwrap_err();
    assert_eq!(error.kind(), TabletErrorKind::NotFound);
    assert_eq!(error.what(), "db.t.missing-p, missing-db, db.missing-t, nothing.x, .cairn");
}

#[test]
fn partial_restore_replaces_the_listed_partitions_only() {
    for place in places() {
        let (from, to) = (place.path().join("from"), place.path().join("to"));
        sample(&from);
        copy(&from, &Selection::everything(), &to, true).unwrap();
        for changed in ["loose.txt", "db/t/loose.txt", "db/t/p/loose.txt", "db/t/q/b/0.dat"] {
            write(to.join(changed), "newer");
        }
        write(to.join("db/t/extra.txt"), "loose and new");
        write(to.join("db/t/s/b/0.dat"), "partition and new");
        write(to.join("db/t/q/extra/0.dat"), "tablet and new");
        let mut expected = tree(&to);
        let selection = Selection { items: vec![item("db", Some("t"), Some(&["q", ""]))] };
        copy(&from, &selection, &to, false).unwrap();
        let original = tree(&from);
        for path in ["db/t/loose.txt", "db/t/q/b/0.dat"] {
            expected.insert(path.to_owned(), original[path].clone());
        }
        for path in ["db/t/extra.txt", "db/t/q/extra", "db/t/q/extra/0.dat"] {
            expected.remove(path);
        }
        assert_eq!(tree(&to), expected);
        // A partition that was dropped meanwhile comes back alone.
        fs::remove_dir_all(to.join("db/t/q")).unwrap();
        copy(&from, &selection, &to, false).unwrap();
        assert_eq!(tree(&to), expected);
    }
}

#[test]
fn whole_restore_removes_what_the_snapshot_lacks() {
    let place = tempfile::tempdir().unwrap();
    let (from, to) = (place.path().join("from"), place.path().join("to"));
    sample(&from);
    copy(&from, &Selection::everything(), &to, true).unwrap();
    write(to.join("other.txt"), "loose in the root");
    write(to.join("db/other.txt"), "loose in the database");
    write(to.join("db/t/s/b/0.dat"), "new partition");
    symlink("x", to.join("db/link")).unwrap();
    let odd = to.join("db").join(std::ffi::OsStr::from_bytes(b"odd\xff"));
    fs::write(&odd, "not UTF-8").unwrap();
    write(to.join("db/kept/p/b/0.dat"), "a table that the snapshot lacks");
    write(to.join("kept/t/p/b/0.dat"), "a database that the snapshot lacks");
    copy(&from, &Selection::everything(), &to, true).unwrap();
    let mut expected = tree(&from);
    for kept in ["db/kept", "kept"] {
        let sub: Tree = tree(&to.join(kept));
        expected.extend(sub.into_iter().map(|(path, node)| (format!("{kept}/{path}"), node)));
        expected.insert(kept.to_owned(), Node::Directory { mode: 0o755 });
    }
    assert_eq!(tree(&to), expected);
}

#[test]
fn restore_under_another_name_leaves_the_first_alone() {
    let place = tempfile::tempdir().unwrap();
    sample(place.path());
    let before = tree(place.path());
    let source = DirectorySource::open(place.path()).unwrap();
    let selection = Selection { items: vec![item("db", Some("t"), None)] };
    let view = source.snapshot(&selection).unwrap();
    let mut plan = plan(&*view, "job", true);
    plan.objects[0].spec.key = cairn_actors::tablet::ObjectKey::table("new db", "new t");
    let sink = DirectorySink::open(place.path()).unwrap();
    let staged = sink.begin(plan).unwrap();
    fill(&*view, &*staged).unwrap();
    staged.install().unwrap();
    drop((staged, view));
    let mut expected = before;
    expected.insert("new db".to_owned(), Node::Directory { mode: 0o750 });
    let renamed: Vec<_> = expected.iter().filter(|(path, _)| path.starts_with("db/t")).collect();
    let renamed: Vec<_> = renamed
        .into_iter()
        .map(|(path, node)| (path.replacen("db/t", "new db/new t", 1), node.clone()))
        .collect();
    expected.extend(renamed);
    assert_eq!(tree(place.path()), expected);
}

#[test]
fn empty_warehouse_has_nothing() {
    let place = tempfile::tempdir().unwrap();
    let (from, to) = (place.path().join("from"), place.path().join("to"));
    fs::create_dir(&from).unwrap();
    copy(&from, &Selection::everything(), &to, true).unwrap();
    assert_eq!(tree(&to), Tree::new());
}

/// One thing to make in a tree.
#[derive(Debug, Clone)]
enum Make {
    File { size: usize, mode: u32, secs: u64, nanos: u32 },
    Link(&'static str),
    Directory { mode: u32 },
}

type Recipe = Vec<(Vec<&'static str>, Make)>;

fn recipe() -> impl Strategy<Value = Recipe> {
    let name = prop::sample::select(vec![
        "a",
        "b",
        "c",
        "sp ace",
        "ünï",
        "日本",
        ".dot",
        "-",
        "line\nbreak",
        "\u{1f40c}",
        "..x",
    ]);
    let file_mode = prop::sample::select(vec![0o644, 0o600, 0o444, 0o4755, 0, 0o666, 0o2711]);
    let directory_mode = prop::sample::select(vec![0o755, 0o700, 0o555, 0o2750, 0o1777, 0o500]);
    let make = prop_oneof![
        4 => (0usize..5000, file_mode, 0u64..4_000_000_000, 0u32..1_000_000_000)
            .prop_map(|(size, mode, secs, nanos)| Make::File { size, mode, secs, nanos }),
        1 => prop::sample::select(vec!["a", "../b", "/", ".", "no where", "ü"]).prop_map(Make::Link),
        2 => directory_mode.prop_map(|mode| Make::Directory { mode }),
    ];
    prop::collection::vec((prop::collection::vec(name, 1..8), make), 0..25)
}

/// Makes a tree; what an earlier entry made impossible is left out.
fn build(root: &Path, recipe: &Recipe) {
    fs::create_dir_all(root).unwrap();
    let mut modes = BTreeMap::new();
    for (levels, make) in recipe {
        let path = root.join(levels.join("/"));
        let real = |path: &Path| path.canonicalize().is_ok_and(|real| real == path);
        if fs::create_dir_all(path.parent().unwrap()).is_err() || !real(path.parent().unwrap()) {
            continue;
        }
        match make {
            Make::File { size, mode, secs, nanos } if fs::symlink_metadata(&path).is_err() => {
                let content: Vec<u8> = (0..=250).cycle().take(*size).collect();
                fs::write(&path, content).unwrap();
                set_mtime(&path, *secs, *nanos);
                modes.insert(path, *mode);
            }
            Make::Link(target) => drop(symlink(target, &path)),
            Make::Directory { mode } if fs::create_dir(&path).is_ok() => {
                modes.insert(path, *mode);
            }
            _ => {}
        }
    }
    for (path, mode) in modes.iter().rev() {
        set_mode(path, *mode);
    }
}

/// The selected objects with everything in them, but for the modes of databases: that of one which was
/// there before stays.
fn content(root: &Path, selection: &Selection) -> Vec<String> {
    let source = DirectorySource::open(root).unwrap();
    let view = source.snapshot(selection).unwrap();
    let objects = view.objects().iter();
    let mut content: Vec<_> = objects.map(|o| format!("{} {:?}", o.key, o.partitions)).collect();
    let all = segments(&*view);
    view.pin(&all.iter().map(|(_, address)| *address).collect::<Vec<_>>()).unwrap();
    for (path, address) in all {
        let tablets = view.tablets(address.object, address.partition).unwrap();
        let spec = &tablets[address.tablet as usize].segments[address.segment as usize];
        let bytes = read(&*view, address).unwrap().0;
        content.push(format!("{path} {:?} {bytes:?}", spec.attributes));
    }
    content
}

/// Selects each object of a view; an empty database is left out, since it is no object any more when
/// tables join it.
fn objects_of(view: &dyn TabletSnapshot) -> Option<Selection> {
    let lasting =
        view.objects().iter().filter(|o| !o.key.name.is_empty() || !o.partitions.is_empty());
    let items: Vec<_> = lasting.map(|o| item(&o.key.database, Some(&o.key.name), None)).collect();
    (!items.is_empty()).then_some(Selection { items })
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_tree_comes_back_whole(recipe in recipe()) {
        if !is_root() {
            skipped("trees without permissions need root");
            return Ok(());
        }
        let place = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let place = place.path().canonicalize().unwrap();
        let (from, to) = (place.join("from"), place.join("to"));
        build(&from, &recipe);
        copy(&from, &Selection::everything(), &to, true).unwrap();
        prop_assert_eq!(tree(&to), tree(&from));
    }

    #[test]
    fn restore_over_arbitrary_tree_is_exact_or_changes_nothing(
        wanted in recipe(),
        present in recipe(),
        whole in any::<bool>(),
    ) {
        if !is_root() {
            return Ok(());
        }
        let place = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let place = place.path().canonicalize().unwrap();
        let (from, to) = (place.join("from"), place.join("to"));
        build(&from, &wanted);
        build(&to, &present);
        let before = tree(&to);
        match copy(&from, &Selection::everything(), &to, whole) {
            Err(error) => {
                prop_assert_eq!(error.kind(), TabletErrorKind::Invalid, "{}", error);
                prop_assert_eq!(tree(&to), before);
            }
            Ok(()) => {
                let source = DirectorySource::open(&from).unwrap();
                let view = source.snapshot(&Selection::everything()).unwrap();
                if let Some(selection) = objects_of(&*view).filter(|_| whole) {
                    prop_assert_eq!(content(&to, &selection), content(&from, &selection));
                }
                let after = tree(&to);
                for (path, node) in tree(&from) {
                    match (&node, after.get(&path)) {
                        (Node::Directory { .. }, Some(Node::Directory { .. })) => {}
                        (_, found) => prop_assert_eq!(found, Some(&node), "{}", path),
                    }
                }
                prop_assert!(!to.join(".cairn").try_exists().unwrap());
            }
        }
    }
}

#[test]
fn tree_without_write_permissions_comes_back_for_a_usual_user() {
    let place = tempfile::tempdir_in("/tmp").unwrap();
    set_mode(place.path(), 0o777);
    run_as_nobody("round_trip::as_nobody_read_only_tree", place.path());
}

#[test]
#[ignore = "run by tree_without_write_permissions_comes_back_for_a_usual_user"]
fn as_nobody_read_only_tree() {
    let (from, to) = (child_root().join("from"), child_root().join("to"));
    let directories = ["db/t/p/b/x", "db/t/p/b", "db/t/p", "db/t", "db"];
    write(from.join("db/t/p/b/x/0.dat"), "read only");
    write(from.join("db/t/q/b/0.dat"), "write only");
    set_mode(from.join("db/t/p/b/x/0.dat"), 0o444);
    for directory in directories {
        set_mode(from.join(directory), 0o555);
    }
    // The database is placed as a whole, then the table and the partitions are exchanged.
    for selection in [
        Selection::everything(),
        Selection { items: vec![item("db", Some("t"), None)] },
        Selection { items: vec![item("db", Some("t"), Some(&["p", "q"]))] },
    ] {
        for above in ["db", "db/t", "db/t/p"] {
            if to.join(above).try_exists().unwrap() {
                set_mode(to.join(above), 0o755);
            }
        }
        let is_whole = selection.items.iter().all(|item| item.partitions.is_none());
        copy(&from, &selection, &to, is_whole).unwrap();
        for above in ["db", "db/t"] {
            set_mode(to.join(above), 0o555);
        }
        assert_eq!(tree(&to), tree(&from));
    }
    for directory in directories.iter().rev() {
        set_mode(from.join(directory), 0o755);
        set_mode(to.join(directory), 0o755);
    }
}
