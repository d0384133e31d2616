"""A JSON file that is read, changed and replaced by a new one.

Lives in: machine. The file is one for all workers that can open it.
Guard: none. A reader finds a whole file, but while it is at it, another reads the same count.
Loses: updates. The file that is put in place undoes what others have put there since.
Survives: server. Nobody waits for the disk.
Steps: loses, explored: A reads 0, and pauses; B reads 0, and pauses; A writes 1, is answered 1; B
  writes 1, is answered 1; the count is 1
Seen in: github.com/jonathanbossenger/concilium/issues/128, github.com/webzfs/webzfs/issues/177
Instead: json_file_locked, or redis_key on two machines
"""

import json
import os
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from variants.pause import pause

FOLDER = Path(os.environ.get("STATE_PATH", "state"))
FOLDER.mkdir(parents=True, exist_ok=True)
CACHE, ENTRIES = FOLDER / "cache.json", FOLDER / "entries.json"


def from_file(path: Path, default: Any) -> Any:
    return json.loads(path.read_text()) if path.exists() else default


def to_file(path: Path, data: Any) -> None:
    with NamedTemporaryFile("w", dir=FOLDER, delete=False) as file:
        json.dump(data, file)
    Path(file.name).replace(path)


def create() -> int:
    to_file(CACHE, {"count": 0})
    to_file(ENTRIES, [])
    return 0


def increment() -> int:
    cache = from_file(CACHE, {"count": 0})
    pause()
    cache["count"] += 1
    to_file(CACHE, cache)
    return cache["count"]


def read() -> int:
    return from_file(CACHE, {"count": 0})["count"]


def append(item: str) -> int:
    entries = from_file(ENTRIES, [])
    pause()
    entries.append(item)
    to_file(ENTRIES, entries)
    return len(entries)


def items() -> list[str]:
    return from_file(ENTRIES, [])
