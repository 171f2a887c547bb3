//! Values of every type go in and come out as they were.

use cairn_warehouse::catalog::model::{ColumnDefault, ColumnType, KeysKind};
use cairn_warehouse::ddl::TableDefinition;
use cairn_warehouse::load::LoadRequest;
use cairn_warehouse::query::QueryStream;

use crate::given_up::run;
use crate::place::{Place, column, hash, into, names, parse, table};

const TYPES: [(&str, ColumnType, &str, &str); 15] = [
    ("c_boolean", ColumnType::Boolean, "TRUE", "true"),
    ("c_tinyint", ColumnType::TinyInt, "-128", "-128"),
    ("c_smallint", ColumnType::SmallInt, "32767", "32767"),
    ("c_int", ColumnType::Int, "-2147483648", "-2147483648"),
    ("c_bigint", ColumnType::BigInt, "9223372036854775807", "9223372036854775807"),
    (
        "c_largeint",
        ColumnType::LargeInt,
        "99999999999999999999999999999999999999",
        "99999999999999999999999999999999999999",
    ),
    ("c_float", ColumnType::Float, "1.5", "1.5"),
    ("c_double", ColumnType::Double, "-0.1", "-0.1"),
    ("c_decimal", ColumnType::Decimal { precision: 27, scale: 9 }, "123.456", "123.456000000"),
    ("c_date", ColumnType::Date, "'0001-01-01'", "0001-01-01"),
    (
        "c_datetime",
        ColumnType::DateTime,
        "'9999-12-31 23:59:59.999999'",
        "9999-12-31T23:59:59.999999",
    ),
    ("c_char", ColumnType::Char(5), "'äö'", "äö"),
    ("c_varchar", ColumnType::Varchar(100), "'it''s'", "it's"),
    ("c_varbinary", ColumnType::Varbinary, "X'00ff'", "00ff"),
    ("c_json", ColumnType::Json, "'{\"a\": [1]}'", "{\"a\": [1]}"),
];

fn every_type() -> TableDefinition {
    TableDefinition {
        name: "t".to_owned(),
        columns: TYPES.iter().map(|(name, column_type, ..)| column(name, *column_type)).collect(),
        distribution: hash(&["c_bigint", "c_varchar", "c_date"], 3),
        ..TableDefinition::default()
    }
}

#[tokio::test]
async fn every_type_survives_the_way_through_a_segment() {
    let place = Place::new().await;
    place.create(every_type()).await;
    let values: Vec<_> = TYPES.iter().map(|(_, _, literal, _)| *literal).collect();
    let nulls = vec!["NULL"; TYPES.len()].join(", ");
    let sql = format!("VALUES ({}), ({nulls})", values.join(", "));
    assert_eq!(place.insert("t", &sql).await, 2);
    for (name, column_type, _, expected) in TYPES {
        let rows = place.rows(&format!("SELECT {name} FROM t ORDER BY {name}")).await;
        assert_eq!(rows, ["NULL", expected], "{column_type}");
        let filter = place.value(&format!("SELECT COUNT(*) FROM t WHERE {name} IS NULL")).await;
        assert_eq!(filter, "1", "{column_type}");
    }
    let copied = "SELECT * FROM t";
    assert_eq!(place.insert("t", copied).await, 2);
    assert_eq!(place.value("SELECT COUNT(*) FROM t").await, "4");
}

#[tokio::test]
async fn what_does_not_fit_is_refused_by_row_and_column() {
    let place = Place::new().await;
    place.create(table("t")).await;
    let long = place
        .insert_refusal("t", "VALUES (1, '2024-01-01', 'ok'), (2, NULL, 'this is much too long')")
        .await;
    assert_eq!(
        long,
        "Insert has filtered data in strict mode: row 2: String 'this is much too long' is too \
         long. The type of 'v' is VARCHAR(20). Row: [2, NULL, this is much too long]"
    );
    let range = place.insert_refusal("t", "VALUES (3000000000, NULL, '')").await;
    assert!(
        range.contains("Value '3000000000' is out of range. The type of 'k' is INT"),
        "{range}"
    );
    let count = place.insert_refusal("t", "VALUES (1, NULL)").await;
    let expected = "Inserted target column count: 3 doesn't match select/value column count: 2";
    assert_eq!(count, expected);
    let unknown = LoadRequest { columns: names(&["nope"]), ..into("t") };
    let error = place.try_insert(unknown, "VALUES (1)").await.expect_err("is unknown");
    assert_eq!(error.to_string(), "Unknown column 'nope' in 't'");
    assert_eq!(place.value("SELECT COUNT(*) FROM t").await, "0");
}

