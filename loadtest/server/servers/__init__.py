"""The servers, a file each. To add one, add a file here: nothing else has a list of them.

A file has an `ADAPTER`, an instance of `loadtest.server.adapter.Adapter`, and the function that
makes its command line. If the server has to be installed, its locked packages stand beside the
file, in NAME.txt, and `make lock` writes them from the group NAME in pyproject.toml. The fields of
`Adapter` describe which topologies it has and which faults it can take; what it cannot is refused
by name. `SERVER=` and `make servers` then have it by its name.
"""

import pkgutil
from dataclasses import replace
from importlib import import_module

from loadtest.server import template
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
    if server.template:
        return template.adapter(server.template)
    if server.name not in ADAPTERS:
        raise ValueError(f"unknown server {server.name!r}; servers: {', '.join(ADAPTERS)}")
    return ADAPTERS[server.name]


def with_master(server: Server) -> Adapter:
    """Return the adapter of a server as it is with so many workers: it may have no master."""
    adapter = adapter_of(server)
    if not adapter.alone or topology(server).workers > 1:
        return adapter
    return replace(adapter, supervises=False, reloads=None, scaling=None, recycles=False)


def topology(server: Server) -> Server:
    """Return the server with its own defaults in place of what nobody named."""
    workers, threads = adapter_of(server).usual
    return replace(server, workers=server.workers or workers, threads=server.threads or threads)


def refusal(server: Server) -> str | None:
    """Return why there is no such topology of this server; None if there is one."""
    adapter = adapter_of(server)
    title, classes = adapter.title, adapter.classes
    if server.worker_class not in classes:
        there_are = " and ".join(classes)
        return f"{title} has no workers of the class {server.worker_class}; it has {there_are}"
    if server.workers > 1 and not adapter.processes:
        return f"{title} has one process"
    if server.threads > 1 and not adapter.pools:
        return f"{title} has one thread in each worker"
    if server.preload and not adapter.takes_preload:
        return f"{title} has no option to load the app before it forks"
    return None


def at_once(server: Server) -> int:
    """Return the number of requests that a worker may begin at once, as far as that matters."""
    if server.worker_class in ("gevent", "asgi"):
        return MANY
    threads = topology(server).threads
    return MANY if adapter_of(server).unbounded and threads > 1 else threads


def preloads(server: Server) -> bool:
    """Return True if the app is loaded before the workers are forked."""
    return server.preload or adapter_of(server).preloads
