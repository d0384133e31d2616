"""Tests of copies: those that exist, were not reached, or are forgotten."""

from dataclasses import replace
from random import Random

import polars as pl
import pytest

from loadtest import checker
from loadtest import history as h
from loadtest.checker import Failure
from loadtest.history import Operation
from loadtest.history.operation import LARGEST
from loadtest.tests.timelines import drawn, judged


def told(boots, audits, *, unlabelled=0):
    """Increments as {boot: values told}, one after the other by boot, and then the audit as
    {boot: value read}. A boot b7.1 is of worker 7."""
    history, at = [], 0
    for boot, values in boots.items():
        for value in values:
            history.append((at % 4, "increment", at, at + 5, value, boot, "load"))
            at += 10
    for boot, value in audits.items():
        history += [(9, "read", at + n, at + n + 5, value, boot, "audit") for n in (10, 20)]
        at += 30
    made = []
    for n, (client, op, start, end, value, boot, phase) in enumerate(history):
        label = {"boot": boot, "worker": int(boot[1:].split(".")[0]), "thread": 1}
        label = label if n >= unlabelled else {}
        made.append(
            Operation(client=client, op=op, start=start, end=end, value=value, phase=phase, **label)
        )
    return h.frame(made)


def upto(n):
    return list(range(1, n + 1))


def test_unreached_copy_is_not_audited():
    """A copy that the final reads did not reach is neither lost nor whole."""
    history = told({f"b{w}": upto(n) for w, n in enumerate((28, 25, 25, 22))}, {"b0": 28})
    verdict = checker.judge(history)
    assert verdict.why == (
        "4 counters, one per worker: 28 left of 100 acknowledged. 72 not audited, of worker 1, "
        "worker 2 and worker 3, and no answer is the total."
    )
    assert verdict.lost == verdict.forgotten == 0
    assert verdict.not_audited == ("worker 1", "worker 2", "worker 3")


def test_killed_worker_forgets():
    """The acknowledged increments of a killed worker are forgotten."""
    boots = {"b1": upto(158), "b2": upto(90), "b3": upto(70), "b4": upto(60), "b5": upto(22)}
    verdict = checker.judge(told(boots, {"b2": 90, "b3": 70, "b4": 60, "b5": 22}), workers=4)
    assert verdict.why == (
        "5 counters, one per worker: 90 + 70 + 60 + 22 = 242 left of 400 acknowledged. "
        "158 forgotten by worker 1, which answered no more, and no answer is the total."
    )
    assert (verdict.lost, verdict.forgotten) == (0, 158)
    assert verdict.failures == {Failure.DIVIDED, Failure.FORGETS}
    reset = verdict.anomalies[0]
    assert (reset.name, reset.count) == ("reset", 1)
    assert reset.why.endswith("158 acknowledged increments are forgotten.")


def test_successive_workers_are_one_state():
    """One worker after the other is not a division."""
    boots = {f"b{n}": upto(40) for n in range(1, 5)} | {"b5": upto(5)}
    verdict = checker.judge(told(boots, {"b5": 5}), workers=1)
    assert (verdict.lost, verdict.forgotten) == (0, 160)
    assert verdict.failures == {Failure.FORGETS}
    assert verdict.why.startswith("5 counters, one after the other: 5 left of 165 acknowledged.")


def test_waiting_request_hides_no_reset():
    """A request that waited while its worker was replaced hides no reset."""
    history = drawn(
        """
        A@1, boot a  |-- increment → 1 --|  |-- increment → 2 --|
        B@2, boot b                            |-- increment → 1 ---|
        C@2, boot b                                                   |-- increment → 2 --|
        audit@2, boot b                                                                     |-- read → 2 --|
        """  # noqa: E501
    )
    verdict = checker.judge(h.frame(history), workers=1)
    assert [verdict.anomalies[0].name, verdict.forgotten] == ["reset", 2]


def test_late_worker_is_no_reset():
    """A worker that merely answers late is not a reset."""
    history = told({"b1": upto(9), "b2": upto(3)}, {"b1": 9, "b2": 3})
    for workers in (None, 2):
        verdict = checker.judge(history, workers=workers)
        assert "reset" not in {anomaly.name for anomaly in verdict.anomalies}
    history = told({"b1": upto(9), "b2": upto(3)}, {"b2": 3})
    verdict = checker.judge(history)  # how many workers there are is not known
    assert verdict.not_audited == ("worker 1",)
    assert verdict.forgotten == 0


