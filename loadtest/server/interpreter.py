"""Choose the Python that serves: ours, one of its own environment, or an app's.

An app's gets the server lent if it has none; nothing is installed there, nor written beside the
app.
"""

from __future__ import annotations

import functools
import json
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from loadtest.errors import CouldNotRun
from loadtest.server.adapter import Adapter
from loadtest.server.guardian import guarded, last_line
from loadtest.server.servers import ADAPTERS, adapter_of
from loadtest.trial import Server

PROBE = Path(__file__).with_name("probe.py")
LABELS = Path(__file__).with_name("labels.py")
REQUIREMENTS = Path(__file__).with_name("requirements.txt")
QUIETLY = ("--quiet", "--disable-pip-version-check", "--require-hashes")
STARTUP_S = 60
OURS = ("APP", "URL", "INCREMENT", "READ", "COUNT", "INCREMENT_COUNT", "HEADERS", "MAPPING")
"""The settings that describe an app to us; the app itself must not see them."""


class PythonError(CouldNotRun):
    """An interpreter, or an app in it, cannot be used; the message says why."""


@dataclass(frozen=True)
class Interpreter:
    """A Python, and the folders that are lent to it; `asgi`: the app is an ASGI app."""

    path: str
    version: str
    lent: tuple[Path, ...]
    asgi: bool


def lend(folder: Path, package: str) -> Path:
    """A folder with a link to this package of ours, and nothing else."""
    lent = folder.absolute() / "lent" / package
    lent.mkdir(parents=True, exist_ok=True)
    spec = find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    link = lent / package
    if not link.exists():
        link.symlink_to(Path(spec.origin).parent)
    return lent


@functools.cache
def look(
    target: str,
    chdir: str,
    python: str,
    folder: Path,
    adapter: Adapter = ADAPTERS["gunicorn"],
    ours: bool = False,
) -> Interpreter:
    """Ask an app's interpreter (ours, if `python` is "") about the app.

    The app may be one of `ours`. Raises PythonError.
    """
    path = find(python) if python else sys.executable
    where = Path(chdir or ".")
    if not where.is_dir():
        raise PythonError(f"CHDIR={chdir} is not a folder")
    variants = (lend(folder, "variants"),) if ours else ()
    # two may look at once
    name = f"probe-{secrets.token_hex(4)}"
    answer, log = (folder.absolute() / f"{name}.{suffix}" for suffix in ("json", "log"))
    probe = PROBE.read_text(encoding="utf-8")
    command = [path, "-c", probe, target, adapter.module, adapter.provides]
    command += [str(LABELS), str(answer)]
    try:
        with guarded(command, log=log, env=theirs(adapter, *variants), cwd=where) as process:
            process.wait(STARTUP_S)
    except subprocess.TimeoutExpired:
        raise PythonError(f"APP={target} was not imported within {STARTUP_S} s") from None
    if not answer.exists():
        raise PythonError(f"{path} is no Python of today: {last_line(log)}")
    found = json.loads(answer.read_text(encoding="utf-8"))
    if "error" in found:
        raise PythonError(
            f"APP={target} cannot be imported: {found['error']} (in {where.resolve()}, "
            f"with Python {found['python']}); {advice(target)}"
        )
    lending = (*variants, package_folder(adapter, path, folder)) if found["lacks"] else variants
    return Interpreter(path, found["python"], lending, found["asgi"])


def package_folder(adapter: Adapter, python: str, folder: Path) -> Path:
    """Return a folder that has the server's package for an interpreter.

    It is a link to ours, or a folder such as `.venv-waitress-cpython-3.11.7`, which is made when it
    is first asked for. Raises PythonError.
    """
    locked = adapter.requirements()
    if adapter.lent:
        return lend(folder, adapter.module)
    if not locked:
        raise PythonError(f"{python} has no {adapter.module}, which {adapter.title} needs")
    packages = Path(f".venv-{adapter.name}-{full_name(python)}").absolute()
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--target", str(packages)]
    install(packages, locked, [[*pip, *QUIETLY, "-r", str(locked)]])
    return packages


