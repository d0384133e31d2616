"""A key in Redis.

Lives in: network. One server keeps it for all workers, on this machine or any other.
Guard: server. INCR, RPUSH and SADD read and write in one step, inside the server. Nothing can be
  put between, so the pause comes before it: there is no window here to lose anything in.
Loses: nothing, while the server lives and evicts no keys. With maxmemory and an allkeys policy it
  may drop the count, and the next answer is 1; noeviction refuses instead.
Survives: store. Redis reads its append-only file when it starts again, if it keeps one: by default
  it does not.
Needs: Redis
"""

from __future__ import annotations

import os

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from variants.pause import pause

UNAVAILABLE = {
    redis.RedisError: "Redis does not answer at REDIS_URL: start it, or name another address",
    redis.ResponseError: "Redis refused that; if a key there holds something else, create starts "
    "over, or REDIS_PREFIX names other keys",
    ValueError: "a key in Redis holds no count, or no text: create starts over, or REDIS_PREFIX "
    "names other keys",
}
PREFIX = os.environ.get("REDIS_PREFIX", "state:")
CACHE, ENTRIES = PREFIX + "cache", PREFIX + "entries"
CURRENT, TEXTS, CLAIMS = PREFIX + "current", PREFIX + "texts", PREFIX + "claims"
# an INCR sent twice counts twice: redis.Redis(host=…) sends one without a reply ten times more
client = redis.Redis.from_url(
    os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0"),
    retry=Retry(NoBackoff(), 0),
    socket_timeout=5,
    decode_responses=True,
)


def create() -> int:
    with client.pipeline() as transaction:
        transaction.set(CACHE, 0)
        transaction.delete(ENTRIES, TEXTS, CLAIMS)
        transaction.execute()
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
    return [str(item) for item in client.lrange(ENTRIES, 0, -1)]


def remember(name: str) -> None:
    client.set(CURRENT, name)


def recall() -> str:
    return str(client.get(CURRENT))


def save(visitor: str, text: str) -> None:
    client.hset(TEXTS, visitor, text)


def load(visitor: str) -> str | None:
    text = client.hget(TEXTS, visitor)
    return None if text is None else str(text)


def claim(item: str) -> bool:
    pause()
    return client.sadd(CLAIMS, item) == 1
