"""python -m loadtest faults, soak: what variants survive, and whether it is so every time."""

import itertools
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import click
from rich.console import Group

from loadtest import commands, trial
from loadtest.commands.cells import AT_ONCE, run_all
from loadtest.commands.check import possible, progress, run, show, status, write
from loadtest.commands.results import RESULTS, new_folder
from loadtest.commands.server_options import Wanted, server_options
from loadtest.expected import impossible
from loadtest.report import kind_tables, terminal
from loadtest.server.faults import FAULTS
from loadtest.server.interpreter import prepare
from loadtest.trial import UNDER_FAULT, Load, Server, Trial
from variants import VARIANTS

# ends with whoever started it
BUSY = "import os; owner = os.getppid()\nwhile os.getppid() == owner: pass"


@click.command()
@click.argument("variants", nargs=-1)
@server_options
@commands.users_option
@commands.pause_option
def faults(
    variants: tuple[str, ...],
    wanted: Wanted,
    users: int,
    pause_ms: float,
) -> None:
    """Judge VARIANTS (all five if none is named) under every fault that they can meet.

    There is one worker with eight threads, in which a global behind a lock is right as long as
    nothing happens. Exit status as of check.
    """
    server = wanted.topology(trial.ALONE.workers, trial.ALONE.threads)
    prepare(server, RESULTS)
    load = Load(users=users, pause_ms=pause_ms, increments=UNDER_FAULT)
    trials = under_faults(tuple(dict.fromkeys(variants)) or VARIANTS, server, load)
    cells = run(trials, at_once=AT_ONCE)
    show(Group(kind_tables.survivals(cells), terminal.survival(cells)), cells, table_last=True)


def under_faults(variants: Sequence[str], server: Server, load: Load) -> list[Trial]:
    """The trials of these variants with each fault that can be done to them; what cannot be done
    here, and could be elsewhere, is said."""
    asked = (Trial(each, server, load, fault=fault) for fault in FAULTS for each in variants)
    return possible([each for each in asked if not impossible(each)])


@click.command()
@click.option("--rounds", envvar="ROUNDS", type=click.IntRange(1), default=20, show_default=True)
@click.option(
    "--busy",
    envvar="BUSY",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Processes beside it that only take time.",
)
def soak(rounds: int, busy: int) -> None:
    """Repeat the matrix and the faults, and say how often each cell came out as expected.

    A round in which all did is not kept longer than until the next one is over, and has no report
    unless it is the last.
    """
    matrix = [Trial(*each) for each in itertools.product(VARIANTS, trial.SERVERS)]
    trials = [*matrix, *under_faults(VARIANTS, trial.ALONE, Load(increments=UNDER_FAULT))]
    kept: Counter[str] = Counter()
    done, worst, not_needed = 0, 0, None
    try:
        with beside(busy):
            while done < rounds:
                folder = new_folder()
                with progress(len(trials)) as tell:
                    cells = run_all(trials, folder, tell, at_once=AT_ONCE)
                    done += 1
                    wrong = [each for each in cells if not each.as_expected]
                    if wrong or done == rounds:
                        tell("writing the report")
                        write(cells, folder)
                worst = max(worst, status(cells))
                kept.update(each.name for each in cells if each.as_expected)
                click.echo(f"round {done} of {rounds}: {kept.total()} of {done * len(trials)}")
                for each in wrong:
                    click.echo(f"  {each.name}: {terminal.comparison(each)} {each.history}")
                if not_needed:
                    shutil.rmtree(not_needed)
                not_needed = None if wrong else folder
    finally:
        # whoever stops it after some hours wants to know, too
        for name in [each.name for each in trials] if done else []:
            click.echo(f"{kept[name]:4} of {done}  {name}")
    sys.exit(worst)


@contextmanager
def beside(busy: int) -> Iterator[None]:
    processes = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(busy)]
    try:
        yield
    finally:
        for each in processes:
            each.kill()
            each.wait()
