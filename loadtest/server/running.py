"""A running server, as a context manager."""

import os
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
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import requests

from loadtest.errors import CouldNotRun
from loadtest.server.adapter import Adapter, Start
from loadtest.server.environment import for_server
from loadtest.server.faults import fault_of
from loadtest.server.guardian import UNGUARDED, GuardianError, guarded
from loadtest.server.interpreter import LABELS, look, package_folder, pythonpath, theirs
from loadtest.server.interpreter import environment as environment_of
from loadtest.server.servers import adapter_of, refusal, topology
from loadtest.server.shake_plan import shake_plan
from loadtest.server.workers import serving_below
from loadtest.trial import Trial
from variants.facts import facts

STARTUP_S = 30.0
EXCEPTION = re.compile(r"[\w.]*(Error|Exception)(:|$)")
"""The line of a traceback that names the exception."""
APP = "app_with_labels"
"""The name of the module that has the app with labels."""


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
    if why_not := refusal(server):
        raise ServerError(why_not)
    python, asgi, env = interpreter(trial, env, log.parent)
    env |= shake_plan(trial, log)
    with listening(port) as listener:
        number = listener.getsockname()[1]
        start = Start(
            server,
            python,
            app=f"{APP}:app",
            target=trial.app,
            asgi=asgi,
            port=number,
            listener=listener.fileno(),
            chdir=own.chdir if own else "",
            max_requests=fault.max_requests if fault else 0,
            options=options(trial),
        )
        cwd = None
        if not adapter.labels:
            env = env | {"PYTHONPATH": write_module(start, adapter, log, env)}
            cwd = Path(start.chdir) if start.chdir else None
            # it binds the port itself
            listener.close()
        with guarded(
            adapter.command(start),
            log=log,
            env=env,
            cwd=cwd,
            pass_fds=[listener.fileno()] if adapter.labels else [],
            # where the socket is there already, requests wait until the server takes them
            ready=lambda: adapter.labels or listens(number),
            refusal=lambda: ServerError(f"{trial.name} did not start: {why(log)}"),
        ) as process:
            # from here on only the server holds the port: when it dies, connections are refused
            listener.close()
            boots = topology(server).workers
            yield Running(f"http://127.0.0.1:{number}", trial, log, process, boots)


def write_module(start: Start, adapter: Adapter, log: Path, env: dict[str, str]) -> str:
    """Write the module that has the app with labels; return the PYTHONPATH that finds it."""
    folder = log.with_suffix(".app").absolute()
    folder.mkdir(exist_ok=True)
    text = (
        f'"""{start.target} with labels on its replies; written for one start."""\n\n'
        "import os\nimport runpy\nimport sys\n\n"
        "sys.path.insert(0, os.getcwd())\n"
        f'app = runpy.run_path({str(LABELS)!r})["labelled"]({start.target!r})\n'
    )
    text += adapter.wrapping(start)
    (folder / f"{APP}.py").write_text(text, encoding="utf-8")
    return os.pathsep.join(filter(None, (str(folder), env.get("PYTHONPATH"))))


def interpreter(
    trial: Trial, env: dict[str, str] | None, folder: Path
) -> tuple[str, bool, dict[str, str]]:
    """Return the Python of a trial, True for an ASGI app, and the environment of both.

    `env` is part of that environment. Raises PythonError.
    """
    own, server = trial.own, trial.server
    around = for_server(PAUSE_MS=str(trial.load.pause_ms), **(env or {}))
    if not (own or server.python):
        # ours has gunicorn and Flask
        module = adapter_of(server).module
        lacks = module != "" and find_spec(module) is None
        lent = (package_folder(adapter_of(server), sys.executable, folder),) if lacks else ()
        path = os.pathsep.join([around["PYTHONPATH"], *map(str, lent)])
        return sys.executable, False, around | {"PYTHONPATH": path}
    python = server.python if own else environment_of(server.python)
    chdir = own.chdir if own else ""
    found = look(trial.app, chdir, python, folder, adapter_of(server), ours=own is None)
    if own:
        return found.path, found.asgi, theirs(adapter_of(server), *found.lent)
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
    workers = server.boots
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


def listens(port: int) -> bool:
    """Return True if a server listens at this port; it gets no request by that."""
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


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
