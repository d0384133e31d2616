"""Flask-Caching's cache in Redis.

Lives in: network. One server keeps it for all workers, on this machine or any other.
Guard: server. `inc` is INCR, one step in the server. A list has no such step here, so it has a
  lock. The cache's own `add` would be a bad one: it sets the key in one step and its expiry in
  another, and who dies between them leaves the list locked for ever.
Loses: nothing, while Redis lives and nobody stands still for five seconds with the lock.
Survives: store, if Redis keeps an append-only file. One that is a cache may forget what it has no
  room for.
Needs: Redis
Seen in: github.com/pallets-eco/cachelib (src/cachelib/redis_base.py)
"""

import os

import redis
from flask import Flask
from flask_caching import Cache

from variants.pause import pause

URL = os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0")
PREFIX = os.environ.get("REDIS_PREFIX", "state:")
CONFIG = {
    "CACHE_TYPE": "RedisCache",
    "CACHE_DEFAULT_TIMEOUT": 0,
    "CACHE_REDIS_URL": URL,
    "CACHE_KEY_PREFIX": PREFIX,
}
cache = Cache(config=CONFIG)
client = redis.Redis.from_url(URL)


def init_app(app: Flask) -> None:
    cache.init_app(app)


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
    with client.lock(PREFIX + "lock", timeout=5, sleep=0.001):
        entries = cache.get("entries") or []
        pause()
        cache.set("entries", [*entries, item])
        return len(entries) + 1


def items() -> list[str]:
    return cache.get("entries") or []
