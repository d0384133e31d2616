"""Where results are kept, a folder a call, and what a trial needs besides its server."""

import errno
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from loadtest.server.redis import redis_server
from variants import VARIANTS

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
def redis_for(variants: Iterable[str], folder: Path) -> Iterator[str | None]:
    """The URL of a Redis, if one of them uses it, or is a module of which nobody knows."""
    if any(variant == "redis_key" or variant not in VARIANTS for variant in variants):
        with redis_server(folder / "redis.log") as url:
            yield url
    else:
        yield None
