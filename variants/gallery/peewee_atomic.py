"""A row as a peewee object, saved within `db.atomic()`.

Lives in: machine. The file is one for all workers that can open it.
Guard: transaction that refuses. BEGIN locks nothing yet: of two that read, one may not write.
Loses: nothing. A request that has read what another is about to change gets "database is locked",
  at once, whatever the timeout.
Survives: store. The row is on the disk when the block ends, but a power cut may bring the journal
  back, which undoes the last commit: only synchronous=EXTRA or WAL keeps it.
Served: not by gevent. A greenlet that waits for SQLite stops the one that has the lock as well.
Steps: refuses, by hand: A begins, and reads 0; B begins, and reads 0; A writes 1, but its COMMIT
  waits until B reads no more; B wants to write, is refused, since the database is locked
Seen in: tutorialspoint.com/peewee/peewee_atomic_transactions.htm
Instead: peewee_immediate, or postgres_returning on two machines
"""

import os

from peewee import AutoField, IntegerField, Model, SqliteDatabase, TextField

from variants.pause import pause

db = SqliteDatabase(os.environ.get("SQLITE_PATH", "state.sqlite3"))


class Cache(Model):
    count = IntegerField(default=0)
    length = IntegerField(default=0)

    class Meta:
        database = db


class Entry(Model):
    id = AutoField()
    item = TextField()

    class Meta:
        database = db


with db.connection_context(), db.atomic("IMMEDIATE"):
    db.create_tables([Cache, Entry])
    Cache.insert(id=1).on_conflict_ignore().execute()


def create() -> int:
    with db.connection_context(), db.atomic("IMMEDIATE"):
        Cache.update(count=0, length=0).execute()
        Entry.delete().execute()
        return 0


def increment() -> int:
    with db.connection_context(), db.atomic():
        cache = Cache.get_by_id(1)
        pause()
        cache.count += 1
        cache.save()
        return cache.count


def read() -> int:
    with db.connection_context():
        return Cache.get_by_id(1).count


def append(item: str) -> int:
    with db.connection_context(), db.atomic():
        cache = Cache.get_by_id(1)
        pause()
        cache.length += 1
        cache.save()
        Entry.create(item=item)
        return cache.length


def items() -> list[str]:
    with db.connection_context():
        return [entry.item for entry in Entry.select().order_by(Entry.id)]
