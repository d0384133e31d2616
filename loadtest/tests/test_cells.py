"""Cells run side by side: an error ends what runs, and only what shows nothing is run again."""

from types import SimpleNamespace

import pytest

from loadtest.client.load import LoadError
from loadtest.commands import cells
from loadtest.server.guardian import GuardianError
from loadtest.server.running import ServerError
from loadtest.trial import ALONE, SERVERS, Trial

ONE, *OTHERS = [Trial("plain_global", server) for server in SERVERS]


@pytest.fixture
def runs(monkeypatch, tmp_path):
    """Runs trials with something in place of a cell's run."""

    def all_of(trials, run, **how):
        monkeypatch.setattr(cells.cell, "run", run)
        return cells.run_all(trials, tmp_path, lambda news: None, **how)

    return all_of


def test_first_error_ends_the_others(runs):
    """An error that is nobody's own ends the other cells, and is the error that is reported."""
    began, stopped = [], []

    def run(trial, folder, *, over, **_):
        began.append(trial)
        if trial == ONE:
            raise GuardianError("it broke")
        stopped.append(over.wait(60))
        raise LoadError("it was stopped")

    with pytest.raises(GuardianError, match="it broke"):
        runs([ONE, *OTHERS], run, at_once=2)
    assert stopped == [True] * (len(began) - 1)


@pytest.mark.parametrize("error", [ServerError, LoadError])
def test_cell_that_cannot_start_costs_no_other(runs, error):
    """A trial whose server does not start, or that is not loaded, is one cell of the table."""

    def run(trial, folder, **_):
        if trial == ONE:
            raise error("BlockingIOError: busy")
        return trial

    first, *others = runs([ONE, *OTHERS], run)
    assert others == OTHERS
    assert first.verdict.inconclusive
    assert first.verdict.why.startswith("It does not ")
    assert first.verdict.why.endswith("with one worker (BlockingIOError: busy).")
    assert not first.as_expected
    assert first.history.exists()


def test_nothing_runs_is_an_error(runs):
    """If no trial can be run, the first error is reported in place of a table."""

    def run(trial, folder, **_):
        raise ServerError(f"{trial.server}: no room")

    with pytest.raises(ServerError, match="1×1: no room"):
        runs([ONE, *OTHERS], run)


def test_what_was_stopped_is_not_run_again(runs):
    began = []

    def run(trial, folder, *, over, **_):
        began.append(trial)
        if trial == ONE:
            raise ValueError("it broke")
        assert over.wait(60)
        raise LoadError("it was stopped")

    with pytest.raises(ValueError, match="it broke"):
        runs([ONE, *OTHERS], run, at_once=2, tries=3)
    assert len(began) == len(set(began))


def test_cells_in_order_of_trials(runs):
    """Cells come in the order of their trials."""
    assert runs([ONE, *OTHERS], lambda trial, folder, **_: trial, at_once=4) == [ONE, *OTHERS]


@pytest.mark.parametrize(
    ("each", "tries", "asked"),
    [
        (["shown"], 3, 1),
        (["nothing", "shown"], 3, 2),
        (["error", "nothing", "shown"], 3, 3),
        (["nothing"] * 5, 3, 3),
        (["nothing", "shown"], 1, 1),
    ],
)
def test_only_what_shows_nothing_is_run_again(runs, each, tries, asked):
    said = iter(each)

    def run(*_, **__):
        if (word := next(said)) == "error":
            raise LoadError("it broke")
        return SimpleNamespace(inconclusive=word == "nothing", said=word)

    (done,) = runs([Trial("plain_global", ALONE)], run, tries=tries)
    assert done.said == each[asked - 1]
    assert len([*said]) == len(each) - asked
