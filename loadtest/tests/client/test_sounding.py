"""A server that runs already is sounded: how many copies answer?"""

import pytest

from loadtest import history
from loadtest.checker.one_by_one import evidence
from loadtest.client.mapping import BLIND, Unclear
from loadtest.client.sounding import understand_running
from loadtest.tests.copies import counting
from loadtest.trial import App

BEGINNINGS = pytest.mark.parametrize("counts", [(0, 0, 0), (150, 192, 7)], ids=["empty", "used"])


@pytest.fixture
def sounded(tmp_path):
    """Sound a server; return the app as understood, the sentences, and the evidence."""

    def run(url, **described):
        path = tmp_path / "by-hand.jsonl"
        app = App(url, "POST /i", **{"read": "GET /r"} | described)
        learnt, sentences = understand_running(app, url, path)
        return learnt, sentences, evidence(history.operations(history.read(path)))

    return run


@BEGINNINGS
@pytest.mark.parametrize("read", ["GET /r", ""], ids=["read", "increments alone"])
def test_copies_are_counted(sounded, counts, read):
    """Three copies are found, whatever they had counted before."""
    with counting(counts) as url:
        app, sentences, found = sounded(url, read=read)
    assert "At least 3 copies answer" in sentences[-1]
    assert found.copies == 3
    one, other = found.pair
    assert one.end < other.start
    assert one.value >= other.value
    assert app.increment_count == ""


@BEGINNINGS
def test_copies_of_a_blind_count(sounded, counts):
    """Copies are found by reads if increments have no number."""
    # every fourth request is a read while increments one at a time are checked by hand
    with counting(counts, post=lambda before, after: "ok", turn=lambda n: n * n) as url:
        app, sentences, found = sounded(url, increment_count="none")
    assert found.copies >= 2, sentences
    assert app.increment_count == BLIND


def test_constant_answers_of_several_copies(sounded):
    """An answer that is always 1 is not the count, whichever copy gives it."""
    with counting((3, 40), post=lambda before, after: "1") as url:
        app, sentences, _ = sounded(url)
    assert app.increment_count == BLIND
    assert "At least 2 copies answer" in sentences[-1]


def test_one_copy(sounded):
    """One copy answers, and the sentence says how sure that is."""
    with counting((41,)) as url:
        _, sentences, found = sounded(url)
    assert "GET /r answered 41, POST /i answered 42 and 43: understood" in sentences[0]
    assert "At least 1 copy answers" in sentences[1]
    assert "missed in less than 0.01 % of tries" in sentences[1]
    assert not found.pair


def test_count_that_rises_by_itself(sounded):
    """A count that rises while nobody increments is no copy."""
    rising = iter(range(10_000))
    with (
        counting(read=lambda count: str(next(rising))) as url,
        pytest.raises(Unclear, match="nobody incremented: if it counts itself"),
    ):
        sounded(url)


@pytest.mark.parametrize("begin", [False, True])
def test_toggle_is_no_copy(sounded, begin):
    """A toggle is named, and not taken for copies."""
    on = [begin]

    def toggle(before, after):
        on[0] = not on[0]
        return str(int(on[0]))

    with (
        counting(post=toggle, read=lambda count: str(int(on[0]))) as url,
        pytest.raises(Unclear, match="POST /i is a toggle"),
    ):
        sounded(url)


def test_numbers_that_are_no_count(sounded):
    """Answers that rise by more than one are no copies either."""
    with (
        counting(post=lambda before, after: str(7 * after)) as url,
        pytest.raises(Unclear, match="is COUNT the count"),
    ):
        sounded(url, read="")
