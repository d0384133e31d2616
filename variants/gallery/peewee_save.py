"""A row as a peewee object, whose attribute is counted up and saved.

Lives in: machine. The file is one for all workers that can open it.
Guard: none. Without a transaction each statement commits by itself.
Loses: updates. `save` writes every column as the object has it, whatever is there by then.
  Except under gevent, `db.atomic("IMMEDIATE")` around both fixes it: peewee_immediate has that.
Survives: store. The row is on the disk when the statement ends, but a power cut may bring the
  journal back, which undoes the last commit: only synchronous=EXTRA or WAL keeps it.
Steps: loses, explored: A reads 0, and pauses; B reads 0, and pauses; A writes 1, is answered 1; B
  writes 1, is answered 1; the count is 1
Seen in: github.com/coleifer/peewee (docs/peewee/querying.rst, "Do not do this!")
Instead: sqlite_returning, or postgres_returning on two machines
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
    with db.connection_context():
        cache = Cache.get_by_id(1)
        pause()
        cache.count += 1
        cache.save()
        return cache.count


def read() -> int:
    with db.connection_context():
        return Cache.get_by_id(1).count


def append(item: str) -> int:
    with db.connection_context():
        cache = Cache.get_by_id(1)
        pause()
        cache.length += 1
        cache.save()
        Entry.create(item=item)
        return cache.length


def items() -> list[str]:
    with db.connection_context():
        return [entry.item for entry in Entry.select().order_by(Entry.id)]
