"""The load of a server: a locust in a process of its own, which writes the history down."""

import atexit
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, NamedTuple

from loadtest import ROOT
from loadtest.errors import CouldNotRun
from loadtest.server import injections
from loadtest.server.environment import for_load
from loadtest.server.fault import Target
from loadtest.server.guardian import UNGUARDED, GuardianError
from loadtest.server.guardian_process import GRACE
from loadtest.server.running import Running, exception
from loadtest.trial import Load, Trial

DEADLINE_S = 120
"""The seconds that a load and its audit, or a judgement, may take beyond their time."""
FULL = ("database or disk is full", "disk I/O error", "No space left on device", "File too large")
"""The messages of SQLite and the system about a full disk."""
LOCUSTFILE = ROOT / "loadtest" / "locustfile.py"
ON = threading.Event()
"""Nobody sets it."""


class Forking(NamedTuple):
    """The process that forks loads.

    `where` takes its orders; `said` holds its last words if it ended by itself.
    """

    process: subprocess.Popen[bytes]
    where: socket.socket
    said: IO[bytes]


starting = threading.Lock()
running: Forking | None = None
"""It ends with this process."""


class LoadError(CouldNotRun):
    """The load did not run; the message says why, in the words of locust's own log."""


def apply(
    load: Load,
    server: Running,
    path: Path,
    *options: str,
    target: Target | None = None,
    over: threading.Event = ON,
) -> None:
    """Loads a server with locust in a process of its own, and writes the history to `path`.

    The load begins when every worker has answered. Raises ServerError, or LoadError: also as soon
    as `over` is set.
    """
    log = path.with_suffix(".locust.log")
    enough = ("--at-least", str(load.seconds), str(load.increments))
    kept = ["--keep-alive"] if load.keep_alive else []
    kinds = ["--kinds", load.kind] if load.kind else []
    options = ("--headless", "--only-summary", *enough, *kept, *kinds, *options)
    command = locust(server, path, load.users, *options)
    deadline = time.monotonic() + load.seconds + DEADLINE_S
    env = for_load(path.parent) | secrets(server.trial, target)
    if server.process:
        # our own has a number for a host, and gevent would ask another thread for that each time
        env["GEVENT_RESOLVER"] = "block"
    with forked(command, log=log, env=env, cwd=path.parent) as poll:
        while (status := poll()) is None:
            server.check()
            if time.monotonic() > deadline:
                raise too_long(server.trial, "load and audit")
            if over.wait(0.01):
                raise LoadError(f"{server.trial.name} was stopped")
    if status == os.EX_IOERR:
        raise LoadError(
            f"{server.trial.name} could not be run: not every operation could be written to {path} "
            f"({room(path)})"
        )
    if status:
        if not server.trial.fault:
            had_room(server)
        # an app says in its server's log why it answered 500
        cause = exception(server.log) if server.log.exists() else ""
        raise LoadError(f"the load did not run: {why(log)}{f' ({cause})' if cause else ''}")


@contextmanager
def forked(
    command: Sequence[str], *, log: Path, env: dict[str, str], cwd: Path
) -> Iterator[Callable[[], int | None]]:
    """A `python -m locust`, forked where that has been imported; call for its exit status, None
    while it runs.

    Output is appended to `log`. Leaving the block ends it. Raises LoadError if it cannot be begun,
    and in the call GuardianError if what it was forked from was killed, LoadError if that failed.
    """
    ours, theirs = socket.socketpair()
    with ours:
        try:
            with theirs, log.open("ab") as output, TemporaryFile("w+", dir=log.parent) as told:
                json.dump({"argv": command[2:], "env": env, "cwd": str(cwd.absolute())}, told)
                told.seek(0)
                with starting:
                    process, where, said = loads(log.parent)
                    given = [each.fileno() for each in (theirs, output, told)]
                    socket.send_fds(where, [b"."], given)
        except OSError as error:
            raise LoadError(
                f"the load could not be begun: {error.strerror} ({room(log)})"
            ) from None
        status: int | None = None

        def answered(seconds: float) -> bool:
            return bool(select.select([ours], [], [], seconds)[0])

        def poll() -> int | None:
            nonlocal status
            if status is None and answered(0):
                if not (answer := ours.recv(16)):
                    if process.wait() < 0:
                        raise GuardianError(f"locust{UNGUARDED} ({log})")
                    said.seek(0)
                    raise LoadError(f"the load did not run: {reason(said.read().decode())}")
                status = int(answer)
            return status

        try:
            yield poll
        finally:
            for how in (signal.SIGTERM, signal.SIGKILL):
                with suppress(BrokenPipeError):
                    if not answered(0):
                        ours.send(bytes([how]))
                if answered(GRACE):
                    break
            else:
                # somebody has stopped it; all of its loads end
                process.kill()


def loads(home: Path) -> Forking:
    """Return the process that forks loads; start it if there is none."""
    global running
    if not running or running.process.poll() is not None:
        ours, theirs = socket.socketpair()
        said = TemporaryFile()  # noqa: SIM115
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-m", "loadtest.client.load_process", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                env=for_load(home),
                pass_fds=[theirs.fileno()],
                # Ctrl-C in the terminal is for the owner alone
                start_new_session=True,
            )
        running = Forking(process, ours, said)
        atexit.register(end, running)
    return running


def end(forking: Forking) -> None:
    forking.where.close()
    try:
        forking.process.wait(GRACE)
    except subprocess.TimeoutExpired:
        forking.process.kill()


def had_room(server: Running) -> None:
    """Raises LoadError if the machine refused to write for the store: no verdict on the variant."""
    said = server.log.read_text(errors="replace") if server.log.exists() else ""
    if full := next((words for words in FULL if words in said), None):
        raise LoadError(
            f"{server.trial.name} could not be run: its store met {full!r} ({room(server.log)})"
        )


def too_long(trial: Trial, what: str) -> LoadError:
    return LoadError(f"{trial.name} could not be run: {what} took more than {DEADLINE_S} s")


def why(log: Path) -> str:
    return reason(log.read_text(errors="replace")) or f"{log} is empty ({room(log)})"


def reason(said: str) -> str:
    """The error that locust logged first, or else its last line."""
    lines = said.strip().splitlines()
    errors = [line.partition(": ")[2] for line in lines if "/ERROR/" in line]
    return [*errors[:1], *lines[-1:], ""][0]


def room(path: Path) -> str:
    return f"{shutil.disk_usage(path.parent).free >> 10:,} kB are free there"


def locust(server: Running, path: Path, users: int, *options: str) -> list[str]:
    """The locust command for our locustfile; it needs the environment of `secrets`."""
    own = server.trial.own
    said = [f"--{name}={value}" for name, value in own.said.items()] if own else []
    return [
        *(sys.executable, "-m", "locust", "--locustfile", str(LOCUSTFILE), *options, *said),
        *(["--redirected"] if own and own.redirected else []),
        *(["--descends"] if own and own.descends else []),
        *("--exit-code-on-error", "0", "--host", server.url, "--history", str(path.absolute())),
        *("--boots", str(server.boots)),
        *("--users", str(users), "--spawn-rate", "100"),
    ]


def secrets(trial: Trial, target: Target | None) -> dict[str, str]:
    """Return the settings that locust gets by its environment, because command lines are public.

    They are the headers of each request and the target of faults.
    """
    told = {"HEADERS": trial.own.headers if trial.own else ""}
    return told | ({injections.TARGET: str(target)} if target else {})
