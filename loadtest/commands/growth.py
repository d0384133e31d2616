"""Compare how fast a reading of somebody's own app grows by itself, server by server."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import NoReturn

import click

from loadtest.client.growth import measure, reading, runs
from loadtest.commands.own_app import fitting
from loadtest.report import terminal
from loadtest.server.running import launch, serve
from loadtest.trial import AS_IT_RUNS, App, Server, Trial

LEAST_S = 5.0
STATUS = {"once": 0, "once per worker": 1, "inconclusive": 2}


def is_only_read(own: App) -> bool:
    """Return True if an app is described by READ alone."""
    asked = (own.increment, own.mapping, own.claim, own.echo, own.write, own.read_back)
    return bool(own.read) and not any(asked)


def compare(
    own: App, servers: Sequence[Server], folder: Path, seconds: float, *, as_json: bool
) -> NoReturn:
    """Measure under each server, print what came out, and exit with its status.

    Raises ServerError, PythonError and Unclear.
    """
    reading(own)
    seconds = max(LEAST_S, seconds)
    if own.runs_already:
        servers = (AS_IT_RUNS,)
    else:
        servers = tuple(dict.fromkeys(fitting(own, server, folder) for server in servers))
    growths = []
    for server in servers:
        trial = Trial(own.target, server, own=own)
        start = launch if own.runs_already else serve
        with start(trial, log=folder / f"{trial.slug}.server.log") as running:
            growths.append(measure(own, server, running.url, seconds))
        terminal.console(error=True).print(f"{trial.name}: {growths[-1]}", markup=False)
    word, sentence = runs(growths)
    if as_json:
        rows = [asdict(each) | {"rate": round(each.rate, 3)} for each in growths]
        click.echo(json.dumps({"runs": word, "why": sentence, "growth": rows}))
    else:
        style = {0: "green", 1: "red", 2: "yellow"}[STATUS[word]]
        terminal.console().print(f"{own.target}: {word}", style=f"bold {style}", markup=False)
        terminal.console().print(sentence, markup=False)
    sys.exit(STATUS[word])
