"""The options that describe a server, and the topologies that they ask for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import click

from loadtest.server.servers import ADAPTERS, adapter_of, refusal
from loadtest.trial import SERVERS, WORKER_CLASSES, Server, WorkerClass

OPTIONS = (
    click.option("--workers", envvar="WORKERS", type=click.IntRange(1, 64)),
    click.option("--threads", envvar="THREADS", type=click.IntRange(1, 256)),
    click.option(
        "--worker-class",
        envvar="WORKER_CLASS",
        type=click.Choice(WORKER_CLASSES),
        help="Of those that the server has; all but gthread have one thread.",
    ),
    click.option(
        "--preload", envvar="PRELOAD", is_flag=True, help="Load the app before workers are forked."
    ),
    click.option(
        "--server-python",
        envvar="SERVER_PYTHON",
        default="",
        help="The interpreter that serves: a command, or the path of one in its environment.",
    ),
    click.option(
        "--server",
        "server_name",
        envvar="SERVER",
        type=click.Choice([*ADAPTERS]),
        default="gunicorn",
        show_default=True,
    ),
    click.option(
        "--serve",
        envvar="SERVE",
        default="",
        metavar="TEMPLATE",
        help="Or the command of any other: '{python} -m it {workers} {threads} {port} {app}'.",
    ),
)


@dataclass(frozen=True)
class Wanted:
    """The server that somebody asks for; None is what they left open."""

    workers: int | None = None
    threads: int | None = None
    worker_class: WorkerClass | None = None
    preload: bool = False
    server_python: str = ""
    server_name: str = "gunicorn"
    serve: str = ""

    def server(self, workers: int, threads: int) -> Server:
        """Return the server with this topology. Raise ValueError for a wrong template."""
        name = "template" if self.serve else self.server_name
        bare = Server(1, 1, name=name, template=self.serve)
        worker_class = self.worker_class or adapter_of(bare).classes[0]
        return replace(
            bare,
            workers=workers,
            threads=threads,
            worker_class=worker_class,
            preload=self.preload,
            python=self.server_python,
        )

    def topologies(self) -> tuple[Server, ...]:
        """Return the topology that is named, or those of the four that the server has.

        Raises UsageError if it has none of them.
        """
        if self.workers or self.threads:
            asked = [self.server(self.workers or 1, self.threads or 1)]
        else:
            pools = self.server(1, 1).worker_class == "gthread"
            shapes = [(each.workers, each.threads) for each in SERVERS]
            asked = [self.server(*shape) for shape in shapes if pools or shape[1] == 1]
        refused = {each: why for each in asked if (why := refusal(each))}
        if len(refused) == len(asked):
            raise click.UsageError("; ".join(f"{each}: {why}" for each, why in refused.items()))
        for why in dict.fromkeys(refused.values()):
            names = ", ".join(f"{s.workers}×{s.threads}" for s, w in refused.items() if w == why)
            click.echo(f"left out {names}: {why}", err=True)
        return tuple(each for each in asked if each not in refused)

    def topology(self, workers: int = 4, threads: int = 8) -> Server:
        """Return the topology that is named, or else this one as far as the server has it.

        Raises UsageError if the server does not have it.
        """
        bare = self.server(1, 1)
        pools = bare.worker_class == "gthread" and not refusal(replace(bare, threads=8))
        many = not refusal(replace(bare, workers=4))
        found = self.server(
            self.workers or (workers if many else 1), self.threads or (threads if pools else 1)
        )
        if why := refusal(found):
            raise click.UsageError(f"{found}: {why}")
        return found


def server_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that describe a server; it gets them as `wanted`."""
    names = ("workers", "threads", "worker_class", "preload", "server_python", "server_name")

    def gathered(**given: Any) -> Any:
        chosen = {name: given.pop(name) for name in (*names, "serve")}
        return command(wanted=Wanted(**chosen), **given)

    gathered.__doc__ = command.__doc__
    for option in reversed(OPTIONS):
        gathered = option(gathered)
    # those of the command itself
    gathered.__click_params__ += getattr(command, "__click_params__", [])  # type: ignore[attr-defined]
    return gathered
