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


def load():
    return json.loads(PATH.read_text())


def save(count, entries):
    PATH.write_text(json.dumps([count, entries]))


def create():
    with locked():
        save(0, [])
        return 0


def increment():
    with locked():
        count, entries = load()
        pause()
        save(count + 1, entries)
        return count + 1


def read():
    with locked():
        return load()[0]


def append(item):
    with locked():
        count, entries = load()
        pause()
        save(count, [*entries, item])
        return len(entries) + 1


def items():
    with locked():
        return load()[1]
