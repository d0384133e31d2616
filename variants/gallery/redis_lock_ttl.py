"""A key in Redis, behind a lock in Redis that expires.

Lives in: network. One server keeps it for all workers, on this machine or any other.
Guard: lock that expires. One has it, for 0.8 s; who takes longer works on without it.
Loses: nothing, until a worker stands still for a second: others have the lock meanwhile, and then
  the late one overwrites what they wrote, unless another writes after it. With a longer lock it
  takes a longer standstill.
Survives: store. Redis reads its append-only file when it starts again; by default it keeps none.
Needs: Redis
Steps: loses, tested: A takes the lock, reads 0, and stands still until it has expired; B takes
  the lock, reads 0, writes 1, is answered 1; C takes the lock, reads 1, writes 2, is answered 2;
  A goes on, writes 1, is refused, since the lock is not its own; the count is 1
Seen in: github.com/repository-service-tuf/repository-service-tuf-worker/issues/151,
  github.com/openshift-eng/art-tools/pull/366
Instead: redis_key
"""

import os

import redis

from variants.pause import pause

PREFIX = os.environ.get("REDIS_PREFIX", "state:")
CACHE, ENTRIES, LOCK = PREFIX + "cache", PREFIX + "entries", PREFIX + "lock"
client = redis.Redis.from_url(
    os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0"), decode_responses=True
)


def create() -> int:
    client.set(CACHE, 0)
    client.delete(ENTRIES)
    return 0


def increment() -> int:
    with client.lock(LOCK, timeout=0.8, sleep=0.001):
        seen = int(client.get(CACHE) or 0)
        pause()
        client.set(CACHE, seen + 1)
        return seen + 1


def read() -> int:
    return int(client.get(CACHE) or 0)


def append(item: str) -> int:
    with client.lock(LOCK, timeout=0.8, sleep=0.001):
        seen = client.llen(ENTRIES)
        pause()
        client.rpush(ENTRIES, item)
        return seen + 1


def items() -> list[str]:
    return client.lrange(ENTRIES, 0, -1)
