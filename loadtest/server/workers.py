"""The workers of a server that is a target of faults: find them, and wait for them."""

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil

from loadtest.server.fault import FaultError, Target
from loadtest.server.labels import SERVES

APART_S = 0.1
"""The seconds between two injections: requests come between, and a new worker gets some."""
PATIENCE_S = 30.0


def until(condition: Callable[[], bool], complaint: str) -> None:
    """Wait until a condition is true. Raise FaultError with the complaint after PATIENCE_S."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > deadline:
            raise FaultError(f"{complaint} within {PATIENCE_S:g} s")
        time.sleep(0.02)


def ended(pid: int) -> bool:
    """Return True if a process is gone, or waits only for its exit status to be read."""
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    return True


def master(target: Target) -> psutil.Process:
    """Return the process of the server that was started first, the only child of its guardian."""
    return psutil.Process(target.server).children()[0]


def serving_below(guardian: int, log: Path) -> list[int]:
    """Return the process ids of the workers that serve now, the oldest first.

    A worker is a process below the guardian that the log names as one that has loaded the app.
    """
    try:
        running = psutil.Process(guardian).children(recursive=True)
        running.sort(key=psutil.Process.create_time)
    except psutil.NoSuchProcess:
        return []
    text = log.read_text(errors="replace")
    return [each.pid for each in running if f"Worker {each.pid} {SERVES}" in text]


def serving(target: Target) -> list[int]:
    """Return the process ids of the workers of a target that serve now, the oldest first."""
    return serving_below(target.server, Path(target.log))


def wait_until_back(target: Target, gone: list[int], count: int) -> None:
    """Wait until these workers are gone and so many serve. Raise FaultError if they do not."""

    def as_before() -> bool:
        now = serving(target)
        return not set(gone) & set(now) and len(now) >= count

    until(as_before, "the workers were not back")
