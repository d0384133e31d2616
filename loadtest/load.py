"""The load of a server: a locust in a process of its own, which writes the history down."""

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

from loadtest.server import faults
from loadtest.server.environment import ROOT, for_load
from loadtest.server.faults import Target
from loadtest.server.guardian import GRACE, UNGUARDED, GuardianError
from loadtest.server.gunicorn import Running
from loadtest.trial import Load, Trial

DEADLINE_S = 120
"""What a load and its audit may take beyond its time, and a judging again."""
FULL = ("database or disk is full", "disk I/O error", "No space left on device", "File too large")
"""What SQLite and the system say."""
LOCUSTFILE = ROOT / "loadtest" / "locustfile.py"
ON = threading.Event()
"""Nobody sets it."""
starting = threading.Lock()
running: tuple[subprocess.Popen[bytes], socket.socket] | None = None
"""Where loads are forked; it ends with this process."""


class LoadError(RuntimeError):
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

    The load begins when every worker has answered. Raises ServerError or LoadError, which is
    raised too as soon as `over` is set.
    """
    log = path.with_suffix(".locust.log")
    enough = ("--at-least", str(load.seconds), str(load.increments))
    kept = ["--keep-alive"] if load.keep_alive else []
    options = ("--headless", "--only-summary", *enough, *kept, *options)
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
        raise LoadError(f"the load did not run: {why(log)}")


@contextmanager
def forked(
    command: Sequence[str], *, log: Path, env: dict[str, str], cwd: Path
) -> Iterator[Callable[[], int | None]]:
    """A `python -m locust`, forked where that has been imported; call for its exit status, None
    while it runs.

    Output is appended to `log`. Leaving the block ends it. Raises GuardianError, in the call, if
    what it was forked from was killed.
    """
    ours, theirs = socket.socketpair()
    with ours:
        with theirs, log.open("ab") as output, TemporaryFile("w+", dir=log.parent) as said:
            json.dump({"argv": command[2:], "env": env, "cwd": str(cwd.absolute())}, said)
            said.seek(0)
            with starting:
                process, where = loads(log)
                socket.send_fds(where, [b"."], [each.fileno() for each in (theirs, output, said)])

        def answered(seconds: float) -> bool:
            return bool(select.select([ours], [], [], seconds)[0])

        def poll() -> int | None:
            if not answered(0):
                return None
            if status := ours.recv(16):
                return int(status)
            if process.wait() > 0:
                return process.returncode
            raise GuardianError(f"locust{UNGUARDED} ({log})")

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
                # somebody has stopped it
                process.kill()


def loads(log: Path) -> tuple[subprocess.Popen[bytes], socket.socket]:
    """Where loads are forked, and how it is told to; started anew if there is none."""
    global running
    if not running or running[0].poll() is not None:
        ours, theirs = socket.socketpair()
        with theirs, log.open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "loadtest.load_process", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=for_load(log.parent),
                pass_fds=[theirs.fileno()],
                # Ctrl-C in the terminal is for the owner alone
                start_new_session=True,
            )
        running = process, ours
    return running


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
    """The error that locust logged first, or else the last line of its log."""
    lines = log.read_text(errors="replace").strip().splitlines()
    errors = [line.partition(": ")[2] for line in lines if "/ERROR/" in line]
    return [*errors[:1], *lines[-1:], f"{log} is empty ({room(log)})"][0]


def room(path: Path) -> str:
    return f"{shutil.disk_usage(path.parent).free >> 10:,} kB are free there"


def locust(server: Running, path: Path, users: int, *options: str) -> list[str]:
    """The locust command for our locustfile; it needs the environment of `secrets`."""
    own = server.trial.own
    said = [f"--{name}={value}" for name, value in own.said.items()] if own else []
    return [
        *(sys.executable, "-m", "locust", "--locustfile", str(LOCUSTFILE), *options, *said),
        *(["--redirected"] if own and own.redirected else []),
        *("--exit-code-on-error", "0", "--host", server.url, "--history", str(path.absolute())),
        *("--boots", str(server.boots)),
        *("--users", str(users), "--spawn-rate", "100"),
    ]


def secrets(trial: Trial, target: Target | None) -> dict[str, str]:
    """What locust is told by its environment, since it may stand in no list of processes: what
    goes with each request, and what faults can be done to."""
    told = {"HEADERS": trial.own.headers if trial.own else ""}
    return told | ({faults.TARGET: str(target)} if target else {})
