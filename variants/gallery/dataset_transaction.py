"""A row in SQLite through dataset, in what it calls a transaction.

Lives in: machine. The file is one for all workers that can open it.
Guard: none. On SQLite `with db` begins nothing until the first write; the read keeps no lock.
Loses: updates. Both transactions succeed, and no error says that one of them undid the other.
Survives: store. The row is on the disk when the transaction ends.
Steps: loses, explored: A reads 0, and pauses; B reads 0, and pauses; A writes 1, is answered 1; B
  writes 1, is answered 1; the count is 1
Seen in: github.com/pudo/dataset (docs/quickstart.rst, "Using Transactions")
Instead: sqlite_returning, or postgres_returning on two machines
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import dataset

from variants.pause import pause

URL = "sqlite:///" + os.environ.get("SQLITE_PATH", "state.sqlite3")


@contextmanager
def transaction() -> Iterator[dataset.Database]:
    db = dataset.connect(URL)
    try:
        with db:
            yield db
    finally:
        db.close()


with transaction() as db:
    db["cache"].upsert({"id": 1, "count": 0, "length": 0}, ["id"])
    db["entries"].create_column_by_example("item", "x")


def create() -> int:
    with transaction() as db:
        db["cache"].upsert({"id": 1, "count": 0, "length": 0}, ["id"])
        db["entries"].delete()
        return 0


def increment() -> int:
    with transaction() as db:
        seen = db["cache"].find_one(id=1)
        pause()
        db["cache"].update({"id": 1, "count": seen["count"] + 1}, ["id"])
        return seen["count"] + 1


def read() -> int:
    with transaction() as db:
        return db["cache"].find_one(id=1)["count"]


def append(item: str) -> int:
    with transaction() as db:
        seen = db["cache"].find_one(id=1)
        pause()
        db["cache"].update({"id": 1, "length": seen["length"] + 1}, ["id"])
        db["entries"].insert({"item": item})
        return seen["length"] + 1


def items() -> list[str]:
    with transaction() as db:
        return [entry["item"] for entry in db["entries"].find(order_by="id")]
