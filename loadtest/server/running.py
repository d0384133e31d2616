"""A running server, as a context manager."""

import re
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from loadtest.errors import CouldNotRun
from loadtest.server.adapter import Start
from loadtest.server.environment import for_server
from loadtest.server.faults import fault_of
from loadtest.server.guardian import UNGUARDED, GuardianError, guarded
from loadtest.server.interpreter import environment as environment_of
from loadtest.server.interpreter import look, pythonpath, theirs
from loadtest.server.servers import adapter_of
from loadtest.server.workers import serving_below
from loadtest.trial import Trial
from variants.facts import facts

STARTUP_S = 30.0
EXCEPTION = re.compile(r"[\w.]*(Error|Exception)(:|$)")
"""The line of a traceback that names the exception."""


class ServerError(CouldNotRun):
    """The server did not start; the message says why, in the words of its own log."""


@dataclass(frozen=True)
class Running:
    """A server that has been started for a trial; `process` is its guardian, None if it is not
    ours and ran already, and `boots` how many workers answer at `url`, 0 if nobody knows."""

    url: str
    trial: Trial
    log: Path
    process: subprocess.Popen[bytes] | None
    boots: int

    def check(self) -> None:
        """Raises ServerError if the server has ended, GuardianError if nobody guards it."""
        if self.process and (status := self.process.poll()) is not None:
            if status < 0:
                raise GuardianError(f"the server{UNGUARDED} ({self.log})")
            raise ServerError(f"the server ended: {why(self.log)}")

    def workers(self) -> set[int]:
        """Return the process ids of the workers that serve now."""
        return set(serving_below(self.process.pid, self.log)) if self.process else set()


@contextmanager
def launch(
    trial: Trial, *, log: Path, port: int = 0, env: dict[str, str] | None = None
) -> Iterator[Running]:
    """Yield the trial's app under its server on 127.0.0.1, which may still be starting.

    Port 0 is any free one. The log is appended to `log`. The server ends with the block, or with
    this process, however that ends. Raises ServerError if the port cannot be used.
    """
    own, server = trial.own, trial.server
    if own and own.runs_already:
        yield already(trial, log)
        return
    adapter, fault = adapter_of(server), fault_of(trial.fault)
    python, asgi, env = interpreter(trial, env, log.parent)
    with listening(port) as listener:
        number = listener.getsockname()[1]
        start = Start(
            server,
            app=trial.app,
            target=trial.app,
            asgi=asgi,
            port=number,
            listener=listener.fileno(),
            chdir=own.chdir if own else "",
            max_requests=fault.max_requests if fault else 0,
            options=options(trial),
        )
        command = [python, *adapter.command(start)]
        with guarded(command, log=log, env=env, pass_fds=[listener.fileno()]) as process:
            # from here on only the server holds the port: when it dies, connections are refused
            listener.close()
            yield Running(f"http://127.0.0.1:{number}", trial, log, process, server.workers)


def interpreter(
    trial: Trial, env: dict[str, str] | None, folder: Path
) -> tuple[str, bool, dict[str, str]]:
    """Return the Python of a trial, True for an ASGI app, and the environment of both.

    `env` is part of that environment. Raises PythonError.
    """
    own, server = trial.own, trial.server
    around = for_server(PAUSE_MS=str(trial.load.pause_ms), **(env or {}))
    if not (own or server.python):
        return sys.executable, False, around
    python = server.python if own else environment_of(server.python)
    chdir = own.chdir if own else ""
    found = look(trial.app, chdir, python, folder, server.name, ours=own is None)
    if own:
        return found.path, found.asgi, theirs(*found.lent)
    return found.path, found.asgi, around | {"PYTHONPATH": pythonpath(*found.lent)}


def already(trial: Trial, log: Path) -> Running:
    """A server of somebody's that runs. Raises ServerError if nothing answers there."""
    assert trial.own
    url = trial.own.target.rstrip("/")
    try:
        asked(url)
    except requests.RequestException as error:
        raise ServerError(
            f"nothing answers at URL={url} ({type(error).__name__}); start it first"
        ) from None
    return Running(url, trial, log, None, 0)


def options(trial: Trial) -> list[str]:
    """Return the options that a variant needs: `Served: with --such-options`."""
    said = None
    # the server says in its own words what cannot be read
    with suppress(ValueError):
        said = None if trial.own else facts(trial.variant)
    served = said.lines.get("Served", "") if said else ""
    return shlex.split(served.removeprefix("with ")) if served.startswith("with ") else []


@contextmanager
def serve(trial: Trial, **settings: Any) -> Iterator[Running]:
    """Launch a server like `launch`, but return once every worker answers.

    Raises ServerError if it does not start.
    """
    with launch(trial, **settings) as server:
        wait_for(server)
        yield server


def wait_for(server: Running) -> None:
    """Waits until every worker has answered. Raises ServerError if the server does not start."""
    workers = server.trial.server.workers
    deadline = time.monotonic() + STARTUP_S
    seen: set[int] = set()
    with ThreadPoolExecutor(2 * workers) as pool:
        while len(seen) < workers:
            server.check()
            if time.monotonic() > deadline:
                name = server.trial.variant
                raise ServerError(f"{name} did not start in time: {why(server.log)}")
            answers = pool.map(worker_at, [server.url] * 2 * workers)
            seen |= {pid for pid in answers if pid} & server.workers()


def listening(port: int) -> socket.socket:
    listener = socket.socket()
    # or a port would stay taken for a minute after each server
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
        listener.listen(2048)
    except OSError as error:
        listener.close()
        raise ServerError(
            f"port {port} cannot be used ({error.strerror}); choose another with PORT=…"
        ) from None
    return listener


def worker_at(url: str) -> int | None:
    """The process id of the worker that answered; None while none does."""
    try:
        reply = asked(url)
        return int(reply.headers["X-Worker"])
    except (requests.RequestException, KeyError):
        return None


def asked(url: str) -> requests.Response:
    with requests.Session() as session:
        # no proxy and no .netrc of the caller's
        session.trust_env = False
        return session.get(url, timeout=1, headers={"Connection": "close"})


def answers(url: str) -> bool:
    """Return True if anything answers there; try for a tenth of a second."""
    try:
        asked(url)
    except requests.RequestException:
        time.sleep(0.1)
        return False
    return True


def why(log: Path) -> str:
    """Return the reason in the server's log: an exception's own line if there is one."""
    return exception(log) or (lines(log) or ["its log is empty"])[-1]


def exception(log: Path) -> str:
    """Return the last line of the last traceback in a log, or "" if there is none."""
    errors = [line for line in lines(log) if EXCEPTION.match(line)]
    return errors[-1] if errors else ""


def lines(log: Path) -> list[str]:
    """Return the lines of a log that are not empty."""
    text = log.read_text(errors="replace")
    return [line.strip() for line in text.splitlines() if line.strip()]
