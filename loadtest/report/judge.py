"""python -m loadtest judge FILE…: the verdict on histories recorded anywhere, in any language."""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Iterable
from pathlib import Path

import click
import polars as pl
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.text import Text

from loadtest import checker
from loadtest import history as h
from loadtest.checker import Verdict
from loadtest.report import jepsen


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--workers", type=click.IntRange(1), help="Inconclusive if fewer answered.")
@click.option("--threads", type=click.IntRange(1), help="Threads that each worker has.")
@click.option("--json", "as_json", is_flag=True, help="The verdict as one JSON document.")
@click.option("--order", metavar="FILE", help="Write an order that explains all answers.")
@click.option("--edn", metavar="FILE", help="Write the history for Jepsen's tools.")
@click.option("--jepsen-json", metavar="FILE", help="The same as JSON.")
@click.option(
    "--model",
    type=click.Choice(jepsen.MODELS),
    default="cas-register",
    show_default=True,
    help="Which of their checkers it is for.",
)
def judge(
    files: tuple[str, ...],
    workers: int | None,
    threads: int | None,
    as_json: bool,
    order: str | None,
    edn: str | None,
    jepsen_json: str | None,
    model: jepsen.Model,
) -> None:
    """Judge histories: JSON lines, one operation each; "-" is standard input.

    Several files are one run. What a line has to hold is said in loadtest/history/schema.py. Where
    a FILE is to be written, "-" is standard output, and the verdict is then not printed.

    Exit status: 0 linearizable, 1 violated, 2 inconclusive or unreadable.
    """
    try:
        history = _read(files)
        verdict = checker.judge(history, workers=workers, threads=threads)
        if edn is not None:
            _write(edn, jepsen.edn(history, model))
        if jepsen_json is not None:
            _write(jepsen_json, jepsen.jepsen_json(history, model))
        if order is not None:
            ordered = checker.order(history)
            if ordered is None:
                click.echo("no order explains all answers", err=True)
            else:
                _write(order, [ordered.write_ndjson()])
    except (OSError, h.Malformed, jepsen.ManyClocks) as error:
        click.echo(_one_line(error), err=True)
        sys.exit(2)
    if as_json:
        click.echo(json.dumps(verdict.to_json(), indent=2, ensure_ascii=False))
    elif "-" not in (edn, jepsen_json, order):
        Console(highlight=False).print(coloured(verdict), soft_wrap=True)
    sys.exit(verdict.exit_status)


def coloured(verdict: Verdict) -> Text:
    """The verdict as text, its first word and the names of its anomalies standing out."""
    text = Text(str(verdict))
    text.stylize(f"bold {verdict.colour}", 0, len(verdict.verdict))
    names = "|".join(anomaly.name for anomaly in verdict.anomalies)
    if names:
        text.highlight_regex(rf"(?m)^  (?:{names})  .*$", "bold")
    return text


def _read(files: Iterable[str]) -> pl.DataFrame:
    bar = (TextColumn("reading"), BarColumn())
    screen = Console(stderr=True)
    with (
        warnings.catch_warnings(record=True) as caught,
        Progress(*bar, console=screen, transient=True, disable=not screen.is_terminal) as progress,
    ):
        warnings.simplefilter("always")
        task = progress.add_task("reading")
        history = h.read(
            *files,
            progress=lambda done, total: progress.update(task, completed=done, total=total or None),
        )
    for warning in caught:
        click.echo(f"{warning.message}", err=True)
    return history


def _write(path: str, lines: Iterable[str]) -> None:
    if path == "-":
        sys.stdout.writelines(lines)
    else:
        with Path(path).open("w", encoding="utf-8") as file:
            file.writelines(lines)


def _one_line(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return str(error)


if __name__ == "__main__":
    judge()
