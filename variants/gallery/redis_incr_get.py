"""A key in Redis that is counted up, then read.

Lives in: network. One server keeps it for all workers, on this machine or any other.
Guard: server. INCR reads and writes in one step, inside the server.
Answers: read again after the pause. INCR has answered; that is thrown away, and GET asks once more.
Loses: nothing, but others may have counted between INCR and GET: then two are told the same.
Survives: store. Redis reads its append-only file when it starts again; by default it keeps none.
Needs: Redis
Steps: answers late, explored: A counts up to 1, and pauses; B counts up to 2, and pauses; A
  reads, is answered 2; B reads, is answered 2; the count is 2
Seen in: github.com/docker/awesome-compose (flask-redis/app.py)
Instead: redis_key
"""

import os

import redis

from variants.pause import pause

PREFIX = os.environ.get("REDIS_PREFIX", "state:")
CACHE, ENTRIES = PREFIX + "cache", PREFIX + "entries"
client = redis.Redis.from_url(
    os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0"), decode_responses=True
)


def create() -> int:
    client.set(CACHE, 0)
    client.delete(ENTRIES)
    return 0


def increment() -> int:
    client.incr(CACHE)
    pause()
    return int(client.get(CACHE))


def read() -> int:
    return int(client.get(CACHE) or 0)


def append(item: str) -> int:
    client.rpush(ENTRIES, item)
    pause()
    return client.llen(ENTRIES)


def items() -> list[str]:
    return client.lrange(ENTRIES, 0, -1)
