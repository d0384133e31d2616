"""A row in SQLite, as Python's sqlite3 opens it.

Lives in: machine. The file is one for all workers that can open it.
Guard: none. The transaction begins with the UPDATE; the SELECT before it keeps no lock.
Loses: updates. Both commits succeed, and no error says that one of them undid the other.
Survives: store. The data is on the disk when commit returns, but a power cut may bring the journal
  back, which undoes the last commit: only synchronous=EXTRA or WAL keeps it.
Steps: loses, explored: A reads 0, and pauses; B reads 0, and pauses; A writes 1, is answered 1; B
  writes 1, is answered 1; the count is 1
Seen in: docs.python.org/3/library/sqlite3.html (transaction control by isolation_level),
  github.com/MakazhanAlpamys/Soup/issues/252
Instead: sqlite_returning, or postgres_returning on two machines
"""

import os
import sqlite3
from contextlib import closing

from variants.pause import pause

PATH = os.environ.get("SQLITE_PATH", "state.sqlite3")
SCHEMA = """
    BEGIN IMMEDIATE;
    CREATE TABLE IF NOT EXISTS cache (id INTEGER PRIMARY KEY, count INTEGER NOT NULL);
    CREATE TABLE IF NOT EXISTS entries (position INTEGER PRIMARY KEY, item TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS claims (item TEXT PRIMARY KEY);
    INSERT OR IGNORE INTO cache (id, count) VALUES (1, 0);
    COMMIT;
"""
with closing(sqlite3.connect(PATH)) as db:
    db.executescript(SCHEMA)


def create() -> int:
    with closing(sqlite3.connect(PATH)) as db:
        db.execute("UPDATE cache SET count = 0")
        db.execute("DELETE FROM entries")
        db.execute("DELETE FROM claims")
        db.commit()
        return 0


def increment() -> int:
    with closing(sqlite3.connect(PATH)) as db:
        (seen,) = db.execute("SELECT count FROM cache").fetchone()
        pause()
        db.execute("UPDATE cache SET count = ?", (seen + 1,))
        db.commit()
        return seen + 1


def read() -> int:
    with closing(sqlite3.connect(PATH)) as db:
        (count,) = db.execute("SELECT count FROM cache").fetchone()
        return count


def append(item: str) -> int:
    with closing(sqlite3.connect(PATH)) as db:
        (seen,) = db.execute("SELECT count(*) FROM entries").fetchone()
        pause()
        db.execute("INSERT INTO entries (item) VALUES (?)", (item,))
        db.commit()
        return seen + 1


def items() -> list[str]:
    with closing(sqlite3.connect(PATH)) as db:
        return [item for (item,) in db.execute("SELECT item FROM entries ORDER BY position")]


def claim(item: str) -> bool:
    with closing(sqlite3.connect(PATH)) as db:
        free = not db.execute("SELECT 1 FROM claims WHERE item = ?", (item,)).fetchone()
        pause()
        db.execute("INSERT OR IGNORE INTO claims VALUES (?)", (item,))
        db.commit()
        return free
