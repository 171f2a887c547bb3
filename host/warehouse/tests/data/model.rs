//! Random changes of a table with a primary key, its rollup and its readers, against a map.

use std::collections::BTreeMap;

use cairn_warehouse::catalog::model::ColumnType;
use cairn_warehouse::ddl::RollupDefinition;
use cairn_warehouse::load::{LoadConfig, LoadRequest};
use proptest::prelude::*;

use crate::place::{Place, column, into, keyed};

#[derive(Debug, Clone)]
enum Change {
    Upsert(Vec<(i32, u8)>),
    Overwrite(Vec<(i32, u8)>),
    DeleteFrom(i32),
    DeleteValue(u8),
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let rows = || proptest::collection::vec((0..30_i32, 0..4_u8), 1..12);
    let change = prop_oneof![
        6 => rows().prop_map(Change::Upsert),
        1 => rows().prop_map(Change::Overwrite),
        2 => (0..30_i32).prop_map(Change::DeleteFrom),
        2 => (0..4_u8).prop_map(Change::DeleteValue),
    ];
    proptest::collection::vec(change, 1..12)
}

fn values(rows: &[(i32, u8)]) -> String {
    let rows: Vec<_> =
        rows.iter().map(|(key, value)| format!("({key}, '2024-01-01', 'v{value}')")).collect();
    format!("VALUES {}", rows.join(", "))
}

async fn apply(place: &Place, model: &mut BTreeMap<i32, u8>, change: &Change) {
    let before = model.len();
    match change {
        Change::Upsert(rows) => {
            place.insert("t", &values(rows)).await;
            model.extend(rows.iter().copied());
        }
        Change::Overwrite(rows) => {
            let overwrite = LoadRequest { overwrite: true, ..into("t") };
            place.try_insert(overwrite, &values(rows)).await.expect("replaces");
            model.clear();
            model.extend(rows.iter().copied());
        }
        Change::DeleteFrom(key) => {
            let deleted = place.delete("t", &format!("k >= {key}")).await;
            model.retain(|existing, _| existing < key);
            assert_eq!(deleted, (before - model.len()) as u64);
        }
        Change::DeleteValue(value) => {
            let deleted = place.delete("t", &format!("v = 'v{value}'")).await;
            model.retain(|_, existing| existing != value);
            assert_eq!(deleted, (before - model.len()) as u64);
        }
    }
}

async fn check(place: &Place, model: &BTreeMap<i32, u8>) {
    let rows: Vec<_> = model.iter().map(|(key, value)| format!("{key}|v{value}")).collect();
    assert_eq!(place.rows("SELECT k, v FROM t ORDER BY k").await, rows);
    assert_eq!(place.value("SELECT COUNT(*) FROM t").await, model.len().to_string());
    let mut groups: BTreeMap<u8, (usize, i32)> = BTreeMap::new();
    for (key, value) in model {
        let group = groups.entry(*value).or_default();
        *group = (group.0 + 1, group.1 + key);
    }
    let groups: Vec<_> =
        groups.iter().map(|(value, (count, sum))| format!("v{value}|{count}|{sum}")).collect();
    assert_eq!(place.rows("SELECT * FROM r ORDER BY v").await, groups);
}

async fn run(changes: Vec<Change>) {
    let place = Place::with(LoadConfig { max_segments: 2, ..LoadConfig::default() }).await;
    place.create(keyed("t")).await;
    let rollup = RollupDefinition {
        name: "r".to_owned(),
        columns: vec![
            column("v", ColumnType::Varchar(20)),
            column("n", ColumnType::BigInt),
            column("total", ColumnType::BigInt),
        ],
        query: "SELECT v, COUNT(*) AS n, SUM(k) AS total FROM t GROUP BY v".to_owned(),
    };
    place.loader.create_rollup("d", "t", rollup).await.expect("a rollup");
    let mut model = BTreeMap::new();
    for change in &changes {
        apply(&place, &mut model, change).await;
        check(&place, &model).await;
    }
    let catalog = place.warehouse.catalog();
    let table = catalog.table("d", "t").expect("is there");
    let segments: usize = table.partitions().map(|partition| partition.segments().count()).sum();
    assert_eq!(place.tablet_files().len(), segments, "a file for each segment, and no other");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, ..ProptestConfig::default() })]

    #[test]
    fn a_table_holds_what_a_map_would(changes in changes()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(run(changes));
    }
}