def test_outliving_store_forgets_nothing():
    """A store that outlives its workers forgets nothing."""
    verdict = checker.judge(told({"b1": upto(9), "b2": [10, 11]}, {"b2": 11}), workers=1)
    assert (verdict.lost, verdict.forgotten, verdict.division.of) == (0, 0, "none")
    assert verdict.anomalies == ()


def test_unlabelled_is_no_copy():
    """Increments acknowledged without a label are not a copy of their own."""
    history = told({"b1": upto(5), "b2": upto(3)}, {"b1": 5, "b2": 3}, unlabelled=1)
    division = checker.judge(history).division
    assert [copy.label for copy in division.copies] == ["worker 1", "worker 2"]
    assert "1 without a label" in division.sentence


def test_workers_sharing_in_pairs():
    """Workers that share in pairs are named in pairs."""
    boots = {"b101": [1, 3], "b104": [2, 4, 5], "b102": [1], "b103": [2, 3]}
    verdict = checker.judge(told(boots, {"b101": 5, "b104": 5, "b102": 3, "b103": 3}))
    assert verdict.division.of == "group"
    assert verdict.why.startswith("2 counters: workers 101 and 104, workers 102 and 103: 5 + 3 = 8")
    assert verdict.lost == 0


def test_a_cookie_is_a_copy_per_client():
    history = [
        Operation(client=c, op="increment", start=10 * n + c, end=10 * n + c + 8, value=n, worker=w)
        for n in (1, 2, 3)
        for c, w in ((0, 1), (1, 2))
    ]
    history += [
        Operation(client=9, op="read", start=99 + w, end=100 + w, value=0, worker=w, phase="audit")
        for w in (1, 2)
    ]
    by_one_thread = [replace(each, thread=1) for each in history]
    assert checker.judge(h.frame(by_one_thread)).why == (
        "2 counters, one per client: 3 + 3 = 6 acknowledged. No answer is the total."
    )
    # each client may have been answered by one thread, and the audit by another
    assert checker.judge(h.frame(history)).division.of == "unclear"
    # and what nobody was answered shows nothing
    blind = [replace(each, value=None if each.op == "increment" else 0) for each in by_one_thread]
    assert checker.judge(h.frame(blind)).division.of == "unclear"


def test_unlabelled_clients_with_copies():
    """Without labels, many clients that each count for themselves have a copy each."""

    def cookies(clients):
        load = [
            Operation(client=c, op="increment", start=100 * n + c, end=100 * n + c + 50, value=n)
            for n in (1, 2, 3)
            for c in range(clients)
        ]
        end = 100 * 4 + clients
        audit = Operation(client=99, op="read", start=end, end=end + 1, value=0, phase="audit")
        return checker.judge(h.frame([*load, audit])).division.of

    assert cookies(10) == "client"
    assert cookies(9) == "unclear"


def test_unlabelled_lost_or_copies():
    """Without labels, a difference is lost or is in several copies."""
    verdict = checker.judge(
        h.frame(
            drawn(
                """
                A      |-- increment → 1 --|  |-- increment → 2 --|
                B        |-- increment → 1 --|
                audit                                                |-- read → 2 --|
                """
            )
        )
    )
    assert verdict.why == "3 acknowledged, 2 read: 1 lost, or several copies."
    assert verdict.lost == 0


ALIKE = """
A@1, boot a  |-- increment → 1 --|                      |-- increment → 2 --|
B@1, boot a    |-- increment → 1 --|
C@2, boot b                          |-- increment → 1 --|
D@2, boot b                            |-- increment → 1 --|  |-- increment → 2 --|
audit@1, boot a                                                                       |-- read → 2 --|
audit@2, boot b                                                                       |-- read → 2 --|
"""  # noqa: E501


def test_copies_that_lose_and_end_alike():
    """Two copies end alike, or one went back to an earlier state: that is unclear."""
    verdict = checker.judge(h.frame(drawn(ALIKE)))
    assert verdict.why == "6 acknowledged, 2 read: 4 lost, or several copies."
    assert verdict.lost == 0


