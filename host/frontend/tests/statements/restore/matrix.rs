//! Materialized views after a restore, as a table: wherever their base tables are, whatever was restored when.
//!
//! The server has `d.t` with the synchronous view `r`, `other.u`, and the asynchronous views `m` of `t`, `far` of `other.u`
//! and `top` of `m`, all kept up to date. Snapshot `s` holds `d`, snapshot `o` holds `other`. A row says what was done since,
//! and what the view is then: how many rows it has, and how many after a load of each table and a refresh.

use std::fmt::Write;

use cairn_frontend::mysql::Answer;
use futures::StreamExt;
use futures::stream::iter;

use super::{Cellar, back_up, restore};
use crate::rig::Rig;

/// What is done after the backups.
enum Step {
    Sql(&'static str),
    /// Restores a snapshot into a database.
    Restore(&'static str, &'static str, &'static str),
    /// Goes on at another server, which has nothing.
    Elsewhere,
}

/// Servers that are asked beside each other.
const AT_ONCE: usize = 4;

use Step::{Elsewhere, Restore, Sql};

const DROP: Step = Sql("DROP MATERIALIZED VIEW m");
const DROP_BOTH: [Step; 2] = [DROP, Sql("DROP TABLE t")];

struct Case {
    base: &'static str,
    restored: &'static str,
    /// The view, with its database.
    view: (&'static str, &'static str),
    steps: Vec<Step>,
}

fn case(
    base: &'static str,
    restored: &'static str,
    view: (&'static str, &'static str),
    steps: impl IntoIterator<Item = Step>,
) -> Case {
    Case { base, restored, view, steps: steps.into_iter().collect() }
}

fn synchronous() -> Vec<Case> {
    let drop_table = || Sql("DROP TABLE t");
    vec![
        case("was dropped", "its table", ("d", "r"), [drop_table(), Restore("d", "s", "ON (t)")]),
        case("is here", "its table", ("d", "r"), [Restore("d", "s", "ON (t)")]),
        case("is here", "its table AS t2", ("d", "r_t2"), [Restore("d", "s", "ON (t AS t2)")]),
        case(
            "is here",
            "its table AS t2, twice",
            ("d", "r_t2"),
            [Restore("d", "s", "ON (t AS t2)"), Restore("d", "s", "ON (t AS t2)")],
        ),
        case("is here", "database d AS e", ("e", "r"), [Restore("e", "s", "DATABASE d AS e")]),
        case(
            "is here without it",
            "its table",
            ("d", "r"),
            [drop_table(), Sql("CREATE TABLE t (k INT, n BIGINT)"), Restore("d", "s", "ON (t)")],
        ),
    ]
}

fn here() -> Vec<Case> {
    let with = |more: Vec<Step>| DROP_BOTH.into_iter().chain(more).collect::<Vec<_>>();
    let alone = || Restore("d", "s", "ON (MATERIALIZED VIEW m)");
    let and = |more: Vec<Step>| with([alone()].into_iter().chain(more).collect());
    vec![
        case("is here", "view alone", ("d", "m"), [DROP, Restore("d", "s", "ON (m)")]),
        case(
            "is here, another of its name",
            "view alone",
            ("d", "m"),
            with(vec![
                Sql("CREATE TABLE t (k INT, n BIGINT)"),
                Sql("INSERT INTO t VALUES (5, 5)"),
                Restore("d", "s", "ON (m)"),
            ]),
        ),
        case(
            "is here without a column",
            "view alone",
            ("d", "m"),
            with(vec![Sql("CREATE TABLE t (k INT)"), Restore("d", "s", "ON (m)")]),
        ),
        case(
            "was dropped",
            "with its base",
            ("d", "m"),
            with(vec![Restore("d", "s", "ON (m, t)")]),
        ),
        case(
            "was dropped",
            "base, then view",
            ("d", "m"),
            with(vec![Restore("d", "s", "ON (t)"), Restore("d", "s", "ON (m)")]),
        ),
        case("is missing", "view alone", ("d", "m"), and(vec![])),
        case(
            "arrives later",
            "view, then base",
            ("d", "m"),
            and(vec![Restore("d", "s", "ON (t)")]),
        ),
        case(
            "is made later",
            "view, then ALTER ACTIVE",
            ("d", "m"),
            and(vec![
                Sql("CREATE TABLE t (k INT, n BIGINT)"),
                Sql("ALTER MATERIALIZED VIEW m ACTIVE"),
            ]),
        ),
        case(
            "is here, with newer rows",
            "over the active view",
            ("d", "m"),
            [Sql("INSERT INTO t VALUES (3, 30)"), Restore("d", "s", "ON (m)")],
        ),
        case(
            "is here, with newer rows",
            "over the inactive view",
            ("d", "m"),
            [
                Sql("INSERT INTO t VALUES (3, 30)"),
                Sql("ALTER MATERIALIZED VIEW m INACTIVE"),
                Restore("d", "s", "ON (m)"),
            ],
        ),
        case(
            "is here, with newer rows",
            "base under the active view",
            ("d", "m"),
            [Sql("INSERT INTO t VALUES (3, 30)"), Restore("d", "s", "ON (t)")],
        ),
        case(
            "is here, with newer rows",
            "whole database",
            ("d", "m"),
            [Sql("INSERT INTO t VALUES (3, 30)"), Restore("d", "s", "")],
        ),
        case(
            "was dropped under the view",
            "base alone",
            ("d", "m"),
            [Sql("DROP TABLE t"), Restore("d", "s", "ON (t)")],
        ),
        case(
            "was dropped under the view",
            "base alone, view above it",
            ("d", "top"),
            [Sql("DROP TABLE t"), Restore("d", "s", "ON (t)")],
        ),
    ]
}

fn elsewhere() -> Vec<Case> {
    let drop = || Sql("DROP MATERIALIZED VIEW far");
    let drop_other = || Sql("DROP DATABASE other FORCE");
    vec![
        case(
            "in another database",
            "view alone",
            ("d", "far"),
            [drop(), Restore("d", "s", "ON (far)")],
        ),
        case(
            "in another database, missing",
            "view alone",
            ("d", "far"),
            [drop(), drop_other(), Restore("d", "s", "ON (far)")],
        ),
        case(
            "in another database, arrives later",
            "view, then database",
            ("d", "far"),
            [drop(), drop_other(), Restore("d", "s", "ON (far)"), Restore("other", "o", "")],
        ),
        case("on a new server", "database", ("d", "m"), [Elsewhere, Restore("d", "s", "")]),
        case(
            "on a new server, missing",
            "database",
            ("d", "far"),
            [Elsewhere, Restore("d", "s", "")],
        ),
        case(
            "on a new server, arrives later",
            "both databases",
            ("d", "far"),
            [Elsewhere, Restore("d", "s", ""), Restore("other", "o", "")],
        ),
        case(
            "on a new server, arrives first",
            "both databases",
            ("d", "far"),
            [Elsewhere, Restore("other", "o", ""), Restore("d", "s", "")],
        ),
    ]
}

fn renamed() -> Vec<Case> {
    let with = |more: Vec<Step>| DROP_BOTH.into_iter().chain(more).collect::<Vec<_>>();
    vec![
        case("t AS t2", "with its base", ("d", "m"), [DROP, Restore("d", "s", "ON (t AS t2, m)")]),
        case(
            "t AS t2",
            "with its base, m AS m2",
            ("d", "m2"),
            [Restore("d", "s", "ON (t AS t2, m AS m2)")],
        ),
        case(
            "t AS t2",
            "base, then view",
            ("d", "m"),
            [DROP, Restore("d", "s", "ON (t AS t2)"), Restore("d", "s", "ON (m)")],
        ),
        case(
            "t AS t2",
            "view, then base",
            ("d", "m"),
            with(vec![Restore("d", "s", "ON (m)"), Restore("d", "s", "ON (t AS t2)")]),
        ),
        case(
            "t AS t2, which is gone",
            "base, then view",
            ("d", "m"),
            [
                DROP,
                Restore("d", "s", "ON (t AS t2)"),
                Sql("DROP TABLE t2"),
                Restore("d", "s", "ON (m)"),
            ],
        ),
        case("is here", "m AS m2", ("d", "m2"), [Restore("d", "s", "ON (m AS m2)")]),
        case(
            "database d AS e",
            "whole database",
            ("e", "m"),
            [Restore("e", "s", "DATABASE d AS e")],
        ),
        case(
            "database d AS e",
            "whole database, base elsewhere",
            ("e", "far"),
            [Restore("e", "s", "DATABASE d AS e")],
        ),
        case(
            "is in d",
            "view alone, d AS e",
            ("e", "m"),
            [Restore("e", "s", "DATABASE d AS e ON (m)")],
        ),
        case(
            "database d AS e, arrives later",
            "view, then base",
            ("e", "m"),
            with(vec![
                Restore("e", "s", "DATABASE d AS e ON (m)"),
                Restore("e", "s", "DATABASE d AS e ON (t)"),
            ]),
        ),
        case(
            "database d AS e, t AS t2",
            "with its base",
            ("e", "m2"),
            [Restore("e", "s", "DATABASE d AS e ON (t AS t2, m AS m2)")],
        ),
    ]
}

fn nested() -> Vec<Case> {
    let drop_top = || Sql("DROP MATERIALIZED VIEW top");
    vec![
        case(
            "a view that is here",
            "view alone",
            ("d", "top"),
            [drop_top(), Restore("d", "s", "ON (top)")],
        ),
        case(
            "a view that is missing",
            "view alone",
            ("d", "top"),
            [drop_top(), DROP, Restore("d", "s", "ON (top)")],
        ),
        case(
            "a view that arrives later",
            "view, then base",
            ("d", "top"),
            [drop_top(), DROP, Restore("d", "s", "ON (top)"), Restore("d", "s", "ON (m)")],
        ),
        case(
            "a view whose base is missing",
            "both views",
            ("d", "top"),
            [drop_top(), DROP, Sql("DROP TABLE t"), Restore("d", "s", "ON (top, m)")],
        ),
        case(
            "a view whose base arrives later",
            "both views, then table",
            ("d", "top"),
            [
                drop_top(),
                DROP,
                Sql("DROP TABLE t"),
                Restore("d", "s", "ON (top, m)"),
                Restore("d", "s", "ON (t)"),
            ],
        ),
        case(
            "a view AS m2",
            "both views",
            ("d", "top"),
            [drop_top(), Restore("d", "s", "ON (top, m AS m2)")],
        ),
    ]
}

/// The server as it was backed up.
async fn backed_up(cellar: &Cellar) -> Rig {
    let mut rig = cellar.server().await;
    for sql in [
        "CREATE TABLE t (k INT, n BIGINT)",
        "INSERT INTO t VALUES (1, 10), (2, 20)",
        "CREATE MATERIALIZED VIEW r AS SELECT k, SUM(n) FROM t GROUP BY k",
        "CREATE DATABASE other",
        "CREATE TABLE other.u (k INT, n BIGINT)",
        "INSERT INTO other.u VALUES (1, 1), (2, 2), (3, 3)",
        "CREATE MATERIALIZED VIEW m REFRESH ASYNC AS SELECT k, SUM(n) AS s FROM t GROUP BY k",
        "CREATE MATERIALIZED VIEW far REFRESH ASYNC AS SELECT k, n FROM other.u",
    ] {
        rig.root.done(sql).await;
    }
    rig.frontend.refreshed().await;
    rig.root.done("CREATE MATERIALIZED VIEW top REFRESH ASYNC AS SELECT k FROM m").await;
    rig.frontend.refreshed().await;
    back_up(&mut rig, "d", "s", "").await;
    back_up(&mut rig, "other", "o", "").await;
    rig
}

/// What SHOW MATERIALIZED VIEWS tells of a view: active, reason.
async fn shown(rig: &mut Rig, (database, view): (&str, &str)) -> Option<(String, String)> {
    let sql = format!("SHOW MATERIALIZED VIEWS FROM {database} WHERE NAME = '{view}'");
    let Ok(Answer::Rows(result)) = rig.root.run(&sql).await else { return None };
    let row = result.rows.first()?;
    Some((row[4].clone()?, row[5].clone()?))
}

async fn count(rig: &mut Rig, (database, view): (&str, &str)) -> String {
    rig.root.rows(&format!("SELECT COUNT(*) FROM {database}.{view}")).await[0].clone()
}

/// What a view reads.
fn bases(rig: &Rig, (database, view): (&str, &str)) -> String {
    let catalog = rig.warehouse.catalog();
    let database = catalog.database(database).unwrap();
    if let Ok(table) = database.table(view) {
        let bases = &table.row().materialized_view.as_ref().unwrap().base_tables;
        let names = bases.iter().map(|base| format!("{}.{}", base.database, base.name));
        return names.collect::<Vec<_>>().join(", ");
    }
    let mut tables = database.tables();
    let is_it = |table: &&std::sync::Arc<cairn_warehouse::catalog::Table>| {
        table.row().rollups.iter().any(|rollup| rollup.name == view)
    };
    let table = tables.find(is_it).unwrap();
    format!("{}.{}", database.row().name, table.row().name)
}

/// Loads a row into each table that there is, and waits for the views that follow.
async fn load_all(rig: &mut Rig) {
    for table in ["d.t", "d.t2", "e.t", "e.t2", "other.u"] {
        let (database, name) = table.split_once('.').unwrap();
        let catalog = rig.warehouse.catalog();
        let Ok(found) = catalog.table(database, name) else { continue };
        let row = if found.row().columns.len() == 1 { "(9)" } else { "(9, 9)" };
        rig.root.done(&format!("INSERT INTO {table} VALUES {row}")).await;
    }
    rig.frontend.refreshed().await;
}

/// One row of the table.
async fn seen(case: &Case) -> Vec<String> {
    let cellar = Cellar::new();
    let mut rig = backed_up(&cellar).await;
    let mut cells = vec![case.base.to_owned(), case.restored.to_owned(), case.view.1.to_owned()];
    for step in &case.steps {
        match step {
            Sql(sql) => drop(rig.root.done(sql).await),
            Elsewhere => rig = cellar.server().await,
            Restore(into, label, rest) => {
                if let Err(message) = restore(&mut rig, into, label, rest).await {
                    cells.push(message);
                    return cells;
                }
            }
        }
        rig.frontend.refreshed().await;
    }
    let (active, reason) = shown(&mut rig, case.view).await.unwrap();
    let rows = count(&mut rig, case.view).await;
    let reads = bases(&rig, case.view);
    load_all(&mut rig).await;
    let (database, view) = case.view;
    let is_rollup = rig.warehouse.catalog().table(database, view).is_err();
    let refreshed = if is_rollup {
        "at load"
    } else {
        let refresh = format!("REFRESH MATERIALIZED VIEW {database}.{view} WITH SYNC MODE");
        if rig.root.run(&refresh).await.is_ok() { "ok" } else { "refused" }
    };
    let later = count(&mut rig, case.view).await;
    cells.extend([active, format!("{rows}, then {later}"), refreshed.to_owned(), reads, reason]);
    cells
}

const EXPECTED: &str = "
base table                         | restored                       | view | active | rows      | refresh | reads   | reason
was dropped                        | its table                      | r    | true   | 2, then 3 | at load | d.t     |
is here                            | its table                      | r    | true   | 2, then 3 | at load | d.t     |
is here                            | its table AS t2                | r_t2 | true   | 2, then 3 | at load | d.t2    |
is here                            | its table AS t2, twice         | r_t2 | true   | 2, then 3 | at load | d.t2    |
is here                            | database d AS e                | r    | true   | 2, then 3 | at load | e.t     |
is here without it                 | its table                      | r    | [COMMON_ERROR, msg: Table t already exist but with different schema, errMsg: indexName is inconsistent: none in existed table, r in the backup snapshot]
is here                            | view alone                     | m    | true   | 2, then 3 | ok      | d.t     |
is here, another of its name       | view alone                     | m    | true   | 1, then 2 | ok      | d.t     |
is here without a column           | view alone                     | m    | false  | 2, then 2 | refused | d.t     | analyze materialized view failed: Unknown column 'n'
was dropped                        | with its base                  | m    | true   | 2, then 3 | ok      | d.t     |
was dropped                        | base, then view                | m    | true   | 2, then 3 | ok      | d.t     |
is missing                         | view alone                     | m    | false  | 2, then 2 | refused | d.t     | Set the materialized view m inactive in restore because its base table d.t is missing; it becomes active when that is restored, or by ALTER MATERIALIZED VIEW m ACTIVE
arrives later                      | view, then base                | m    | true   | 2, then 3 | ok      | d.t     |
is made later                      | view, then ALTER ACTIVE        | m    | true   | 0, then 1 | ok      | d.t     |
is here, with newer rows           | over the active view           | m    | true   | 3, then 4 | ok      | d.t     |
is here, with newer rows           | over the inactive view         | m    | true   | 3, then 4 | ok      | d.t     |
is here, with newer rows           | base under the active view     | m    | true   | 2, then 3 | ok      | d.t     |
is here, with newer rows           | whole database                 | m    | true   | 2, then 3 | ok      | d.t     |
was dropped under the view         | base alone                     | m    | true   | 2, then 3 | ok      | d.t     |
was dropped under the view         | base alone, view above it      | top  | true   | 2, then 3 | ok      | d.m     |
in another database                | view alone                     | far  | true   | 3, then 4 | ok      | other.u |
in another database, missing       | view alone                     | far  | false  | 3, then 3 | refused | other.u | Set the materialized view far inactive in restore because its base table other.u is missing; it becomes active when that is restored, or by ALTER MATERIALIZED VIEW far ACTIVE
in another database, arrives later | view, then database            | far  | true   | 3, then 4 | ok      | other.u |
on a new server                    | database                       | m    | true   | 2, then 3 | ok      | d.t     |
on a new server, missing           | database                       | far  | false  | 3, then 3 | refused | other.u | Set the materialized view far inactive in restore because its base table other.u is missing; it becomes active when that is restored, or by ALTER MATERIALIZED VIEW far ACTIVE
on a new server, arrives later     | both databases                 | far  | true   | 3, then 4 | ok      | other.u |
on a new server, arrives first     | both databases                 | far  | true   | 3, then 4 | ok      | other.u |
t AS t2                            | with its base                  | m    | true   | 2, then 3 | ok      | d.t2    |
t AS t2                            | with its base, m AS m2         | m2   | true   | 2, then 3 | ok      | d.t2    |
t AS t2                            | base, then view                | m    | true   | 2, then 3 | ok      | d.t2    |
t AS t2                            | view, then base                | m    | true   | 2, then 3 | ok      | d.t2    |
t AS t2, which is gone             | base, then view                | m    | true   | 2, then 3 | ok      | d.t     |
is here                            | m AS m2                        | m2   | true   | 2, then 3 | ok      | d.t     |
database d AS e                    | whole database                 | m    | true   | 2, then 3 | ok      | e.t     |
database d AS e                    | whole database, base elsewhere | far  | true   | 3, then 4 | ok      | other.u |
is in d                            | view alone, d AS e             | m    | true   | 2, then 3 | ok      | d.t     |
database d AS e, arrives later     | view, then base                | m    | true   | 2, then 3 | ok      | e.t     |
database d AS e, t AS t2           | with its base                  | m2   | true   | 2, then 3 | ok      | e.t2    |
a view that is here                | view alone                     | top  | true   | 2, then 3 | ok      | d.m     |
a view that is missing             | view alone                     | top  | false  | 2, then 2 | refused | d.m     | Set the materialized view top inactive in restore because its base table d.m is missing; it becomes active when that is restored, or by ALTER MATERIALIZED VIEW top ACTIVE
a view that arrives later          | view, then base                | top  | true   | 2, then 3 | ok      | d.m     |
a view whose base is missing       | both views                     | top  | false  | 2, then 2 | refused | d.m     | Set the materialized view top inactive in restore because its base materialized view d.m is inactive; it becomes active when that does, or by ALTER MATERIALIZED VIEW top ACTIVE
a view whose base arrives later    | both views, then table         | top  | true   | 2, then 3 | ok      | d.m     |
a view AS m2                       | both views                     | top  | true   | 2, then 3 | ok      | d.m2    |
";

/// Columns of equal width; the last one is as wide as it is.
fn aligned(rows: &[Vec<String>]) -> String {
    let mut table = String::from("\n");
    for row in rows {
        let cell = |(at, cell): (usize, &String)| {
            let wide = rows.iter().filter(|row| at < 7 && row.len() == 8);
            let width = wide.map(|row| row[at].len()).max().unwrap_or(0);
            if at + 1 == row.len() { cell.clone() } else { format!("{cell:width$}") }
        };
        let line: Vec<String> = row.iter().enumerate().map(cell).collect();
        writeln!(table, "{}", line.join(" | ").trim_end()).unwrap();
    }
    table
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn materialized_views_are_what_the_table_says() {
    let header = "base table | restored | view | active | rows | refresh | reads | reason";
    let mut rows = vec![header.split(" | ").map(str::to_owned).collect()];
    let cases = [synchronous(), here(), elsewhere(), renamed(), nested()];
    let cases: Vec<Case> = cases.into_iter().flatten().collect();
    let seen: Vec<Vec<String>> = iter(&cases).map(seen).buffered(AT_ONCE).collect().await;
    rows.extend(seen);
    let table = aligned(&rows);
    println!("{table}");
    assert!(table == EXPECTED, "expected:\n{EXPECTED}");
}
