"""A row in SQLite that one statement reads and writes.

Lives in: machine. The file is one for all workers that can open it.
Guard: transaction. UPDATE takes the file's write lock before it reads.
Loses: nothing. RETURNING answers with the count that this very UPDATE wrote.
Survives: machine. With EXTRA the file and its folder are synced when commit returns.
Seen in: sqlite.org/lang_returning.html
Instead: postgres_returning on two machines
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


def connect() -> sqlite3.Connection:
    db = sqlite3.connect(PATH)
    # FULL, the default, does not sync the folder: a power cut may undo the last commit
    db.execute("PRAGMA synchronous = EXTRA")
    return db


with closing(connect()) as db:
    db.executescript(SCHEMA)


def create() -> int:
    with closing(connect()) as db:
        db.execute("UPDATE cache SET count = 0")
        db.execute("DELETE FROM entries")
        db.execute("DELETE FROM claims")
        db.commit()
        return 0


def increment() -> int:
    with closing(connect()) as db:
        pause()
        update = "UPDATE cache SET count = count + 1 RETURNING count"
        (count,) = db.execute(update).fetchone()
        db.commit()
        return count


def read() -> int:
    with closing(connect()) as db:
        (count,) = db.execute("SELECT count FROM cache").fetchone()
        return count


def append(item: str) -> int:
    with closing(connect()) as db:
        pause()
        insert = "INSERT INTO entries (item) VALUES (?) RETURNING position"
        (position,) = db.execute(insert, (item,)).fetchone()
        db.commit()
        return position


def items() -> list[str]:
    with closing(connect()) as db:
        return [item for (item,) in db.execute("SELECT item FROM entries ORDER BY position")]


def claim(item: str) -> bool:
    with closing(connect()) as db:
        pause()
        insert = "INSERT INTO claims VALUES (?) ON CONFLICT DO NOTHING RETURNING item"
        free = db.execute(insert, (item,)).fetchone() is not None
        db.commit()
        return free
