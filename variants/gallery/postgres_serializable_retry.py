"""A row in PostgreSQL as an object, in a SERIALIZABLE transaction that is done again.

Lives in: network. One PostgreSQL keeps it for all workers, on this machine or any other.
Guard: transaction. Of two that read the same count one commits, the other starts afresh.
Loses: nothing. The more are at work, the more attempts it costs.
Survives: machine. The row is in the log on the disk when commit returns.
Needs: PostgreSQL
Seen in: postgresql.org/docs/current/mvcc-serialization-failure-handling.html
"""

import os
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from psycopg.errors import SerializationFailure
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from variants.gallery.models import Cache, Entry, sessions, start_over
from variants.pause import pause

Session = sessions(
    os.environ.get("DATABASE_URL", "postgresql:///state"), isolation_level="SERIALIZABLE"
)
P, T = ParamSpec("P"), TypeVar("T")


def retry(function: Callable[P, T]) -> Callable[P, T]:
    @wraps(function)
    def until_it_commits(*args: P.args, **kwargs: P.kwargs) -> T:
        while True:
            try:
                return function(*args, **kwargs)
            except OperationalError as error:
                if not isinstance(error.orig, SerializationFailure):
                    raise

    return until_it_commits


@retry
def create() -> int:
    return start_over(Session)


@retry
def increment() -> int:
    with Session() as session:
        cache = session.get_one(Cache, 1)
        pause()
        cache.count += 1
        count = cache.count
        session.commit()
        return count


@retry
def read() -> int:
    with Session() as session:
        return session.scalar(select(Cache.count))


@retry
def append(item: str) -> int:
    with Session() as session:
        cache = session.get_one(Cache, 1)
        pause()
        cache.length += 1
        session.add(Entry(item=item))
        length = cache.length
        session.commit()
        return length


@retry
def items() -> list[str]:
    with Session() as session:
        return list(session.scalars(select(Entry.item).order_by(Entry.id)))
