"""Flask-Caching's cache in a folder of files.

Lives in: machine. The folder is one for all workers that can open it.
Guard: none. `inc` reads one file and replaces it by another, and `add` looks before it writes.
Loses: updates, although `inc` is said to be atomic "for supporting caches": this one is none.
Survives: server. A cache may also forget what it has no room for, or what got old.
Steps: loses, by hand: A reads 0 from the file; B reads 0 from the file; A replaces it by 1, is
  answered 1; B replaces it by 1, is answered 1
Seen in: github.com/pallets-eco/cachelib (src/cachelib/base.py, inc),
  github.com/pallets-eco/flask-caching/issues/192
Instead: redis_cache
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from flask import Flask
from flask_caching import Cache

from variants.pause import pause

FOLDER = os.environ.get("STATE_PATH", "state")
CONFIG = {"CACHE_TYPE": "FileSystemCache", "CACHE_DEFAULT_TIMEOUT": 0, "CACHE_DIR": FOLDER}
cache = Cache(config=CONFIG)


def init_app(app: Flask) -> None:
    cache.init_app(app)


@contextmanager
def locked() -> Iterator[None]:
    while not cache.add("lock", True, timeout=5):
        time.sleep(0.001)
    yield
    cache.delete("lock")


def create() -> int:
    cache.set("count", 0)
    cache.set("entries", [])
    return 0


def increment() -> int:
    pause()
    return cache.cache.inc("count")


def read() -> int:
    return cache.get("count") or 0


def append(item: str) -> int:
    with locked():
        entries = cache.get("entries") or []
        pause()
        cache.set("entries", [*entries, item])
        return len(entries) + 1


def items() -> list[str]:
    return cache.get("entries") or []
