"""All orders of two increments: which lose one."""

import re
import subprocess
import sys

import pytest

from notebooks.run import HERE


def explore(how, variant):
    command = [sys.executable, HERE / "interleavings.py", how, variant]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    return done.returncode, done.stdout


def test_replayed_threads_lose():
    """Threads lose an increment of a plain global each time it is replayed."""
    status, said = explore("threads", "plain_global")
    assert status == 1
    assert re.search(r'plain_global\.py:\d+ +cache\["count"\] = seen \+ 1', said)
    assert "replayed 10 times, it lost an increment 10 times" in said


def test_threads_lose_none_behind_a_lock():
    status, said = explore("threads", "locked_global")
    assert (status, said.split(", ")[1]) == (0, "0 lose an increment\n")


@pytest.mark.parametrize("variant", ["sqlite_row", "redis_key"])
def test_shared_store_loses_nothing(variant):
    """Processes lose nothing in a store that they share."""
    status, said = explore("processes", variant)
    assert (status, said.splitlines()[-1]) == (0, "6 orders, 0 lose an increment")


def test_processes_share_no_global():
    status, said = explore("processes", "plain_global")
    assert (status, said.partition(":")[0]) == (2, "each process has a state of its own")