#[tokio::test]
async fn columns_that_are_not_given_have_their_defaults() {
    let place = Place::new().await;
    let mut definition = table("t");
    definition.columns[2].default = Some(ColumnDefault::Value("none".to_owned()));
    let mut made = column("made", ColumnType::DateTime);
    made.default = Some(ColumnDefault::CurrentTimestamp);
    let mut strict = column("strict", ColumnType::Int);
    strict.nullable = false;
    definition.columns.extend([made, strict]);
    place.create(definition).await;
    let some = LoadRequest { columns: names(&["STRICT", "k"]), ..into("t") };
    place.try_insert(some, "VALUES (5, 1)").await.expect("inserts");
    assert_eq!(place.value("SELECT * FROM t").await, "1|NULL|none|2024-05-17T13:45:10|5");
    let missing = LoadRequest { columns: names(&["k"]), ..into("t") };
    let error = place.try_insert(missing, "VALUES (1)").await.expect_err("is not given");
    assert_eq!(error.to_string(), "'strict' must be explicitly mentioned in column permutation");
    let null = place.insert_refusal("t", "VALUES (1, NULL, NULL, NULL, NULL)").await;
    assert!(null.contains("row 1: NULL value in non-nullable column 'strict'"), "{null}");
}

#[tokio::test]
async fn an_auto_increment_column_counts_up() {
    let place = Place::new().await;
    let mut definition = table("t");
    let mut id = column("id", ColumnType::BigInt);
    (id.nullable, id.auto_increment) = (false, true);
    definition.columns.push(id);
    place.create(definition).await;
    let some = || LoadRequest { columns: names(&["k"]), ..into("t") };
    place.try_insert(some(), "VALUES (1), (2)").await.expect("inserts");
    place.try_insert(some(), "VALUES (3)").await.expect("inserts");
    place.insert("t", "VALUES (4, NULL, '', 10), (5, NULL, '', NULL)").await;
    let rows = place.rows("SELECT k, id FROM t ORDER BY k").await;
    assert_eq!(rows, ["1|1", "2|2", "3|3", "4|10", "5|11"]);
}

#[tokio::test]
async fn a_number_is_never_counted_twice() {
    let place = Place::new().await;
    let mut id = column("id", ColumnType::BigInt);
    (id.nullable, id.auto_increment) = (false, true);
    let definition = TableDefinition {
        columns: vec![id, column("v", ColumnType::Int)],
        keys: Some((KeysKind::Primary, names(&["id"]))),
        distribution: hash(&["id"], 1),
        ..table("t")
    };
    place.create(definition).await;
    place.insert("t", "VALUES (9223372036854775806, 1)").await;
    place.insert("t", "VALUES (NULL, 2)").await;
    for rows in ["VALUES (NULL, 3)", "VALUES (NULL, 3), (NULL, 4)"] {
        let refusal = place.insert_refusal("t", rows).await;
        assert!(refusal.contains("AUTO_INCREMENT column 'id' are used up"), "{refusal}");
    }
    let rows = place.rows("SELECT * FROM t ORDER BY id").await;
    assert_eq!(rows, ["9223372036854775806|1", "9223372036854775807|2"]);
}

/// A LIMIT makes the planner plan them.
#[tokio::test]
async fn values_are_the_same_with_and_without_the_planner() {
    let place = Place::new().await;
    for rows in [
        "VALUES (1, 'a', NULL), (-2, NULL, NULL)",
        "VALUES (TRUE, 1.50), (FALSE, -0.125), (NULL, 3)",
        "VALUES (18446744073709551615, .5), (-1, 12.)",
        "VALUES ('it''s', \"quoted\"), ('', 'ä\\\\')",
        "VALUES (1, 2), ('7', 3)",
        "VALUES (1e2), (1 + 1)",
    ] {
        let planned = place.rows(&format!("{rows} LIMIT 10")).await;
        assert_eq!(place.rows(rows).await, planned, "{rows}");
        let names = |stream: QueryStream| {
            let fields = stream.schema().fields().iter();
            fields.map(|field| field.name().clone()).collect::<Vec<_>>()
        };
        let planned = names(place.stream(&format!("{rows} LIMIT 10")).await.expect("runs"));
        assert_eq!(names(place.stream(rows).await.expect("runs")), planned, "{rows}");
    }
}

#[tokio::test]
async fn many_literals_do_not_hold_up_the_thread_of_a_connection() {
    let place = Place::new().await;
    let rows = vec!["(1, NULL, 'a')"; 20_000].join(", ");
    let (session, query) = (place.session(), parse(&format!("VALUES {rows}")));
    let mut query = Box::pin(place.engine.query(&session, query));
    assert!(!run(&mut query, 1).await, "it waits for another thread");
    let rows = query.await.expect("runs").collect().await.expect("has rows");
    assert_eq!(rows.iter().map(|batch| batch.num_rows()).sum::<usize>(), 20_000);
}
