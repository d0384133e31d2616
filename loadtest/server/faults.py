"""The faults that can be injected into a server or its store during a load.

It is done by a process of its own (`faults_process`), which writes down when, and to whom, in a
file beside the history, a line each:

    {"fault": "kill-worker", "start": 81234, "end": 91975, "what": "worker 4242"}

`start` and `end` are on the history's clock. A fault is only done to what this project has started.
"""

import json
import os
import re
import subprocess
import sys
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import psutil

from loadtest import ROOT
from loadtest.server.labels import ENDS, SERVES

TARGET = "FAULTS_TARGET"
SAID = re.compile(rf"Worker (\d+) ({SERVES}|{ENDS}) \((\d+) ns\)")
LASTS_S = 1.0
"""The seconds that a worker stands still, or a store is locked."""


@dataclass(frozen=True)
class Target:
    """The target of faults; a field is None if there is no such thing or it is not ours.

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
        """The places of the state for a process started later, by environment variable."""
        places = {
            "REDIS_URL": self.redis_url,
            "DATABASE_URL": self.database_url,
            "SQLITE_PATH": self.sqlite,
        }
        return {name: place for name, place in places.items() if place}


@dataclass(frozen=True)
class Injection:
    """A fault that was done; times in nanoseconds, on the history's clock."""

    fault: str
    start: int
    end: int
    what: str

    def __str__(self) -> str:
        """A line of that file."""
        return json.dumps(asdict(self))


@dataclass(frozen=True)
class Fault:
    """The description of a fault.

    called    what people call it
    ends      whose memory goes with it
    needs     what has to be there: a server of ours (that always), a store, one that is a process
              of its own, Redis, or a disk whose power can be cut
    times     how often it is done during a load
    """

    name: str
    called: str
    ends: Literal["nothing", "worker", "server", "store", "disk", "machine"]
    needs: Literal["server", "store", "process", "Redis", "disk"]
    times: int = 2


KINDS = (
    Fault("recycle", "the memory-leak setting, `--max-requests`", "worker", "server"),
    Fault("reload", "a deploy", "worker", "server"),
    Fault("kill-worker", "out of memory", "worker", "server"),
    Fault("pause-worker", "a long garbage collection", "nothing", "server"),
    Fault("scale", "autoscaling", "worker", "server"),
    Fault("restart", "a reboot, a new container", "server", "server"),
    # they are there all the time
    Fault("two-machines", "the second container", "nothing", "server", times=1),
    Fault("lock-store", "a backup, `KEYS *`", "nothing", "store"),
    Fault("kill-store", "a crash", "store", "process"),
    Fault("kill-defaults", "a crash, as most people run it", "disk", "Redis"),
    Fault("power-cut", "a power cut", "machine", "disk"),
    Fault("lose-reply", "a network that breaks", "nothing", "Redis"),
)
FAULTS = {kind.name: kind for kind in KINDS}


def ended(pid: int) -> bool:
    """Return True if a process is gone, or waits only for its exit status to be read."""
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    return True


def file(history: Path) -> Path:
    """Return the file of the injections during the load of a history."""
    return history.with_suffix(".faults.jsonl")


def begin(
    name: str, target: str, history: Path, *, times: int | None = None, seconds: float = 0
) -> subprocess.Popen[str]:
    """Does a fault in a process of its own, which says on its output why it could not. So many
    `times`, or as often as its kind says, and for so long at the least."""
    often = times or FAULTS[name].times
    told = [name, str(file(history).absolute()), str(often), str(seconds)]
    return subprocess.Popen(
        [sys.executable, "-m", "loadtest.server.faults_process", *told],
        cwd=ROOT,
        env=os.environ | {TARGET: target},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def recycles(log: Path) -> list[Injection]:
    """Return the recycled workers in gunicorn's log.

    Each injection lasts from a worker's end until its successor has loaded the app.
    """
    ended: deque[tuple[str, int]] = deque()
    done = []
    for worker, what, ns in SAID.findall(log.read_text(errors="replace")):
        if what == ENDS:
            ended.append((worker, int(ns)))
        elif ended:
            gone, since = ended.popleft()
            done.append(Injection("recycle", since, int(ns), f"worker {gone}"))
    return done


def write(file: Path, done: Iterable[Injection]) -> None:
    """Writes down all that was done, whatever the file had."""
    file.write_text("".join(f"{each}\n" for each in done))


def read(file: Path) -> list[Injection]:
    """The faults that were done; none if there is no such file."""
    lines = file.read_text().splitlines() if file.exists() else []
    return [Injection(**json.loads(line)) for line in lines]
