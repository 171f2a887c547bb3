//! A warehouse with a database `d`, in a directory that goes with it, and short forms of what tests do to it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use cairn_warehouse::catalog::model::{Column, ColumnType, KeysKind, Properties};
use cairn_warehouse::ddl::{DistributionDefinition, PartitionBy, TableDefinition};
use cairn_warehouse::load::{DeleteRequest, LoadConfig, LoadRequest, Loader};
use cairn_warehouse::query::{QueryConfig, QueryEngine, QuerySession, QueryStream};
use cairn_warehouse::{Error, Warehouse};
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::sql::sqlparser::ast::{Query, SetExpr};
use datafusion::sql::sqlparser::dialect::MySqlDialect;
use datafusion::sql::sqlparser::parser::Parser;
use jiff::Timestamp;
use tempfile::TempDir;

/// 2024-05-17 13:45:10
pub(crate) const NOW_MICROS: i64 = 1_715_953_510_000_000;

pub(crate) struct Place {
    directory: TempDir,
    pub(crate) warehouse: Warehouse,
    pub(crate) engine: QueryEngine,
    pub(crate) loader: Loader,
}

impl Place {
    pub(crate) async fn new() -> Self {
        Self::with(LoadConfig::default()).await
    }

    pub(crate) async fn with(load: LoadConfig) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let warehouse = Warehouse::open(&directory.path().join("data")).expect("opens");
        warehouse.create_database("d", Properties::new()).await.expect("a database");
        let files = directory.path().join("files");
        std::fs::create_dir(&files).expect("a directory");
        let config = QueryConfig { allowed_paths: vec![files], ..QueryConfig::default() };
        let engine = QueryEngine::new(&warehouse, config).expect("an engine");
        let loader = Loader::new(warehouse.clone(), engine.clone(), load);
        Self { directory, warehouse, engine, loader }
    }

    /// Where `FILES()` may read.
    pub(crate) fn files(&self) -> PathBuf {
        self.directory.path().join("files")
    }

    /// Paths of all files of tablets, relative to their directory.
    pub(crate) fn tablet_files(&self) -> Vec<String> {
        let root = self.directory.path().join("data/tablets");
        let mut found = Vec::new();
        for tablet in std::fs::read_dir(&root).expect("lists") {
            let tablet = tablet.expect("an entry").path();
            for file in std::fs::read_dir(&tablet).expect("lists") {
                let path = file.expect("an entry").path();
                let path = path.strip_prefix(&root).expect("is inside");
                found.push(path.display().to_string());
            }
        }
        found.sort();
        found
    }

    pub(crate) async fn create(&self, definition: TableDefinition) {
        self.warehouse.create_table("d", definition, now()).await.expect("a table");
    }

    /// The session of a user in `d`, over the catalog as it is now.
    pub(crate) fn session(&self) -> QuerySession {
        let variables = [("version", "8.0.33"), ("version_comment", "Cairn"), ("autocommit", "1")];
        let variables: BTreeMap<_, _> = variables
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        QuerySession {
            catalog: self.warehouse.catalog(),
            database: Some("d".to_owned()),
            user: "'root'@'%'".to_owned(),
            connection_id: 7,
            variables: Arc::new(variables),
            now_micros: NOW_MICROS,
            zone_micros: 0,
            reader: None,
        }
    }

    pub(crate) async fn stream(&self, sql: &str) -> Result<QueryStream, Error> {
        self.engine.query(&self.session(), parse(sql)).await
    }

    /// Rows as text, values separated by `|`.
    pub(crate) async fn try_rows(&self, sql: &str) -> Result<Vec<String>, Error> {
        rows(self.stream(sql).await?).await
    }

    pub(crate) async fn rows(&self, sql: &str) -> Vec<String> {
        self.try_rows(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// The only value of a query.
    pub(crate) async fn value(&self, sql: &str) -> String {
        let rows = self.rows(sql).await;
        assert_eq!(rows.len(), 1, "{sql}: {rows:?}");
        rows[0].clone()
    }

    /// The message of a query that must fail.
    pub(crate) async fn refusal(&self, sql: &str) -> String {
        match self.try_rows(sql).await {
            Ok(rows) => panic!("{sql} gave {rows:?}"),
            Err(error) => error.to_string(),
        }
    }

    pub(crate) async fn try_insert(&self, request: LoadRequest, sql: &str) -> Result<u64, Error> {
        let rows = self.stream(sql).await?;
        Ok(self.loader.load_query(&request, rows).await?.rows)
    }

    /// `INSERT INTO table query`
    pub(crate) async fn insert(&self, table: &str, sql: &str) -> u64 {
        let inserted = self.try_insert(into(table), sql).await;
        inserted.unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// The message of an insert that must fail.
    pub(crate) async fn insert_refusal(&self, table: &str, sql: &str) -> String {
        match self.try_insert(into(table), sql).await {
            Ok(rows) => panic!("{sql} inserted {rows} rows"),
            Err(error) => error.to_string(),
        }
    }

    /// `DELETE FROM table WHERE condition`
    pub(crate) async fn delete(&self, table: &str, condition: &str) -> u64 {
        let request = DeleteRequest {
            database: "d".to_owned(),
            table: table.to_owned(),
            partitions: Vec::new(),
            condition: Some(self::condition(condition)),
        };
        self.loader.delete(&self.session(), &request).await.expect("deletes")
    }

    /// Segments of a table's own index, over all tablets.
    pub(crate) fn segment_numbers(&self, table: &str) -> Vec<u64> {
        let catalog = self.warehouse.catalog();
        let table = catalog.table("d", table).expect("is there");
        let partitions = table.partitions();
        let base = partitions.flat_map(|partition| partition.indexes.first());
        let segments = base.flat_map(|index| &index.tablets).flat_map(|tablet| &tablet.segments);
        segments.map(|segment| segment.number).collect()
    }
}

pub(crate) fn now() -> Timestamp {
    Timestamp::from_microsecond(NOW_MICROS).expect("a time")
}

pub(crate) fn into(table: &str) -> LoadRequest {
    LoadRequest {
        database: "d".to_owned(),
        table: table.to_owned(),
        now_micros: NOW_MICROS,
        ..LoadRequest::default()
    }
}

pub(crate) fn parse(sql: &str) -> Query {
    let parser = Parser::new(&MySqlDialect {}).try_with_sql(sql);
    let query = parser.and_then(|mut parser| parser.parse_query());
    *query.unwrap_or_else(|error| panic!("{sql}: {error}"))
}

fn condition(sql: &str) -> datafusion::sql::sqlparser::ast::Expr {
    match *parse(&format!("SELECT 1 FROM t WHERE {sql}")).body {
        SetExpr::Select(select) => select.selection.expect("a condition"),
        other => panic!("{other}"),
    }
}

pub(crate) async fn rows(stream: QueryStream) -> Result<Vec<String>, Error> {
    let options = FormatOptions::default().with_null("NULL");
    let mut rows = Vec::new();
    for batch in stream.collect().await? {
        let columns = batch.columns().iter();
        let columns: Vec<_> = columns
            .map(|column| ArrayFormatter::try_new(column, &options).expect("prints"))
            .collect();
        for row in 0..batch.num_rows() {
            let values: Vec<_> =
                columns.iter().map(|column| column.value(row).to_string()).collect();
            rows.push(values.join("|"));
        }
    }
    Ok(rows)
}

pub(crate) fn column(name: &str, column_type: ColumnType) -> Column {
    Column {
        name: name.to_owned(),
        column_type,
        nullable: true,
        default: None,
        auto_increment: false,
        comment: String::new(),
        stored_as: None,
        initial: None,
    }
}

/// A table with columns `k` (INT), `d` (DATE) and `v` (VARCHAR(20)) in two buckets.
pub(crate) fn table(name: &str) -> TableDefinition {
    TableDefinition {
        name: name.to_owned(),
        columns: vec![
            column("k", ColumnType::Int),
            column("d", ColumnType::Date),
            column("v", ColumnType::Varchar(20)),
        ],
        keys: Some((KeysKind::Duplicate, names(&["k"]))),
        distribution: hash(&["k"], 2),
        ..TableDefinition::default()
    }
}

/// The same with a primary key.
pub(crate) fn keyed(name: &str) -> TableDefinition {
    let mut definition = table(name);
    definition.columns[0].nullable = false;
    TableDefinition { keys: Some((KeysKind::Primary, names(&["k"]))), ..definition }
}

/// The same with a partition for each month that has rows.
pub(crate) fn monthly(name: &str) -> TableDefinition {
    let partition_by =
        PartitionBy::Automatic { unit: Some("month".to_owned()), columns: names(&["d"]) };
    TableDefinition { partition_by, ..table(name) }
}

pub(crate) fn hash(columns: &[&str], buckets: u32) -> Option<DistributionDefinition> {
    Some(DistributionDefinition { hash: Some(names(columns)), buckets: Some(buckets) })
}

pub(crate) fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}
