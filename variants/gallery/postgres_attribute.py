"""A row in PostgreSQL as an object, whose attribute is counted up.

Lives in: network. One PostgreSQL keeps it for all workers, on this machine or any other.
Guard: none. READ COMMITTED, the default, lets two transactions read the same count.
Loses: updates. Both commits succeed, and the second undoes the first.
Survives: machine. The row is in the log on the disk when commit returns.
Needs: PostgreSQL
Steps: loses, explored: A reads 0, and pauses; B reads 0, and pauses; A writes 1, is answered 1; B
  writes 1, is answered 1; the count is 1
Seen in: dev.to/ivankwongtszfung/safe-update-operation-in-postgresql-using-sqlalchemy-3ela,
  as not safe
Instead: postgres_for_update
"""

import os

from sqlalchemy import select

from variants.gallery.models import Cache, Entry, sessions, start_over
from variants.pause import pause

Session = sessions(os.environ.get("DATABASE_URL", "postgresql:///state"))


def create() -> int:
    return start_over(Session)


def increment() -> int:
    with Session() as session:
        cache = session.get_one(Cache, 1)
        pause()
        cache.count += 1
        session.commit()
        return cache.count


def read() -> int:
    with Session() as session:
        return session.scalar(select(Cache.count))


def append(item: str) -> int:
    with Session() as session:
        cache = session.get_one(Cache, 1)
        pause()
        cache.length += 1
        session.add(Entry(item=item))
        session.commit()
        return cache.length


def items() -> list[str]:
    with Session() as session:
        return list(session.scalars(select(Entry.item).order_by(Entry.id)))
