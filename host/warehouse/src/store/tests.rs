use std::fs;
use std::io::Write;

use proptest::prelude::*;
use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::catalog::model::{
    DatabaseRow, IndexTablets, PartitionBounds, PartitionRow, RoleRow, TableRow, Tablet, UserRow,
};
use crate::catalog::{Table, model};
use crate::segment::Segment;
use crate::{Error, ErrorKind, Subject};

fn open() -> (TempDir, Store) {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path()).unwrap();
    (directory, store)
}

fn database(id: Id, name: &str) -> DatabaseRow {
    DatabaseRow { id, name: name.to_owned(), properties: [].into() }
}

fn table(id: Id, name: &str) -> TableRow {
    let row = json!({
        "id": id, "database": 1, "name": name, "columns": [], "keys": "duplicate", "key_columns": [],
        "partitioning": "single", "distribution": {"random": {"buckets": 1}}, "index": 900,
    });
    serde_json::from_value(row).unwrap()
}

fn partition(id: Id, segments: Vec<Arc<Segment>>) -> PartitionRow {
    let tablets = vec![Tablet { id: 7, segments }];
    PartitionRow {
        id,
        name: format!("p{id}"),
        bounds: PartitionBounds::List(vec![vec![model::PartitionValue::Int(id.into())]]),
        replication_num: 1,
        version: 1,
        indexes: vec![IndexTablets { index: 900, tablets }],
    }
}

fn segment(store: &Store, tablet: Id) -> Arc<Segment> {
    let writer = store.files().create(tablet, store.next_id().unwrap()).unwrap();
    writer.file().write_all(b"rows").unwrap();
    writer.publish(1, None).unwrap()
}

/// A database `d` with a table `t`.
fn with_table(store: &Store) {
    store
        .transact(|transaction| {
            transaction.put_database(database(1, "d"))?;
            transaction.put_table(table(2, "t"))
        })
        .unwrap();
}

fn put_partition(store: &Store, row: PartitionRow) -> Result<()> {
    store.transact(|transaction| transaction.put_partition(2, row))
}

fn exists(store: &Store, segment: &Segment) -> bool {
    store.files().path(segment).try_exists().unwrap()
}

/// All of a catalog, to compare.
fn shown(catalog: &Catalog) -> String {
    format!("{catalog:#?}")
}

