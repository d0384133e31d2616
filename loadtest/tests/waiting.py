"""Helpers that wait."""

import time
from pathlib import Path

import psutil

from loadtest.server.workers import ended


def wait_until(what, seconds=60, every=0.05):
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(every)


def family(pid):
    return [child.pid for child in psutil.Process(pid).children(recursive=True)]


def command_line(pid):
    """Empty if it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def wait_until_gone(pids):
    wait_until(lambda: all(map(ended, pids)), seconds=30)
