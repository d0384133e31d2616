"""Allow locust's web UI to its own page, and to tools that are not browsers.

A page of anybody's in the same browser could otherwise start a load against anything: a POST needs
no permission to be sent, and a name of theirs may lead to this machine.
"""

import socket
from contextlib import suppress
from ipaddress import ip_address
from urllib.parse import urlsplit

import flask

PAGES = ("locust.index", "state.state")


def only_its_own_page(app: flask.Flask, web_host: str | None, host: str | None) -> None:
    """Refuses whatever another site's page asks of this app, and a load against another `host`.

    It answers to addresses, to `web_host` and to this machine's names; where no host was given
    when locust was started, its form may name one.
    """
    names = {"localhost", socket.gethostname().lower(), (web_host or "").lower()}

    @app.before_request
    def check() -> flask.Response | None:
        if why := refusal(flask.request, names):
            return flask.Response(f"{why}\n", status=403, mimetype="text/plain")
        wanted = flask.request.form.get("host") if flask.request.method == "POST" else None
        if host and wanted is not None and wanted.rstrip("/") != host.rstrip("/"):
            # as locust says what is wrong with its form
            message = f"this page loads {host} alone; start locust with another --host for others"
            return flask.jsonify(success=False, message=message, host=host)
        return None

    @app.after_request
    def no_frames(response: flask.Response) -> flask.Response:
        # a button that is seen through another site's page would be clicked unknowingly
        response.headers["X-Frame-Options"] = "DENY"
        response.headers["Content-Security-Policy"] = "frame-ancestors 'none'"
        return response


def refusal(request: flask.Request, names: set[str]) -> str | None:
    """Why a request is refused, in a line; None if it is not."""
    if not is_ours(request.host, names):
        return f"there is nothing here under the name {request.host}"
    origin, site = request.headers.get("Origin"), request.headers.get("Sec-Fetch-Site")
    if origin is not None and origin != f"{request.scheme}://{request.host}":
        return f"{origin} may not use this page"
    visit = request.method == "GET" and request.headers.get("Sec-Fetch-Mode") == "navigate"
    if site in ("same-site", "cross-site") and not (visit and request.endpoint in PAGES):
        return "another site may not use this page"
    return None


def is_ours(host: str, names: set[str]) -> bool:
    with suppress(ValueError):
        name = urlsplit(f"//{host}").hostname or ""
        if name in names:
            return True
        return bool(ip_address(name))
    return False
