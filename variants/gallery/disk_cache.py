"""A diskcache: a dict in a folder, with SQLite underneath.

Lives in: machine. The folder is one for all workers that can open it.
Guard: transaction. `incr` is one, and `transact` makes one of several steps.
Loses: nothing, up to its size limit: above 1 GB it drops what was stored first.
Survives: server. Nobody waits for the disk.
Served: not by gevent. Who waits for SQLite stops the greenlet that has the lock as well.
Seen in: github.com/grantjenks/python-diskcache (docs/tutorial.rst)
Instead: redis_key on two machines
"""

import os

from diskcache import Cache

from variants.pause import pause

cache = Cache(os.environ.get("STATE_PATH", "state"))


def create() -> int:
    with cache.transact():
        cache["count"] = 0
        cache["entries"] = []
        return 0


def increment() -> int:
    pause()
    return cache.incr("count")


def read() -> int:
    return cache.get("count", 0)


def append(item: str) -> int:
    with cache.transact():
        entries = cache.get("entries", [])
        pause()
        cache["entries"] = [*entries, item]
        return len(entries) + 1


def items() -> list[str]:
    return cache.get("entries", [])
