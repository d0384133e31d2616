"""Exercise 4: reads come from a cache that is 50 ms behind."""

import time
from threading import Lock

from variants.pause import pause

cache = {"count": 0}
entries = []
kept = {"count": 0, "until": 0}
lock = Lock()


def create():
    with lock:
        cache["count"] = 0
        entries.clear()
        kept.update(count=0, until=0)
        return 0


def increment():
    with lock:
        seen = cache["count"]
        pause()
        cache["count"] = seen + 1
        return seen + 1


def read():
    with lock:
        if time.monotonic() > kept["until"]:
            kept.update(count=cache["count"], until=time.monotonic() + 0.05)
        return kept["count"]


def append(item):
    with lock:
        entries.append(item)
        return len(entries)


def items():
    with lock:
        return list(entries)