#[test]
fn w1_what_was_committed_is_there_after_every_reopening() {
    let (directory, store) = open();
    let path = directory.path().to_owned();
    let mut store = Some(store);
    type Change = fn(&mut Transaction<'_>) -> Result<()>;
    let changes: [Change; 11] = [
        |transaction| transaction.put_database(database(1, "d")),
        |transaction| transaction.put_table(table(2, "t")),
        |transaction| transaction.put_partition(2, partition(3, Vec::new())),
        |transaction| transaction.put_partition(2, partition(4, Vec::new())),
        |transaction| transaction.put_table(table(2, "renamed")),
        |transaction| transaction.put_database(database(1, "e")),
        |transaction| {
            let grants = Vec::new();
            transaction.put_role(RoleRow { name: "r".into(), roles: Vec::new(), grants })
        },
        |transaction| {
            transaction.put_user(UserRow {
                name: "a@b".into(),
                host: "%".into(),
                proofs: Default::default(),
                roles: vec!["r".into()],
                grants: Vec::new(),
            })
        },
        |transaction| {
            transaction.remove_partition(2, 3);
            Ok(())
        },
        |transaction| transaction.put_document("jobs", "1", &json!({"state": "PENDING"})),
        |transaction| {
            transaction.remove_database(1);
            Ok(())
        },
    ];
    for change in changes {
        let open = store.take().unwrap();
        open.transact(change).unwrap();
        let (before, cluster_id) = (shown(&open.catalog()), open.cluster_id());
        drop(open);
        let open = Store::open(&path).unwrap();
        assert_eq!(shown(&open.catalog()), before);
        assert_eq!(open.cluster_id(), cluster_id);
        store = Some(open);
    }
    let store = store.unwrap();
    assert_eq!(store.document("jobs", "1").unwrap(), Some(json!({"state": "PENDING"})));
    assert!(store.catalog().user("a@b", "%").is_some());
}

#[test]
fn a_change_that_fails_changes_nothing() {
    let (directory, store) = open();
    with_table(&store);
    let kept = segment(&store, 7);
    put_partition(&store, partition(3, vec![Arc::clone(&kept)])).unwrap();
    let before = shown(&store.catalog());
    let fresh = segment(&store, 7);
    let (kept_path, fresh_path) = (store.files().path(&kept), store.files().path(&fresh));
    drop(kept);
    let failed: Result<()> = store.transact(|transaction| {
        transaction.put_partition(2, partition(3, vec![fresh]))?;
        transaction.put_document("jobs", "1", &json!(1))?;
        transaction.remove_table(2);
        transaction.put_database(database(9, "d"))
    });
    let error = failed.unwrap_err();
    assert_eq!(
        (error.kind(), error.subject()),
        (ErrorKind::AlreadyExists, Some(Subject::Database))
    );
    assert_eq!(shown(&store.catalog()), before);
    assert!(kept_path.try_exists().unwrap(), "what is named stays");
    assert!(!fresh_path.try_exists().unwrap(), "what was never named goes");
    drop(store);
    let store = Store::open(directory.path()).unwrap();
    assert_eq!(shown(&store.catalog()), before);
    assert_eq!(store.document("jobs", "1").unwrap(), None);
}

#[test]
fn w2_a_segment_lives_as_long_as_a_row_or_a_reader_has_it() {
    let (directory, store) = open();
    with_table(&store);
    let segment = segment(&store, 7);
    let path = store.files().path(&segment);
    put_partition(&store, partition(3, vec![segment])).unwrap();
    let reader = store.catalog();
    // It moves to another partition, in either order, and stays.
    let moved = |store: &Store, from: Id, to: Id| {
        store
            .transact(|transaction| {
                let table = transaction.catalog().table("d", "t")?;
                let old = table.partitions().find(|row| row.id == from).map(Arc::clone).unwrap();
                let segments = old.segments().map(Arc::clone).collect();
                transaction.put_partition(2, partition(to, segments))?;
                transaction.remove_partition(2, from);
                Ok(())
            })
            .unwrap();
    };
    moved(&store, 3, 4);
    assert!(path.try_exists().unwrap());
    drop(reader);
    assert!(path.try_exists().unwrap());
    drop(store);
    assert!(path.try_exists().unwrap(), "the end of the process is no drop");

    let store = Store::open(directory.path()).unwrap();
    let reader = store.catalog();
    put_partition(&store, partition(4, Vec::new())).unwrap();
    assert!(path.try_exists().unwrap(), "an old catalog reads it");
    drop(reader);
    assert!(!path.try_exists().unwrap());
}

#[test]
fn what_a_crash_left_over_is_swept() {
    let (directory, store) = open();
    with_table(&store);
    let (named, orphan) = (segment(&store, 7), segment(&store, 8));
    put_partition(&store, partition(3, vec![Arc::clone(&named)])).unwrap();
    let part = store.files().create(7, 1).unwrap();
    // A crash runs no destructor.
    std::mem::forget((Arc::clone(&orphan), part));
    drop(store);
    let store = Store::open(directory.path()).unwrap();
    assert!(exists(&store, &named) && !exists(&store, &orphan));
    let left = fs::read_dir(directory.path().join("tablets/7")).unwrap().count();
    assert_eq!(left, 1);
}

#[test]
fn ids_are_never_given_out_twice() {
    let (directory, store) = open();
    let mut last = 0;
    let mut store = Some(store);
    for _ in 0..3 {
        let open = store.take().unwrap();
        for _ in 0..RESERVED_IDS + 10 {
            let id = open.next_id().unwrap();
            assert!(id > last);
            last = id;
        }
        drop(open);
        store = Some(Store::open(directory.path()).unwrap());
    }
    let failed: Result<()> = store.as_ref().unwrap().transact(|transaction| {
        last = transaction.next_id()?;
        Err(Error::invalid("changed my mind"))
    });
    failed.unwrap_err();
    assert!(store.unwrap().next_id().unwrap() > last);
}

#[test]
fn restoring_is_shared_and_not_stored() {
    let (directory, store) = open();
    with_table(&store);
    store.transact(|transaction| transaction.set_restoring(2, true)).unwrap();
    let error = store.catalog().table("d", "t").unwrap().check_normal().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy);
    assert_eq!(error.to_string(), "Table t's state is not NORMAL: RESTORE");
    drop(store);
    let store = Store::open(directory.path()).unwrap();
    store.catalog().table("d", "t").unwrap().check_normal().unwrap();
}

#[test]
fn a_commit_copies_only_the_way_to_what_it_touched() {
    let (_directory, store) = open();
    with_table(&store);
    store
        .transact(|transaction| {
            transaction.put_database(database(5, "other"))?;
            (100..1100).try_for_each(|id| transaction.put_table(table(id, &format!("t{id}"))))
        })
        .unwrap();
    let before = store.catalog();
    put_partition(&store, partition(3, Vec::new())).unwrap();
    let after = store.catalog();
    let tables = |catalog: &Catalog| -> Vec<Arc<Table>> {
        catalog.database("d").unwrap().tables().map(Arc::clone).collect()
    };
    let shared =
        tables(&before).iter().zip(&tables(&after)).filter(|(a, b)| Arc::ptr_eq(a, b)).count();
    assert_eq!(shared, 1000);
    let other = |catalog: &Catalog| Arc::clone(catalog.database("other").unwrap());
    assert!(Arc::ptr_eq(&other(&before), &other(&after)));
}

