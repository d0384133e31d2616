"""The experiment itself, on real servers: safe variants hold, and unsafe ones break."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor

import polars as pl
import pytest

from loadtest import cell, history, trial
from loadtest.checker import Failure
from loadtest.client import load
from loadtest.client.load import LoadError
from loadtest.tests.waiting import family, wait_until
from loadtest.trial import Load, Server, Trial
from variants import VARIANTS


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("results")


@pytest.mark.parametrize("shape", trial.SERVERS, ids=str)
@pytest.mark.parametrize("variant", VARIANTS)
def test_a_cell_comes_out_as_expected(variant, shape, folder, redis_url):
    each = cell.run(Trial(variant, shape), folder, redis_url=redis_url)
    verdict = each.verdict
    assert each.as_expected, f"{each.name}: {verdict}"
    assert verdict.acknowledged >= 500
    assert verdict.unknown == 0
    assert verdict.failed == 0
    if verdict.division.of == "worker":
        copies = verdict.division.copies
        assert len(copies) == shape.workers
        assert sum(copy.acknowledged for copy in copies) == verdict.acknowledged
        assert sum(copy.audited + copy.lost for copy in copies) == verdict.acknowledged


def test_without_a_pause_nothing_safe_breaks(folder, redis_url):
    for variant in ("locked_global", "sqlite_row", "redis_key"):
        shape = Server(1, 8)
        each = cell.run(Trial(variant, shape, Load(pause_ms=0)), folder, redis_url=redis_url)
        assert each.as_expected, f"{each.name}: {each.verdict}"


def test_no_pause_still_divided(folder):
    """Without a pause nothing is expected of threads, but workers still divide."""
    alone = cell.run(Trial("plain_global", Server(1, 8), Load(pause_ms=0)), folder)
    assert alone.expectation.expect == "either"
    divided = cell.run(Trial("plain_global", Server(4, 1), Load(pause_ms=0)), folder)
    assert divided.as_expected
    assert Failure.DIVIDED in divided.verdict.failures


def test_keep_alive_hides_division(folder):
    """Kept connections hide that the workers disagree."""
    each = cell.run(Trial("locked_global", Server(4, 1), Load(keep_alive=True)), folder)
    operations = history.read(each.history).filter(phase="load", op="increment")
    workers_of_a_client = operations.group_by("client").agg(workers=pl.col("worker").n_unique())
    # gunicorn hangs up on a connection that was idle for two seconds, as on a machine that stalls
    assert workers_of_a_client["workers"].median() == 1


def standing(folder):
    """The processes that are there before a cell, and after it: one forks all loads."""
    load.loads(folder / "loads.log")
    return family(os.getpid())


def test_slow_load_is_ended(folder, monkeypatch):
    """A load that takes too long is ended, and reported in a line."""
    before = standing(folder)
    monkeypatch.setattr(load, "DEADLINE_S", 0.1)
    with pytest.raises(LoadError, match=r"^locked_global at 1×1 could not be run: load and "):
        cell.run(Trial("locked_global", Server(1, 1), Load(seconds=0.1)), folder)
    wait_until(lambda: set(family(os.getpid())) <= set(before))


def test_slow_judging_is_ended(folder, monkeypatch):
    """A judgement that takes too long is given up, and reported in a line."""
    before, for_ever = standing(folder), threading.Event()

    def judge_file(*_):
        monkeypatch.setattr(cell, "DEADLINE_S", 0.1)
        for_ever.wait()

    monkeypatch.setattr(cell, "judge_file", judge_file)
    with pytest.raises(LoadError, match=r"^locked_global at 1×1 could not be run: judging "):
        cell.run(Trial("locked_global", Server(1, 1)), folder)
    for_ever.set()
    wait_until(lambda: set(family(os.getpid())) <= set(before))


def test_unwanted_load_is_ended(tmp_path):
    """A load that nobody wants any more is ended."""
    before, over = standing(tmp_path), threading.Event()

    def run():
        cell.run(Trial("locked_global", Server(1, 1), Load(seconds=3600)), tmp_path, over=over)

    with ThreadPoolExecutor() as pool:
        for_ever = pool.submit(run)
        wait_until(lambda: [*tmp_path.glob("*.jsonl")])
        over.set()
        with pytest.raises(LoadError, match=r"^locked_global at 1×1 was stopped$"):
            for_ever.result(60)
    wait_until(lambda: set(family(os.getpid())) <= set(before))


def test_one_client_alone_proves_nothing(folder):
    each = cell.run(Trial("locked_global", Server(1, 1), Load(users=1, increments=20)), folder)
    assert each.verdict.verdict == "inconclusive"
    assert not each.as_expected
