"""A module global behind a lock.

Lives in: worker. Each worker process imports this module, so each has a copy of its own.
Guard: lock. One thread at a time goes from read to write.
Loses: nothing within a worker, but the total between workers: they do not share the lock either.
Survives: request. It ends with its worker: at a deploy, a crash, a recycling.
"""

from threading import Lock

from variants.pause import pause

cache = {"count": 0}
entries: list[str] = []
lock = Lock()


def create() -> int:
    with lock:
        cache["count"] = 0
        entries.clear()
        return 0


def increment() -> int:
    with lock:
        seen = cache["count"]
        pause()
        cache["count"] = seen + 1
        return seen + 1


def read() -> int:
    with lock:
        return cache["count"]


def append(item: str) -> int:
    with lock:
        seen = len(entries)
        pause()
        entries.append(item)
        return seen + 1


def items() -> list[str]:
    with lock:
        return list(entries)
