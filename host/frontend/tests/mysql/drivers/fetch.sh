#!/usr/bin/env bash
# Fetches drivers from PyPI into CACHE, once: PyMySQL, MySQL's own for Python (pure, and on MySQL's C library), SQLAlchemy with
# its dialect for StarRocks, and MySQL's Connector/J, which the package wbjdbc carries.
#
#   fetch.sh CACHE
#
# Leaves CACHE/venv and CACHE/connector-j.jar. Needs python3 with venv and pip.
set -euo pipefail
cache=$(mkdir -p "$1" && cd "$1" && pwd)
exec 9>"$cache/lock"
flock 9
if [[ -e $cache/complete-2 ]]; then exit; fi
python3 -m venv --clear "$cache/venv"
"$cache/venv/bin/pip" -q --disable-pip-version-check install pymysql==1.2.4 mysql-connector-python==9.4.0 \
  sqlalchemy==2.1.9 starrocks==1.3.4
"$cache/venv/bin/pip" -q --disable-pip-version-check download --no-deps -d "$cache" wbjdbc==2.4.0
"$cache/venv/bin/python" - "$cache" <<'PYTHON'
import pathlib, sys, zipfile

cache = pathlib.Path(sys.argv[1])
wheel = zipfile.ZipFile(next(cache.glob("wbjdbc-*.whl")))
name = next(name for name in wheel.namelist() if "/mysql-connector-j-" in name)
(cache / "connector-j.jar").write_bytes(wheel.read(name))
PYTHON
rm "$cache"/wbjdbc-*.whl
touch "$cache/complete-2"
