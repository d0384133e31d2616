"""Exercise 2: a file, and the lock that the operating system keeps for it."""

import fcntl
import json
from contextlib import contextmanager
from pathlib import Path

from variants.pause import pause

PATH = Path("results/mine/shared.json")


@contextmanager
def locked():
    with PATH.open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def from_file():
    return json.loads(PATH.read_text())


def to_file(count, entries):
    PATH.write_text(json.dumps([count, entries]))


def create():
    with locked():
        to_file(0, [])
        return 0


def increment():
    with locked():
        count, entries = from_file()
        pause()
        to_file(count + 1, entries)
        return count + 1


def read():
    with locked():
        return from_file()[0]


def append(item):
    with locked():
        count, entries = from_file()
        pause()
        to_file(count, [*entries, item])
        return len(entries) + 1


def items():
    with locked():
        return from_file()[1]
