"""Labels on every reply, put there around any WSGI or ASGI app: a configuration of gunicorn.

X-Worker is the worker's process id, X-Thread a number for each of its threads, X-Boot an id made
when it started. It runs in the server's interpreter, which may be another than ours: Python 3.9 or
newer, and nothing but the standard library.
"""

from __future__ import annotations

import itertools
import os
import secrets
import sys
import threading
import time
from collections.abc import Callable, Iterator
from importlib import metadata
from typing import Any

SERVES, ENDS = "has loaded its app", "serves nobody any more"
"""The log's words for a worker's start and end.

The time beside them is on the clock that all processes here share.
"""


class Labels:
    """The labels on the replies of one worker."""

    def __init__(self) -> None:
        self.boot = secrets.token_hex(4)
        self.threads = itertools.count(1)
        self.thread = threading.local()

    def __call__(self) -> Iterator[tuple[str, str]]:
        if not hasattr(self.thread, "number"):
            self.thread.number = next(self.threads)
        yield "X-Worker", str(os.getpid())
        yield "X-Thread", str(self.thread.number)
        yield "X-Boot", self.boot


def around_wsgi(app: Callable[..., Any], labels: Labels) -> Callable[..., Any]:
    def labelled(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            return start_response(status, [*headers, *labels()], exc_info)

        return app(environ, start)

    return labelled


def around_asgi(app: Callable[..., Any], labels: Labels) -> Callable[..., Any]:
    async def labelled(scope: Any, receive: Any, send: Callable[..., Any]) -> None:
        async def send_labelled(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                more = [(name.lower().encode(), value.encode()) for name, value in labels()]
                message = {**message, "headers": [*message.get("headers", []), *more]}
            await send(message)

        await app(scope, receive, send_labelled)

    return labelled


def on_starting(master: Any) -> None:
    """gunicorn's hook: there are no workers yet. Ours are ready sooner if Flask is here already."""
    if not master.app.app_uri.startswith("variants.app:"):
        return
    if master.cfg.worker_class_str in ("gthread", "sync"):
        import flask  # noqa: F401
    elif sys.version_info >= (3, 10):  # noqa: UP036 (this may be somebody's older one)
        # gevent has to be there before Flask; it asks for its plugins 25 times, and each time all
        # packages would be looked through
        metadata.entry_points = metadata.entry_points().select


def post_worker_init(worker: Any) -> None:
    """gunicorn's hook: the worker has loaded its app, and serves nobody yet."""
    labels = Labels()
    if getattr(worker, "asgi", None) is not None:
        worker.asgi = around_asgi(worker.asgi, labels)
    else:
        worker.wsgi = around_wsgi(worker.wsgi, labels)
    say(worker, SERVES)


def worker_exit(master: Any, worker: Any) -> None:
    """gunicorn's hook: the worker ends."""
    say(worker, ENDS)


def say(worker: Any, what: str) -> None:
    worker.log.info(f"Worker {worker.pid} {what} ({time.monotonic_ns()} ns)")
