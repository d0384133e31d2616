"""What is done to a server or its store while the load runs, and undone again.

    FAULTS_TARGET=… python -m loadtest.server.faults NAME FILE [TIMES [SECONDS]]

The target is no argument, for anybody on the machine can read those. Each is a few lines, and ends
when all is as it was before. It is done so many times, and for so many seconds at the least; when,
and to whom, is written to FILE, a line each:

    {"fault": "kill-worker", "start": 81234, "end": 91975, "what": "worker 4242"}

`start` and `end` are on the history's clock. A fault is only done to what this project has started.
"""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import psutil
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from loadtest.server.labels import SERVES
from loadtest.server.postgres import refusal

ROOT = Path(__file__).parents[2]
TARGET = "FAULTS_TARGET"
TIMES = 2
APART_S = 0.2
LASTS_S = 1.0
PATIENCE_S = 30.0


@dataclass(frozen=True)
class Target:
    """What faults are done to; None where there is none, or where it is not ours.

    server, store   the process ids of the guardians of gunicorn and of its store
    log             gunicorn's
    redis_url       where Redis is, without a proxy between
    database_url    where PostgreSQL is
    sqlite          the file
    disk            the folder of a disk whose power can be cut
    lose            the file that makes the proxy drop an answer
    """

    server: int
    log: str
    store: int | None = None
    redis_url: str | None = None
    database_url: str | None = None
    sqlite: str | None = None
    disk: str | None = None
    lose: str | None = None

    def __str__(self) -> str:
        return json.dumps(asdict(self))

    @property
    def found(self) -> dict[str, str]:
        """Where a process that is started later finds the state, by the variables that say so."""
        places = {
            "REDIS_URL": self.redis_url,
            "DATABASE_URL": self.database_url,
            "SQLITE_PATH": self.sqlite,
        }
        return {name: place for name, place in places.items() if place}

    @property
    def master(self) -> psutil.Process:
        return psutil.Process(self.server).children()[0]

    def workers(self) -> list[int]:
        """The process ids of the workers, the oldest first."""
        try:
            workers = self.master.children()
            return [each.pid for each in sorted(workers, key=psutil.Process.create_time)]
        except (psutil.NoSuchProcess, IndexError):
            return []

    def serving(self) -> list[int]:
        """Those that have loaded the app."""
        log = Path(self.log).read_text(errors="replace")
        return [pid for pid in self.workers() if SERVES.format(pid) in log]


@dataclass(frozen=True)
class Done:
    """A fault that was done; times in nanoseconds, on the history's clock."""

    fault: str
    start: int
    end: int
    what: str


class FaultError(RuntimeError):
    """A fault could not be done, or not undone; the message says which."""


def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > deadline:
            raise FaultError(f"{what} within {PATIENCE_S:g} s")
        time.sleep(0.02)


def back(target: Target, gone: list[int], count: int) -> None:
    """Waits until these workers are gone and so many serve."""

    def as_before() -> bool:
        return not set(gone) & set(target.workers()) and len(target.serving()) >= count

    until(as_before, "the workers were not back")


def recycle(target: Target) -> str:
    """gunicorn does it, after so many requests; here it is waited for."""
    before: list[int] = []

    def some_serve() -> bool:
        # whoever serves now may be gone at the next look
        before[:] = target.serving()
        return bool(before)

    until(some_serve, "no worker serves")
    until(lambda: not set(before) <= set(target.workers()), "no worker was recycled")
    gone = sorted(set(before) - set(target.workers()))
    back(target, gone, len(before))
    return f"worker {gone[0]}"


def reload(target: Target) -> str:
    before = target.serving()
    target.master.send_signal(signal.SIGHUP)
    back(target, before, len(before))
    return f"all {len(before)}" if len(before) > 1 else f"worker {before[0]}"


def kill_worker(target: Target) -> str:
    before = target.serving()
    os.kill(before[0], signal.SIGKILL)
    back(target, before[:1], len(before))
    return f"worker {before[0]}"


def pause_worker(target: Target) -> str:
    worker = target.serving()[0]
    os.kill(worker, signal.SIGSTOP)
    try:
        time.sleep(LASTS_S)
    finally:
        os.kill(worker, signal.SIGCONT)
    return f"worker {worker}"


def scale(target: Target) -> str:
    before = target.serving()
    target.master.send_signal(signal.SIGTTIN)
    back(target, [], len(before) + 1)
    time.sleep(APART_S)
    target.master.send_signal(signal.SIGTTOU)
    # gunicorn ends the oldest
    back(target, before[:1], len(before))
    return f"one more, then worker {before[0]} ends"


def restart(target: Target) -> str:
    before = target.serving()
    os.kill(target.server, signal.SIGUSR1)
    back(target, before, len(before))
    return "the server"


