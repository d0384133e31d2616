"""A row as a Pony object that was read with a lock, on SQLite.

Lives in: machine. The file is one for all workers that can open it.
Guard: transaction. SQLite has no FOR UPDATE, so Pony begins with BEGIN IMMEDIATE instead.
Loses: nothing, where the same words in SQLAlchemy, orm_for_update, lose.
Survives: store. The row is on the disk when the session ends, but a power cut may bring the journal
  back, which undoes the last commit: only synchronous=EXTRA or WAL keeps it.
Served: not by gevent. A greenlet that waits for SQLite stops the one that has the lock as well.
Seen in: github.com/ponyorm/pony-doc (transactions.rst), "Pessimistic locking"
Instead: postgres_returning on two machines
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
        cache = Cache.get_for_update(id=1)
        pause()
        cache.count += 1
        return cache.count


def read() -> int:
    with db_session:
        return Cache[1].count


def append(item: str) -> int:
    with db_session:
        cache = Cache.get_for_update(id=1)
        pause()
        cache.length += 1
        Entry(item=item)
        return cache.length


def items() -> list[str]:
    with db_session:
        return [entry.item for entry in Entry.select().order_by(Entry.id)]