#[test]
fn names_are_taken_once() {
    let (_directory, store) = open();
    with_table(&store);
    let kind = |change: &dyn Fn(&mut Transaction<'_>) -> Result<()>| {
        store.transact(|transaction| change(transaction)).unwrap_err().kind()
    };
    let view = |id, name: &str| -> model::ViewRow {
        let row = json!({"id": id, "database": 1, "name": name, "columns": [], "query": "", "base_tables": []});
        serde_json::from_value(row).unwrap()
    };
    assert_eq!(kind(&|t| t.put_table(table(3, "t"))), ErrorKind::AlreadyExists);
    assert_eq!(kind(&|t| t.put_view(view(3, "t"))), ErrorKind::AlreadyExists);
    store.transact(|transaction| transaction.put_view(view(4, "v"))).unwrap();
    assert_eq!(kind(&|t| t.put_table(table(3, "v"))), ErrorKind::AlreadyExists);
    let mut with_rollup = table(2, "t");
    let rollup = json!({"index": 5, "name": "v", "columns": [], "query": ""});
    with_rollup.rollups = vec![serde_json::from_value(rollup).unwrap()];
    assert_eq!(kind(&|t| t.put_table(with_rollup.clone())), ErrorKind::AlreadyExists);
    with_rollup.rollups[0].name = "t".to_owned();
    assert_eq!(kind(&|t| t.put_table(with_rollup.clone())), ErrorKind::AlreadyExists);
    with_rollup.rollups[0].name = "r".to_owned();
    store.transact(|transaction| transaction.put_table(with_rollup.clone())).unwrap();
    assert_eq!(kind(&|t| t.put_view(view(6, "r"))), ErrorKind::AlreadyExists);
    assert_eq!(
        kind(&|t| t.put_table(TableRow { database: 77, ..table(9, "x") })),
        ErrorKind::NotFound
    );
    assert_eq!(kind(&|t| t.put_partition(77, partition(1, Vec::new()))), ErrorKind::NotFound);
}

#[test]
fn partitions_of_a_table_share_neither_names_nor_rows_nor_foreign_segments() {
    let (_directory, store) = open();
    with_table(&store);
    put_partition(&store, partition(3, Vec::new())).unwrap();
    let same_name = PartitionRow { name: "p3".into(), ..partition(4, Vec::new()) };
    assert_eq!(put_partition(&store, same_name).unwrap_err().kind(), ErrorKind::AlreadyExists);
    let same_rows =
        PartitionRow { bounds: partition(3, Vec::new()).bounds, ..partition(4, Vec::new()) };
    let error = put_partition(&store, same_rows).unwrap_err();
    assert_eq!((error.kind(), error.subject()), (ErrorKind::Invalid, Some(Subject::Partition)));
    let row = json!({"number": 1, "tablet": 7, "rows": 1, "bytes": 1});
    let foreign = Arc::new(serde_json::from_value(row).unwrap());
    let error = put_partition(&store, partition(4, vec![foreign])).unwrap_err();
    assert!(error.to_string().contains("was not written by this warehouse"));
}

#[test]
fn documents_are_kept_by_collection_and_key() {
    let (_directory, store) = open();
    for (collection, key) in [("a", "2"), ("a", "1"), ("ab", "0"), ("b", "")] {
        store.put_document(collection, key, &json!([collection, key])).unwrap();
    }
    let keys = |collection: &str| -> Vec<String> {
        store.documents(collection).unwrap().into_iter().map(|(key, _)| key).collect()
    };
    assert_eq!(keys("a"), ["1", "2"]);
    assert_eq!(keys("b"), [""]);
    assert_eq!(keys("c"), [""; 0]);
    store
        .transact(|transaction| {
            transaction.put_document("a", "1", &json!(1))?;
            transaction.remove_document("a", "2");
            assert_eq!(transaction.document("a", "1")?, Some(json!(1)));
            assert_eq!(transaction.document("a", "2")?, None);
            assert_eq!(transaction.document("ab", "0")?, Some(json!(["ab", "0"])));
            Ok(())
        })
        .unwrap();
    assert_eq!(keys("a"), ["1"]);
    store.remove_document("a", "1").unwrap();
    assert_eq!(store.document("a", "1").unwrap(), None);
}

#[test]
fn a_second_process_is_told_that_the_directory_is_taken() {
    let (directory, _store) = open();
    let error = Store::open(directory.path()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy);
    assert!(error.to_string().ends_with("is in use: another process has this data directory"));
}

