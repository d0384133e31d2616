"""A row as an object that was read with a lock, on SQLite.

Lives in: machine. The database is one for all workers.
Guard: none. SQLite has no FOR UPDATE, and SQLAlchemy leaves it out without a word.
Loses: updates, while the same code on PostgreSQL loses none.
Survives: store. The row is on the disk when commit returns, but on SQLite a power cut may bring the
  journal back, which undoes the last commit: only synchronous=EXTRA or WAL keeps it.
Steps: loses, explored: A reads 0, and pauses; B reads 0, and pauses; A writes 1, is answered 1; B
  writes 1, is answered 1; the count is 1
Seen in: restack.io/p/sqlalchemy-knowledge-with-for-update-example-cat-ai ("locked"),
  github.com/IBM/mcp-context-forge/issues/1641 ("ignored")
Instead: orm_returning, or postgres_returning on two machines
"""

import os

from sqlalchemy import select

from variants.gallery.models import Cache, Entry, sessions, start_over
from variants.pause import pause

Session = sessions("sqlite:///" + os.environ.get("SQLITE_PATH", "state.sqlite3"))


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
