"""Does a fault to a server or its store while the load runs, and undoes it again.

    FAULTS_TARGET=… python -m loadtest.server.faults_process NAME FILE [TIMES [SECONDS]]

The target is no argument, for anybody on the machine can read those. Each is a few lines, and ends
when all is as it was before. It is done so many times, and for so many seconds at the least; when,
and to whom, is written to FILE, a line each.
"""

import json
import os
import signal
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from loadtest.server.faults import FAULTS, LASTS_S, TARGET, Injection, Target, ended, recycles
from loadtest.server.labels import SERVES
from loadtest.server.postgres import refusal

if TYPE_CHECKING:
    from redis import Redis

APART_S = 0.1
PATIENCE_S = 30.0


class FaultError(RuntimeError):
    """A fault could not be done, or not undone; the message says which."""


def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > deadline:
            raise FaultError(f"{what} within {PATIENCE_S:g} s")
        time.sleep(0.02)


def gunicorn(target: Target) -> psutil.Process:
    return psutil.Process(target.server).children()[0]


def workers(target: Target) -> list[int]:
    """The process ids of the workers, the oldest first."""
    try:
        found = gunicorn(target).children()
        return [each.pid for each in sorted(found, key=psutil.Process.create_time)]
    except (psutil.NoSuchProcess, IndexError):
        return []


def serving(target: Target) -> list[int]:
    """Return the workers that have loaded the app."""
    log = Path(target.log).read_text(errors="replace")
    return [pid for pid in workers(target) if f"Worker {pid} {SERVES}" in log]


def back(target: Target, gone: list[int], count: int) -> None:
    """Waits until these workers are gone and so many serve."""

    def as_before() -> bool:
        return not set(gone) & set(workers(target)) and len(serving(target)) >= count

    until(as_before, "the workers were not back")


def reload(target: Target) -> str:
    before = serving(target)
    gunicorn(target).send_signal(signal.SIGHUP)
    back(target, before, len(before))
    return f"all {len(before)}" if len(before) > 1 else f"worker {before[0]}"


def kill_worker(target: Target) -> str:
    before = serving(target)
    os.kill(before[0], signal.SIGKILL)
    back(target, before[:1], len(before))
    return f"worker {before[0]}"


def pause_worker(target: Target) -> str:
    worker = serving(target)[0]
    os.kill(worker, signal.SIGSTOP)
    try:
        time.sleep(LASTS_S)
    finally:
        os.kill(worker, signal.SIGCONT)
    return f"worker {worker}"


def scale(target: Target) -> str:
    before = serving(target)
    gunicorn(target).send_signal(signal.SIGTTIN)
    back(target, [], len(before) + 1)
    time.sleep(APART_S)
    gunicorn(target).send_signal(signal.SIGTTOU)
    # gunicorn ends the oldest
    back(target, before[:1], len(before))
    return f"one more, then worker {before[0]} ends"


def restart(target: Target) -> str:
    before = serving(target)
    os.kill(target.server, signal.SIGUSR1)
    back(target, before, len(before))
    return "the server"


def kill_store(target: Target) -> str:
    assert target.store
    (before,) = psutil.Process(target.store).children()
    # those of PostgreSQL have sessions of their own, and would go on for a while
    others = before.children(recursive=True)
    # first, or their end might be taken for the store's own
    os.kill(target.store, signal.SIGUSR2)
    for each in others:
        with suppress(psutil.NoSuchProcess):
            each.kill()
    until(lambda: not before.is_running() and answers(target), "the store was not back")
    return f"{'Redis' if target.redis_url else 'PostgreSQL'} {before.pid}"


def power_cut(target: Target) -> str:
    assert target.disk
    before = serving(target)
    guardians = [psutil.Process(pid) for pid in (target.store, target.server) if pid]
    try:
        for guardian in guardians:
            guardian.suspend()
        # at once: who runs on might sync what had not been, or start another
        stopped: set[psutil.Process] = set()
        while (
            more := {each for one in guardians for each in one.children(recursive=True)} - stopped
        ):
            for each in more:
                each.suspend()
            stopped |= more
        for each in stopped:
            each.kill()
        until(lambda: all(ended(each.pid) for each in stopped), "the machine was not off")
        cut = Path(target.disk, "cut")
        cut.mkdir()
        cut.rmdir()
    finally:
        for guardian in guardians:
            guardian.send_signal(signal.SIGUSR2)
            guardian.resume()
            until(lambda: not target.store or answers(target), "the store was not back")
    back(target, before, len(before))
    return "the whole machine"


