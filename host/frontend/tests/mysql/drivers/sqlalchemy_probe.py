"""SQLAlchemy with the dialect `starrocks`: connects, lists, reflects and queries. Prints `done`.

    sqlalchemy_probe.py PORT
"""

import datetime
import decimal
import sys

from sqlalchemy import MetaData, Table, create_engine, func, inspect, select, text
from sqlalchemy.exc import NoSuchTableError

server = f"starrocks://root@127.0.0.1:{sys.argv[1]}/"
STATEMENTS = [
    "CREATE DATABASE shop",
    """CREATE TABLE shop.orders (
        id BIGINT NOT NULL AUTO_INCREMENT COMMENT 'its number', day DATE NOT NULL, name VARCHAR(20) DEFAULT 'none',
        amount DECIMAL(10, 2), large LARGEINT, small TINYINT, doc JSON, ratio DOUBLE, paid BOOLEAN, at DATETIME, code CHAR(3)
    ) PRIMARY KEY (id, day) COMMENT 'what was ordered'
    PARTITION BY RANGE (day) (PARTITION p1 VALUES LESS THAN ('2024-02-01')) DISTRIBUTED BY HASH (id) BUCKETS 3""",
    "INSERT INTO shop.orders (day, name, amount) VALUES ('2024-01-01', 'a', 1.50), ('2024-01-02', 'b', 2.25)",
    "CREATE VIEW shop.names COMMENT 'who' AS SELECT id, name FROM shop.orders",
    """CREATE MATERIALIZED VIEW shop.sums DISTRIBUTED BY HASH (name) BUCKETS 2 REFRESH ASYNC
    AS SELECT name, SUM(amount) AS s FROM shop.orders GROUP BY name""",
]
with create_engine(server).connect() as connection:
    for statement in STATEMENTS:
        connection.execute(text(statement))


def check(seen, expected):
    assert seen == expected, f"{seen!r} is not {expected!r}"


engine = create_engine(server + "shop")
with engine.connect() as connection:
    check(engine.dialect.server_version_info[0] >= 3, True)
    inspector = inspect(connection)
    check("shop" in inspector.get_schema_names(), True)
    check(inspector.get_table_names(), ["orders"])
    check(inspector.get_view_names(), ["names"])
    check(inspector.get_materialized_view_names(), ["sums"])
    check((inspector.has_table("orders"), inspector.has_table("nothing")), (True, False))
    columns = {column["name"]: column for column in inspector.get_columns("orders")}
    check([str(column["type"]).split(" ")[0] for column in columns.values()], [
        "BIGINT", "DATE", "VARCHAR(20)", "DECIMAL(10,", "LARGEINT", "TINYINT", "JSON", "DOUBLE", "BOOLEAN", "DATETIME", "CHAR(3)",
    ])
    check([columns[name]["nullable"] for name in ("id", "day", "name")], [False, False, True])
    check([columns[name]["autoincrement"] for name in ("id", "day")], [True, False])
    check((columns["name"]["default"], columns["id"]["comment"]), ("'none'", "its number"))
    check(inspector.get_pk_constraint("orders")["constrained_columns"], ["id", "day"])
    check(inspector.get_table_comment("orders"), {"text": "what was ordered"})
    options = inspector.get_table_options("orders")
    check(options["starrocks_primary_key"].replace("`", ""), "id, day")
    check(options["starrocks_distributed_by"].replace("`", ""), "HASH(id) BUCKETS 3")
    check(str(options["starrocks_partition_by"]).startswith("RANGE(`day`)"), True)
    check(options["starrocks_properties"]["replication_num"], "1")
    check(options["starrocks_engine"], "OLAP")
    check(inspector.get_view_definition("names"), "SELECT id, name FROM `shop`.`orders`")
    definition = inspector.get_materialized_view_definition("sums")
    check(definition, "SELECT name, SUM(amount) AS s FROM shop.orders GROUP BY name")

    metadata = MetaData()
    orders = Table("orders", metadata, autoload_with=connection)
    check(orders.comment, "what was ordered")
    check(connection.execute(select(func.count()).select_from(orders)).scalar(), 2)
    rows = connection.execute(select(orders.c.day, orders.c.name, orders.c.amount).where(orders.c.amount > 2)).fetchall()
    check(rows, [(datetime.date(2024, 1, 2), "b", decimal.Decimal("2.25"))])
    connection.execute(orders.insert(), [{"day": datetime.date(2024, 1, 3), "name": "c", "amount": 3}])
    check(connection.execute(select(func.max(orders.c.id))).scalar(), 3)
    metadata.reflect(connection, views=True)
    check({"orders", "names"} <= set(metadata.tables), True)
    try:
        Table("nothing", MetaData(), autoload_with=connection)
        raise AssertionError("a table that is not there was reflected")
    except NoSuchTableError:
        pass
print("done")
