"""Tests of stores that refuse: a second process."""

import os

import pytest

from loadtest.commands.cells import run_all
from loadtest.report import terminal
from loadtest.report.page import document
from loadtest.trial import Server, Trial

VARIANT = '''
"""A count in a worker, behind a lock.

Lives in: worker.
Guard: lock. Whoever comes second waits.
"""
import fcntl, os, time
from threading import Lock

from variants.pause import pause

lock, count, entries = Lock(), [0], []


def create():
    count[0] = 0
    entries.clear()
    return 0


def increment():
    with lock:
        count[0] += 1
        return count[0]


def read():
    return count[0]


def append(item):
    with lock:
        entries.append(item)
        return len(entries)


def items():
    return list(entries)

{more}
'''
ONE_PROCESS = """
file = open(os.environ["SQLITE_PATH"] + ".lock", "w")
fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
"""


@pytest.fixture
def cells(tmp_path, monkeypatch):
    """Run a variant that refuses, on some servers."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.syspath_prepend(tmp_path)

    def run(name, *servers, more=""):
        source = VARIANT.format(more=more)
        (tmp_path / f"{name}.py").write_text(source, encoding="utf-8")
        trials = [Trial(name, server) for server in servers]
        return run_all(trials, tmp_path, lambda news: None)

    return run


def test_store_of_one_process(cells, tmp_path):
    """A store that one process may open costs its own column alone, also in the report."""
    one, four = cells("one_process_only", Server(1, 2), Server(4, 1), more=ONE_PROCESS)
    assert one.as_expected, one.verdict
    assert terminal.figures(four.verdict) == ("inconclusive", "does not start")
    assert "BlockingIOError" in four.verdict.why
    document.write([one, four], tmp_path / "report.html", {})
    assert "It does not start with several workers" in (tmp_path / "report.html").read_text()
