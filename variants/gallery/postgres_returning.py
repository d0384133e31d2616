"""A row in PostgreSQL that one statement reads and writes.

Lives in: network. One PostgreSQL keeps it for all workers, on this machine or any other.
Guard: transaction. UPDATE waits for whoever has the row, and then reads what they wrote.
Loses: nothing. RETURNING answers with the count that this very UPDATE wrote.
Survives: machine. The row is in the log on the disk when commit returns.
Needs: PostgreSQL
Seen in: postgresql.org/docs/current/dml-returning.html, github.com/polarsource/polar/pull/9259
"""

import os

from sqlalchemy import select, update

from variants.gallery.models import Cache, Entry, sessions, start_over
from variants.pause import pause

Session = sessions(os.environ.get("DATABASE_URL", "postgresql:///state"))


def create() -> int:
    return start_over(Session)


def increment() -> int:
    with Session() as session:
        pause()
        one_more = update(Cache).values(count=Cache.count + 1).returning(Cache.count)
        count = session.scalar(one_more)
        session.commit()
        return count


def read() -> int:
    with Session() as session:
        return session.scalar(select(Cache.count))


def append(item: str) -> int:
    with Session() as session:
        pause()
        one_more = update(Cache).values(length=Cache.length + 1).returning(Cache.length)
        length = session.scalar(one_more)
        session.add(Entry(item=item))
        session.commit()
        return length


def items() -> list[str]:
    with Session() as session:
        return list(session.scalars(select(Entry.item).order_by(Entry.id)))
