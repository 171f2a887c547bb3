"""What MySQL's driver for Python gets to see. Arguments: port, `pure` or `c`, certificate of the server or `-`."""

import datetime
import decimal
import sys

import mysql.connector

port, kind, certificate = int(sys.argv[1]), sys.argv[2], sys.argv[3]
tls = {"ssl_disabled": True} if certificate == "-" else {"ssl_ca": certificate, "ssl_verify_cert": True}


def connect(**options):
    settings = {"host": "127.0.0.1", "port": port, "user": "ann", "password": "secret", "use_pure": kind == "pure"}
    return mysql.connector.connect(**{**settings, **tls, **options})


def fails(code, work):
    try:
        work()
    except mysql.connector.Error as error:
        assert error.errno == code, error
        return error.msg
    raise AssertionError(f"no error {code}")


def row(cursor):
    return [bytes(value) if isinstance(value, bytearray) else value for value in cursor.fetchone()]


ROW = [
    1, -128, -32768, -(2**31), -(2**63), decimal.Decimal(-(10**37)), 1.5, -2.5e-7, decimal.Decimal("-1.23"),
    datetime.date(2024, 2, 29), datetime.datetime(2024, 2, 29, 1, 2, 3), datetime.datetime(2024, 2, 29, 1, 2, 3, 45),
    "gr\u00fcn \U0001f511", b"\xff\x00a", None,
]

connection = connect(database="shop")
assert type(connection).__name__ == ("MySQLConnection" if kind == "pure" else "CMySQLConnection")
for options in ({}, {"prepared": True}):
    cursor = connection.cursor(**options)
    cursor.execute("TYPES")
    assert row(cursor) == ROW
    assert row(cursor) == [None] * 15
    cursor.fetchall()
    cursor.close()

cursor = connection.cursor(prepared=True)
parameters = (
    None, -5, 2**40, 1.25, decimal.Decimal("-1.50"), "it's \\ \u00fc?\n", b"\xff\x00", datetime.date(2024, 2, 29),
    datetime.datetime(2024, 2, 29, 1, 2, 3, 45), datetime.time(1, 2, 3), True,
)
for repeat in range(2):
    cursor.execute("ECHO '?', " + ", ".join(["?"] * len(parameters)), parameters)
    said = [value.strip() for value in cursor.fetchone()[0].split(",")]
    assert said == [
        "'?'", "NULL", "-5", "1099511627776", "1.25e0", "-1.50", "'it''s \\\\ \u00fc?\\n'",
        "X'FF00'", "'2024-02-29'", "'2024-02-29 01:02:03.000045'", "'01:02:03'", "1",
    ], said
cursor.execute("INSERT")
assert (cursor.rowcount, cursor.lastrowid) == (3, 7)
fails(1064, lambda: cursor.execute("FAIL now"))
cursor.close()

connection.cmd_reset_connection()
connection.ping()
connection.database = "other"
cursor = connection.cursor()
cursor.execute("WHOAMI")
user, database, is_tls, _ = cursor.fetchone()
assert (user, database, is_tls) == ("ann", "other", "false" if certificate == "-" else "true")
assert "new connection" in fails(1047, lambda: connection.cmd_change_user("open", ""))
connection.close()

connect(user="open", password="").close()
connect(user="native").close() if kind == "pure" or certificate != "-" else None
connect(auth_plugin="caching_sha2_password").close() if kind == "pure" else None
assert "(using password: YES)" in fails(1045, lambda: connect(password="wrong"))
fails(1045, lambda: connect(user="nobody"))
print("done")
