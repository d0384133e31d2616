"""The one route set, for any variant.

flask --app 'variants.app:create_app("plain_global")' run
gunicorn 'variants.app:create_app("plain_global")' --workers 4 --threads 8
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from itertools import chain
from secrets import token_hex
from socket import SHUT_RD
from threading import Timer
from typing import cast

from flask import Flask, Response, abort, jsonify, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound

from variants.facts import missing, module_name
from variants.pause import pause
from variants.store import FUNCTIONS, KINDS, Store

WRITES = ("/create", "/increment")
LONGEST_ITEM = 1000
BODY_S = 10
ROUTES = {
    "counter": ["/increment", "/read"],
    "list": ["/append", "/items"],
    "request": ["/whoami"],
    "visitor": ["/save", "/load"],
    "claim": ["/claim"],
}
"""The routes of each kind; /create is of all kinds, and / answers with those of the variant."""
VISITOR = "visitor"
"""The cookie that tells visitors apart."""


def load(variant: str) -> Store:
    """The module of a variant: one of ours, or any importable one with the functions of a kind.

    Raises ImportError if there is no such module, or if it lacks one of them.
    """
    module = import_module(module_name(variant))
    there = {name for name in FUNCTIONS if callable(getattr(module, name, None))}
    if lacking := missing(there):
        raise ImportError(
            f"{variant} has no {', '.join(lacking)}; a variant has {', '.join(FUNCTIONS)}, or "
            "create and what a kind needs of the others"
        )
    return cast(Store, module)


def kinds(store: Store) -> list[str]:
    """The kinds of state that a variant keeps."""
    return [
        kind
        for kind, functions in KINDS.items()
        if all(callable(getattr(store, name, None)) for name in functions)
    ]


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


def text(found: object, where: str) -> str:
    """The text that a request has to carry; 400 if it is none, or too long."""
    if not isinstance(found, str) or not 1 <= len(found) <= LONGEST_ITEM or not storable(found):
        abort(400, where.format(f"text of 1 to {LONGEST_ITEM:,} characters"))
    return found


def item() -> str:
    """The item in the body of a request."""
    if not request.is_json:
        abort(415, "the body must be JSON, and the Content-Type application/json")
    body = sent()
    return text(
        body.get("item") if isinstance(body, dict) else None, 'the body must be {{"item": {}}}'
    )


def visitor() -> str | None:
    """The visitor that sent a request, if it was given a cookie before."""
    known = request.cookies.get(VISITOR, "")
    return known if re.fullmatch(r"[0-9a-f]{16}", known) else None


def create_app(variant: str) -> Flask:
    """The Flask app that serves a variant."""
    store = load(variant)
    routes = {kind: ROUTES[kind] for kind in kinds(store)}
    there_are = " ".join(["no such route; there are /create", *chain(*routes.values())])
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

    @app.get("/")
    def index() -> ResponseReturnValue:
        return jsonify(routes)

    @app.route("/create", methods=["GET", "POST"])
    def create() -> ResponseReturnValue:
        return jsonify(store.create())

    if "counter" in routes:

        @app.route("/increment", methods=["GET", "POST"])
        def increment() -> ResponseReturnValue:
            return jsonify(store.increment())

        @app.get("/read")
        def read() -> ResponseReturnValue:
            return jsonify(store.read())

    if "list" in routes:

        @app.post("/append")
        def append() -> ResponseReturnValue:
            return jsonify(store.append(item()))

        @app.get("/items")
        def items() -> ResponseReturnValue:
            return jsonify(store.items())

    if "request" in routes:

        @app.before_request
        def put_aside() -> None:
            if request.endpoint == "whoami":
                store.remember(text(request.args.get("name"), "the query must be name={}"))

        @app.get("/whoami")
        def whoami() -> ResponseReturnValue:
            pause()
            return jsonify(store.recall())

    if "visitor" in routes:

        @app.post("/save")
        def save() -> ResponseReturnValue:
            known = visitor() or token_hex(8)
            store.save(known, item())
            reply = jsonify(None)
            reply.set_cookie(VISITOR, known, httponly=True, samesite="Lax")
            return reply

        @app.get("/load")
        def load_text() -> ResponseReturnValue:
            known = visitor()
            return jsonify(store.load(known) if known else None)

    if "claim" in routes:

        @app.post("/claim")
        def claim() -> ResponseReturnValue:
            return jsonify(store.claim(item()))

    @app.errorhandler(HTTPException)
    def refused(error: HTTPException) -> ResponseReturnValue:
        reply = error.get_response()
        line = there_are if isinstance(error, NotFound) else error.description
        reply.set_data(json.dumps({"error": line}) + "\n")
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
