#!/usr/bin/env bash
# DuckDB 2.0.1: a connection that is opened before a fork accepts writes in the child, and
# the file never gets them.
#
# Four forked children insert 50 rows each through the parent's connection. Every INSERT
# succeeds, and each child reads its own 50 rows back. After all have ended the file holds
# 0 rows, and nothing has raised. (Guessed before the run: an error in the child.)
# A server that loads its app before it forks, such as gunicorn --preload, does just this.
# Source: DuckDB's page on concurrency allows one writing process and speaks of the file's lock;
# it does not mention a fork.
set -euo pipefail
folder=$(mktemp -d) && trap 'rm -rf "$folder"' EXIT && cd "$folder"
"${PYTHON:-python3}" -m venv venv && venv/bin/pip install --quiet --disable-pip-version-check duckdb==2.0.1

cat >shared.py <<'PYTHON'
import os

import duckdb

connection = duckdb.connect("rows.duckdb")
connection.execute("CREATE TABLE rows (n INTEGER)")
for _ in range(4):
    if os.fork() == 0:
        for n in range(50):
            connection.execute("INSERT INTO rows VALUES (?)", [n])
        print("child", connection.execute("SELECT count(*) FROM rows").fetchone()[0], flush=True)
        os._exit(0)
print("statuses", [os.wait()[1] for _ in range(4)])
connection.close()
print("file", duckdb.connect("rows.duckdb").execute("SELECT count(*) FROM rows").fetchone()[0])
PYTHON
seen=$(venv/bin/python shared.py | sort | uniq -c | sed 's/^ *//')
expected=$'4 child 50\n1 file 0\n1 statuses [0, 0, 0, 0]'
printf '%s\n' "$seen"
[ "$seen" = "$expected" ] || { echo "this has changed; it was:"; printf '%s\n' "$expected"; exit 1; }
