"""Each anomaly alone: as it is drawn where it is defined, and put into a valid history."""

import inspect

import pytest

from loadtest import checker
from loadtest import history as h
from loadtest.bench import generator
from loadtest.checker import anomalies
from loadtest.tests.timelines import drawn

NAMES = [kind.name for kind in anomalies.TABLE]
FOLLOW = {
    "lost increment": {"lost update", "duplicate value", "stale read"},
    "over-count": {"future read"},
    "duplicate value": {"skipped value", "real-time inversion"},
    "skipped value": {"over-count", "future read"},
    "real-time inversion": {"stale read", "read-your-writes"},
    "future read": {"stale read"},
    "non-monotonic read": {"stale read", "read-your-writes"},
    "read-your-writes": {"stale read", "non-monotonic read"},
    "lost item": {"stale read"},
    "duplicated item": {"future read", "reordered item", "misplaced item"},
    "unexpected item": {"future read"},
    "fork": {"reordered item", "misplaced item"},
    "reordered item": {"stale read"},
    "misplaced item": {"reordered item"},
}


def found(history):
    frame = history if not isinstance(history, list) else h.frame(history)
    workers = frame["boot"].drop_nulls().n_unique() // 2  # as many came as went
    return {a.name: a for a in checker.judge(frame, workers=workers or None).anomalies}


def test_table_is_complete():
    """The table has every anomaly once, with its meaning and source."""
    assert len(NAMES) == len(set(NAMES)) == 18
    assert all(kind.meaning and kind.source for kind in anomalies.TABLE)


@pytest.mark.parametrize("kind", anomalies.TABLE, ids=NAMES)
def test_drawing_shows_its_anomaly(kind):
    """The drawing in a definition's docstring shows the anomaly."""
    history = drawn(inspect.getdoc(kind.find))
    anomaly = found(history)[kind.name]
    assert anomaly.count == 1
    assert set(anomaly.witness) <= set(history)
    assert anomaly.why.endswith(".")


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"not linearizable", "lost update"}))
@pytest.mark.parametrize("size", [3_000, 20_000])
def test_planted_anomaly_is_found(name, size):
    """An anomaly planted in a valid history is found and named."""
    valid = generator.generate(size, unknown=0)
    assert found(valid) == {}
    anomalies_found = found(generator.plant(valid, name))
    assert name in anomalies_found
    assert 0 < len(anomalies_found[name].witness) <= 3
    if name != "reset":  # which makes everything wrong
        assert set(anomalies_found) <= {name, "not linearizable"} | FOLLOW.get(name, set())


@pytest.mark.parametrize("seed", range(5))
def test_large_valid_history_is_clean(seed):
    """Large valid histories with unknown operations raise nothing."""
    verdict = checker.judge(
        generator.generate(5_000, seed=seed, unknown=0.05), workers=4, threads=8
    )
    assert verdict.verdict == "linearizable"
    assert verdict.unknown > 50
    assert verdict.bounds["increment"] == 3 / verdict.acknowledged
    assert verdict.bounds["append"] == 3 / verdict.appended


def test_the_witness_is_the_earliest():
    history = drawn(
        """
        A  |-- increment → 2 --|
        B                              |-- increment → 4 --|
        C       |-- increment → 2 --|
        D                                |-- increment → 4 --|
        audit                                                    |-- read → 4 --|
        """
    )
    assert [o.value for o in found(history)["duplicate value"].witness] == [2, 2]
    assert found(history)["duplicate value"].count == 2


def test_lost_update_prefers_one_worker():
    """A lost update is shown by two threads of one worker, if there are such."""
    history = drawn(
        """
        A@1.1  |-- increment → 1 --|
        B@2.1     |-- increment → 1 --|
        C@2.2        |-- increment → 1 --|
        D@1.1                              |-- increment → 2 --|
        E@2.1                            |-- increment → 3 --|
        audit@1                                                |-- read → 3 --|
        audit@2                                                  |-- read → 3 --|
        """
    )
    lost = found(history)["lost update"]
    assert [(o.worker, o.thread) for o in lost.witness] == [(2, 1), (2, 2)]
    assert "overlapped and were both answered 1 at worker 2, threads 1 and 2" in lost.why
    assert "2 of 5 acknowledged increments are lost" in lost.why


def test_loss_shown_by_the_audit():
    """A loss without two equal answers is shown by the final reads."""
    history = drawn(
        """
        A  |-- increment → 1 --|
        B          |-- increment → 2 --|
        audit                              |-- read → 1 --|
        """
    )
    assert [o.op for o in found(history)["lost increment"].witness] == ["increment", "read"]


def test_unknown_increments_are_never_lost():
    history = drawn(
        """
        A  |-- increment → 1 --|
        B          |-- increment ------>
        C          |-- increment ------>
        audit                              |-- read → 1 --|
        """
    )
    assert found(history) == {}


def test_item_sent_twice_stops_the_list():
    """A list is not judged further if one item was sent twice."""
    history = drawn(
        """
        A  |-- append x → 1 --|
        B       |-- append x → 2 --|
        audit                          |-- items → [x, x] --|
        """
    )
    verdict = checker.judge(h.frame(history))
    assert verdict.verdict == "inconclusive"
    assert '"x" was sent twice' in verdict.why


def test_a_refused_append_may_be_sent_again():
    history = drawn(
        """
        A  |-- append x → fail --|
        B       |-- append x → 1 --|
        C       |-- append y → 2 --|
        audit                          |-- items → [x, y] --|
        """
    )
    assert checker.judge(h.frame(history)).verdict == "linearizable"


def test_reads_compared_in_batches(monkeypatch):
    """Thousands of reads of a list are compared a batch at a time."""
    monkeypatch.setattr("loadtest.checker.run.ELEMENTS", 7)
    assert found(generator.generate(3_000)) == {}
    assert "fork" in found(generator.plant(generator.generate(3_000, unknown=0), "fork"))
