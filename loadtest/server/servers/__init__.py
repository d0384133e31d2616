"""The servers, a file each. To add one, add a file here: nothing else has a list of them.

A file has an `ADAPTER`, an instance of `loadtest.server.adapter.Adapter`, and the function that
makes its command line. If the server has to be installed, its locked packages stand beside the
file, in NAME.txt, and `make lock` writes them from the group NAME in pyproject.toml. The fields of
`Adapter` describe which topologies it has and which faults it can take; what it cannot is refused
by name. `SERVER=` and `make servers` then have it by its name.
"""

import pkgutil
from importlib import import_module

from loadtest.server.adapter import MANY, Adapter
from loadtest.trial import Server


def in_folder() -> dict[str, Adapter]:
    """Return every server in this folder by its name, gunicorn first."""
    names = [module.name for module in pkgutil.iter_modules(__path__)]
    found: list[Adapter] = [import_module(f"{__name__}.{name}").ADAPTER for name in names]
    return {each.name: each for each in sorted(found, key=lambda each: each.name != "gunicorn")}


ADAPTERS = in_folder()
SETTINGS = tuple(name for each in ADAPTERS.values() for name in each.settings)
"""The environment variables of all servers."""


def adapter_of(server: Server) -> Adapter:
    """Return the adapter of a server. Raise ValueError if it is unknown."""
    if server.name not in ADAPTERS:
        raise ValueError(f"unknown server {server.name!r}; servers: {', '.join(ADAPTERS)}")
    return ADAPTERS[server.name]


def at_once(server: Server) -> int:
    """Return the number of requests that a worker may begin at once, as far as that matters."""
    if server.worker_class in ("gevent", "asgi"):
        return MANY
    unbounded = adapter_of(server).threads == "unbounded" and server.threads > 1
    return MANY if unbounded else server.threads


def preloads(server: Server) -> bool:
    """Return True if the app is loaded before the workers are forked."""
    return server.preload or adapter_of(server).preloads
