"""What PyMySQL gets to see. Arguments: port, certificate of the server or `-`."""

import datetime
import decimal
import sys

import pymysql
from pymysql.constants import CLIENT

port, certificate = int(sys.argv[1]), sys.argv[2]
tls = {} if certificate == "-" else {"ssl": {"ca": certificate}}


def connect(**options):
    return pymysql.connect(host="localhost", port=port, **{"user": "ann", "password": "secret", **tls, **options})


def fails(code, work):
    try:
        work()
    except pymysql.err.Error as error:
        assert error.args[0] == code, error
        return error.args[1]
    raise AssertionError(f"no error {code}")


with connect(database="shop") as connection, connection.cursor() as cursor:
    cursor.execute("WHOAMI")
    user, database, is_tls, _ = cursor.fetchone()
    assert (user, database, is_tls) == ("ann", "shop", "true" if tls else "false")

    cursor.execute("TYPES")
    values, nulls = cursor.fetchall()
    assert values == (
        1, -128, -32768, -(2**31), -(2**63), decimal.Decimal(-(10**37)), 1.5, -2.5e-7,
        decimal.Decimal("-1.23"), datetime.date(2024, 2, 29), datetime.datetime(2024, 2, 29, 1, 2, 3),
        datetime.datetime(2024, 2, 29, 1, 2, 3, 45), "gr\u00fcn \U0001f511", b"\xff\x00a", None,
    ), values
    assert nulls == (None,) * 15

    assert cursor.execute("INSERT") == 3
    assert cursor.lastrowid == 7
    cursor.execute("ECHO %s, %s", ("it's \\ \u00fc?", 5))
    assert cursor.fetchone()[0] == "'it\\'s \\\\ \u00fc?', 5"
    cursor.execute("ROWS 5000")
    assert [row[0] for row in cursor.fetchall()] == list(range(5000))
    assert fails(1064, lambda: cursor.execute("FAIL for a reason")) == "for a reason"
    fails(1064, lambda: cursor.execute("BREAK"))
    connection.ping()
    connection.select_db("other")
    fails(1049, lambda: connection.select_db("missing"))
    cursor.execute("WHOAMI")
    assert cursor.fetchone()[1] == "other"

with connect(client_flag=CLIENT.MULTI_STATEMENTS) as connection, connection.cursor() as cursor:
    cursor.execute("ECHO one; INSERT; ECHO three")
    seen = [cursor.fetchone()]
    while cursor.nextset():
        seen.append(cursor.fetchone() if cursor.description else cursor.rowcount)
    assert seen == [("one",), 3, ("three",)], seen

with connect(cursorclass=pymysql.cursors.SSCursor) as connection, connection.cursor() as cursor:
    cursor.execute("ROWS 100000")
    assert sum(row[0] for row in cursor) == 100000 * 99999 // 2

connect(user="open", password="").close()
connect(user="native").close()
assert "(using password: YES)" in fails(1045, lambda: connect(password="wrong"))
assert "(using password: NO)" in fails(1045, lambda: connect(password=""))
fails(1045, lambda: connect(user="nobody"))
fails(1049, lambda: connect(database="missing"))
print("done")
