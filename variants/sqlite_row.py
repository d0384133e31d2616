"""A row in SQLite.

Lives in: machine. The file is one for all workers that can open it.
Guard: transaction. BEGIN IMMEDIATE takes the file's write lock before the read.
Loses: nothing. A writer that waits too long for the lock is refused, and told so.
Survives: machine. The file has it when COMMIT returns.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from variants.pause import pause

UNAVAILABLE = {
    sqlite3.OperationalError: "SQLite cannot use the file that SQLITE_PATH names, or it is locked "
    "by another writer: try again",
    sqlite3.DatabaseError: "the file that SQLITE_PATH names is damaged, or no database: stop the "
    "server and move it away",
    TypeError: "a row in the file that SQLITE_PATH names is gone, or holds something else: create "
    "starts over",
    OverflowError: "the row in the file that SQLITE_PATH names holds no more: create starts over",
}
PATH = os.environ.get("SQLITE_PATH", "state.sqlite3")
SCHEMA = """
    CREATE TABLE IF NOT EXISTS cache (
        id INTEGER PRIMARY KEY, count INTEGER NOT NULL CHECK (typeof(count) = 'integer')
    );
    CREATE TABLE IF NOT EXISTS entries (position INTEGER PRIMARY KEY, item TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS current (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS texts (visitor TEXT PRIMARY KEY, text TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS claims (item TEXT PRIMARY KEY);
    INSERT OR IGNORE INTO cache (id, count) VALUES (1, 0);
"""
local = threading.local()


def connection() -> sqlite3.Connection:
    if getattr(local, "pid", None) != os.getpid():
        # a connection must not be used, nor closed, by a process that inherited it
        local.inherited = getattr(local, "connection", None)
        local.connection = sqlite3.connect(PATH, timeout=5, isolation_level=None)
        local.connection.executescript(f"BEGIN IMMEDIATE; {SCHEMA} COMMIT;")
        # SQLite's default unless it was built otherwise: a commit waits until the disk has it. On
        # macOS a disk may say so too early (PRAGMA fullfsync)
        local.connection.execute("PRAGMA synchronous = FULL")
        # it fails, where others wait, if another connection is at it; that one switches for both.
        # PyPy commits nothing while an answer has not been read to its end
        with suppress(sqlite3.OperationalError):
            local.connection.execute("PRAGMA journal_mode = WAL").fetchall()
        local.pid = os.getpid()
    return local.connection


@contextmanager
def transaction() -> Iterator[sqlite3.Connection]:
    db = connection()
    db.execute("BEGIN IMMEDIATE")
    try:
        yield db
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def create() -> int:
    with transaction() as db:
        db.execute("INSERT OR REPLACE INTO cache VALUES (1, 0)")
        db.execute("DELETE FROM entries")
        db.execute("DELETE FROM texts")
        db.execute("DELETE FROM claims")
        return 0


def increment() -> int:
    with transaction() as db:
        (seen,) = db.execute("SELECT count FROM cache").fetchone()
        pause()
        db.execute("UPDATE cache SET count = ?", (seen + 1,))
        return seen + 1


def read() -> int:
    (count,) = connection().execute("SELECT count FROM cache").fetchone()
    return count


def append(item: str) -> int:
    with transaction() as db:
        (seen,) = db.execute("SELECT count(*) FROM entries").fetchone()
        pause()
        db.execute("INSERT INTO entries VALUES (?, ?)", (seen + 1, item))
        return seen + 1


def items() -> list[str]:
    return [item for (item,) in connection().execute("SELECT item FROM entries ORDER BY position")]


def remember(name: str) -> None:
    with transaction() as db:
        db.execute("INSERT OR REPLACE INTO current VALUES (1, ?)", (name,))


def recall() -> str:
    (name,) = connection().execute("SELECT name FROM current").fetchone()
    return name


def save(visitor: str, text: str) -> None:
    with transaction() as db:
        db.execute("INSERT OR REPLACE INTO texts VALUES (?, ?)", (visitor, text))


def load(visitor: str) -> str | None:
    found = connection().execute("SELECT text FROM texts WHERE visitor = ?", (visitor,)).fetchone()
    return found and found[0]


def claim(item: str) -> bool:
    with transaction() as db:
        free = not db.execute("SELECT 1 FROM claims WHERE item = ?", (item,)).fetchone()
        pause()
        db.execute("INSERT OR IGNORE INTO claims VALUES (?)", (item,))
        return free
