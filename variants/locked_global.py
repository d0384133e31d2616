"""A module global behind a lock.

Lives in: worker. Each worker process imports this module, so each has a copy of its own.
Guard: lock. One thread at a time goes from read to write.
Loses: nothing within a worker, but the total between workers: they do not share the lock either.
Survives: request. It ends with its worker: at a deploy, a crash, a recycling.
"""

from __future__ import annotations

from threading import Lock

from variants.pause import pause

cache = {"count": 0}
entries: list[str] = []
current = {"name": ""}
texts: dict[str, str] = {}
claims: set[str] = set()
lock = Lock()


def create() -> int:
    with lock:
        cache["count"] = 0
        entries.clear()
        texts.clear()
        claims.clear()
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


def remember(name: str) -> None:
    with lock:
        current["name"] = name


def recall() -> str:
    with lock:
        return current["name"]


def save(visitor: str, text: str) -> None:
    with lock:
        texts[visitor] = text


def load(visitor: str) -> str | None:
    with lock:
        return texts.get(visitor)


def claim(item: str) -> bool:
    with lock:
        free = item not in claims
        pause()
        claims.add(item)
        return free
