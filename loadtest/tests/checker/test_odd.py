"""Tests of small histories on which a verdict once claimed more than was measured."""

from pathlib import Path

import pytest

from loadtest.checker import judge
from loadtest.history import read

ODD = Path(__file__).with_name("odd")


def verdict(name):
    return judge(read(ODD / f"{name}.jsonl"))


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


@pytest.mark.parametrize("text", ["-2 read", "2 acknowledged"])
def test_negative_read(text):
    """A read of −2 is shown as it is."""
    assert text in verdict("read_minus_2").division.sentence
