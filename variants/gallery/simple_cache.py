"""Flask-Caching's cache in the worker's own memory.

Lives in: worker. Each worker has a cache of its own.
Guard: lock. `inc` takes the cache's own; what takes several steps needs one more, here by `add`.
Loses: nothing within a worker, but the total between workers.
Survives: request. A cache may also forget what it has no room for, or what got old.
Seen in: github.com/pallets-eco/flask-caching/issues/192
Instead: redis_cache
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from flask import Flask
from flask_caching import Cache

from variants.pause import pause

CONFIG = {"CACHE_TYPE": "SimpleCache", "CACHE_DEFAULT_TIMEOUT": 0}
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
