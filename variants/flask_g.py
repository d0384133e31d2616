"""An object on flask.g.

Lives in: request. Flask makes a new g for each request and throws it away with the reply.
Guard: none. It needs none: no other request can see it.
Loses: everything, at the end of each request.
Survives: nothing.
"""

from flask import g

from variants.pause import pause


def create() -> int:
    g.cache = {"count": 0}
    g.entries = []
    return 0


def increment() -> int:
    cache = g.setdefault("cache", {"count": 0})
    seen = cache["count"]
    pause()
    cache["count"] = seen + 1
    return seen + 1


def read() -> int:
    return g.setdefault("cache", {"count": 0})["count"]


def append(item: str) -> int:
    entries = g.setdefault("entries", [])
    seen = len(entries)
    pause()
    entries.append(item)
    return seen + 1


def items() -> list[str]:
    return list(g.setdefault("entries", []))