def lock_store(target: Target) -> str:
    if target.redis_url:
        # a script, since nothing else gets its turn while one runs; Debian's can see no clock
        script, turns = "for _ = 1, tonumber(ARGV[1]) do end", 5_000_000
        with connected(target.redis_url) as redis:
            began = time.monotonic()
            redis.eval(script, 0, str(turns))
            redis.eval(script, 0, str(int(turns * LASTS_S / (time.monotonic() - began))))
        return "a slow script in Redis"
    if target.database_url:
        import psycopg

        with psycopg.connect(target.database_url) as connection:
            connection.execute("LOCK TABLE cache, entries")
            time.sleep(LASTS_S)
        return "the tables in PostgreSQL"
    if not (target.sqlite and Path(target.sqlite).exists()):
        raise FaultError("there is no SQLite file at SQLITE_PATH")
    with closing(sqlite3.connect(target.sqlite, timeout=30, isolation_level=None)) as db:
        db.execute("BEGIN EXCLUSIVE")
        time.sleep(LASTS_S)
        db.execute("COMMIT")
    return "the SQLite file"


def lose_reply(target: Target) -> str:
    assert target.lose
    file = Path(target.lose)
    file.touch()
    until(lambda: not file.exists(), "no answer was dropped")
    return "the answer to a write"


def two_machines(target: Target) -> str:
    time.sleep(APART_S)
    return "two servers, each with a disk of its own"


@contextmanager
def connected(url: str) -> Iterator["Redis"]:
    """Raises ConnectionError, whatever it is that Redis refuses."""
    # most do without it
    from redis import Redis, RedisError
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    try:
        yield Redis.from_url(url, socket_timeout=PATIENCE_S, retry=Retry(NoBackoff(), 0))
    except RedisError as error:
        raise ConnectionError(str(error)) from None


def answers(target: Target) -> bool:
    """Return True if the store answers."""
    if target.database_url:
        return not refusal(target.database_url)
    with suppress(ConnectionError), connected(str(target.redis_url)) as redis:
        return bool(redis.ping())
    return False


DO: dict[str, Callable[[Target], str]] = {
    "reload": reload,
    "kill-worker": kill_worker,
    "pause-worker": pause_worker,
    "scale": scale,
    "restart": restart,
    "two-machines": two_machines,
    "lock-store": lock_store,
    "kill-store": kill_store,
    "kill-defaults": kill_store,
    "power-cut": power_cut,
    "lose-reply": lose_reply,
}
"""Each does it, undoes it, and says to whom."""


def do(name: str, target: Target) -> Injection:
    """Does a fault once. Raises FaultError."""
    start = time.monotonic_ns()
    try:
        what = DO[name](target)
    except (OSError, psutil.Error, sqlite3.Error, IndexError) as error:
        raise FaultError(f"{name}: {error}") from None
    return Injection(name, start, time.monotonic_ns(), what)


def recycled(target: Target, nth: int) -> Injection:
    """Wait until gunicorn has recycled a worker, which it does after so many requests."""
    log = Path(target.log)
    until(lambda: len(recycles(log)) > nth, "no worker was recycled")
    return recycles(log)[nth]


def main(name: str, path: str, times: str = "1", seconds: str = "0") -> None:
    target = Target(**json.loads(os.environ[TARGET]))
    if target.redis_url and FAULTS[name].needs != "server":
        # it would take longer than the fault
        import redis  # noqa: F401
    began, count = time.monotonic(), 0

    def enough() -> bool:
        return count >= int(times) and time.monotonic() >= began + float(seconds)

    with Path(path).open("a", buffering=1) as out:
        while not enough():
            done = recycled(target, count) if name == "recycle" else do(name, target)
            out.write(f"{done}\n")
            count += 1
            # requests come before the next, and whoever is new gets some after the last
            if not enough() or FAULTS[name].ends != "nothing":
                time.sleep(APART_S)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except FaultError as error:
        sys.exit(str(error))
