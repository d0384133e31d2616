"""A JSON file that is read, changed and replaced by a new one.

Lives in: machine. The file is one for all workers that can open it.
Guard: none. A reader finds a whole file, but while it is at it, another reads the same count.
Loses: updates. The file that is put in place undoes what others have put there since.
Survives: server. Nobody waits for the disk.
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


def load(path: Path, default: Any) -> Any:
    return json.loads(path.read_text()) if path.exists() else default


def save(path: Path, data: Any) -> None:
    with NamedTemporaryFile("w", dir=FOLDER, delete=False) as file:
        json.dump(data, file)
    Path(file.name).replace(path)


def create() -> int:
    save(CACHE, {"count": 0})
    save(ENTRIES, [])
    return 0


def increment() -> int:
    cache = load(CACHE, {"count": 0})
    pause()
    cache["count"] += 1
    save(CACHE, cache)
    return cache["count"]


def read() -> int:
    return load(CACHE, {"count": 0})["count"]


def append(item: str) -> int:
    entries = load(ENTRIES, [])
    pause()
    entries.append(item)
    save(ENTRIES, entries)
    return len(entries)


def items() -> list[str]:
    return load(ENTRIES, [])
