"""The one route set, for any variant.

flask --app 'variants.app:create_app("plain_global")' run
gunicorn 'variants.app:create_app("plain_global")' --workers 4 --threads 8
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from socket import SHUT_RD
from threading import Timer
from typing import cast

from flask import Flask, Response, abort, jsonify, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound

from variants.facts import missing, module_name
from variants.store import FUNCTIONS, Store

WRITES = ("/create", "/increment")
LONGEST_ITEM = 1000
BODY_S = 10
ROUTES = "no such route; there are /create /increment /read /append /items"


def load(variant: str) -> Store:
    """The module of a variant: one of ours, or any importable module with the five functions.

    Raises ImportError if there is no such module, or if it lacks one of them.
    """
    module = import_module(module_name(variant))
    if lacking := missing(name for name in FUNCTIONS if callable(getattr(module, name, None))):
        raise ImportError(
            f"{variant} has no {', '.join(lacking)}; a variant has {', '.join(FUNCTIONS)}"
        )
    return cast(Store, module)


def storable(text: str) -> bool:
    """False for half of a surrogate pair, which JSON can spell and UTF-8 cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


@contextmanager
def in_time() -> Iterator[None]:
    """Close the connection if a body takes too long, or it would keep this thread for ever."""
    connection = request.environ.get("gunicorn.socket")
    if not connection:
        yield
        return
    too_late = Timer(BODY_S, connection.shutdown, [SHUT_RD])
    too_late.daemon = True
    too_late.start()
    try:
        yield
    finally:
        too_late.cancel()


def sent() -> object:
    """The body as JSON; None if it is none, or nested deeper than Python reads."""
    try:
        with in_time():
            return request.get_json(silent=True)
    except HTTPException:
        raise
    except Exception:
        # servers have errors of their own for a chunk of another length than it says
        return None


def create_app(variant: str) -> Flask:
    """The Flask app that serves a variant."""
    store = load(variant)
    app = Flask("variants")
    # 1,000 characters of JSON, each escaped as two \\uXXXX
    app.config["MAX_CONTENT_LENGTH"] = 16 * 1024

    getattr(store, "init_app", lambda app: None)(app)

    @app.before_request
    def patience() -> None:
        # whoever sends no more, or takes no answer, would keep this thread for ever
        if connection := request.environ.get("gunicorn.socket"):
            connection.settimeout(BODY_S)

    @app.before_request
    def only_asked() -> None:
        # what answers GET answers HEAD as well, and a HEAD must change nothing
        if request.method == "HEAD" and request.path in WRITES:
            raise MethodNotAllowed(valid_methods=["GET", "POST", "OPTIONS"])

    @app.route("/create", methods=["GET", "POST"])
    def create() -> ResponseReturnValue:
        return jsonify(store.create())

    @app.route("/increment", methods=["GET", "POST"])
    def increment() -> ResponseReturnValue:
        return jsonify(store.increment())

    @app.get("/read")
    def read() -> ResponseReturnValue:
        return jsonify(store.read())

    @app.post("/append")
    def append() -> ResponseReturnValue:
        if not request.is_json:
            abort(415, "the body must be JSON, and the Content-Type application/json")
        body = sent()
        item = body.get("item") if isinstance(body, dict) else None
        if not isinstance(item, str) or not 1 <= len(item) <= LONGEST_ITEM or not storable(item):
            abort(
                400,
                f'the body must be {{"item": text of 1 to {LONGEST_ITEM:,} characters}}',
            )
        return jsonify(store.append(item))

    @app.get("/items")
    def items() -> ResponseReturnValue:
        return jsonify(store.items())

    @app.errorhandler(HTTPException)
    def refused(error: HTTPException) -> ResponseReturnValue:
        reply = error.get_response()
        text = ROUTES if isinstance(error, NotFound) else error.description
        reply.set_data(json.dumps({"error": text}) + "\n")
        reply.content_type = "application/json"
        return reply

    for exception, advice in getattr(store, "UNAVAILABLE", {}).items():

        def unavailable(error: Exception, advice: str = advice) -> ResponseReturnValue:
            line = f"{advice} ({' '.join(str(error).split())})"
            app.logger.warning("%s", line)
            return jsonify(error=line), 503

        app.register_error_handler(exception, unavailable)

    @app.after_request
    def fresh(reply: Response) -> Response:
        reply.headers["Cache-Control"] = "no-store"
        return reply

    return app
