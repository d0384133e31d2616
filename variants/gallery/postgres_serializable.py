"""A row in PostgreSQL as an object, in a SERIALIZABLE transaction.

Lives in: network. One PostgreSQL keeps it for all workers, on this machine or any other.
Guard: transaction that refuses. Of two that read the same count one commits, the other is refused.
Loses: nothing. The refused one has to be done again, and here nobody does.
Survives: machine. The row is in the log on the disk when commit returns.
Needs: PostgreSQL
Steps: refuses, explored: A reads 0; B reads 0; A writes 1, and commits; B wants to write, is
  refused, since access could not be serialized
Seen in: postgresql.org/docs/current/mvcc-serialization-failure-handling.html, as not enough
Instead: postgres_serializable_retry
"""

import os

from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from variants.gallery.models import Cache, Entry, sessions, start_over
from variants.pause import pause

UNAVAILABLE = {OperationalError: "PostgreSQL is down, or another writer was faster: try again"}
Session = sessions(
    os.environ.get("DATABASE_URL", "postgresql:///state"), isolation_level="SERIALIZABLE"
)


def create() -> int:
    return start_over(Session)


def increment() -> int:
    with Session() as session:
        cache = session.get_one(Cache, 1)
        pause()
        cache.count += 1
        count = cache.count
        session.commit()
        return count


def read() -> int:
    with Session() as session:
        return session.scalar(select(Cache.count))


def append(item: str) -> int:
    with Session() as session:
        cache = session.get_one(Cache, 1)
        pause()
        cache.length += 1
        session.add(Entry(item=item))
        length = cache.length
        session.commit()
        return length


def items() -> list[str]:
    with Session() as session:
        return list(session.scalars(select(Entry.item).order_by(Entry.id)))
