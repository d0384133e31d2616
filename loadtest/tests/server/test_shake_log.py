"""Tests of what is read from the log of a shaken server."""

import json

import pytest

from loadtest.history import Operation
from loadtest.server.shake_log import Shaken, coverage, moment, read


def request(start, end, *, thread=1, worker=1, rests=(), steps=(), status=200, error=None):
    """Return a request that was in one function from its start to its end."""
    return Shaken(
        worker=worker,
        thread=thread,
        start=start,
        end=end,
        status=status,
        error=error,
        rests=tuple(rests),
        steps=tuple(steps),
        functions={"shop.py:1:hit": (start, end)},
    )


def rest(start, end, line=13, offset=2):
    return start, end, f"shop.py:{line}", f"shop.py:1:hit:{offset}"


def step(time, line, kind, name="hits"):
    return time, f"shop.py:{line}", kind, name


LOST = (
    request(10, 90, rests=[rest(20, 70)], steps=[step(15, 12, "read"), step(80, 13, "write")]),
    request(30, 60, thread=2, steps=[step(40, 12, "read"), step(50, 13, "write")]),
)
OPERATIONS = tuple(
    Operation(client=thread, op="increment", start=5, end=95, worker=1, thread=thread)
    for thread in (1, 2)
)


def test_losing_pair_is_shown_with_its_lines():
    """The moment is the rest into which another request wrote, with the steps of both."""
    found = moment(LOST, OPERATIONS)
    assert found.sentence == (
        "shop.py:13, between reading `hits` and writing it, another request wrote it."
    )
    assert found.steps == (
        "A read `hits` at shop.py:12, B read at :12, B wrote at :13, A wrote at :13"
    )
    assert not found.processes


def test_two_processes_are_told_apart():
    """A moment in which two processes met does not depend on a GIL."""
    one, other = LOST
    other = request(30, 60, worker=2, steps=other.steps)
    operations = [
        Operation(client=1, op="increment", start=5, end=95, worker=worker, thread=1)
        for worker in (1, 2)
    ]
    assert moment((one, other), operations).processes


def test_failed_request_names_its_exception():
    """A request that failed is reported with the exception and its line."""
    error = ("IndexError", "pop from empty list", "shop.py:13")
    one = request(
        *(10, 90),
        rests=[rest(20, 70)],
        steps=[step(15, 12, "read"), step(80, 13, "write")],
        status=500,
        error=error,
    )
    sentence = moment((one, LOST[1])).sentence
    assert sentence.endswith("; then IndexError: pop from empty list at shop.py:13.")


@pytest.mark.parametrize(
    ("status", "error", "seconds", "failed"),
    [
        (500, ("ValueError", "generator already executing", "shop.py:9"), 0.1, True),
        (500, ("OperationalError", "database is locked", "shop.py:9"), 0.1, False),
        (500, ("ReadTimeout", "", "shop.py:9"), 0.1, False),
        (503, ("ValueError", "too slow", "shop.py:9"), 2, False),
        (500, None, 0.1, False),
        (200, ("KeyError", "caught", "shop.py:9"), 0.1, False),
        (404, ("NotFound", "", "shop.py:9"), 0.1, False),
    ],
)
def test_time_outs_are_no_failures(status, error, seconds, failed):
    """A wait that rests may have caused is not a failure of the app."""
    asked = request(0, int(seconds * 1e9), status=status, error=error)
    assert asked.failed == failed


def test_covered_instruction_met_another_request():
    """An instruction is met if another request was in its function during a rest there."""
    alone = request(200, 300, rests=[rest(210, 220, offset=8)])
    found = coverage((*LOST, alone))
    assert found.rested == {"shop.py:1:hit:2", "shop.py:1:hit:8"}
    assert found.met == {"shop.py:1:hit:2"}


def test_unfinished_line_is_left_out(tmp_path):
    """The last line of a worker that was killed is left out."""
    path = tmp_path / "log"
    fields = {**vars(LOST[0]), "functions": {}}
    path.write_text(f'{{"python": "3.12.1", "gil": true}}\n{json.dumps(fields)}\n{{"worker": 1')
    log = read(path)
    assert (log.python, log.gil, len(log.requests)) == ("3.12.1", True, 1)
    assert read(tmp_path / "none").requests == ()


@pytest.mark.parametrize(("line", "words"), [(14, "before writing `hits`"), (60, "rested at")])
def test_write_far_from_the_rest_is_not_named(line, words):
    """A write that no read precedes is named only if it is near the rest."""
    one = request(10, 90, rests=[rest(20, 70)], steps=[step(80, line, "write")])
    assert words in moment((one, LOST[1]), OPERATIONS).sentence
