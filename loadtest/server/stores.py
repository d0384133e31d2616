"""The store of a server that is a target of faults."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from loadtest.server.fault import Target
from loadtest.server.postgres import refusal
from loadtest.server.workers import PATIENCE_S

if TYPE_CHECKING:
    from redis import Redis


@contextmanager
def redis_at(url: str) -> Iterator[Redis]:
    """Yield a client that never retries. Raise ConnectionError for whatever Redis refuses."""
    # most faults do without it, and it takes longer than some of them
    from redis import Redis, RedisError
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    try:
        yield Redis.from_url(url, socket_timeout=PATIENCE_S, retry=Retry(NoBackoff(), 0))
    except RedisError as error:
        raise ConnectionError(str(error)) from None


def store_answers(target: Target) -> bool:
    """Return True if the store answers."""
    if target.database_url:
        return not refusal(target.database_url)
    with suppress(ConnectionError), redis_at(str(target.redis_url)) as redis:
        return bool(redis.ping())
    return False
