"""A trial → a cell: served, loaded, recorded, judged, and compared with its promise."""

import os
import shutil
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

from loadtest import history
from loadtest.checker import Verdict, judge
from loadtest.promises import Promise, promise
from loadtest.server.guardian import guarded
from loadtest.server.gunicorn import ROOT, Running, launch
from loadtest.server.redis import PREFIX
from loadtest.trial import Load, Server, Trial

DEADLINE_S = 120
"""What a cell may take beyond its load, and its judging again."""
LOCUSTFILE = ROOT / "loadtest" / "locustfile.py"


class LoadError(RuntimeError):
    """The load did not run; the message says why, in the words of locust's own log."""


@dataclass(frozen=True)
class Cell:
    """A trial with what was promised and what came out; `seconds` is how long it took."""

    trial: Trial
    promise: Promise
    verdict: Verdict
    history: Path
    seconds: float

    @property
    def name(self) -> str:
        return self.trial.name

    @property
    def as_promised(self) -> bool:
        return self.promise.kept(self.verdict)


def run(
    trial: Trial,
    folder: Path,
    *,
    redis_url: str | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> Cell:
    """Runs one trial; its history and logs go into `folder`, which is made.

    redis_key needs the URL of a Redis. `progress` is told what begins.
    Raises ServerError or LoadError, and ValueError for an unknown variant.
    """
    began = time.monotonic()
    expected = promise(trial)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{trial.slug}.jsonl"
    progress(f"{trial.name}: {trial.load.users} clients")
    log = path.with_suffix(".server.log")
    with launch(trial, log=log, env=state_of_its_own(path, redis_url)) as server:
        apply(trial.load, server, path)
        # while the server is being ended
        judged = judged_beside(path, trial.server)
    try:
        verdict = judged()
    except TimeoutError:
        raise too_long(trial, "judging") from None
    return Cell(trial, expected, verdict, path, time.monotonic() - began)


def judged_beside(path: Path, server: Server) -> Callable[[], Verdict]:
    """Begins to judge a history; call for the verdict."""
    done: Future[Verdict] = Future()

    def work() -> None:
        try:
            done.set_result(judge_file(path, server))
        except BaseException as error:
            done.set_exception(error)

    # no thread of a pool: Python would wait for it at its end, however long it takes
    threading.Thread(target=work, daemon=True).start()
    return lambda: done.result(timeout=DEADLINE_S)


def too_long(trial: Trial, what: str) -> LoadError:
    return LoadError(f"{trial.name} could not be run: {what} took more than {DEADLINE_S} s")


def judge_file(path: Path, server: Server) -> Verdict:
    # gevent has a new thread for each request
    threads = None if server.worker_class == "gevent" else server.threads
    return judge(history.read(path), workers=server.workers, threads=threads)


def state_of_its_own(path: Path, redis_url: str | None = None) -> dict[str, str]:
    """Where the variants that keep state outside their process keep that of one run."""
    prefix = f"{PREFIX}{path.parent.name}:{path.stem}:"
    redis = {"REDIS_URL": redis_url} if redis_url else {}
    return {"SQLITE_PATH": str(path.with_suffix(".sqlite3")), "REDIS_PREFIX": prefix} | redis


def apply(load: Load, server: Running, path: Path) -> None:
    """Loads a server with locust in a process of its own, and writes the history to `path`.

    The load begins when every worker has answered. Raises ServerError or LoadError.
    """
    log = path.with_suffix(".locust.log")
    enough = ("--at-least", str(load.seconds), str(load.increments))
    kept = ["--keep-alive"] if load.keep_alive else []
    command = locust(server, path, load.users, "--headless", "--only-summary", *enough, *kept)
    deadline = time.monotonic() + load.seconds + DEADLINE_S
    with guarded(command, log=log) as process:
        while (status := process.poll()) is None:
            server.check()
            if time.monotonic() > deadline:
                raise too_long(server.trial, "load and audit")
            time.sleep(0.01)
    if status == os.EX_IOERR:
        raise LoadError(
            f"{server.trial.name} could not be run: not every operation could be written to {path} "
            f"({room(path)})"
        )
    if status:
        raise LoadError(f"the load did not run: {why(log)}")


def why(log: Path) -> str:
    """The error that locust logged first, or else the last line of its log."""
    lines = log.read_text().strip().splitlines()
    errors = [line.partition(": ")[2] for line in lines if "/ERROR/" in line]
    return [*errors[:1], *lines[-1:], f"{log} is empty ({room(log)})"][0]


def room(path: Path) -> str:
    return f"{shutil.disk_usage(path.parent).free >> 10:,} kB are free there"


def locust(server: Running, path: Path, users: int, *options: str) -> list[str]:
    """The locust command for our locustfile."""
    return [
        *(sys.executable, "-m", "locust", "--locustfile", str(LOCUSTFILE), *options),
        *("--exit-code-on-error", "0", "--host", server.url, "--history", str(path)),
        *("--boots", str(server.trial.server.workers)),
        *("--users", str(users), "--spawn-rate", "100"),
    ]
