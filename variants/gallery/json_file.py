"""A JSON file that is read, changed and written.

Lives in: machine. The file is one for all workers that can open it.
Guard: none, may refuse. While one is at it, another reads the same count.
Loses: updates. Who reads while another writes may find half a file, and answers 500; two who write
  at once may leave one that nobody can read.
Survives: server, but who is killed while it writes may leave half a file. Nobody waits for the
  disk.
Steps: loses, explored: A reads 0, and pauses; B reads 0, and pauses; A writes 1, is answered 1; B
  writes 1, is answered 1; the count is 1
Seen in: github.com/danieldeer/seriousdb/pull/9, github.com/linux-netdev/nipa/pull/90
Instead: json_file_locked, or redis_key on two machines
"""

import json
import os
from pathlib import Path
from typing import Any

from variants.pause import pause

FOLDER = Path(os.environ.get("STATE_PATH", "state"))
FOLDER.mkdir(parents=True, exist_ok=True)
CACHE, ENTRIES = FOLDER / "cache.json", FOLDER / "entries.json"


def from_file(path: Path, default: Any) -> Any:
    return json.loads(path.read_text()) if path.exists() else default


def to_file(path: Path, data: Any) -> None:
    path.write_text(json.dumps(data))


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
