"""A key in Redis that is counted up by a client made with `redis.Redis(host=…)`.

Lives in: network. One server keeps it for all workers, on this machine or any other.
Guard: server. INCR reads and writes in one step, inside the server.
Loses: nothing. But redis-py 8 sends a command again, up to ten times, if its connection breaks, and
  an INCR whose reply was lost has counted: a right command and a wrong count, without an error.
Sends: again. `retry=Retry(NoBackoff(), 0)` sends once, as `Redis.from_url` does by default.
Survives: store. Redis reads its append-only file when it starts again; by default it keeps none.
Needs: Redis
Seen in: github.com/redis/redis-py/issues/1186 ("the duplicate command execution"),
  github.com/redis/redis-py/issues/261
"""

import os
from urllib.parse import urlsplit

import redis

from variants.pause import pause

PREFIX = os.environ.get("REDIS_PREFIX", "state:")
CACHE, ENTRIES = PREFIX + "cache", PREFIX + "entries"
url = urlsplit(os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0"))
client = redis.Redis(
    host=url.hostname or "127.0.0.1",
    port=url.port or 6379,
    password=url.password,
    unix_socket_path=url.path if url.scheme == "unix" else None,
    decode_responses=True,
)


def create() -> int:
    client.set(CACHE, 0)
    client.delete(ENTRIES)
    return 0


def increment() -> int:
    pause()
    return client.incr(CACHE)


def read() -> int:
    return int(client.get(CACHE) or 0)


def append(item: str) -> int:
    pause()
    return client.rpush(ENTRIES, item)


def items() -> list[str]:
    return client.lrange(ENTRIES, 0, -1)
