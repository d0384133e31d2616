"""A number in shared memory, read and written without its lock.

Lives in: worker, or machine if preloaded. A worker that is forked after it was made shares it.
Guard: none. Reading takes the lock, and writing takes it again; in between it is free.
Loses: updates, and without --preload the total between workers. `shared_value` mends the first,
  except under gevent.
Survives: worker if preloaded. It ends with the server.
Steps: loses, explored: A reads 0, and pauses; B reads 0, and pauses; A writes 1, is answered 1; B
  writes 1, is answered 1; the count is 1
Seen in: giraycoskun.dev/blog/2023/12/18/sharing-data-in-a-flask-app-accross-gunicorn-workers
Instead: redis_key
"""

import json
from multiprocessing import Array, Value

from variants.pause import pause

cache = Value("i", 0)
entries = Array("c", b"[]".ljust(1_000_000, b"\0"))


def create() -> int:
    cache.value = 0
    entries.value = b"[]"
    return 0


def increment() -> int:
    seen = cache.value
    pause()
    cache.value = seen + 1
    return seen + 1


def read() -> int:
    return cache.value


def append(item: str) -> int:
    seen = json.loads(entries.value)
    pause()
    entries.value = json.dumps([*seen, item]).encode()
    return len(seen) + 1


def items() -> list[str]:
    return json.loads(entries.value)
