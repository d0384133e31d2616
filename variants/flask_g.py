"""An object on flask.g.

Lives in: request. A server's request has an application context of its own, and g ends with it.
  Inside `with app.app_context()`, as in a test's fixture, several requests share one g.
Guard: none. It needs none: no other request can see it.
Loses: everything, at the end of each request.
Survives: nothing.
"""

from __future__ import annotations

from flask import g

from variants.pause import pause


def create() -> int:
    g.cache = {"count": 0}
    g.entries = []
    g.texts = {}
    g.claims = set()
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


def remember(name: str) -> None:
    g.current = {"name": name}


def recall() -> str:
    return g.current["name"]


def save(visitor: str, text: str) -> None:
    g.setdefault("texts", {})[visitor] = text


def load(visitor: str) -> str | None:
    return g.setdefault("texts", {}).get(visitor)


def claim(item: str) -> bool:
    claims = g.setdefault("claims", set())
    free = item not in claims
    pause()
    claims.add(item)
    return free
