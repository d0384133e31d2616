"""A key in Redis that is read, then written.

Lives in: network. One server keeps it for all workers, on this machine or any other.
Guard: none. Each command is one step; the two of them are not.
Loses: updates. Between GET and SET others may get the same count.
Survives: store. Redis reads its append-only file when it starts again; by default it keeps none.
Needs: Redis
Steps: loses, explored: A reads 0, and pauses; B reads 0, and pauses; A writes 1, is answered 1; B
  writes 1, is answered 1; the count is 1
Seen in: github.com/mozilla/send/pull/1299, github.com/openshift-eng/art-tools/pull/2920
Instead: redis_key
"""

import os

import redis

from variants.pause import pause

PREFIX = os.environ.get("REDIS_PREFIX", "state:")
CACHE, ENTRIES, CLAIMS = PREFIX + "cache", PREFIX + "entries", PREFIX + "claims"
client = redis.Redis.from_url(
    os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0"), decode_responses=True
)


def create() -> int:
    client.set(CACHE, 0)
    client.delete(ENTRIES, CLAIMS)
    return 0


def increment() -> int:
    seen = int(client.get(CACHE) or 0)
    pause()
    client.set(CACHE, seen + 1)
    return seen + 1


def read() -> int:
    return int(client.get(CACHE) or 0)


def append(item: str) -> int:
    seen = client.llen(ENTRIES)
    pause()
    client.rpush(ENTRIES, item)
    return seen + 1


def items() -> list[str]:
    return client.lrange(ENTRIES, 0, -1)


def claim(item: str) -> bool:
    free = not client.sismember(CLAIMS, item)
    pause()
    client.sadd(CLAIMS, item)
    return free
