"""The folder of results, one a call, and the stores that a trial needs."""

import errno
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from loadtest.server.postgres import postgres_server
from loadtest.server.redis import redis_server, store
from variants import VARIANTS
from variants.facts import facts

RESULTS = Path("results")


def new_folder() -> Path:
    """A folder for the results of this call. Raises OSError if it cannot be made."""
    latest = RESULTS / "latest"
    if latest.exists() and not latest.is_symlink():
        raise FileExistsError(errno.EEXIST, "it is no link of ours; move it away", str(latest))
    name = time.strftime("%Y-%m-%d_%H-%M-%S")
    for suffix in ("", *(f"-{n}" for n in range(2, 100))):
        folder = RESULTS / (name + suffix)
        with suppress(FileExistsError):
            folder.mkdir(parents=True)
            break
    return folder


def make_latest(folder: Path) -> None:
    """`results/latest` names this folder from now on."""
    latest = RESULTS / "latest"
    latest.unlink(missing_ok=True)
    latest.symlink_to(folder.name)


@contextmanager
def redis_for(variants: Iterable[str], folder: Path) -> Iterator[tuple[str | None, int | None]]:
    """The URL of a Redis, and its guardian if it is ours, if one of these variants uses it or is a
    module of which nobody knows."""
    log = folder / "redis.log"
    if all(variant in VARIANTS and variant != "redis_key" for variant in variants):
        yield None, None
    elif os.environ.get("REDIS_URL"):
        with redis_server(log) as url:
            yield url, None
    else:
        with store(log) as ours:
            yield ours


@contextmanager
def postgres_for(variants: Iterable[str], folder: Path) -> Iterator[str | None]:
    """The URL of a PostgreSQL, if one of them says that it needs it."""
    said = [facts(variant) for variant in variants]
    if any(each and each.lines.get("Needs") == "PostgreSQL" for each in said):
        with postgres_server(folder / "postgres.log") as url:
            yield url
    else:
        yield None
