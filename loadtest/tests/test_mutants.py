"""Variants with one seeded bug each are caught, by the anomaly that theory predicts."""

from pathlib import Path

import pytest

from loadtest import cell
from loadtest.checker import Failure
from loadtest.trial import Server, Trial

VARIANTS = Path(__file__).parents[2] / "variants"
UNGUARDED = """    with lock:
        seen = cache["count"]
        pause()
        cache["count"] = seen + 1
        return seen + 1
"""
MUTANTS = {
    "the lock is not taken in one path": (
        UNGUARDED,
        UNGUARDED.replace("with lock", "if True"),
        "lost increment",
    ),
    "the answer is read again after the lock": (
        UNGUARDED,
        UNGUARDED.replace("        return seen + 1\n", "    pause()\n    return cache['count']\n"),
        "duplicate value",
    ),
    "a read is cached for 50 ms": (
        """    with lock:
        return cache["count"]
""",
        """    now = time.monotonic()
    with lock:
        if now > kept.get("until", 0):
            kept.update(count=cache["count"], until=now + 0.05)
        return kept["count"]


kept = {}
import time
""",
        "stale read",
    ),
    "append copies the list and writes it back": (
        """    with lock:
        seen = len(entries)
        pause()
        entries.append(item)
        return seen + 1
""",
        """    copy = list(entries)
    pause()
    copy.append(item)
    entries[:] = copy
    return len(copy)
""",
        "lost item",
    ),
    "an increment is acknowledged before it is written": (
        UNGUARDED,
        """    with lock:
        told["count"] = told.get("count", 0) + 1
        Timer(0.02, write).start()
        return told["count"]


def write():
    with lock:
        cache["count"] += 1


told = {}
from threading import Timer
""",
        "stale read",
    ),
    "there is a counter per thread": (
        'cache = {"count": 0}\n',
        """import threading


class PerThread(threading.local):
    count = 0

    def __getitem__(self, name):
        return self.count

    def __setitem__(self, name, value):
        self.count = value


cache = PerThread()
""",
        "division by thread",
    ),
}


@pytest.mark.parametrize("bug", MUTANTS)
def test_seeded_bug_is_caught(bug, tmp_path, monkeypatch):
    """A seeded bug is caught by the anomaly that theory predicts."""
    correct, planted, predicted = MUTANTS[bug]
    source = (VARIANTS / "locked_global.py").read_text(encoding="utf-8")
    assert source.count(correct) == 1, "locked_global has changed: mend the mutant"
    (tmp_path / "mutant.py").write_text(source.replace(correct, planted), encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.syspath_prepend(tmp_path)
    verdict = cell.run(Trial("mutant", Server(1, 8)), tmp_path / "results").verdict
    assert verdict.verdict == "violated"
    found = {anomaly.name for anomaly in verdict.anomalies}
    if verdict.division:
        found.add(f"division by {verdict.division.of}")
    assert predicted in found, verdict


def test_refusing_variant_is_not_green(tmp_path, monkeypatch):
    """A variant that refuses most requests is not green."""
    source = (VARIANTS / "sqlite_row.py").read_text(encoding="utf-8")
    late = """    db.execute("BEGIN IMMEDIATE")
"""
    assert source.count(late) == 1, "sqlite_row has changed: mend the mutant"
    # the lock is asked for after the read, when another writer's commit has made that stale
    deferred = source.replace(late, late.replace(" IMMEDIATE", ""))
    (tmp_path / "refusing.py").write_text(deferred, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.syspath_prepend(tmp_path)
    done = cell.run(Trial("refusing", Server(4, 4)), tmp_path / "results")
    assert done.expectation.expect == "holds"
    assert done.verdict.failures == {Failure.REFUSES}, done.verdict
    assert not done.as_expected
    assert done.verdict.sign == "✗"
