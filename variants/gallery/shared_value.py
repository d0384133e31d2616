"""A number in shared memory, and a lock round reading and writing it.

Lives in: worker, or machine if preloaded. A worker that is forked after it was made shares it.
Guard: lock, or none under gevent. A thread may take it again, and greenlets are one thread.
Loses: nothing between threads, but updates under gevent; without --preload the total between
  workers.
Survives: worker if preloaded. It ends with the server. A worker that is killed while it has the
  lock keeps it for ever, and all wait.
Steps: loses, tested, under gevent: A takes the lock, reads 0, and pauses; B, a greenlet of the
  same thread, takes the lock again, reads 0, and pauses; A writes 1, is answered 1; B writes 1,
  is answered 1; the count is 1
Seen in: w3toppers.com/increment-counter-for-every-access-to-a-flask-view
Instead: redis_key
"""

import json
from multiprocessing import Array, Value

from variants.pause import pause

cache = Value("i", 0)
entries = Array("c", b"[]".ljust(1_000_000, b"\0"))


def create() -> int:
    with cache.get_lock(), entries.get_lock():
        cache.value = 0
        entries.value = b"[]"
        return 0


def increment() -> int:
    with cache.get_lock():
        seen = cache.value
        pause()
        cache.value = seen + 1
        return seen + 1


def read() -> int:
    return cache.value


def append(item: str) -> int:
    with entries.get_lock():
        seen = json.loads(entries.value)
        pause()
        entries.value = json.dumps([*seen, item]).encode()
        return len(seen) + 1


def items() -> list[str]:
    return json.loads(entries.value)
