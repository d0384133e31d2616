"""Counter and list together: what holds of each need not hold of both."""

from collections import Counter
from dataclasses import replace
from random import Random

from loadtest import checker
from loadtest import history as h
from loadtest.checker.linearizability import Contradiction, contradiction, jointly
from loadtest.checker.run import Run
from loadtest.checker.verdict import EACH
from loadtest.history import Operation
from loadtest.tests import brute_force
from loadtest.tests.checker.test_witness import check_words
from loadtest.tests.timelines import drawn

NEITHER_SEES_THE_OTHER = """
    A  |-- append x → 1 --|    |-- read → 0 --|
    B  |-- increment → 1 --|   |-- items → [] --|
    """


def test_late_client_in_counter_or_list():
    """A client may be late in the counter or in the list, but not in both."""
    guarantees = checker.judge(h.frame(drawn(NEITHER_SEES_THE_OTHER))).guarantees
    assert guarantees["sequential consistency"] is False


def test_unknown_write_judged_apart():
    """With an unknown write that may have come at any time, each is judged apart."""
    history = drawn(NEITHER_SEES_THE_OTHER + "C  |-- increment ---->\nD |-- read → 2 --|")
    guarantees = checker.judge(h.frame(history)).guarantees
    assert guarantees[EACH] is True
    assert "sequential consistency" not in guarantees


def test_several_clocks_together():
    """Several clocks are linearizable only if counter and list are together."""
    history = [replace(o, clock="mn"[o.client]) for o in drawn(NEITHER_SEES_THE_OTHER)]
    (found,) = (
        a for a in checker.judge(h.frame(history)).anomalies if a.name == "not linearizable"
    )
    assert len(found.witness) == 4
    assert found.why == (
        "Client 1's increment was answered 1 and ended before client 1's read of the list "
        "began, which "
        'read 0 items, so that it comes before client 0\'s append of "x", which was answered 1 and '
        "ended before client 0's read began, yet that was answered 0."
    )


WRITES_AND_READS = (("append", "read"), ("increment", "items"))


def seen_late(seed, blind=0.0):
    """Clients on one or two clocks, most of which write to one state and then read the other, as
    it was some time ago: each state by itself has an order, and both need not have one."""
    dice = Random(seed)
    clocks, reach = dice.choice([(None,), ("m", "n")]), dice.choice([1, 4])
    count, items, history, states = 0, (), [], [(0, ())]
    clients = dice.choice([2, 2, 3])
    habits = [[*WRITES_AND_READS[n % 2]] for n in range(clients)]
    at_least = [[0, 0] for _ in range(clients)]
    for n in range(dice.randint(4, 8)):
        client = dice.randrange(clients)
        op = dice.choice(["increment", "read", "append", "items"])
        if habits[client] and dice.random() < 0.8:
            op = habits[client].pop(0)
        count, item = count + (op == "increment"), f"i{n}" if op == "append" else None
        items = (*items, item) if item else items
        states.append((count, items))
        state = op in ("append", "items")
        least, now = at_least[client][state], len(states) - 1
        seen = dice.choice([least, least, dice.randint(least, now)])
        seen = now if op in ("increment", "append") else seen
        at_least[client][state] = seen
        told_count, told_items = states[seen]
        history.append(
            Operation(
                client=client,
                op=op,
                start=9 * n - dice.randint(0, reach),
                end=9 * n + dice.randint(0, reach),
                value=None
                if op == "increment" and dice.random() < blind
                else len(told_items)
                if state
                else told_count,
                item=item,
                items=told_items if op == "items" else None,
                clock=clocks[client % len(clocks)],
            )
        )
    return history


def test_jointly_agrees_with_brute_force():
    """The joint order agrees with brute force over all orders."""
    verdicts = Counter()
    for seed in range(150):
        history = seen_late(seed)
        run = Run(h.frame(history))
        for within, before in (
            ("client", brute_force.before_at_one_client),
            ("clock", brute_force.before),
        ):
            if all(contradiction(run, state, within) is None for state in run.states):
                expected = brute_force.explained(history, before)
                found = jointly(run, within)
                assert isinstance(found, Contradiction) != expected, history
                if within == "clock" and not expected:
                    check_words(found.why, run.operations(*found.rows))
                verdicts[within, len({o.clock for o in history}), expected] += 1
    # on one clock, both have an order together if each has one
    assert verdicts.keys() == {
        *(("client", clocks, expected) for clocks in (1, 2) for expected in (True, False)),
        *(("clock", 1, True), ("clock", 2, True), ("clock", 2, False)),
    }
    assert min(verdicts.values()) >= 5


def test_blind_writes_jointly():
    """With blind increments the joint order is decided if their numbers are forced."""
    verdicts = Counter()
    for seed in range(1200):
        history = seen_late(seed, blind=0.4)
        run = Run(h.frame(history))
        if run.within is None or not any(o.value is None for o in history):
            continue
        if all(contradiction(run, state, "clock") is None for state in run.states):
            expected = brute_force.explained(history, brute_force.before)
            found = jointly(run, "clock")
            assert found is False or isinstance(found, Contradiction) != expected, history
            verdicts[type(found).__name__ if found else "undecided", expected] += 1
    assert verdicts.keys() >= {("Contradiction", False), ("bool", True), ("undecided", True)}


def test_undecided_clocks_are_inconclusive():
    """Several clocks and a blind increment without a forced number are never called right."""
    undecided = []
    for seed in range(200):
        run = Run(h.frame(seen_late(seed, blind=0.6)))
        if run.within and all(contradiction(run, state) is None for state in run.states):
            undecided += [run.history] * (jointly(run, "clock") is False)
    assert undecided
    assert not any(checker.judge(history).linearizable for history in undecided)