#[test]
fn a_damaged_catalog_starts_nothing_and_says_what_to_do() {
    let (directory, store) = open();
    with_table(&store);
    let segment = segment(&store, 7);
    put_partition(&store, partition(3, vec![Arc::clone(&segment)])).unwrap();
    let file = store.files().path(&segment);
    drop(store);
    let path = directory.path().join("catalog.redb");
    let whole = fs::read(&path).unwrap();
    type Damage = fn(&mut Vec<u8>);
    let damage: [Damage; 4] = [
        Vec::clear,
        |bytes| bytes.truncate(bytes.len() / 2),
        |bytes| bytes.fill(0xA5),
        |bytes| bytes[..100].fill(0),
    ];
    for damage in damage {
        let mut bytes = whole.clone();
        damage(&mut bytes);
        fs::write(&path, bytes).unwrap();
        let error = Store::open(directory.path()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
        let message = error.to_string();
        assert!(message.contains(&path.display().to_string()), "{message}");
        assert!(message.contains("RESTORE the last snapshot"), "{message}");
        assert!(file.try_exists().unwrap());
    }
    fs::remove_file(&path).unwrap();
    assert_eq!(Store::open(directory.path()).unwrap_err().kind(), ErrorKind::Corrupt);
    assert!(file.try_exists().unwrap(), "no catalog is no reason to sweep");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// A page that changed is noticed, or is one that nothing needs.
    #[test]
    fn a_catalog_with_flipped_bits_is_refused_or_whole(at in 0.0..1.0_f64, bit in 0..8_u8) {
        let (directory, store) = open();
        with_table(&store);
        put_partition(&store, partition(3, Vec::new())).unwrap();
        let before = shown(&store.catalog());
        drop(store);
        let path = directory.path().join("catalog.redb");
        let mut bytes = fs::read(&path).unwrap();
        let used = bytes.iter().rposition(|byte| *byte != 0).unwrap();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a position in a file")]
        let at = (at * used as f64) as usize;
        bytes[at] ^= 1 << bit;
        fs::write(&path, bytes).unwrap();
        match Store::open(directory.path()) {
            Ok(store) => prop_assert_eq!(shown(&store.catalog()), before),
            Err(error) => prop_assert_eq!(error.kind(), ErrorKind::Corrupt, "{}", error),
        }
    }
}

#[test]
fn a_later_format_and_an_unreadable_row_are_refused() {
    let (directory, store) = open();
    let rewrite = |store: Store, key: RowKey, json: &[u8]| {
        store.file.write(&BTreeMap::from([(key, Some(json.to_vec()))])).unwrap();
        drop(store);
        Store::open(directory.path()).unwrap_err()
    };
    let error = rewrite(store, RowKey::Meta("format"), b"2");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("has format 2, this program reads formats up to 1"));

    let (directory, store) = open();
    let row = BTreeMap::from([(RowKey::Table(5), Some(b"{}".to_vec()))]);
    store.file.write(&row).unwrap();
    drop(store);
    let error = Store::open(directory.path()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.to_string().contains("row 5 of tables"), "{error}");
}

#[test]
fn a_dangling_row_is_damage() {
    let (directory, store) = open();
    let orphan = serde_json::to_vec(&table(5, "t")).unwrap();
    store.file.write(&BTreeMap::from([(RowKey::Table(5), Some(orphan))])).unwrap();
    drop(store);
    let error = Store::open(directory.path()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.to_string().contains("table 5 belongs to 1, which is missing"), "{error}");
}

#[test]
fn w1_every_directory_on_the_way_to_the_data_is_durable() {
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("a/b/data");
    drop(Store::open(&data).unwrap());
    drop(Store::open(&data).unwrap());

    let entries = |path: &'static str, there: &str| {
        let found = entries(Path::new(path), &|path| path == Path::new(there));
        let shown = |path: &Path| path.display().to_string();
        found.iter().map(|(path, parent)| (shown(path), shown(parent))).collect::<Vec<_>>()
    };
    let pair = |path: &str, parent: &str| (path.to_owned(), parent.to_owned());
    assert_eq!(entries("/a/b/c", "/a"), [pair("/a/b/c", "/a/b"), pair("/a/b", "/a")]);
    assert_eq!(entries("data", "."), [pair("data", ".")]);
    assert_eq!(entries("d/data", "."), [pair("d/data", "d"), pair("d", ".")]);
    assert_eq!(entries("/data", "/"), [pair("/data", "/")]);
}

#[test]
fn nobody_else_looks_into_the_data_directory() {
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("data");
    for made_before in [false, true] {
        if made_before {
            fs::set_permissions(&data, fs::Permissions::from_mode(0o755)).unwrap();
        }
        drop(Store::open(&data).unwrap());
        let mode = fs::metadata(&data).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }
}
