"""Ends commands at random moments, and looks at what is left: make deaths.

    python -m loadtest.tests.deaths [TIMES [SEED]]

Nothing may be: no process, no file in the temporary folder, no traceback. Prints what was, and how
many deaths left nothing.
"""

import fcntl
import itertools
import os
import pty
import random
import re
import signal
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from loadtest import ROOT
from loadtest.tests.locusts import free_port

MARK = "DEATHS_MARK"
AT_ONCE = 2
PATIENCE_S = 60
LONGEST_S = {"check": 12.0, "serve": 6.0, "locust": 9.0}
HOW = {
    "INT": [signal.SIGINT],
    "INT ×2": [signal.SIGINT] * 2,
    "INT ×4": [signal.SIGINT] * 4,
    "TERM": [signal.SIGTERM],
    "HUP": [signal.SIGHUP],
    "QUIT": [signal.SIGQUIT],
    "KILL": [signal.SIGKILL],
    "closed terminal": [],
}


def command(name: str) -> list[str]:
    """With Redis, since that has a folder of its own."""
    more = ["--workers", "2"] if name == "check" else ["--port", str(free_port())]
    return [sys.executable, "-m", "loadtest", name, "redis_key", *more]


def until(done: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not done() and time.monotonic() < deadline:
        time.sleep(0.05)


def hears(pid: int) -> bool:
    """Return True if Python hears signals there, or the process is gone."""
    with suppress(OSError):
        caught = re.search(r"SigCgt:\s*(\w+)", Path(f"/proc/{pid}/status").read_text())
        return bool(caught and int(caught[1], 16) >> (signal.SIGTERM - 1) & 1)
    return True


def marked(mark: str) -> list[str]:
    """The processes that were started with this mark."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            lives = process.status() != psutil.STATUS_ZOMBIE
            if lives and process.environ().get(MARK) == mark:
                found.append(f"process {process.pid} {process.name()}")
    return found


@contextmanager
def started(name: str, folder: Path, mark: str, terminal: bool) -> Iterator[int]:
    """Its process id, and at the end its terminal closes; the output goes to a file."""
    temporary = folder / "tmp"
    temporary.mkdir()
    kept = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}
    env = kept | {"PYTHONPATH": str(ROOT), "TMPDIR": str(temporary), MARK: mark}
    ours, theirs = pty.openpty()
    with (folder / "said").open("wb") as said:
        process = subprocess.Popen(
            command(name),
            cwd=folder,
            env=env,
            stdin=theirs,
            stdout=said,
            stderr=said,
            preexec_fn=with_terminal if terminal else heard_again,
        )
    os.close(theirs)
    try:
        yield process.pid
    finally:
        with suppress(OSError):
            os.close(ours)
        with suppress(subprocess.TimeoutExpired):
            process.wait(PATIENCE_S)
        process.kill()
        process.wait()


def heard_again() -> None:
    for each in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(each, signal.SIG_DFL)


def with_terminal() -> None:
    """It is told when its terminal closes, as the first of a session is."""
    heard_again()
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def death(number: int, name: str, how: str, after: float) -> str:
    """Describe in a line what a death left behind; nothing, as it should be."""
    mark = f"{os.getpid()}-{number}"
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        with started(name, folder, mark, terminal=not HOW[how]) as pid:
            until(lambda: hears(pid))
            time.sleep(after)
            for signum in HOW[how]:
                with suppress(ProcessLookupError):
                    os.kill(pid, signum)
        until(lambda: not marked(mark) and not any((folder / "tmp").iterdir()))
        left = [*marked(mark), *(f"tmp/{each.name}" for each in (folder / "tmp").iterdir())]
        said = (folder / "said").read_text(errors="replace")
        if re.search(r"^(Traceback|error: )", said, re.MULTILINE):
            left.append(said.strip().splitlines()[-1])
    return f"{name}, {how} after {after:.2f} s: {', '.join(left)}" if left else ""


def main(times: str = "100", seed: str = "") -> int:
    seed = seed or str(time.time_ns() % 10_000)
    chance = random.Random(seed)
    each = zip(itertools.cycle(LONGEST_S), itertools.cycle(HOW))
    plan = [
        (name, how, chance.uniform(0, LONGEST_S[name]))
        for name, how in itertools.islice(each, int(times))
    ]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = list(pool.map(lambda n: death(n, *plan[n]), range(len(plan))))
    for line in filter(None, found):
        print(line)
    print(f"{found.count('')} of {len(found)} deaths left nothing (seed {seed})")
    return int(any(found))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
