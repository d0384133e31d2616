"""Flask-Session: the visitor has a number, the server has what belongs to it.

Here all clients come with the same number, as one visitor does with several tabs, or a page
that sends several requests at once.

Lives in: network. One Redis keeps it for all workers, on this machine or any other.
Guard: none. A request begins by reading all of the session, and ends by writing all of it back.
Loses: updates. By default even a request that changes nothing writes back what it has read.
Survives: store. Redis reads its append-only file when it starts again; by default it keeps none.
Needs: Redis
Steps: loses, explored: A reads 0, and pauses; B reads 0, and pauses; A writes 1, is answered 1; B
  writes 1, is answered 1; the count is 1
Seen in: github.com/pallets-eco/flask-session/issues/71
Instead: redis_key
"""

import os

import redis
from flask import Flask, session
from flask_session import Session

from variants.pause import pause

client = redis.Redis.from_url(os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0"))


def init_app(app: Flask) -> None:
    app.config["SESSION_TYPE"] = "redis"
    app.config["SESSION_REDIS"] = client
    app.config["SESSION_KEY_PREFIX"] = os.environ.get("REDIS_PREFIX", "state:")
    Session(app)
    one_visitor(app)


def one_visitor(app: Flask) -> None:
    serve, sessions = app.wsgi_app, app.session_interface
    sessions._generate_sid = lambda length: "visitor"
    app.wsgi_app = lambda environ, reply: serve(environ | {"HTTP_COOKIE": "session=visitor"}, reply)


def create() -> int:
    session["count"] = 0
    session["entries"] = []
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