ONE = """
A@1, boot a  |-- increment → 1 --|  |-- increment → 2 --|
B@1, boot a    |-- increment → 1 --|
C@2, boot b      |-- increment → 1 --|  |-- increment → 2 --|
audit@1, boot a                                               |-- read → 2 --|
audit@2, boot b                                                 |-- read → 2 --|
"""
SET_BACK = """
A@1, boot a  |-- increment → 1 --|                  |-- increment → 3 --|
C@2, boot b               |-- increment → 2 --|
C@2, boot b                                   |-- increment → 2 --|   |-- increment → 3 --|
audit@1, boot a                                                                             |-- read → 3 --|
audit@2, boot b                                                                             |-- read → 3 --|
"""  # noqa: E501


def test_losing_or_reset_state_is_one():
    """One state that loses or is set back is one state."""
    verdict = checker.judge(h.frame(drawn(SET_BACK)))
    assert (verdict.division.of, verdict.lost) == ("none", 2)


def test_one_or_two_that_end_alike():
    """The division is unclear if one state that loses may be two that end alike."""
    verdict = checker.judge(h.frame(drawn(ONE)))
    assert verdict.why == (
        "5 acknowledged, 2 read: 3 lost, or several copies. 1 is lost in any case."
    )


@pytest.mark.parametrize("unknown", [0, 1, 2])
def test_unknown_writes_are_granted_once_in_all(unknown):
    """Each of two copies holds one more than it was asked, which takes two unknown ones."""
    boots, audits = {"b1": upto(3), "b2": [1, 2]}, {"b1": 4, "b2": 3}
    rows = h.operations(told(boots, audits))
    rows += [
        Operation(client=20 + n, op="increment", start=0, outcome="unknown") for n in range(unknown)
    ]
    division = checker.judge(h.frame(rows)).division
    assert (division is not None and division.of == "worker") == (unknown == 2)


def counted(answers, audits, *, op="increment", read="read"):
    """Acknowledged writes as {(worker, thread): [values]}, all overlapping, and then an audit as
    [((worker, thread), value)]."""
    history = []
    for (worker, thread), values in answers.items():
        for value in values:
            history.append(
                Operation(
                    client=len(history),
                    op=op,
                    start=len(history),
                    end=1000 + len(history),
                    value=value,
                    item=f"i{len(history)}" if op == "append" else None,
                    worker=worker,
                    thread=thread,
                    boot=f"b{worker}",
                )
            )
    items = {
        place: tuple(o.item for o in history if (o.worker, o.thread) == place) for place in answers
    }
    for n, ((worker, thread), value) in enumerate(audits):
        history.append(
            Operation(
                client=len(history),
                op=read,
                start=5000 + 10 * n,
                end=5001 + 10 * n,
                value=value,
                items=items[worker, thread][:value] if read == "items" else None,
                worker=worker,
                thread=thread,
                boot=f"b{worker}",
                phase="audit",
            )
        )
    return history


def test_one_state_from_which_nothing_is_lost():
    verdict = judged(
        """
        A@1  |-- increment → 1 --|
        B@2        |-- increment → 2 --|
        audit@1                             |-- read → 2 --|
        audit@2                                              |-- read → 2 --|
        """
    )
    assert verdict.verdict == "linearizable"
    assert (verdict.division.of, verdict.audited, verdict.lost) == ("none", 2, 0)
    assert verdict.why == "0 in 2 increments (under 100 %), at 95 %."
    assert all(verdict.guarantees.values())
    assert len(verdict.guarantees) == 4


def test_worker_state_loses_nothing():
    """A state per worker loses nothing and has no total."""
    verdict = judged(
        counted(
            {(1, 1): [1, 2, 3], (2, 1): [1, 2], (3, 1): [1]},
            [((1, 1), 3), ((2, 1), 2), ((3, 1), 1), ((1, 2), 3)],
        )
    )
    assert verdict.verdict == "violated"
    assert (verdict.division.of, verdict.lost, verdict.audited) == ("worker", 0, None)
    assert verdict.why == (
        "3 counters, one per worker: 3 + 2 + 1 = 6 acknowledged. "
        "Nothing lost, but no answer is the total."
    )
    assert "lost increment" not in {anomaly.name for anomaly in verdict.anomalies}
    assert verdict.guarantees["eventual total"] is False


