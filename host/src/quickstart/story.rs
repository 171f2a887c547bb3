//! What the quickstart types. Pure.

use std::path::Path;

/// The database.
pub(super) const DATABASE: &str = "tpch";
/// Its tables.
pub(super) const TABLES: [&str; 3] = ["customer", "orders", "lineitem"];
/// What must be after the restore what it was before the disaster: the view with its tables.
pub(super) const PROVED: [&str; 4] = ["customer", "orders", "lineitem", "revenue"];
/// The table that is lost.
pub(super) const LOST: &str = "lineitem";
/// The repository.
pub(super) const REPOSITORY: &str = "stones";
/// Labels of the two snapshots.
pub(super) const FIRST: &str = "first";
pub(super) const SECOND: &str = "second";

/// The tables: by key, and by the years of a date.
pub(super) const CREATE: [&str; 5] = [
    "CREATE DATABASE tpch",
    "USE tpch",
    r#"CREATE TABLE customer (
    c_custkey BIGINT NOT NULL,
    c_name VARCHAR(25),
    c_address VARCHAR(40),
    c_nationkey BIGINT,
    c_phone VARCHAR(15),
    c_acctbal DECIMAL(15, 2),
    c_mktsegment VARCHAR(10),
    c_comment VARCHAR(117)
)
PRIMARY KEY (c_custkey)
DISTRIBUTED BY HASH (c_custkey) BUCKETS 2"#,
    r#"CREATE TABLE orders (
    o_orderkey BIGINT,
    o_custkey BIGINT,
    o_orderstatus VARCHAR(1),
    o_totalprice DECIMAL(15, 2),
    o_orderdate DATE,
    o_orderpriority VARCHAR(15),
    o_clerk VARCHAR(15),
    o_shippriority INT,
    o_comment VARCHAR(79)
)
DUPLICATE KEY (o_orderkey)
PARTITION BY RANGE (o_orderdate) (
    START ("1992-01-01") END ("1999-01-01") EVERY (INTERVAL 1 YEAR)
)
DISTRIBUTED BY HASH (o_orderkey) BUCKETS 2"#,
    r#"CREATE TABLE lineitem (
    l_orderkey BIGINT,
    l_partkey BIGINT,
    l_suppkey BIGINT,
    l_linenumber INT,
    l_quantity DECIMAL(15, 2),
    l_extendedprice DECIMAL(15, 2),
    l_discount DECIMAL(15, 2),
    l_tax DECIMAL(15, 2),
    l_returnflag VARCHAR(1),
    l_linestatus VARCHAR(1),
    l_shipdate DATE,
    l_commitdate DATE,
    l_receiptdate DATE,
    l_shipinstruct VARCHAR(25),
    l_shipmode VARCHAR(10),
    l_comment VARCHAR(44)
)
DUPLICATE KEY (l_orderkey)
PARTITION BY RANGE (l_shipdate) (
    START ("1992-01-01") END ("1999-01-01") EVERY (INTERVAL 1 YEAR)
)
DISTRIBUTED BY HASH (l_orderkey) BUCKETS 2"#,
];

/// Fills a table from a file.
pub(super) fn load(table: &str, file: &Path) -> String {
    let path = quoted(&file.display().to_string());
    format!(
        "INSERT INTO {table}\nSELECT * FROM FILES (\"path\" = {path}, \"format\" = \"parquet\")"
    )
}

/// A materialized view, which follows its table.
pub(super) const CREATE_VIEW: &str = "\
CREATE MATERIALIZED VIEW revenue
REFRESH ASYNC
AS SELECT l_returnflag, l_linestatus, COUNT(*) AS items, SUM(l_extendedprice) AS price
FROM lineitem
GROUP BY l_returnflag, l_linestatus";

/// What is asked before and after.
pub(super) const ASK: &str = "\
SELECT YEAR(l_shipdate) AS year, COUNT(*) AS items, SUM(l_extendedprice) AS price
FROM lineitem
GROUP BY YEAR(l_shipdate)
ORDER BY year";

pub(super) const ASK_VIEW: &str = "SELECT * FROM revenue ORDER BY l_returnflag, l_linestatus";

/// A repository at a place.
pub(super) fn create_repository(location: &str, properties: &[(&str, &str)]) -> String {
    let location = quoted(location);
    let pairs =
        properties.iter().map(|(key, value)| format!("    {} = {}", quoted(key), quoted(value)));
    let pairs = pairs.collect::<Vec<_>>().join(",\n");
    let properties = match pairs.as_str() {
        "" => String::new(),
        pairs => format!("\nPROPERTIES (\n{pairs}\n)"),
    };
    format!("CREATE REPOSITORY {REPOSITORY}\nWITH BROKER\nON LOCATION {location}{properties}")
}

/// Backs the whole database up.
pub(super) fn backup(label: &str) -> String {
    format!("BACKUP SNAPSHOT {DATABASE}.{label}\nTO {REPOSITORY}")
}

pub(super) fn show_backup() -> String {
    format!("SHOW BACKUP FROM {DATABASE}")
}

pub(super) fn show_restore() -> String {
    format!("SHOW RESTORE FROM {DATABASE}")
}

pub(super) fn show_snapshots() -> String {
    format!("SHOW SNAPSHOT ON {REPOSITORY}")
}

/// What happens between two backups: rows come, change and go; most of the data stays as it is.
pub(super) const CHANGE: [&str; 4] = [
    "\
INSERT INTO orders
SELECT o_orderkey + 1000000000, o_custkey, 'O', o_totalprice, '1998-12-24',
       o_orderpriority, o_clerk, o_shippriority, 'a new order'
FROM orders WHERE o_orderdate >= '1998-07-01'",
    "\
INSERT INTO customer
SELECT c_custkey, c_name, c_address, c_nationkey, c_phone, c_acctbal + 100, c_mktsegment, 'a gift'
FROM customer WHERE c_custkey <= 10",
    "DELETE FROM lineitem WHERE l_shipdate < '1992-03-01'",
    "ALTER TABLE orders DROP PARTITION p1992 FORCE",
];

/// The disaster.
pub(super) fn lose() -> String {
    format!("DROP TABLE {LOST} FORCE")
}

/// Gets the lost table back.
pub(super) fn restore(timestamp: &str) -> String {
    let timestamp = quoted(timestamp);
    format!(
        "RESTORE SNAPSHOT {DATABASE}.{SECOND}\nFROM {REPOSITORY}\nON (TABLE {LOST})\nPROPERTIES (\n    \
         \"backup_timestamp\" = {timestamp},\n    \"replication_num\" = \"1\"\n)"
    )
}

/// The view is inactive as long as its table is missing.
pub(super) const ACTIVATE: &str = "ALTER MATERIALIZED VIEW revenue ACTIVE";

/// A text as SQL takes it.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_parses() {
        let mut statements = vec![
            load("orders", Path::new("/a \"b\\c/orders.parquet")),
            create_repository("s3a://bucket/x", &[]),
            create_repository("/x", &[("aws.s3.endpoint", "http://h:1")]),
            backup(FIRST),
            show_backup(),
            show_restore(),
            show_snapshots(),
            lose(),
            restore("2026-01-02-03-04-05-678"),
        ];
        let fixed = CREATE.iter().chain(&CHANGE).chain(&[CREATE_VIEW, ASK, ASK_VIEW, ACTIVATE]);
        statements.extend(fixed.map(ToString::to_string));
        for sql in statements {
            if let Err(error) = cairn_sql::parse_one(&sql) {
                panic!("{error}\n{sql}");
            }
        }
    }
}
