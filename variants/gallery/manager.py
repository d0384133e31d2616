"""A dict that a multiprocessing.Manager keeps in a process of its own, and its lock.

Lives in: worker, or machine if preloaded. Whoever imports this starts a manager.
Guard: lock. It lives in the manager too, so whoever shares the dict shares the lock.
Loses: nothing within a worker; without --preload the total between workers.
Survives: worker if preloaded. The manager ends with the process that started it, unless a signal
  killed that process: then it stays, with nobody to ask it. A worker that is killed while it has
  the lock keeps it for ever, and all wait.
Served: not by gevent, which makes sockets non-blocking: whoever asks the manager gets an error.
Seen in: stackoverflow.com/questions/32815451
Instead: redis_key
"""

from multiprocessing import Manager

from variants.pause import pause

manager = Manager()
cache = manager.dict(count=0)
entries = manager.list()
lock = manager.Lock()


def create() -> int:
    with lock:
        cache["count"] = 0
        entries[:] = []
        return 0


def increment() -> int:
    with lock:
        seen = cache["count"]
        pause()
        cache["count"] = seen + 1
        return seen + 1


def read() -> int:
    return cache["count"]


def append(item: str) -> int:
    with lock:
        seen = len(entries)
        pause()
        entries.append(item)
        return seen + 1


def items() -> list[str]:
    return list(entries)