def test_both_faults_are_told_apart():
    verdict = judged(
        counted(
            {(1, 1): [1, 1, 2], (2, 1): [1, 2]},
            [((1, 1), 2), ((2, 1), 2), ((1, 1), 2), ((2, 1), 2), ((1, 2), 2)],
        )
    )
    assert (verdict.division.of, verdict.lost) == ("unclear", 1)  # of worker 1 at the least
    verdict = judged(
        counted({(1, 1): [1, 1, 2, 3], (2, 1): [1, 2]}, [((1, 1), 3), ((2, 1), 2), ((1, 1), 3)])
    )
    assert (verdict.division.of, verdict.lost) == ("worker", 1)
    assert verdict.why == (
        "2 counters, one per worker: 3 + 2 = 5 left of 6 acknowledged. "
        "1 lost, and no answer is the total."
    )
    lost = verdict.anomalies[0]
    assert (lost.name, lost.count, {o.worker for o in lost.witness}) == ("lost update", 1, {1})
    duplicate = verdict.anomalies[2]
    assert (duplicate.name, {o.worker for o in duplicate.witness}) == ("duplicate value", {1, 2})


def test_audit_below_nothing_reads_zero():
    """An audit that reads less than nothing has read nothing."""
    verdict = judged(counted({(1, 1): [1, 2], (2, 1): [1, 1]}, [((1, 1), 2), ((2, 1), -1)]))
    assert (verdict.division.of, verdict.lost) == ("worker", 2)
    assert "2 + 0 = 2 left of 4 acknowledged" in verdict.why


def test_a_state_per_thread():
    verdict = judged(
        counted(
            {(1, 1): [1, 2, 3], (1, 2): [1], (2, 1): [1, 2]},
            [((1, 1), 3), ((1, 2), 1), ((2, 1), 2), ((1, 1), 3)],
        )
    )
    assert (verdict.division.of, verdict.lost) == ("thread", 0)
    assert verdict.division.copies[0].label == "worker 1 thread 1"


def test_a_state_per_request():
    history = counted({(1, 1): [1, 1, 1]}, [((1, 1), 0), ((1, 1), 0)])
    verdict = judged([replace(o, client=o.client % 2) for o in history])
    assert (verdict.division.of, verdict.lost, verdict.audited) == ("request", 3, 0)
    assert verdict.why.startswith("A counter per request: 3 acknowledged, each answered 1")
    assert "3 of 3 acknowledged increments are lost." in verdict.anomalies[0].why


def test_a_state_per_request_is_no_other_where_the_worker_was_replaced_before_the_audit():
    """As a worker that is recycled just after the load."""
    for boots in ({"b1": [1] * 20}, {"b1": [1] * 9, "b2": [1] * 11}):
        verdict = checker.judge(told(boots, {"b3": 0}), workers=1)
        assert (verdict.division.of, verdict.lost) == ("request", 20)
        assert verdict.failures == {Failure.LOSES}
    by_one_thread = counted({(1, 1): [1, 1, 1]}, [((2, 1), 0), ((2, 1), 0)])
    verdict = judged([replace(o, client=o.client % 2) for o in by_one_thread])
    assert (verdict.division.of, verdict.lost) == ("request", 3)


def test_replaced_workers_only_forget():
    """Workers that were replaced after each increment merely forgot."""
    verdict = checker.judge(told({f"b{n}": [1] for n in range(30)}, {"b30": 0}), workers=1)
    assert verdict.division.of != "request"
    assert verdict.failures == {Failure.FORGETS}


def test_overlap_in_replaced_worker():
    """Increments that all overlapped in a replaced worker may share one state."""
    overlapping = counted({(1, n): [1] for n in range(30)}, [((2, 1), 0), ((2, 1), 0)])
    verdict = judged([replace(o, client=o.client % 2) for o in overlapping])
    assert verdict.division.of != "request"
    assert verdict.lost == 0


def test_few_answers_of_one():
    """A few increments that were answered 1 may each belong to another copy."""
    history = counted({(1, 1): [1], (1, 2): [1], (1, 3): [1]}, [((1, 4), 0), ((1, 4), 0)])
    by_one_client = [replace(o, client=0) for o in history]
    nobody_knows = [replace(o, worker=None, boot=None, thread=None) for o in by_one_client]
    for each in (by_one_client, nobody_knows):
        verdict = judged(each)
        assert (verdict.division.of, verdict.lost) == ("unclear", 0)
        assert verdict.why.startswith("3 acknowledged, 0 read: 3 lost, or several copies")


