"""A row as an object, whose attribute becomes an SQL expression.

Lives in: machine. The database is one for all workers.
Guard: transaction. SQLAlchemy writes `SET count = count + 1`, which the database does in one step.
Answers: read again. commit expires the object, and `cache.count` asks the database once more.
Loses: nothing, but others may have counted by the time of the answer: then two are told the same.
Survives: store. The row is on the disk when commit returns, but on SQLite a power cut may bring the
  journal back, which undoes the last commit: only synchronous=EXTRA or WAL keeps it.
Steps: answers late, by hand: A writes count + 1, and commits; B writes count + 1, and commits; A
  reads, is answered 2; B reads, is answered 2
Seen in: docs.sqlalchemy.org/en/20/orm/persistence_techniques.html ("useful for atomic updates")
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
        cache = session.get_one(Cache, 1)
        pause()
        cache.count = Cache.count + 1
        session.commit()
        return cache.count


def read() -> int:
    with Session() as session:
        return session.scalar(select(Cache.count))


def append(item: str) -> int:
    with Session() as session:
        cache = session.get_one(Cache, 1)
        pause()
        cache.length = Cache.length + 1
        session.add(Entry(item=item))
        session.commit()
        return cache.length


def items() -> list[str]:
    with Session() as session:
        return list(session.scalars(select(Entry.item).order_by(Entry.id)))
