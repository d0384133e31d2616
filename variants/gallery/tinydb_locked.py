"""A document in TinyDB, behind a lock from the read to the write.

Lives in: machine. The file is one for all workers that can open it, and so is the lock.
Guard: lock. Every request opens the file beside it and locks that, to read as well as to write.
Loses: nothing, as long as everyone who touches the file takes the lock.
Survives: server, but a worker killed while it writes may leave half a file. Nobody waits for the
  disk.
Seen in: github.com/msiemens/tinydb/issues/341 (the maintainer's advice)
Instead: redis_key on two machines
"""

import os
from pathlib import Path

from filelock import FileLock
from tinydb import TinyDB

from variants.pause import pause

FOLDER = Path(os.environ.get("STATE_PATH", "state"))
FOLDER.mkdir(parents=True, exist_ok=True)
PATH, LOCK = FOLDER / "db.json", FOLDER / "lock"
with FileLock(LOCK), TinyDB(PATH) as db:
    if not db.all():
        db.insert({"count": 0})


def create() -> int:
    with FileLock(LOCK), TinyDB(PATH) as db:
        db.drop_tables()
        db.insert({"count": 0})
        return 0


def increment() -> int:
    with FileLock(LOCK), TinyDB(PATH) as db:
        seen = db.all()[0]["count"]
        pause()
        db.update({"count": seen + 1})
        return seen + 1


def read() -> int:
    with FileLock(LOCK), TinyDB(PATH) as db:
        return db.all()[0]["count"]


def append(item: str) -> int:
    with FileLock(LOCK), TinyDB(PATH) as db:
        seen = len(db.table("entries"))
        pause()
        db.table("entries").insert({"item": item})
        return seen + 1


def items() -> list[str]:
    with FileLock(LOCK), TinyDB(PATH) as db:
        return [entry["item"] for entry in db.table("entries")]
