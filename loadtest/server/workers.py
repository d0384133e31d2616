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
    """Return gunicorn's arbiter, the only child of its guardian."""
    return psutil.Process(target.server).children()[0]


def workers(target: Target) -> list[int]:
    """Return the process ids of the workers, the oldest first."""
    try:
        found = master(target).children()
        return [each.pid for each in sorted(found, key=psutil.Process.create_time)]
    except (psutil.NoSuchProcess, IndexError):
        return []


def serving(target: Target) -> list[int]:
    """Return the workers that have loaded the app."""
    log = Path(target.log).read_text(errors="replace")
    return [pid for pid in workers(target) if f"Worker {pid} {SERVES}" in log]


def wait_until_back(target: Target, gone: list[int], count: int) -> None:
    """Wait until these workers are gone and so many serve. Raise FaultError if they do not."""

    def as_before() -> bool:
        return not set(gone) & set(workers(target)) and len(serving(target)) >= count

    until(as_before, "the workers were not back")
