"""An app of somebody's own, as they say it on the command line."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
from click.core import ParameterSource

from loadtest import cell
from loadtest.client.described import described
from loadtest.server.interpreter import look
from loadtest.server.servers import adapter_of
from loadtest.trial import AS_IT_RUNS, DESCRIBED, App, Server

OPTIONS = (
    click.option("--app", envvar="APP", help="An app of your own, as a server takes it: shop:app."),
    click.option("--url", envvar="URL", help="Or the address of a server that runs already."),
    click.option("--confirm-host", envvar="CONFIRM_HOST", help="Its host, if it is elsewhere."),
    click.option("--increment", envvar="INCREMENT", help="A request: 'POST /hits'."),
    click.option("--read", envvar="READ", help="Another: 'GET /hits'."),
    click.option("--count", envvar="COUNT", help=r"data.hits, /(\d+) views/ or @Header."),
    click.option("--increment-count", envvar="INCREMENT_COUNT", help="If it differs, or none."),
    click.option("--headers", envvar="HEADERS", help="'Name: value', or a JSON object."),
    click.option("--claim", envvar="CLAIM", help="A request for a place: 'POST /seats/{item}'."),
    click.option(
        "--limit", envvar="LIMIT", type=click.IntRange(1), help="Claims that may succeed; 1."
    ),
    click.option("--echo", envvar="ECHO", help="A request with data: 'GET /hello?name={token}'."),
    click.option("--write", envvar="WRITE", help="A visitor's text: 'PUT /me name={token}'."),
    click.option("--read-back", envvar="READ_BACK", help="Asks for it: 'GET /me'."),
    click.option("--id", envvar="ID", help="Where WRITE's answer has the {id} for READ_BACK."),
    click.option("--mapping", envvar="MAPPING", help="A file with increment(http), read(http), …"),
    click.option("--worker-header", envvar="WORKER_HEADER", help="@X-Pid: it names the worker."),
    click.option("--chdir", envvar="CHDIR", help="The folder that the app is found from."),
)
NAMES = ("app", "url", "confirm_host", "headers", "chdir", *DESCRIBED)


def options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that say what an app of one's own is; a command gets them as `own`."""

    def gathered(**given: Any) -> Any:
        said = {name: given.pop(name) or "" for name in NAMES}
        said["limit"] = given.pop("limit") or 1
        source = click.get_current_context().get_parameter_source
        if given.get("variants") or given.get("variant"):
            # a variant that is named is meant, whatever APP and URL are there for
            for name in ("app", "url"):
                said[name] *= source(name) is not ParameterSource.ENVIRONMENT
        return command(own=app(**said), **given)

    gathered.__doc__ = command.__doc__
    for option in reversed(OPTIONS):
        gathered = option(gathered)
    # those of the command itself
    gathered.__click_params__ += getattr(command, "__click_params__", [])  # type: ignore[attr-defined]
    return gathered


def app(*, app: str, url: str, confirm_host: str, **said: Any) -> App | None:
    """The app that is meant; None if none is. Raises UsageError."""
    if not (app or url):
        return None
    if app and url:
        raise click.UsageError("APP is served, URL runs already: give one of them")
    if url:
        check_host(url, confirm_host)
    own = App(target=app or url, **said)
    return replace(own, mapping=str(Path(own.mapping).absolute())) if own.mapping else own


def check_host(url: str, confirmed: str) -> None:
    """A load may do harm, so it goes to this machine, unless its host is named twice."""
    parts = urlsplit(url)
    host = parts.hostname
    if parts.scheme not in ("http", "https") or not host:
        raise click.UsageError(f"URL={url} is no address; write one such as http://127.0.0.1:5000")
    if parts.path.strip("/") or parts.query:
        raise click.UsageError(f"URL={url} has a path; that belongs into INCREMENT and READ")
    try:
        here = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        here = False
    if not here and confirmed != host:
        raise click.UsageError(
            f"{host} is not this machine; a load may do harm there. If it is yours, and meant for "
            f"this, say so: CONFIRM_HOST={host}"
        )


def first_look(
    own: App, servers: Sequence[Server], folder: Path
) -> tuple[App, tuple[Server, ...], list[str]]:
    """The app as it is understood by hand, the servers that it can have, and sentences that say
    what was understood. Raises PythonError, ServerError and Unclear."""
    if not any((own.increment, own.mapping, own.claim, own.echo, own.write, own.read_back)):
        raise click.UsageError(
            "INCREMENT is missing: which request adds one? Such as INCREMENT='POST /hits' "
            "READ='GET /hits' COUNT=hits; or ask with CLAIM, ECHO or WRITE: loadtest/README.md"
        )
    described(own)
    if own.runs_already:
        servers = (AS_IT_RUNS,)
    else:
        servers = tuple(dict.fromkeys(fitting(own, server, folder) for server in servers))
    own, understood = cell.first_look(own, servers[0], folder)
    if not described(own).quick:
        understood.append("The load uses a client that never sends a request twice.")
    return own, servers, understood


def fitting(own: App, server: Server, folder: Path) -> Server:
    """The server as an app needs it: an ASGI app has workers of its own kind, with one thread."""
    found = look(own.target, own.chdir, server.python, folder, adapter_of(server))
    if found.asgi and "asgi" not in adapter_of(server).classes:
        raise click.UsageError(
            f"{own.target} is an ASGI app, which {adapter_of(server).title} cannot serve"
        )
    if found.asgi and server.worker_class != "asgi":
        return replace(server, threads=1, worker_class="asgi")
    return server
