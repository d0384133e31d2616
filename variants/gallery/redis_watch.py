"""A key in Redis that is watched while it is read and written.

Lives in: network. One server keeps it for all workers, on this machine or any other.
Guard: transaction. EXEC does nothing if another has touched the key since WATCH; then again.
Loses: nothing. The more are at work, the more attempts it costs.
Sends: again. redis-py raises WatchError, too, where the connection breaks before the reply to
  EXEC: the loop then counts a second time. A number of one's own for each request would tell.
Survives: store. Redis reads its append-only file when it starts again; by default it keeps none.
Needs: Redis
Seen in: redis.io/docs/latest/develop/clients/redis-py/transpipe
"""

import os
from contextlib import suppress

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
    with client.pipeline() as transaction:
        while True:
            with suppress(redis.WatchError):
                transaction.watch(CACHE)
                seen = int(transaction.get(CACHE) or 0)
                pause()
                transaction.multi()
                transaction.set(CACHE, seen + 1)
                transaction.execute()
                return seen + 1


def read() -> int:
    return int(client.get(CACHE) or 0)


def append(item: str) -> int:
    with client.pipeline() as transaction:
        while True:
            with suppress(redis.WatchError):
                transaction.watch(ENTRIES)
                seen = transaction.llen(ENTRIES)
                pause()
                transaction.multi()
                transaction.rpush(ENTRIES, item)
                transaction.execute()
                return seen + 1


def items() -> list[str]:
    return client.lrange(ENTRIES, 0, -1)
