"""Choose the Python that serves: ours, one of its own environment, or an app's.

An app's gets the server lent if it has none; nothing is installed there, nor written beside the
app.
"""

from __future__ import annotations

import functools
import importlib.util
import json
import os
import secrets
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from loadtest.errors import CouldNotRun
from loadtest.server.adapter import Adapter
from loadtest.server.guardian import guarded, last_line
from loadtest.server.servers import ADAPTERS, SETTINGS

PROBE = Path(__file__).with_name("probe.py")
LABELS = Path(__file__).with_name("labels.py")
REQUIREMENTS = Path(__file__).with_name("requirements.txt")
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
    spec = importlib.util.find_spec(package)
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
    server: str = "gunicorn",
    ours: bool = False,
) -> Interpreter:
    """Ask an app's interpreter (ours, if `python` is "") about the app.

    The app may be one of `ours`. Raises PythonError.
    """
    path = find(python) if python else sys.executable
    where = Path(chdir or ".")
    if not where.is_dir():
        raise PythonError(f"CHDIR={chdir} is not a folder")
    adapter = ADAPTERS[server]
    lent = package_folder(adapter, path, folder)
    variants = (lend(folder, "variants"),) if ours else ()
    # two may look at once
    name = f"probe-{secrets.token_hex(4)}"
    answer, log = (folder.absolute() / f"{name}.{suffix}" for suffix in ("json", "log"))
    probe = PROBE.read_text(encoding="utf-8")
    command = [path, "-c", probe, target, adapter.module, str(lent), str(LABELS), str(answer)]
    try:
        with guarded(command, log=log, env=theirs(*variants), cwd=where) as process:
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
    lending = (*variants, lent) if found["lent"] else variants
    return Interpreter(path, found["python"], lending, found["asgi"])


def package_folder(adapter: Adapter, python: str, folder: Path) -> Path:
    """Return a folder that has the server's package for an interpreter.

    It is a link to ours, or made when it is first asked for. Raises PythonError.
    """
    return lend(folder, adapter.module) if adapter.name == "gunicorn" else folder


def advice(target: str) -> str:
    """Return what to try if an app cannot be imported."""
    if "/" in target.partition("(")[0] or target.endswith(".py"):
        return "APP is no file: write MODULE:NAME, such as shop:app, and its folder is CHDIR=…"
    name = "" if ":" in target else ", its name follows a colon, shop:app or shop:create_app()"
    return f"CHDIR=… is its folder, SERVER_PYTHON=… its interpreter{name}"


def theirs(*lent: Path | None) -> dict[str, str]:
    """The environment of somebody's app: as it is, and nothing is written beside it."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not (name in OURS or name.startswith(SETTINGS) or "MAKE" in name)
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
    done = folder / "installed"
    wanted = REQUIREMENTS.read_text(encoding="utf-8")
    if done.exists() and done.read_text(encoding="utf-8") == wanted and own.exists():
        return str(own)
    print(f"installing {folder.name} (once)", file=sys.stderr)
    quietly = ("--quiet", "--disable-pip-version-check", "--require-hashes")
    for command in (
        [found, "-m", "venv", "--clear", str(folder)],
        [str(own), "-m", "pip", "install", *quietly, "-r", str(REQUIREMENTS)],
    ):
        made = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if made.returncode:
            last = [line for line in made.stderr.splitlines() if line.strip()][-1:]
            raise PythonError(f"{folder.name} could not be made: {' '.join(last)}")
    done.write_text(wanted, encoding="utf-8")
    return str(own)
