"""Exercise 1: one lock around each whole operation, the list's as well."""

from threading import Lock

from variants.pause import pause

cache = {"count": 0}
entries = []
lock = Lock()


def create():
    with lock:
        cache["count"] = 0
        entries.clear()
        return 0


def increment():
    with lock:
        seen = cache["count"]
        pause()
        cache["count"] = seen + 1
        return seen + 1


def read():
    with lock:
        return cache["count"]


def append(item):
    with lock:
        seen = len(entries)
        pause()
        entries.append(item)
        return seen + 1


def items():
    with lock:
        return list(entries)
