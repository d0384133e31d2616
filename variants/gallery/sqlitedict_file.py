"""A SqliteDict: a dict with SQLite underneath.

Lives in: machine. The file is one for all workers that can open it.
Guard: none. Its one thread runs the statements in turn, but a read and a write are two of them.
Loses: updates. It is called safe for threads, and so it is: no request fails.
Survives: server. By default it switches the waiting for the disk off.
Steps: loses, explored: A reads 0, and pauses; B reads 0, and pauses; A writes 1, is answered 1; B
  writes 1, is answered 1; the count is 1
Seen in: pypi.org/project/sqlitedict ("multithread-safe")
Instead: sqlite_returning, or redis_key on two machines
"""

import os

from sqlitedict import SqliteDict

from variants.pause import pause

PATH = os.environ.get("SQLITE_PATH", "state.sqlite3")


def opened() -> SqliteDict:
    return SqliteDict(PATH, autocommit=True)


def create() -> int:
    with opened() as db:
        db["count"] = 0
        db["entries"] = []
        return 0


def increment() -> int:
    with opened() as db:
        seen = db.get("count", 0)
        pause()
        db["count"] = seen + 1
        return seen + 1


def read() -> int:
    with opened() as db:
        return db.get("count", 0)


def append(item: str) -> int:
    with opened() as db:
        entries = db.get("entries", [])
        pause()
        db["entries"] = [*entries, item]
        return len(entries) + 1


def items() -> list[str]:
    with opened() as db:
        return db.get("entries", [])
