"""python -m loadtest judge FILE…: the verdict on histories recorded anywhere, in any language."""

from __future__ import annotations

import json
import os
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import click
import polars as pl

from loadtest import checker
from loadtest import history as h
from loadtest.checker import Verdict
from loadtest.history.operation import printable
from loadtest.report import jepsen
from loadtest.report.plain import say_plainly

LARGE = 16 << 20  # bytes; reading more shows its progress
BROKEN_PIPE = 128 + 13  # what a shell says of a program that SIGPIPE ended


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--workers", type=click.IntRange(1), help="Inconclusive if fewer answered.")
@click.option("--threads", type=click.IntRange(1), help="Threads that each worker has.")
@click.option(
    "--limit",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="How many claims of an item may succeed.",
)
@click.option("--json", "as_json", is_flag=True, help="The verdict as one JSON document.")
@click.option("--order", metavar="FILE", help="Write an order that explains all answers.")
@click.option("--convert", metavar="FILE", help="Write the history, as .parquet, .jsonl.zst, ….")
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
    limit: int,
    as_json: bool,
    order: str | None,
    convert: str | None,
    edn: str | None,
    jepsen_json: str | None,
    model: jepsen.Model,
) -> None:
    """Judge histories: JSON lines, one operation each; "-" is standard input.

    They may be compressed (gzip, Zstandard), or Parquet. Several files are one run. What a line has
    to hold is said in loadtest/history/contract.py. Where a FILE is to be written, "-" is standard
    output, and the verdict is then not printed.

    Exit status: 0 linearizable, 1 violated, 2 inconclusive or unreadable.
    """
    with _judged_or_2():
        history = _read(files)
        if convert == "-":
            _write("-", [history.write_ndjson()])
        elif convert is not None:
            with _naming(convert):
                h.save(history, convert)
        verdict = checker.judge(history, workers=workers, threads=threads, limit=limit)
        refusal: ValueError | None = None
        for path, export in ((edn, jepsen.edn), (jepsen_json, jepsen.jepsen_json)):
            try:
                if path is not None:
                    _write(path, export(history, model))
            except (jepsen.ManyClocks, jepsen.NoCounts) as error:
                refusal = error
        if order is not None:
            ordered = checker.order(history)
            if ordered is None:
                print("no order explains all answers", file=sys.stderr)
            else:
                _write(order, [ordered.write_ndjson()])
        if as_json:
            print(json.dumps(verdict.to_json(), indent=2))
        elif "-" not in (convert, edn, jepsen_json, order):
            # click.echo takes ASCII for a mistake, and writes UTF-8
            in_colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
            print(colored(verdict) if in_colour else click.unstyle(colored(verdict)))
        sys.stdout.flush()
        if refusal:
            raise refusal
    sys.exit(verdict.exit_status)


def colored(verdict: Verdict) -> str:
    """The verdict as text, its first word and the names of its anomalies standing out."""
    names = tuple(f"  {anomaly.name}  " for anomaly in verdict.anomalies)
    first, *lines = map(printable, str(verdict).split("\n"))
    word = click.style(verdict.verdict, fg=verdict.color, bold=True)
    return "\n".join(
        (
            word + first.removeprefix(verdict.verdict),
            *(
                click.style(line, bold=True) if names and line.startswith(names) else line
                for line in lines
            ),
        )
    )


@contextmanager
def _judged_or_2() -> Iterator[None]:
    """Whatever comes in the way of a verdict is one line, and never the exit status of one."""
    say_plainly()
    try:
        yield
    except BrokenPipeError:
        status = BROKEN_PIPE
    except (OSError, h.Malformed, jepsen.ManyClocks, jepsen.NoCounts) as error:
        status = _said(_one_line(error))
    except (Exception, pl.exceptions.PanicException) as error:
        status = _said(f"this could not be judged: {type(error).__name__}: {error}")
    else:
        return
    # what is still to be printed cannot be, or is not asked for
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(status)


def _said(what: str) -> int:
    with suppress(OSError):
        print(printable(what.split("\n")[0]), file=sys.stderr)
    return 2


def _one_line(error: Exception) -> str:
    if not isinstance(error, OSError):
        return str(error)
    name = "standard output" if error.filename is None else printable(str(error.filename))
    return f"{name}: {error.strerror or error}"


def _read(files: Iterable[str]) -> pl.DataFrame:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with _progress(files) as moved:
            history = h.read(*files, progress=moved)
    for warning in caught:
        print(warning.message, file=sys.stderr)
    return history


@contextmanager
def _progress(files: Iterable[str]) -> Iterator[Callable[[int, int], object] | None]:
    """A bar in a terminal, while a large file is read."""
    size = sum(Path(file).stat().st_size for file in files if file != "-")
    if not sys.stderr.isatty() or size < LARGE:
        yield None
        return
    with click.progressbar(length=size, label="reading", file=sys.stderr) as bar:
        yield lambda done, total: bar.update(done - bar.pos)


def _write(path: str, lines: Iterable[str]) -> None:
    if path == "-":
        sys.stdout.writelines(lines)
        return
    # a link stays one
    target = Path(path).resolve()
    part = target.with_name(f"{target.name}.{os.getpid()}.part")
    if target.exists() and not target.is_file():
        # a device or a pipe takes no other name
        part = target
    with _naming(path):
        try:
            with part.open("w", encoding="utf-8") as file:
                file.writelines(lines)
        except BaseException:
            if part != target:
                part.unlink(missing_ok=True)
            raise
        if part != target:
            part.replace(target)


@contextmanager
def _naming(path: str) -> Iterator[None]:
    """An error of the machine names the file that it is about."""
    try:
        yield
    except OSError as error:
        reason = (error.strerror or str(error)).split(" (os error")[0]
        raise OSError(error.errno, reason, path) from error


if __name__ == "__main__":
    judge()
