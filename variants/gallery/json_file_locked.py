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


def load(path: Path, default: Any) -> Any:
    return json.loads(path.read_text()) if path.exists() else default


def save(path: Path, data: Any) -> None:
    with NamedTemporaryFile("w", dir=FOLDER, delete=False) as file:
        json.dump(data, file)
    Path(file.name).replace(path)


def create() -> int:
    with FileLock(LOCK):
        save(CACHE, {"count": 0})
        save(ENTRIES, [])
        return 0


def increment() -> int:
    with FileLock(LOCK):
        cache = load(CACHE, {"count": 0})
        pause()
        cache["count"] += 1
        save(CACHE, cache)
        return cache["count"]


def read() -> int:
    with FileLock(LOCK):
        return load(CACHE, {"count": 0})["count"]


def append(item: str) -> int:
    with FileLock(LOCK):
        entries = load(ENTRIES, [])
        pause()
        entries.append(item)
        save(ENTRIES, entries)
        return len(entries)


def items() -> list[str]:
    with FileLock(LOCK):
        return load(ENTRIES, [])
