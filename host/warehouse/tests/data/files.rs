//! `FILES()` reads local Parquet and CSV files.

use std::sync::Arc;

use cairn_warehouse::catalog::model::{ColumnType, KeysKind};
use cairn_warehouse::ddl::TableDefinition;
use datafusion::arrow::array::{Int64Array, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::parquet::arrow::ArrowWriter;

use crate::place::{Place, column, hash, names, table};

fn write_parquet(place: &Place, name: &str, keys: Vec<i64>) {
    let schema = Arc::new(Schema::new(vec![
        Field::new("UserID", DataType::Int64, false),
        Field::new("name", DataType::Utf8, true),
    ]));
    let names: Vec<_> = keys.iter().map(|key| format!("user {key}")).collect();
    let columns: Vec<Arc<dyn datafusion::arrow::array::Array>> =
        vec![Arc::new(Int64Array::from(keys)), Arc::new(StringArray::from(names))];
    let batch = RecordBatch::try_new(Arc::clone(&schema), columns).expect("a batch");
    let file = std::fs::File::create(place.files().join(name)).expect("a file");
    let mut writer = ArrowWriter::try_new(file, schema, None).expect("a writer");
    writer.write(&batch).expect("writes");
    writer.close().expect("closes");
}

fn call(place: &Place, name: &str, rest: &str) -> String {
    format!("FILES(\"path\" = \"{}/{name}\", {rest})", place.files().display())
}

#[tokio::test]
async fn parquet_files_are_a_relation() {
    let place = Place::new().await;
    write_parquet(&place, "a.parquet", vec![1, 2]);
    write_parquet(&place, "b.parquet", vec![3]);
    let files = call(&place, "*.parquet", "\"format\" = \"parquet\"");
    let sql = format!("SELECT userid, name FROM {files} WHERE UserId > 1 ORDER BY 1");
    assert_eq!(place.rows(&sql).await, ["2|user 2", "3|user 3"]);
    place.create(table("t")).await;
    let sql = format!("SELECT UserID, '2024-01-01', name FROM {files} f");
    assert_eq!(place.insert("t", &sql).await, 3);
    assert_eq!(place.value("SELECT MAX(v) FROM t").await, "user 3");
}

#[tokio::test]
async fn a_file_is_read_whatever_letters_its_name_has() {
    let place = Place::new().await;
    for (number, name) in
        ["a1.csv", "a[1].csv", "a%5B1%5D.csv", "a b#c?.csv", "{ä}.csv"].iter().enumerate()
    {
        std::fs::write(place.files().join(name), format!("{number}\n")).expect("writes");
    }
    let csv = "\"format\" = \"csv\"";
    for (name, expected) in
        [("a[1].csv", "1"), ("a%5B1%5D.csv", "2"), ("a b#c?.csv", "3"), ("{ä}.csv", "4")]
    {
        let files = call(&place, name, csv);
        assert_eq!(place.rows(&format!("SELECT * FROM {files}")).await, [expected], "{name}");
    }
    let all = call(&place, "a*", csv);
    assert_eq!(place.value(&format!("SELECT COUNT(*) FROM {all}")).await, "4");
}

#[tokio::test]
async fn csv_files_have_numbered_columns() {
    let place = Place::new().await;
    std::fs::write(place.files().join("a.csv"), "id;day;text\n1;2024-01-01;x\n2;\\N;\"y;z\"\n")
        .expect("writes");
    let options = "'format' = 'csv', 'csv.column_separator' = ';', 'csv.skip_header' = '1', 'csv.enclose' = '\"'";
    let files = call(&place, "a.csv", options);
    let rows = place.rows(&format!("SELECT $1, `$2`, $3 FROM {files} ORDER BY $1")).await;
    assert_eq!(rows, ["1|2024-01-01|x", "2|NULL|y;z"]);
    place.create(table("t")).await;
    assert_eq!(place.insert("t", &format!("SELECT * FROM {files}")).await, 2);
    assert_eq!(place.rows("SELECT * FROM t ORDER BY k").await, rows);
}

#[tokio::test]
async fn a_csv_file_means_what_the_columns_of_its_target_say() {
    let place = Place::new().await;
    let decimal = ColumnType::Decimal { precision: 20, scale: 2 };
    let definition = TableDefinition {
        columns: vec![
            column("code", ColumnType::Varchar(20)),
            column("amount", decimal),
            column("at", ColumnType::DateTime),
        ],
        keys: Some((KeysKind::Duplicate, names(&["code"]))),
        distribution: hash(&["code"], 1),
        ..table("t")
    };
    place.create(definition).await;
    let mut rows = "00123,123456789012345678.91,2024-01-01\n".repeat(2_000);
    rows.push_str("1.10,1,2024-01-01 10:00:00\n\"x\",2,\\N\n");
    std::fs::write(place.files().join("a.csv"), rows).expect("writes");
    let files = call(&place, "a.csv", "'format' = 'csv', 'csv.column_separator' = ','");
    assert_eq!(place.insert("t", &format!("SELECT * FROM {files}")).await, 2_002);
    let rows = place.rows("SELECT DISTINCT * FROM t ORDER BY code").await;
    assert_eq!(
        rows,
        [
            "\"x\"|2.00|NULL",
            "00123|123456789012345678.91|2024-01-01T00:00:00",
            "1.10|1.00|2024-01-01T10:00:00"
        ]
    );
}

#[tokio::test]
async fn csv_files_are_spelled_as_the_call_says() {
    let place = Place::new().await;
    std::fs::write(place.files().join("a.csv"), " a , b\n\\N , c d \n").expect("writes");
    let options = "'format' = 'csv', 'csv.column_separator' = ',', 'csv.row_delimiter' = '\\n'";
    let files = call(&place, "a.csv", options);
    assert_eq!(place.rows(&format!("SELECT * FROM {files}")).await, [" a | b", "\\N | c d "]);
    let files = call(&place, "a.csv", &format!("{options}, 'csv.trim_space' = 'true'"));
    assert_eq!(place.rows(&format!("SELECT * FROM {files}")).await, ["a|b", "NULL|c d"]);

    // Large enough to be read in parts, with line ends in values wherever it is cut.
    let row = format!("7,\"{}\"\n", "line\n".repeat(20));
    std::fs::write(place.files().join("b.csv"), row.repeat(40_000)).expect("writes");
    let options = "'format' = 'csv', 'csv.column_separator' = ',', 'csv.enclose' = '\"'";
    let files = call(&place, "b.csv", options);
    let sql = format!("SELECT COUNT(*), MIN(LENGTH($2)), MAX(LENGTH($2)), MIN($1) FROM {files}");
    assert_eq!(place.rows(&sql).await, ["40000|100|100|7"]);
}

#[tokio::test]
async fn what_is_not_allowed_or_not_there_is_refused() {
    let place = Place::new().await;
    let outside =
        place.refusal("SELECT * FROM FILES('path' = '/etc/passwd', 'format' = 'csv')").await;
    assert!(outside.contains("sql.files"), "{outside}");
    let files = call(&place, "none.csv", "\"format\" = \"csv\"");
    let missing = place.refusal(&format!("SELECT * FROM {files}")).await;
    assert!(missing.starts_with("No files were found"), "{missing}");
    let files = call(&place, "none.csv", "\"format\" = \"orc\"");
    assert!(place.refusal(&format!("SELECT * FROM {files}")).await.contains("parquet and csv"));
}
