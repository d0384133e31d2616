"""A key in Redis, and an lru_cache so that reading it is fast.

Lives in: network. One server keeps it for all workers, on this machine or any other.
Guard: server. INCR reads and writes in one step, inside the server.
Answers: cached. Each worker keeps what it has read, until it increments itself.
Loses: nothing, but the other workers go on reading what they have read before; and who reads while
  the copy is dropped may put the old count back, until its worker increments again.
Survives: store. Redis reads its append-only file when it starts again; by default it keeps none.
Needs: Redis
Steps: answers late, by hand, between workers: A at worker 1 reads 0, which worker 1 keeps; B at
  worker 2 counts up to 1, is answered 1; A at worker 1 reads, is answered 0 | answers late,
  tested, within a worker: A reads 0 from Redis, to keep it; B counts up to 1, drops what is kept,
  is answered 1; A keeps 0, is answered 0; C reads, is answered 0
Seen in: krzysztofzuraw.com/blog/2017/gunicorn-and-lru-cache-pitfall
Instead: redis_key
"""

import os
from functools import lru_cache

import redis

from variants.pause import pause

PREFIX = os.environ.get("REDIS_PREFIX", "state:")
CACHE, ENTRIES = PREFIX + "cache", PREFIX + "entries"
client = redis.Redis.from_url(
    os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0"), decode_responses=True
)


@lru_cache
def entries() -> list[str]:
    return client.lrange(ENTRIES, 0, -1)


def create() -> int:
    client.set(CACHE, 0)
    client.delete(ENTRIES)
    read.cache_clear()
    entries.cache_clear()
    return 0


def increment() -> int:
    pause()
    count = client.incr(CACHE)
    read.cache_clear()
    return count


@lru_cache
def read() -> int:
    return int(client.get(CACHE) or 0)


def append(item: str) -> int:
    pause()
    length = client.rpush(ENTRIES, item)
    entries.cache_clear()
    return length


def items() -> list[str]:
    return entries()
