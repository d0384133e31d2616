"""A row in PostgreSQL as an object that was read with a lock.

Lives in: network. One PostgreSQL keeps it for all workers, on this machine or any other.
Guard: transaction. SELECT FOR UPDATE waits for whoever has the row, and then reads what they wrote.
Loses: nothing. The answer is taken before the commit that gives the lock away.
Survives: machine. The row is in the log on the disk when commit returns.
Needs: PostgreSQL
Seen in: dev.to/ivankwongtszfung/safe-update-operation-in-postgresql-using-sqlalchemy-3ela
  (update lock)
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
        cache = session.get_one(Cache, 1, with_for_update=True)
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
        cache = session.get_one(Cache, 1, with_for_update=True)
        pause()
        cache.length += 1
        session.add(Entry(item=item))
        length = cache.length
        session.commit()
        return length


def items() -> list[str]:
    with Session() as session:
        return list(session.scalars(select(Entry.item).order_by(Entry.id)))
