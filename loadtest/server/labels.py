"""Labels on every reply, put around any WSGI or ASGI app; no server is needed for that.

X-Worker is the worker's process id, X-Thread a number for each of its threads, X-Boot an id made
at the first request of its process. It runs in the server's interpreter, which may be another than
ours: Python 3.8 or newer, and nothing but the standard library.
"""

from __future__ import annotations

import ast
import atexit
import importlib
import inspect
import itertools
import os
import runpy
import secrets
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

SERVES, ENDS = "has loaded its app", "serves nobody any more"
"""The log's words for a worker's start and end.

The time beside them is on the clock that all processes here share.
"""


def event(pid: int, what: str) -> str:
    """Return a line of the log: a worker has started, or has ended."""
    return f"Worker {pid} {what} ({time.monotonic_ns()} ns)"


def write(pid: int, what: str) -> None:
    """Write such a line to the log, which is standard error."""
    print(event(pid, what), file=sys.stderr, flush=True)


class Labels:
    """The labels on the replies of a process, made anew in each process that a fork makes.

    uWSGI, and gunicorn with --preload, load an app before they fork, so that its workers would
    share labels made at that time. With `logged`, the log names each process that begins to answer.
    """

    def __init__(self, logged: bool = False) -> None:
        self.pid = 0
        self.logged = logged
        self.making = threading.Lock()

    def __call__(self) -> Iterator[tuple[str, str]]:
        if self.pid != os.getpid():
            with self.making:
                # two threads may have come here at once
                if self.pid != os.getpid():
                    self.make()
        if not hasattr(self.thread, "number"):
            self.thread.number = next(self.threads)
        yield "X-Worker", str(self.pid)
        yield "X-Thread", str(self.thread.number)
        yield "X-Boot", self.boot

    def make(self) -> None:
        self.boot = secrets.token_hex(4)
        self.threads = itertools.count(1)
        self.thread = threading.local()
        # last: other threads take it for the sign that all is there
        self.pid = os.getpid()
        if self.logged:
            write(self.pid, SERVES)
            atexit.register(self.end, self.pid)

    def end(self, pid: int) -> None:
        # a process that was forked later has inherited this
        if pid == os.getpid():
            write(pid, ENDS)


def around_wsgi(app: Callable[..., Any], labels: Labels) -> Callable[..., Any]:
    """Return the WSGI app with labels on its replies."""
    app = shaken(app, labels, "around_wsgi")

    def labelled(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            return start_response(status, [*headers, *labels()], exc_info)

        return app(environ, start)

    return labelled


def around_asgi(app: Callable[..., Any], labels: Labels) -> Callable[..., Any]:
    """Return the ASGI app with labels on its replies."""
    app = shaken(app, labels, "around_asgi")

    async def labelled(scope: Any, receive: Any, send: Callable[..., Any]) -> None:
        async def send_labelled(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                more = [(name.lower().encode(), value.encode()) for name, value in labels()]
                message = {**message, "headers": [*message.get("headers", []), *more]}
            await send(message)

        try:
            await app(scope, receive, send_labelled)
        except Exception:
            # some servers answer 500 and log nothing
            traceback.print_exc()
            raise

    return labelled


def shaken(app: Callable[..., Any], labels: Labels, wrapper: str) -> Callable[..., Any]:
    """Return the app with rests between its instructions if `SHAKE_PLAN` is set: see shake.py."""
    if "SHAKE_PLAN" not in os.environ:
        return app
    path = Path(__file__).with_name("shake.py")
    wrapped: Callable[..., Any] = runpy.run_path(str(path))[wrapper](app, labels)
    return wrapped


def is_asgi(app: Any) -> bool:
    """Return True for an ASGI app, False for a WSGI app."""
    return any(map(inspect.iscoroutinefunction, (app, type(app).__call__)))


def load(target: str) -> Any:
    """Import an app by MODULE:NAME or MODULE:FACTORY(…), as gunicorn does.

    Raises ImportError for a target that names no app, and whatever the app's own module raises.
    """
    module, colon, text = target.partition(":")
    text = text if colon else "application"
    args: list[Any] = []
    named: dict[Any, Any] = {}
    found: Any = None
    try:
        found = ast.parse(text, mode="eval").body
        called = isinstance(found, ast.Call)
        if called:
            args = [ast.literal_eval(each) for each in found.args]
            named = {each.arg: ast.literal_eval(each.value) for each in found.keywords}
            found = found.func
        name = found.id
    except (SyntaxError, AttributeError, ValueError):
        raise ImportError(f"{text} is neither a name nor a call with literals") from None
    imported = importlib.import_module(module)
    if not hasattr(imported, name):
        raise ImportError(f"Failed to find attribute {name!r} in {module!r}.")
    app = getattr(imported, name)
    if called:
        app = app(*args, **named)
    if not callable(app):
        raise ImportError("Application object must be callable.")
    return app


def labelled(target: str) -> Any:
    """Import an app, and return it with labels on its replies."""
    app, labels = load(target), Labels(logged=True)
    if is_asgi(app):
        return around_asgi(app, labels)
    if hasattr(app, "wsgi_app"):
        # `flask run` takes nothing but a Flask app, and Flask's own way to wrap one is this
        app.wsgi_app = around_wsgi(app.wsgi_app, labels)
        return app
    return around_wsgi(app, labels)
