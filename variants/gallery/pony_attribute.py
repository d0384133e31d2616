"""A row as a Pony object, whose attribute is counted up.

Lives in: machine. The file is one for all workers that can open it.
Guard: transaction that refuses. Pony checks at the end that what was read is still there.
Loses: nothing. Of two that read the same count one is refused with OptimisticCheckError.
Survives: store. The row is on the disk when the session ends, but a power cut may bring the journal
  back, which undoes the last commit: only synchronous=EXTRA or WAL keeps it.
Served: not by gevent. A greenlet that waits for SQLite stops the one that has the lock as well.
Steps: refuses, explored: A reads 0; B reads 0; A writes 1 where there is 0, and commits; B wants to
  write 1 where there is 0, is refused, since there is 1
Seen in: github.com/ponyorm/pony-doc (transactions.rst), "Optimistic concurrency control"
Instead: pony_for_update, or postgres_returning on two machines
"""

import os
from pathlib import Path

from pony.orm import Database, Optional, PrimaryKey, Required, db_session, delete

from variants.pause import pause

db = Database()


class Cache(db.Entity):
    id = PrimaryKey(int)
    count = Required(int, default=0)
    length = Required(int, default=0)


class Entry(db.Entity):
    id = PrimaryKey(int, auto=True)
    item = Optional(str, max_len=1000, autostrip=False)


db.bind(
    "sqlite", str(Path(os.environ.get("SQLITE_PATH", "state.sqlite3")).absolute()), create_db=True
)
db.generate_mapping(create_tables=True)
with db_session(immediate=True):
    if not Cache.get(id=1):
        Cache(id=1)


def create() -> int:
    with db_session(immediate=True):
        Cache[1].set(count=0, length=0)
        delete(entry for entry in Entry)
        return 0


def increment() -> int:
    with db_session:
        cache = Cache[1]
        pause()
        cache.count += 1
        return cache.count


def read() -> int:
    with db_session:
        return Cache[1].count


def append(item: str) -> int:
    with db_session:
        cache = Cache[1]
        pause()
        cache.length += 1
        Entry(item=item)
        return cache.length


def items() -> list[str]:
    with db_session:
        return [entry.item for entry in Entry.select().order_by(Entry.id)]
