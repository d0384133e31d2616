"""python -m loadtest gallery: what people really write, under the servers that tell it apart."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, nullcontext, suppress
from pathlib import Path

import click

from loadtest import cell
from loadtest.cell import Cell, LoadError
from loadtest.commands.check import progress, what_ran
from loadtest.commands.results import RESULTS, make_latest, new_folder, postgres_for
from loadtest.report import gallery as table
from loadtest.report import page, terminal
from loadtest.server.postgres import schema
from loadtest.server.redis import redis_server
from loadtest.trial import Trial
from variants.gallery import GALLERY

# one alone waits for its processes to start half of the time
AT_ONCE = min(8, max(2, os.cpu_count() or 1))


@click.command()
@click.argument("idioms", nargs=-1)
@click.option("--readme", is_flag=True, help="Write the table of variants/gallery/README.md anew.")
def gallery(idioms: tuple[str, ...], readme: bool) -> None:
    """Judge IDIOMS (all of the gallery if none is named) under the servers that tell them apart.

    Exit status as of check: 0 if every cell came out as promised, 1 if any did not, 2 if one was
    inconclusive or could not be run.
    """
    if unknown := [idiom for idiom in idioms if idiom not in GALLERY]:
        raise ValueError(f"unknown idiom {unknown[0]!r}; idioms: {', '.join(GALLERY)}")
    trials = table.trials(idioms or GALLERY)
    # each is told beside the bare route, as it was in the same run
    trials += [] if idioms else [table.BARE]
    folder = new_folder()
    with ExitStack() as stack:
        tell = stack.enter_context(progress(len(trials)))
        cells = run_all(trials, folder, tell)
        tell("writing the report")
        page.write(cells, folder / "report.html", what_ran(table.LOAD))
    make_latest(folder)
    if readme:
        table.README.write_text(table.readme(cells), encoding="utf-8")
    out = terminal.console()
    out.print(terminal.matrix(cells))
    out.print(f"Pictures and all requests: make report, or {RESULTS}/latest", style="dim")
    out.print(terminal.conclusion(cells))
    if any(each.verdict.inconclusive for each in cells):
        sys.exit(2)
    sys.exit(0 if all(each.as_promised for each in cells) else 1)


def run_all(
    trials: Sequence[Trial], folder: Path, tell: Callable[[str | Cell], None]
) -> list[Cell]:
    """The cells of these trials, in their order; several run at a time."""
    with ExitStack() as stack:
        redis_url = stack.enter_context(redis_server(folder / "redis.log"))
        idioms = {trial.variant for trial in trials}
        database_url = stack.enter_context(postgres_for(idioms, folder))

        def run(trial: Trial) -> Cell:
            # the tables have one name for all idioms, and several cells run at a time
            own = schema(database_url) if database_url else nullcontext()
            with own as url:
                done = shown(trial, folder, redis_url, url, tell)
            tell(done)
            return done

        pool = ThreadPoolExecutor(AT_ONCE)
        try:
            return list(pool.map(run, trials))
        finally:
            # Ctrl-C, and an error, leave nothing waiting to be run
            pool.shutdown(cancel_futures=True)


def shown(
    trial: Trial, folder: Path, redis: str, database: str | None, tell: Callable[[str], None]
) -> Cell:
    """A cell, run again, twice at the most, if it shows nothing: on a machine that is busy the load
    may not get through, or a thread not to its turn. What it shows is never asked again."""

    def run() -> Cell:
        return cell.run(trial, folder, redis_url=redis, database_url=database, progress=tell)

    for _ in range(2):
        with suppress(LoadError):
            if not (done := run()).verdict.inconclusive:
                return done
    return run()