def test_no_count_no_copies():
    """Without a count, nobody knows how many copies there are."""
    verdict = judged(counted({}, [((1, 1), 0), ((2, 1), 0)]))
    assert verdict.verdict == "inconclusive"
    assert verdict.division.sentence == "0 acknowledged, 0 read: one copy, or several."


def test_many_answers_of_one():
    """Many increments that were answered 1 are gone, whichever worker answered."""
    history = counted({(1, n): [1] for n in range(20)}, [((1, 99), 0), ((1, 99), 0)])
    by_one_client = [replace(o, client=0) for o in history]
    nobody_knows = [replace(o, worker=None, boot=None, thread=None) for o in by_one_client]
    for each in (by_one_client, nobody_knows):
        verdict = judged(each)
        assert (verdict.division.of, verdict.lost) == ("request", 20)


def test_copies_with_equal_reads():
    """Copies that read the same by accident are still copies."""
    boots = {f"b{worker}": upto(4) for worker in range(1, 5)}
    verdict = checker.judge(told(boots, dict.fromkeys(boots, 4)))
    assert (verdict.division.of, verdict.lost) == ("worker", 0)
    assert "4 + 4 + 4 + 4 = 16" in verdict.why


def test_one_unknown_fills_one_gap():
    """One unknown write cannot stand for the gaps of two copies."""
    answers = {(1, 1): [1, 2], (1, 2): [1], (1, 3): [1]}
    history = counted(answers, [(place, 2) for place in answers])
    unknown = replace(history[0], client=99, end=None, outcome="unknown", value=None, boot=None)
    verdict = judged([*history, unknown])
    assert (verdict.division.of, verdict.lost) == ("none", 2)


def test_a_cached_read_is_no_division():
    """Worker 1 reads 4, and only 2 increments were ever its own: the state is not its own."""
    verdict = judged(counted({(1, 1): [1, 3], (2, 1): [2, 4]}, [((1, 1), 4), ((2, 1), 3)]))
    assert verdict.division is None
    assert "stale read" in {anomaly.name for anomaly in verdict.anomalies}


def test_a_list_alone_may_be_divided():
    counter = counted({(1, 1): [1, 2], (2, 1): [3]}, [((1, 1), 3), ((2, 1), 3)])
    lists = counted(
        {(1, 1): [1, 2], (2, 1): [1]}, [((1, 1), 2), ((2, 1), 1)], op="append", read="items"
    )
    verdict = judged(counter + [replace(o, client=o.client + 100) for o in lists])
    assert (verdict.division.what, verdict.division.of) == ("list", "worker")
    assert verdict.why.startswith("2 lists, one per worker: 2 + 1 = 3 acknowledged.")
    assert "lost item" not in {anomaly.name for anomaly in verdict.anomalies}
    assert (verdict.audited, verdict.lost) == (3, 0)


def test_unreached_worker_is_not_lost():
    """A worker that no final read reached is not lost."""
    verdict = judged(
        counted({(1, 1): [1, 2], (2, 1): [1], (3, 1): [1]}, [((1, 1), 2), ((2, 1), 1)])
    )
    assert verdict.why == (
        "2 counters or more: 4 acknowledged, 1 and 2 read, but who shares one is not clear."
    )
    assert verdict.lost == 0
    verdict = checker.judge(told({"b1": upto(2), "b2": [1], "b3": [1]}, {"b1": 2, "b2": 1}))
    assert (verdict.division.of, verdict.lost) == ("worker", 0)
    assert [copy.audited for copy in verdict.division.copies] == [2, 1, None]


def test_equal_lengths_differ():
    """Lists of one length may be different lists."""
    verdict = judged(
        counted({(1, 1): [1], (2, 1): [1]}, [((1, 1), 1), ((2, 1), 1)], op="append", read="items")
    )
    assert (verdict.division.what, verdict.division.of) == ("list", "worker")


def test_item_of_unreached_copy():
    """An item in a copy that no final read reached is not lost."""
    appends = {(1, 1): [1, 2], (2, 1): [1], (3, 1): [1]}
    verdict = judged(counted(appends, [((1, 1), 2), ((2, 1), 1)], op="append", read="items"))
    assert verdict.division.divided
    assert "lost item" not in {anomaly.name for anomaly in verdict.anomalies}


