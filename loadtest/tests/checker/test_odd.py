"""Tests of small histories on which a verdict once claimed more than was measured."""

from pathlib import Path

import pytest

from loadtest.checker import Failure, judge
from loadtest.history import read

ODD = Path(__file__).with_name("odd")


def verdict(name, workers=None):
    return judge(read(ODD / f"{name}.jsonl"), workers=workers)


def test_two_clocks_and_a_blind_increment():
    """Counter and list have no common order, although each of them has one."""
    (found,) = verdict("clocks_blind_green").anomalies
    assert found.name == "not linearizable"
    assert "must have been number 1" in found.why


def test_unlabelled_increments():
    """Nothing is called whole if the copies hold less than was acknowledged."""
    sentence = verdict("unlabelled_nothing_lost").division.sentence
    assert "Nothing lost" not in sentence
    assert "The copies hold 3" in sentence


def test_total_of_an_unread_counter():
    """Nothing is claimed about the total of a counter that nobody read at the end."""
    assert "eventual total" not in verdict("eventual_total_unread").guarantees


def test_unknown_may_hide_a_loss():
    """An unknown increment may stand for an acknowledged one that is gone."""
    sentence = verdict("unknown_nothing_lost").division.sentence
    assert sentence.endswith("Nothing is certainly lost; 1 may be.")


def test_hidden_thread():
    """Threads that no label tells apart may have a copy each."""
    found = verdict("no_thread_label")
    assert found.division.sentence == "2 acknowledged, 1 read: 1 lost, or several copies."
    assert (found.lost, found.failures) == (0, frozenset())


def test_hidden_thread_of_a_worker():
    """A worker's loss is not certain if a thread without a label may have its own copy."""
    found = verdict("no_thread_label_two_workers")
    assert "1 lost, or in a copy of another thread" in found.division.sentence
    assert (found.lost, found.failures) == (0, {Failure.DIVIDED})


def test_list_of_a_recycled_worker():
    """A recycled worker's list is forgotten, and not one of several."""
    found = verdict("list_recycled", workers=1)
    assert found.division.sentence.startswith("2 lists, one after the other")
    assert found.failures == {Failure.FORGETS}


def test_store_that_went_back():
    """A store that came back with an earlier state forgets; no lock helps."""
    found = verdict("rollback")
    assert "the state went back to an earlier one" in found.why
    assert found.failures == {Failure.FORGETS}


def test_nothing_forgotten_that_was_read():
    """Nothing is forgotten if a later worker goes on where the ended one stopped."""
    found = verdict("all_read", workers=3)
    assert found.forgotten == 0
    assert Failure.FORGETS not in found.failures


def test_copies_or_late():
    """Answers are not called late if copies explain them."""
    assert Failure.ANSWERS_LATE not in verdict("late_or_copies").failures


def test_two_machines():
    """An audit that reached one worker of six shows no loss on the other machine."""
    found = verdict("two_machines")
    assert "workers 0, 1, 2 and 3, workers 4 and 5: 8 left of 12" in found.division.sentence
    assert (found.lost, found.failures) == (0, {Failure.DIVIDED})


@pytest.mark.parametrize("text", ["-2 read", "2 acknowledged"])
def test_negative_read(text):
    """A read of −2 is shown as it is."""
    assert text in verdict("read_minus_2").division.sentence


def test_no_final_read():
    """Answers that name their workers show a count for each, though nobody read them at the end."""
    found = verdict("no_audit")
    assert found.why.startswith("3 counters, one per worker: 2 + 1 + 2 = 5 acknowledged.")
    assert found.failures == {Failure.DIVIDED}


def test_count_that_begins_at_41():
    """A number that was given twice comes before the remark that a count began elsewhere."""
    assert verdict("begins_at_41").anomalies[0].name == "duplicate value"
