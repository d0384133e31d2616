"""Let the store answer nobody for a while, as a backup or `KEYS *` does."""

import sqlite3
import time
from contextlib import closing
from pathlib import Path

from loadtest.server.fault import LASTS_S, Fault, FaultError, Quotation, Target
from loadtest.server.stores import redis_at

SCRIPT = "for _ = 1, tonumber(ARGV[1]) do end"
"""A loop: nothing else gets its turn while a script runs, and scripts have no clock on Debian."""
TURNS = 5_000_000


def inject(target: Target) -> str:
    if target.redis_url:
        with redis_at(target.redis_url) as redis:
            began = time.monotonic()
            redis.eval(SCRIPT, 0, str(TURNS))
            turns = TURNS * LASTS_S / (time.monotonic() - began)
            redis.eval(SCRIPT, 0, str(int(turns)))
        return "a slow script in Redis"
    if target.database_url:
        import psycopg

        with psycopg.connect(target.database_url) as connection:
            connection.execute("LOCK TABLE cache, entries")
            time.sleep(LASTS_S)
        return "the tables in PostgreSQL"
    if not (target.sqlite and Path(target.sqlite).exists()):
        raise FaultError("there is no SQLite file at SQLITE_PATH")
    with closing(sqlite3.connect(target.sqlite, timeout=30, isolation_level=None)) as db:
        db.execute("BEGIN EXCLUSIVE")
        time.sleep(LASTS_S)
        db.execute("COMMIT")
    return "the SQLite file"


FAULT = Fault(
    "lock-store",
    row=8,
    called="a backup, `KEYS *`",
    ends="nothing",
    needs="store",
    inject=inject,
    outlasts_locks=True,
    button=True,
    documented=(
        Quotation(
            "Redis",
            "While executing the script, all server activities are blocked during its entire "
            "runtime.",
            "redis.io/docs/latest/develop/programmability/eval-intro",
            lambda verdict: verdict.silence > LASTS_S * 1000 / 2,
        ),
    ),
)
