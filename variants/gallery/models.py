"""The tables of the idioms that are written with SQLAlchemy."""

from typing import Any

from sqlalchemy import create_engine, delete, select, update
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker

# all workers begin at once, and CREATE TABLE IF NOT EXISTS alone is no lock
LOCK = {"sqlite": "BEGIN IMMEDIATE", "postgresql": "SELECT pg_advisory_xact_lock(1)"}


class Base(DeclarativeBase):
    pass


class Cache(Base):
    __tablename__ = "cache"
    id: Mapped[int] = mapped_column(primary_key=True)
    count: Mapped[int] = mapped_column(default=0)
    length: Mapped[int] = mapped_column(default=0)


class Entry(Base):
    __tablename__ = "entries"
    id: Mapped[int] = mapped_column(primary_key=True)
    item: Mapped[str]


def sessions(url: str, **options: Any) -> sessionmaker[Session]:
    """Makes sessions on a database; its tables are made here, if there are none."""
    url = url.replace("postgresql://", "postgresql+psycopg://")
    # no worker that is forked from here may share the connection that makes the tables
    first = create_engine(url)
    with first.begin() as connection:
        connection.exec_driver_sql(LOCK[first.dialect.name])
        Base.metadata.create_all(connection)
        if not connection.scalar(select(Cache.id)):
            connection.execute(Cache.__table__.insert(), {"id": 1})
    first.dispose()
    return sessionmaker(create_engine(url, **options))


def start_over(sessions: sessionmaker[Session]) -> int:
    """Empties both tables. Nothing else is under way then, so that no transaction is needed."""
    with sessions() as session:
        session.connection(execution_options={"isolation_level": "AUTOCOMMIT"})
        session.execute(update(Cache).values(count=0, length=0))
        session.execute(delete(Entry))
        return 0
