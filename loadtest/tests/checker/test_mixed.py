"""Workers that share a connection answer with each other's replies."""

import random

from loadtest import history
from loadtest.checker import Failure, judge
from loadtest.checker.mixed import amend, back_and_forth
from loadtest.history import Operation

LOAD = [
    Operation(client=n, op="increment", start=n, end=90 + n, value=1, worker=n, boot=f"b{n}")
    for n in range(4)
]


def reads(values, boot="a", thread=1, apart=10):
    """Return final reads of one thread, one after the other, or overlapping if not `apart`."""
    return [
        Operation(
            client=9,
            op="read",
            start=1_000 + n * apart,
            end=1_009 + n * apart,
            value=value,
            phase="audit",
            worker=7,
            boot=boot,
            thread=thread,
        )
        for n, value in enumerate(values)
    ]


def test_answers_that_go_back_and_forth():
    """One thread that answers 528, 1 and 528 at rest does not read its own replies."""
    run = history.frame([*LOAD, *reads([528, 528, 1, 528])])
    assert back_and_forth(run) == (528, 1, 528)
    verdict = amend(judge(run), run)
    assert verdict.failures == {Failure.LEAKS}
    assert "answered 528, 1 and 528, one after the other" in verdict.why


def test_copies_are_not_mixed():
    """Workers and threads that each agree with themselves have copies, and a late count rises."""
    rng = random.Random(1)
    several = [*reads([5] * 9), *reads([9] * 9, "b"), *reads([7] * 9, thread=2)]
    rng.shuffle(several)
    assert back_and_forth(history.frame(several)) == ()
    assert back_and_forth(history.frame(reads([1, 1, 2, 3]))) == ()


def test_overlapping_reads_prove_nothing():
    """Reads that overlap have no order."""
    assert back_and_forth(history.frame(reads([5, 1, 5], apart=1))) == ()
