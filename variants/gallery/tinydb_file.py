"""A document in TinyDB, a JSON file with queries.

Lives in: machine. The file is one for all workers that can open it.
Guard: none, may refuse. TinyDB reads the whole file, and writes it whole, without any lock.
Loses: updates. A request that reads while another writes finds half a file, and is refused; two
  that write at once may leave a file that nobody can read any more.
Survives: server, but a worker killed while it writes may leave half a file. Nobody waits for the
  disk.
Steps: loses, explored: A reads 0, and pauses; B reads 0, and pauses; A writes 1, is answered 1; B
  writes 1, is answered 1; the count is 1
Seen in: github.com/msiemens/tinydb/issues/529 (a Flask app), github.com/msiemens/tinydb/issues/461
Instead: tinydb_locked, or redis_key on two machines
"""

import os
from pathlib import Path

from tinydb import TinyDB

from variants.pause import pause

FOLDER = Path(os.environ.get("STATE_PATH", "state"))
FOLDER.mkdir(parents=True, exist_ok=True)
PATH = FOLDER / "db.json"
if not PATH.exists():
    # all workers begin at once, and TinyDB would read a file that another one writes
    PATH.write_text('{"_default": {"1": {"count": 0}}}')


def create() -> int:
    # TinyDB would read the file first, which many may begin at once, and which may be torn
    PATH.write_text('{"_default": {"1": {"count": 0}}}')
    return 0


def increment() -> int:
    with TinyDB(PATH) as db:
        seen = db.all()[0]["count"]
        pause()
        db.update({"count": seen + 1})
        return seen + 1


def read() -> int:
    with TinyDB(PATH) as db:
        return db.all()[0]["count"]


def append(item: str) -> int:
    with TinyDB(PATH) as db:
        seen = len(db.table("entries"))
        pause()
        db.table("entries").insert({"item": item})
        return seen + 1


def items() -> list[str]:
    with TinyDB(PATH) as db:
        return [entry["item"] for entry in db.table("entries")]
