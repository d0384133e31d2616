"""A row in SQLite, read and written in one transaction that begins as a reader.

Lives in: machine. The file is one for all workers that can open it.
Guard: transaction that refuses. BEGIN locks nothing yet: of two that read, one may not write.
Loses: nothing. Who has read what another is about to change gets "database is locked", at once.
Survives: store. The data is on the disk when COMMIT returns, but a power cut may bring the journal
  back, which undoes the last commit: only synchronous=EXTRA or WAL keeps it.
Served: not by gevent. Who waits for SQLite stops the greenlet that has the lock as well.
Steps: refuses, by hand: A begins, and reads 0; B begins, and reads 0; A writes 1, but its COMMIT
  waits until B reads no more; B wants to write, is refused, since the database is locked
Seen in: blog.pecar.me/django-sqlite-dblock
Instead: sqlite_returning, or postgres_returning on two machines
"""

import os
import sqlite3
from contextlib import closing

from variants.pause import pause

UNAVAILABLE = {sqlite3.OperationalError: "another writer was faster: try again"}
PATH = os.environ.get("SQLITE_PATH", "state.sqlite3")
SCHEMA = """
    BEGIN IMMEDIATE;
    CREATE TABLE IF NOT EXISTS cache (id INTEGER PRIMARY KEY, count INTEGER NOT NULL);
    CREATE TABLE IF NOT EXISTS entries (position INTEGER PRIMARY KEY, item TEXT NOT NULL);
    INSERT OR IGNORE INTO cache (id, count) VALUES (1, 0);
    COMMIT;
"""
with closing(sqlite3.connect(PATH, isolation_level=None)) as db:
    db.executescript(SCHEMA)


def create() -> int:
    with closing(sqlite3.connect(PATH, isolation_level=None)) as db:
        db.execute("BEGIN")
        db.execute("UPDATE cache SET count = 0")
        db.execute("DELETE FROM entries")
        db.execute("COMMIT")
        return 0


def increment() -> int:
    with closing(sqlite3.connect(PATH, isolation_level=None)) as db:
        db.execute("BEGIN")
        (seen,) = db.execute("SELECT count FROM cache").fetchone()
        pause()
        db.execute("UPDATE cache SET count = ?", (seen + 1,))
        db.execute("COMMIT")
        return seen + 1


def read() -> int:
    with closing(sqlite3.connect(PATH, isolation_level=None)) as db:
        (count,) = db.execute("SELECT count FROM cache").fetchone()
        return count


def append(item: str) -> int:
    with closing(sqlite3.connect(PATH, isolation_level=None)) as db:
        db.execute("BEGIN")
        (seen,) = db.execute("SELECT count(*) FROM entries").fetchone()
        pause()
        db.execute("INSERT INTO entries (item) VALUES (?)", (item,))
        db.execute("COMMIT")
        return seen + 1


def items() -> list[str]:
    with closing(sqlite3.connect(PATH, isolation_level=None)) as db:
        return [item for (item,) in db.execute("SELECT item FROM entries ORDER BY position")]
