"""A diskcache that is read, then written, as the dict that it looks like.

Lives in: machine. The folder is one for all workers that can open it.
Guard: none. Each step is a transaction; the two of them are not.
Loses: updates. `cache["count"] += 1` is a read and a write, with time for others between them.
  Except under gevent, `incr` and `transact` fix it: disk_cache has them.
Survives: server. Nobody waits for the disk.
Steps: loses, explored: A reads 0, and pauses; B reads 0, and pauses; A writes 1, is answered 1; B
  writes 1, is answered 1; the count is 1
Seen in: github.com/grantjenks/python-diskcache (docs/tutorial.rst), which names transact for it
Instead: redis_key
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
    seen = cache.get("count", 0)
    pause()
    cache["count"] = seen + 1
    return seen + 1


def read() -> int:
    return cache.get("count", 0)


def append(item: str) -> int:
    entries = cache.get("entries", [])
    pause()
    cache["entries"] = [*entries, item]
    return len(entries) + 1


def items() -> list[str]:
    return cache.get("entries", [])