def prepare(server: Server, folder: Path) -> None:
    """Install what a server lacks to serve variants. Raises PythonError."""
    adapter = adapter_of(server)
    python = environment(server.python) if server.python else sys.executable
    if adapter.requirements() and (server.python or not find_spec(adapter.module)):
        package_folder(adapter, python, folder)


def advice(target: str) -> str:
    """Return what to try if an app cannot be imported."""
    if "/" in target.partition("(")[0] or target.endswith(".py"):
        return "APP is no file: write MODULE:NAME, such as shop:app, and its folder is CHDIR=…"
    name = "" if ":" in target else ", its name follows a colon, shop:app or shop:create_app()"
    return f"CHDIR=… is its folder, SERVER_PYTHON=… its interpreter{name}"


def theirs(adapter: Adapter, *lent: Path | None) -> dict[str, str]:
    """The environment of somebody's app: as it is, and nothing is written beside it."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not (name in OURS or name.startswith(adapter.settings) or "MAKE" in name)
    }
    path = pythonpath(*lent)
    return kept | {"PYTHONDONTWRITEBYTECODE": "1"} | ({"PYTHONPATH": path} if path else {})


def pythonpath(*lent: Path | None) -> str:
    """The caller's, and after it what is lent."""
    named = (os.environ.get("PYTHONPATH"), *map(str, filter(None, lent)))
    return os.pathsep.join(filter(None, named))


def find(python: str) -> str:
    """The path of an interpreter named by path or by command. Raises PythonError."""
    found = shutil.which(python)
    if found is None and shutil.which(f"{python}/bin/python"):
        raise PythonError(f"SERVER_PYTHON={python} is a folder; write {python}/bin/python")
    if found is None:
        raise PythonError(f"SERVER_PYTHON={python} is no interpreter; name one such as python3.12")
    # not resolved: a virtual environment is known by the name of its link
    return os.path.abspath(found)  # noqa: PTH100


@functools.cache
def full_name(path: str) -> str:
    """cpython-3.9.18, cpython-3.14.0t, pypy-3.9.16. Raises PythonError."""
    ask = (
        "import platform as p, sys; print('%s-%s%s' % (sys.implementation.name, "
        "p.python_version(), 't' if 't' in getattr(sys, 'abiflags', '') else ''))"
    )
    said = subprocess.run([path, "-c", ask], capture_output=True, text=True)
    if said.returncode:
        raise PythonError(f"{path} is no Python of today: {said.stderr.strip()[-80:]}")
    return said.stdout.strip()


def environment(python: str) -> str:
    """The interpreter of an environment of its own, such as `.venv-cpython-3.9.18`, with what the
    variants need; made when it is first asked for. Raises PythonError."""
    found = find(python)
    if (Path(found).parent.parent / "pyvenv.cfg").exists():
        return found
    folder = Path(f".venv-{full_name(found)}").absolute()
    own = folder / "bin" / "python"
    make = [found, "-m", "venv", "--clear", str(folder)]
    pip = [str(own), "-m", "pip", "install", *QUIETLY, "-r", str(REQUIREMENTS)]
    install(folder, REQUIREMENTS, [make, pip])
    return str(own)


def install(folder: Path, locked: Path, commands: Sequence[Sequence[str]]) -> None:
    """Make a folder by these commands, unless it is there with these locked packages.

    Raises PythonError.
    """
    done = folder / "installed"
    wanted = locked.read_text(encoding="utf-8")
    if done.exists() and done.read_text(encoding="utf-8") == wanted:
        return
    shutil.rmtree(folder, ignore_errors=True)
    print(f"installing {folder.name} (once)", file=sys.stderr)
    for command in commands:
        made = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if made.returncode:
            last = [line for line in made.stderr.splitlines() if line.strip()][-1:]
            raise PythonError(f"{folder.name} could not be made: {' '.join(last)}")
    done.write_text(wanted, encoding="utf-8")