def kill_store(target: Target) -> str:
    assert target.store
    (before,) = psutil.Process(target.store).children()
    # those of PostgreSQL have sessions of their own, and would go on for a while
    for each in before.children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            each.kill()
    os.kill(target.store, signal.SIGUSR2)
    until(lambda: not before.is_running() and answers(target), "the store was not back")
    return f"{'Redis' if target.redis_url else 'PostgreSQL'} {before.pid}"


def power_cut(target: Target) -> str:
    assert target.disk
    before = target.serving()
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
        until(lambda: all(map(ended, stopped)), "the machine was not off")
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


def ended(process: psutil.Process) -> bool:
    """Whether it is gone, or would be if anyone asked for its exit status."""
    with suppress(psutil.NoSuchProcess):
        return process.status() == psutil.STATUS_ZOMBIE
    return True


def lock_store(target: Target) -> str:
    if target.redis_url:
        # a script, since nothing else gets its turn while one runs
        script = "local t = os.clock() while os.clock() - t < tonumber(ARGV[1]) do end"
        connect(target.redis_url).eval(script, 0, str(LASTS_S))
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
    time.sleep(LASTS_S)
    return "two servers, each with a disk of its own"


def connect(url: str) -> redis.Redis:
    return redis.Redis.from_url(url, socket_timeout=PATIENCE_S, retry=Retry(NoBackoff(), 0))


def answers(target: Target) -> bool:
    """Whether its store does."""
    if target.database_url:
        return not refusal(target.database_url)
    try:
        return bool(connect(str(target.redis_url)).ping())
    except redis.RedisError:
        return False


@dataclass(frozen=True)
class Kind:
    """What is known of a fault.

    called    what people call it
    ends      whose memory goes with it
    needs     what has to be there: a server of ours (that always), a store, one that is a process
              of its own, Redis, or a disk whose power can be cut
    do        does it, undoes it, and says to whom
    """

    name: str
    called: str
    ends: Literal["nothing", "worker", "server", "store", "disk", "machine"]
    needs: Literal["server", "store", "process", "Redis", "disk"]
    do: Callable[[Target], str]


KINDS = (
    Kind("recycle", "the memory-leak setting, `--max-requests`", "worker", "server", recycle),
    Kind("reload", "a deploy", "worker", "server", reload),
    Kind("kill-worker", "out of memory", "worker", "server", kill_worker),
    Kind("pause-worker", "a long garbage collection", "nothing", "server", pause_worker),
    Kind("scale", "autoscaling", "worker", "server", scale),
    Kind("restart", "a reboot, a new container", "server", "server", restart),
    Kind("two-machines", "the second container", "nothing", "server", two_machines),
    Kind("lock-store", "a backup, `KEYS *`", "nothing", "store", lock_store),
    Kind("kill-store", "a crash", "store", "process", kill_store),
    Kind("kill-defaults", "a crash, as most people run it", "disk", "Redis", kill_store),
    Kind("power-cut", "a power cut", "machine", "disk", power_cut),
    Kind("lose-reply", "a network that breaks", "nothing", "Redis", lose_reply),
)
FAULTS = {kind.name: kind for kind in KINDS}


def do(kind: Kind, target: Target) -> Done:
    """Does a fault once. Raises FaultError."""
    start = time.monotonic_ns()
    try:
        what = kind.do(target)
    except (OSError, psutil.Error, redis.RedisError, sqlite3.Error, IndexError) as error:
        raise FaultError(f"{kind.name}: {error}") from None
    return Done(kind.name, start, time.monotonic_ns(), what)


def file(history: Path) -> Path:
    """Where it is written down what was done during the load of a history."""
    return history.with_suffix(".faults.jsonl")


def begin(
    name: str, target: str, history: Path, *, times: int = TIMES, seconds: float = 0
) -> subprocess.Popen[str]:
    """Does a fault in a process of its own, which says on its output why it could not."""
    told = [name, str(file(history).absolute()), str(times), str(seconds)]
    return subprocess.Popen(
        [sys.executable, "-m", "loadtest.server.faults", *told],
        cwd=ROOT,
        env=os.environ | {TARGET: target},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def read(file: Path) -> list[Done]:
    """The faults that were done; none if there is no such file."""
    lines = file.read_text().splitlines() if file.exists() else []
    return [Done(**json.loads(line)) for line in lines]


def main(name: str, path: str, times: str = "1", seconds: str = "0") -> None:
    target = Target(**json.loads(os.environ[TARGET]))
    with Path(path).open("a", buffering=1) as out:
        began, left = time.monotonic(), int(times)
        while left > 0 or time.monotonic() < began + float(seconds):
            done = do(FAULTS[name], target)
            out.write(json.dumps(asdict(done)) + "\n")
            left -= 1
            time.sleep(APART_S)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except FaultError as error:
        sys.exit(str(error))
