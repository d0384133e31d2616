"""A plain module global.

Lives in: worker. Each worker process imports this module, so each has a copy of its own.
Guard: none. While one thread pauses, another reads the same count.
Loses: updates between the threads of a worker, and the total between workers.
Survives: request. It ends with its worker: at a deploy, a crash, a recycling.
"""

from __future__ import annotations

from variants.pause import pause

cache = {"count": 0}
entries: list[str] = []
current = {"name": ""}
texts: dict[str, str] = {}
claims: set[str] = set()


def create() -> int:
    cache["count"] = 0
    entries.clear()
    texts.clear()
    claims.clear()
    return 0


def increment() -> int:
    seen = cache["count"]
    pause()
    cache["count"] = seen + 1
    return seen + 1


def read() -> int:
    return cache["count"]


def append(item: str) -> int:
    seen = len(entries)
    pause()
    entries.append(item)
    return seen + 1


def items() -> list[str]:
    return list(entries)


def remember(name: str) -> None:
    current["name"] = name


def recall() -> str:
    return current["name"]


def save(visitor: str, text: str) -> None:
    texts[visitor] = text


def load(visitor: str) -> str | None:
    return texts.get(visitor)


def claim(item: str) -> bool:
    free = item not in claims
    pause()
    claims.add(item)
    return free