def test_an_audit_that_goes_backwards_is_no_agreement():
    """The unknown increment explains that they differ, but not that the second one is lower."""
    verdict = judged(
        """
        A      |-- increment → 1 --|
        B      |-- increment → 2 --|
        C      |-- increment --------->
        audit                          |-- read → 3 --|
        audit                                            |-- read → 2 --|
        """
    )
    assert verdict.division is None
    assert verdict.audited is None


def test_unknown_during_the_audit():
    """An unknown increment may take effect during the audit."""
    verdict = judged(
        """
        A      |-- increment → 1 --|
        B        |-- increment → 2 --|
        C        |-- increment --------------------------------------------->
        audit                          |-- read → 2 --|
        audit                                            |-- read → 3 --|
        """
    )
    assert verdict.verdict == "linearizable"
    assert (verdict.audited, verdict.lost, verdict.unknown) == (3, 0, 1)


def test_unknown_may_hide_a_copy():
    """There is one copy or several, if an unknown write may hide one."""
    rows = drawn(
        """
        A@1, boot a      |-- increment → 1 --|
        B@2, boot b      |-- increment → 1 --|
        C                |-- increment ------------>
        audit@1, boot a                          |-- read → 2 --|
        """
    )
    verdict = checker.judge(h.frame(rows))
    assert verdict.division.sentence == (
        "2 acknowledged, 2 read: one copy, or several. Nothing is certainly lost; 1 may be."
    )
    assert verdict.why.endswith("were both answered 1 at workers 1 and 2.")
    assert verdict.lost == 0


@pytest.mark.parametrize(("each", "of"), [(5, "unclear"), (30, "worker")])
def test_copies_in_step_are_believed(each, of):
    """Copies in step with one another are believed if many answers show them."""
    pairs = [
        Operation(client=w, op="increment", start=9 * n, end=9 * n + 5, value=n, worker=w, boot=b)
        for n in upto(each)
        for w, b in ((1, "a"), (2, "b"))
    ]
    audits = [
        Operation(
            client=9, op="read", start=9999, end=10_000, value=each, worker=w, boot=b, phase="audit"
        )
        for w, b in ((1, "a"), (2, "b"))
    ]
    assert checker.judge(h.frame(pairs + audits)).division.of == of


def test_size_does_not_change_copies():
    """The description of copies does not depend on the size of the answers."""
    far = pl.col("value") >= 50
    for seed in range(60):
        dice = Random(seed)
        names, apart = [f"b{n}" for n in range(dice.randint(3, 12))], dice.randint(0, 1)
        last = {name: 100 + n * apart for n, name in enumerate(names)}
        told_last = dice.random() < 0.5
        boots = {name: upto(dice.randint(1, 3)) + [last[name]] * told_last for name in names}
        history = told(boots, {name: value + dice.randint(0, 1) for name, value in last.items()})
        # a few of these are more than 64 bits hold
        verdicts = [
            checker.judge(history.with_columns(pl.when(far).then(value).otherwise("value")))
            for value in (pl.col("value"), pl.col("value") + LARGEST - 200)
        ]
        near, beyond = (
            (v.failures, v.lost, v.division and v.division.of, [a.name for a in v.anomalies])
            for v in verdicts
        )
        assert near == beyond, seed


def test_unknown_writes_do_not_make_one_state_look_divided():
    """With as many, copies are possible; that each answered 1, 2, 3 … it did not."""
    numbered = [(n, n % 4) for n in range(1, 101)]
    history = [
        Operation(
            client=w, op="increment", start=10 * n, end=10 * n + 15, value=n, worker=w, boot=f"b{w}"
        )
        for n, w in numbered
    ]
    history += [
        Operation(client=9 + n, op="increment", start=5, outcome="unknown") for n in range(400)
    ]
    for n, w in numbered[:8]:
        read = {"op": "read", "value": 100, "phase": "audit", "worker": w, "boot": f"b{w}"}
        history.append(Operation(client=8, start=2000 + 10 * n, end=2005 + 10 * n, **read))
    verdict = judged(history)
    assert verdict.linearizable
    assert not verdict.division.divided
    assert verdict.failures == {Failure.REFUSES}
