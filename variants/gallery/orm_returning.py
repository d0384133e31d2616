"""A row that one statement reads and writes, in the words of the ORM.

Lives in: machine. The database is one for all workers.
Guard: transaction. UPDATE takes the lock before it reads.
Loses: nothing. RETURNING answers with the count that this very UPDATE wrote.
Survives: machine. With EXTRA the file and its folder are synced when commit returns.
Seen in: docs.sqlalchemy.org/en/20/orm/queryguide/dml.html (using RETURNING with UPDATE)
Instead: postgres_returning on two machines
"""

import os

from sqlalchemy import event, select, update

from variants.gallery.models import Cache, Entry, sessions, start_over
from variants.pause import pause

Session = sessions("sqlite:///" + os.environ.get("SQLITE_PATH", "state.sqlite3"))


@event.listens_for(Session.kw["bind"], "connect")
def sync_the_folder(connection, _) -> None:
    # FULL, the default, does not sync the folder: a power cut may undo the last commit
    connection.execute("PRAGMA synchronous = EXTRA")


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
