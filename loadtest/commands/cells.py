"""Trials → cells, several at a time, with the stores that they need."""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from functools import partial
from pathlib import Path

from loadtest import cell
from loadtest.cell import Cell
from loadtest.client.load import LoadError
from loadtest.commands.results import postgres_for, redis_for
from loadtest.errors import CouldNotRun
from loadtest.server.postgres import schema
from loadtest.server.running import ServerError
from loadtest.trial import Trial

# each waits for its processes, or for its fault, some of the time
Urls = Callable[[Trial], AbstractContextManager[dict[str, str | None]]]
AT_ONCE = min(8, 1 + (os.cpu_count() or 1))


@contextmanager
def stores(trials: Sequence[Trial], folder: Path) -> Iterator[Urls]:
    """Yield what makes the URLs of a trial's stores, which run until the block ends."""
    with ExitStack() as stack:
        variants = dict.fromkeys(each.variant for each in trials if not each.own)
        redis_url, _ = stack.enter_context(redis_for(variants, folder))
        database_url = stack.enter_context(postgres_for(variants, folder))

        @contextmanager
        def urls_of(trial: Trial) -> Iterator[dict[str, str | None]]:
            # the tables have one name for all variants, and several cells run at a time
            own = schema(database_url) if database_url else nullcontext()
            with own as url:
                yield {"redis_url": redis_url, "database_url": url}

        yield urls_of


def run_all(
    trials: Sequence[Trial],
    folder: Path,
    tell: Callable[[str | Cell], None],
    *,
    at_once: int = 1,
    tries: int = 1,
) -> list[Cell]:
    """The cells of these trials, in their order; `tell` hears what begins and what is done.

    A cell that shows nothing is run again until it had so many `tries`: on a machine that is busy
    the load may not get through, or a thread not to its turn. What it shows is never asked again.
    A trial whose server does not start, or that cannot be loaded, is a cell that shows nothing.
    Raises its error if that is so of every trial.
    """
    over = threading.Event()
    with stores(trials, folder) as urls_of:

        def run(trial: Trial) -> Cell:
            with urls_of(trial) as urls:
                once = partial(cell.run, trial, folder, **urls, progress=tell, over=over)
                try:
                    done = shown(once, tries, over)
                except (ServerError, LoadError) as error:
                    # of one trial alone the error is all there is to say
                    if over.is_set() or len(trials) == 1:
                        raise
                    # the others may well run: a store may take one process alone
                    refused.append(error)
                    done = cell.not_run(trial, folder, error)
            tell(done)
            return done

        refused: list[CouldNotRun] = []
        pool = ThreadPoolExecutor(at_once)
        try:
            cells = list(pool.map(run, trials))
            if len(refused) == len(trials):
                raise refused[0]
            return cells
        finally:
            # Ctrl-C, and an error, leave nothing waiting to be run, and nothing running for long
            over.set()
            pool.shutdown(cancel_futures=True)


def shown(run: Callable[[], Cell], tries: int, over: threading.Event) -> Cell:
    for _ in range(tries - 1):
        try:
            done = run()
        except LoadError:
            # what was stopped has shown nothing either, and nobody waits for it
            if over.is_set():
                raise
            continue
        if not done.inconclusive:
            return done
    return run()
