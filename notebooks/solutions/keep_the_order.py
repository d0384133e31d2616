"""Exercise 3: the time is taken where the item is written, so that both have one order."""

import random
import time
from threading import Lock

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
        cache["count"] += 1
        return cache["count"]


def read():
    with lock:
        return cache["count"]


def append(item):
    time.sleep(random.uniform(0, 0.005))  # some requests take longer
    with lock:
        entries.append((time.monotonic(), item))
        return len(entries)


def items():
    with lock:
        return [item for _, item in sorted(entries, key=lambda entry: entry[0])]
