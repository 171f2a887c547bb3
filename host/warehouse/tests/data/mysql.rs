//! What users of MySQL type at once.

use cairn_warehouse::ErrorKind;
use cairn_warehouse::catalog::model::{ColumnType, Properties};
use cairn_warehouse::ddl::{TableDefinition, ViewDefinition};

use crate::place::{Place, column, hash, keyed, parse, table};

async fn filled() -> Place {
    let place = Place::new().await;
    let definition = TableDefinition {
        name: "T".to_owned(),
        columns: vec![
            column("Id", ColumnType::Int),
            column("Name", ColumnType::Varchar(20)),
            column("Flag", ColumnType::Boolean),
            column("At", ColumnType::DateTime),
            column("Price", ColumnType::Decimal { precision: 9, scale: 2 }),
        ],
        distribution: hash(&["Id"], 2),
        ..TableDefinition::default()
    };
    place.create(definition).await;
    place
        .insert(
            "T",
            "VALUES (1, 'one', TRUE, '2024-01-31 10:20:30', 1.5), (2, \"two\", FALSE, NULL, 2.25), \
             (3, NULL, NULL, '2024-02-29', NULL)",
        )
        .await;
    place
}

async fn header(place: &Place, sql: &str) -> Vec<String> {
    let stream = place.stream(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    stream.schema().fields().iter().map(|field| field.name().clone()).collect()
}

#[tokio::test]
async fn names_of_columns_have_no_case_and_names_of_tables_have() {
    let place = filled().await;
    assert_eq!(place.value("SELECT ID FROM T WHERE `NAME` = 'one'").await, "1");
    assert_eq!(
        place.value("SELECT x.iD FROM d.T AS x WHERE x.Name IS NULL OR x.ID = 3").await,
        "3"
    );
    assert_eq!(
        place.value("SELECT T.id FROM default_catalog.d.T ORDER BY T.Id LIMIT 1").await,
        "1"
    );
    assert_eq!(place.value("SELECT d.T.id FROM d.T WHERE d.T.ID = 2").await, "2");
    assert_eq!(place.refusal("SELECT 1 FROM t").await, "Unknown table 'd.t'");
    assert_eq!(place.refusal("SELECT 1 FROM D.T").await, "Unknown database 'D'");
    assert_eq!(place.refusal("SELECT nope FROM T").await, "Unknown column 'nope'");
    assert_eq!(place.refusal("SELECT T.nope FROM T").await, "Unknown column 'T.nope'");
    assert_eq!(
        place.refusal("SELECT id FROM T a JOIN T b ON a.id = b.id").await,
        "Column 'id' is ambiguous"
    );
    assert_eq!(place.refusal("SELECT foo(1)").await, "FUNCTION foo does not exist");
}

#[tokio::test]
async fn headers_are_what_was_typed_or_declared() {
    let place = filled().await;
    assert_eq!(header(&place, "SELECT * FROM T").await, ["Id", "Name", "Flag", "At", "Price"]);
    assert_eq!(
        header(&place, "SELECT *, ID FROM T x").await.last().map(String::as_str),
        Some("ID")
    );
    assert_eq!(
        header(&place, "SELECT ID, COUNT(*), 1, 1, MAX(Price) AS Best FROM T GROUP BY id").await,
        ["ID", "COUNT(*)", "1", "1", "Best"]
    );
    let tables = header(&place, "SELECT * FROM INFORMATION_SCHEMA.SCHEMATA").await;
    assert_eq!(tables[1], "SCHEMA_NAME");
    assert_eq!(header(&place, "SELECT @@version_comment LIMIT 1").await, ["@@version_comment"]);
}

#[tokio::test]
async fn functions_and_operators_mean_what_mysql_means() {
    let place = filled().await;
    for (sql, expected) in [
        ("7 / 2", "3.5"),
        ("7 DIV 2", "3"),
        ("5.5 DIV 0.5", "11"),
        ("-7.9 DIV 2", "-3"),
        ("7 DIV 0.0", "NULL"),
        ("'9' DIV 2", "4"),
        ("1e1 DIV 3", "3"),
        ("7 % 4", "3"),
        ("1 / 0", "NULL"),
        ("1.5 / 0", "NULL"),
        ("NULL <=> NULL", "true"),
        ("'a' 'b'", "ab"),
        ("CONCAT('a', 1, '-', 2.50)", "a1-2.50"),
        ("CONCAT('a', NULL)", "NULL"),
        ("IFNULL(NULL, 'x')", "x"),
        ("IF(1 > 2, 'yes', 'no')", "no"),
        ("COALESCE(NULL, 3)", "3"),
        ("LENGTH('äö')", "4"),
        ("CHAR_LENGTH('äö')", "2"),
        ("SUBSTR('abcdef', 2, 3)", "bcd"),
        ("SUBSTRING('abcdef', -2)", "ef"),
        ("LEFT('abc', 2)", "ab"),
        ("UCASE('a')", "A"),
        ("LOCATE('c', 'abc')", "3"),
        ("'abc' REGEXP '^a.c$'", "true"),
        ("CAST('12' AS SIGNED) + 1", "13"),
        ("CAST('x' AS SIGNED)", "NULL"),
        ("CAST(1.0 AS CHAR)", "1.0"),
        ("YEAR('2024-02-29')", "2024"),
        ("MONTH('2024-02-29') + DAY('2024-02-29')", "31"),
        ("DAYOFWEEK('2024-02-29')", "5"),
        ("DATE_FORMAT('2024-02-29 13:04:05', '%Y/%m/%d %H:%i:%s')", "2024/02/29 13:04:05"),
        ("STR_TO_DATE('29.02.2024', '%d.%m.%Y')", "2024-02-29"),
        ("DATE_ADD('2024-01-31', INTERVAL 1 MONTH)", "2024-02-29T00:00:00"),
        ("DATE_SUB(DATE '2024-03-01', INTERVAL 1 DAY)", "2024-02-29"),
        ("DATE '2024-03-01' - INTERVAL 1 DAY", "2024-02-29"),
        ("'2024-01-01 00:00:00' + INTERVAL 90 MINUTE", "2024-01-01T01:30:00"),
        ("DATEDIFF('2024-03-01', '2024-02-28')", "2"),
        ("TIMESTAMPDIFF(HOUR, '2024-01-01', '2024-01-02')", "24"),
        ("LAST_DAY('2024-02-01')", "2024-02-29"),
        ("DATE_TRUNC('quarter', DATE '9999-12-31')", "9999-10-01"),
        ("DATE_TRUNC('hour', '2024-01-01 10:20:30')", "2024-01-01T10:00:00"),
        ("WEEK('2024-08-15')", "32"),
        ("ADDDATE('2024-01-01', 31)", "2024-02-01T00:00:00"),
        ("CONVERT('12', SIGNED)", "12"),
        ("TRUNCATE(2.567, 1)", "2.500"),
        ("MOD(7, 4)", "3"),
        ("ISNULL(NULL)", "true"),
        ("NULLIF(1, 1)", "NULL"),
        ("REPLACE('abc', 'b', 'x')", "axc"),
        ("TRIM('  a ')", "a"),
        ("LPAD('7', 3, '0')", "007"),
        ("SUBSTRING_INDEX('a.b.c', '.', 2)", "a.b"),
        ("CAST('2024-01-31 10:20:30' AS DATE)", "2024-01-31"),
        ("CAST('no date' AS DATETIME)", "NULL"),
        ("CAST(TRUE AS SIGNED)", "1"),
        ("TRUE + 1", "2"),
        ("NOT 1 > 2", "true"),
        ("(1 = 1) XOR (1 = 0)", "true"),
        ("1 XOR 2", "false"),
        ("2 XOR 0", "true"),
        ("NULL XOR 1", "NULL"),
        ("'a' LIKE 'A'", "false"),
        ("UNIX_TIMESTAMP('1970-01-02')", "86400"),
        ("FROM_UNIXTIME(0)", "1970-01-01 00:00:00"),
        ("NOW()", "2024-05-17T13:45:10"),
        ("CURDATE()", "2024-05-17"),
        ("DATABASE()", "d"),
        ("VERSION()", "8.0.33"),
        ("USER()", "'root'@'%'"),
        ("CONNECTION_ID()", "7"),
        ("@@autocommit", "1"),
        ("@@session.autocommit", "1"),
        ("0.1 + 0.2", "0.3"),
        ("GREATEST(1, 3, 2)", "3"),
        ("ROUND(2.567, 2)", "2.57"),
    ] {
        assert_eq!(place.value(&format!("SELECT {sql}")).await, expected, "{sql}");
    }
}

#[tokio::test]
async fn rows_are_filtered_sorted_and_limited() {
    let place = filled().await;
    for (sql, expected) in [
        ("SELECT id FROM T WHERE flag = 1", vec!["1"]),
        ("SELECT id FROM T WHERE flag", vec!["1"]),
        ("SELECT id FROM T WHERE flag = 0", vec!["2"]),
        ("SELECT id FROM T WHERE at >= '2024-02-01'", vec!["3"]),
        ("SELECT id FROM T WHERE DATE(at) = '2024-01-31'", vec!["1"]),
        ("SELECT id FROM T WHERE price > 2", vec!["2"]),
        ("SELECT id FROM T WHERE id = '2'", vec!["2"]),
        ("SELECT name FROM T ORDER BY name", vec!["NULL", "one", "two"]),
        ("SELECT name FROM T ORDER BY name DESC", vec!["two", "one", "NULL"]),
        ("SELECT id FROM T ORDER BY id LIMIT 1, 1", vec!["2"]),
        ("SELECT id FROM T ORDER BY id LIMIT 1 OFFSET 2", vec!["3"]),
        ("SELECT GROUP_CONCAT(name ORDER BY name SEPARATOR '+') FROM T", vec!["one+two"]),
        ("SELECT COUNT(*), COUNT(name), SUM(price) FROM T", vec!["3|2|3.75"]),
        ("SELECT id FROM T WHERE id IN (SELECT MAX(ID) FROM T)", vec!["3"]),
        ("SELECT 1 FROM dual", vec!["1"]),
        (
            "SELECT name, COUNT(*) AS n FROM T GROUP BY 1 HAVING N > 0 AND name = 'one'",
            vec!["one|1"],
        ),
        ("SELECT MAX(id) FROM T WHERE at IS NOT NULL GROUP BY YEAR(at)", vec!["3"]),
        ("SELECT DISTINCT flag FROM T WHERE flag IS NOT NULL ORDER BY FLAG", vec!["false", "true"]),
        ("SELECT id FROM T ORDER BY price DESC, id LIMIT 1", vec!["2"]),
        ("SELECT (SELECT COUNT(*) FROM T) - COUNT(*) FROM T WHERE id < 3", vec!["1"]),
        ("SELECT id, ROW_NUMBER() OVER (ORDER BY id DESC) FROM T ORDER BY id LIMIT 1", vec!["1|3"]),
        ("SELECT l.id FROM T l LEFT JOIN T r ON l.id = r.id + 1 WHERE r.id IS NULL", vec!["1"]),
        ("WITH c AS (SELECT Id AS X FROM T) SELECT MAX(x) FROM c", vec!["3"]),
        ("SELECT a.id FROM T a JOIN T b USING (ID) WHERE b.NAME = 'two'", vec!["2"]),
        ("SELECT id FROM T UNION ALL SELECT 9 ORDER BY 1 DESC LIMIT 2", vec!["9", "3"]),
        ("SELECT CASE WHEN id = 1 THEN 'a' ELSE 'b' END FROM T WHERE id < 2", vec!["a"]),
    ] {
        assert_eq!(place.rows(sql).await, expected, "{sql}");
    }
    let many: Vec<_> = (0..5000).map(|number| format!("id = {number}")).collect();
    let sql = format!("SELECT COUNT(*) FROM T WHERE {}", many.join(" OR "));
    assert_eq!(place.value(&sql).await, "3");
}

#[tokio::test]
async fn views_are_their_queries_in_their_own_database() {
    let place = filled().await;
    let view = |name: &str, query: &str, columns: &[&str]| ViewDefinition {
        name: name.to_owned(),
        comment: String::new(),
        columns: columns.iter().map(|name| column(name, ColumnType::Int)).collect(),
        query: query.to_owned(),
        base_tables: vec![],
    };
    let create = |view| place.warehouse.create_view("d", view, false);
    create(view("v1", "SELECT Id, Name FROM T WHERE id > 1", &["Number", "Label"]))
        .await
        .expect("a view");
    create(view("v2", "SELECT number FROM d.v1", &["n"])).await.expect("a view");
    assert_eq!(place.rows("SELECT * FROM v1 ORDER BY 1").await, ["2|two", "3|NULL"]);
    assert_eq!(header(&place, "SELECT * FROM v1").await, ["Number", "Label"]);
    assert_eq!(place.rows("SELECT v2.N FROM v2 WHERE n > 2").await, ["3"]);

    place.warehouse.create_database("e", Properties::new()).await.expect("a database");
    let mut session = place.session();
    session.database = Some("e".to_owned());
    let stream = place.engine.query(&session, parse("SELECT COUNT(*) FROM d.v1")).await;
    assert_eq!(crate::place::rows(stream.expect("plans")).await.expect("runs"), ["2"]);

    create(view("loop", "SELECT n FROM d.`loop`", &["n"])).await.expect("a view");
    assert!(place.refusal("SELECT * FROM `loop`").await.contains("nested too deeply"));
}

#[tokio::test]
async fn the_catalog_answers_drivers() {
    let place = Place::new().await;
    place.create(keyed("t")).await;
    let database = "'d'";
    let sql = format!(
        "SELECT TABLE_NAME, TABLE_TYPE FROM information_schema.TABLES WHERE TABLE_SCHEMA = {database}"
    );
    assert_eq!(place.rows(&sql).await, ["t|BASE TABLE"]);
    let sql = "SELECT column_name, DATA_TYPE, COLUMN_KEY, is_nullable FROM information_schema.columns \
               WHERE table_schema = DATABASE() AND table_name = 't' ORDER BY ordinal_position";
    assert_eq!(place.rows(sql).await, ["k|int|PRI|NO", "d|date||YES", "v|varchar||YES"]);
    let sql = "SELECT column_name FROM information_schema.key_column_usage";
    assert_eq!(place.rows(sql).await, ["k"]);
    let mut session = place.session();
    session.database = None;
    let error =
        place.engine.query(&session, parse("SELECT * FROM t")).await.expect_err("no database");
    assert_eq!(error.to_string(), "No database selected");
    assert_eq!(place.refusal("SELECT @@nope").await, "Unknown system variable 'nope'");
}

#[tokio::test]
async fn a_query_describes_the_columns_of_a_table() {
    let place = filled().await;
    let sql = "SELECT Id, UPPER(name) AS Shout, at, price, flag FROM T";
    let columns = place.engine.describe(&place.session(), parse(sql)).await.expect("describes");
    let columns: Vec<_> =
        columns.iter().map(|column| format!("{} {}", column.name, column.column_type)).collect();
    assert_eq!(
        columns,
        ["Id INT", "Shout VARCHAR(1048576)", "at DATETIME", "price DECIMAL(9,2)", "flag BOOLEAN"]
    );
}

#[tokio::test]
async fn a_query_beyond_its_memory_fails_and_leaves_the_engine_well() {
    let place = Place::new().await;
    place.create(table("t")).await;
    let config =
        cairn_warehouse::query::QueryConfig { memory_bytes: 1 << 16, ..Default::default() };
    let engine = cairn_warehouse::query::QueryEngine::new(&place.warehouse, config).expect("opens");
    let sql = "SELECT a.value, COUNT(*) FROM (SELECT unnest(range(0, 200000)) AS value) a \
               JOIN (SELECT unnest(range(0, 200000)) AS value) b ON a.value = b.value GROUP BY a.value";
    let stream = engine.query(&place.session(), parse(sql)).await.expect("plans");
    let error = stream.collect().await.expect_err("is too large");
    assert_eq!(error.kind(), ErrorKind::Query);
    assert!(error.to_string().starts_with("Memory of queries exhausted"), "{error}");
    let one = engine.query(&place.session(), parse("SELECT 1")).await.expect("plans");
    assert_eq!(one.collect().await.expect("runs").len(), 1);
}
