"""Clocks of several machines."""

import random

from loadtest.client.clocks import DRIFT, Bounds, clock_name
from loadtest.history import Operation

MS = 1_000_000


def test_clock_is_of_the_machine():
    """A clock's name does not change, and is no host name."""
    assert clock_name() == clock_name()
    assert clock_name().replace("-", "").isalnum()


def test_shifted_operations_are_as_long_as_they_may_have_been():
    """Whatever the messages took, and however the clocks drift, the true times lie within."""
    rng = random.Random(5)
    for _ in range(300):
        ahead, drift = rng.randrange(-(10**14), 10**14), rng.uniform(-DRIFT, DRIFT) / 2

        def theirs(ours, ahead=ahead, drift=drift):
            return round(ours * (1 + drift)) + ahead

        now, bounds = 10**12, None
        for _ in range(6):
            sent, received = now, now + rng.randrange(5 * MS)
            began = received + rng.randrange(300 * MS)
            ended = began + rng.randrange(9 * MS)
            sent_back = ended + rng.randrange(300 * MS)
            now = sent_back + rng.randrange(5 * MS)
            found = Bounds.of(sent, theirs(received), theirs(sent_back), now).at(now)
            bounds = bounds.tightened(found) if bounds else found
            op = Operation(client=0, op="read", start=theirs(began), end=theirs(ended))
            shifted = bounds.shifted(op, "ours", 0, now)
            assert shifted.start <= began
            assert ended <= shifted.end <= now
            assert shifted.clock == "ours"
