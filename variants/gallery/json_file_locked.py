"""A JSON file that is replaced by a new one, behind a lock from the read to the write.

Lives in: machine. The file is one for all workers that can open it, and so is the lock.
Guard: lock. Whoever wants to read or write opens the file beside it and locks that.
Loses: nothing, as long as everyone who touches the file takes the lock.
Survives: server. Nobody waits for the disk.
Seen in: github.com/Netflix/metaflow/pull/3006
Instead: redis_key on two machines
"""

import json
import os
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from filelock import FileLock

from variants.pause import pause

FOLDER = Path(os.environ.get("STATE_PATH", "state"))
FOLDER.mkdir(parents=True, exist_ok=True)
CACHE, ENTRIES = FOLDER / "cache.json", FOLDER / "entries.json"
LOCK = FOLDER / "lock"


def from_file(path: Path, default: Any) -> Any:
    return json.loads(path.read_text()) if path.exists() else default


def to_file(path: Path, data: Any) -> None:
    with NamedTemporaryFile("w", dir=FOLDER, delete=False) as file:
        json.dump(data, file)
    Path(file.name).replace(path)


def create() -> int:
    with FileLock(LOCK):
        to_file(CACHE, {"count": 0})
        to_file(ENTRIES, [])
        return 0


def increment() -> int:
    with FileLock(LOCK):
        cache = from_file(CACHE, {"count": 0})
        pause()
        cache["count"] += 1
        to_file(CACHE, cache)
        return cache["count"]


def read() -> int:
    with FileLock(LOCK):
        return from_file(CACHE, {"count": 0})["count"]


def append(item: str) -> int:
    with FileLock(LOCK):
        entries = from_file(ENTRIES, [])
        pause()
        entries.append(item)
        to_file(ENTRIES, entries)
        return len(entries)


def items() -> list[str]:
    with FileLock(LOCK):
        return from_file(ENTRIES, [])
