"""Flask's session: a signed cookie.

Lives in: client. The server keeps nothing; each client brings its own count along.
Guard: none. Two requests of one client that overlap bring the same cookie.
Loses: nothing of a client that waits for each answer; of two requests at once the cookie that comes
  back last undoes the other. And nobody else can read what it has.
Survives: machine. It is not there at all. A browser may forget it, and many take none above 4 kB.
  All workers need one fixed secret key, and the visitor can read the cookie.
Steps: divided, tested: A brings no cookie, is answered 1, and keeps a cookie that says so; B
  brings no cookie, is answered 1, and keeps a cookie that says so; C brings no cookie, and reads
  0
Seen in: riptutorial.com/flask/example/9236/using-the-sessions-object-within-a-view
Instead: redis_key
"""

from __future__ import annotations

from flask import Flask, session

from variants.pause import pause


def init_app(app: Flask) -> None:
    app.secret_key = "a secret that all workers share"


def create() -> int:
    session["count"] = 0
    session["entries"] = []
    session.pop("text", None)
    return 0


def increment() -> int:
    seen = session.get("count", 0)
    pause()
    session["count"] = seen + 1
    return seen + 1


def read() -> int:
    return session.get("count", 0)


def append(item: str) -> int:
    seen = session.get("entries", [])
    pause()
    session["entries"] = [*seen, item]
    return len(seen) + 1


def items() -> list[str]:
    return session.get("entries", [])


def save(visitor: str, text: str) -> None:
    session["text"] = text


def load(visitor: str) -> str | None:
    return session.get("text")
