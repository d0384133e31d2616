"""Flask-Caching's cache in Redis.

Lives in: network. One server keeps it for all workers, on this machine or any other.
Guard: server. `inc` is INCR and `add` is SET NX: each is one step in the server.
Loses: nothing, while the server lives.
Survives: store, if Redis keeps an append-only file. A cache may forget what got old.
Needs: Redis
Seen in: github.com/pallets-eco/cachelib (src/cachelib/redis.py)
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from flask import Flask
from flask_caching import Cache

from variants.pause import pause

CONFIG = {
    "CACHE_TYPE": "RedisCache",
    "CACHE_DEFAULT_TIMEOUT": 0,
    "CACHE_REDIS_URL": os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0"),
    "CACHE_KEY_PREFIX": os.environ.get("REDIS_PREFIX", "state:"),
}
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
