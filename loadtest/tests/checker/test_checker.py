"""What the checker says of whole histories: division, guarantees, what is missing, the words."""

from dataclasses import replace

import polars as pl
import pytest

from loadtest import checker
from loadtest import history as h
from loadtest.bench import generator
from loadtest.checker.verdict import percent
from loadtest.history import Operation
from loadtest.tests.timelines import drawn


def judge(drawing, **topology):
    history = drawn(drawing) if isinstance(drawing, str) else drawing
    return checker.judge(h.frame(history), **topology)


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
    verdict = judge(
        """
        A@1  |-- increment → 1 --|
        B@2        |-- increment → 2 --|
        audit@1                             |-- read → 2 --|
        audit@2                                              |-- read → 2 --|
        """
    )
    assert verdict.verdict == "linearizable"
    assert (verdict.division.of, verdict.audited, verdict.lost) == ("none", 2, 0)
    assert verdict.why == "0 in 2: under 100 % at 95 %."
    assert all(verdict.guarantees.values())
    assert len(verdict.guarantees) == 4


def test_a_state_per_worker_loses_nothing_and_has_no_total():
    verdict = judge(
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
    verdict = judge(
        counted(
            {(1, 1): [1, 1, 2], (2, 1): [1, 2]},
            [((1, 1), 2), ((2, 1), 2), ((1, 1), 2), ((2, 1), 2), ((1, 2), 2)],
        )
    )
    assert verdict.division.of == "none"  # both read 2, and worker 1 was told more than 1, 2
    verdict = judge(
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


def test_a_state_per_thread():
    verdict = judge(
        counted(
            {(1, 1): [1, 2, 3], (1, 2): [1], (2, 1): [1, 2]},
            [((1, 1), 3), ((1, 2), 1), ((2, 1), 2), ((1, 1), 3)],
        )
    )
    assert (verdict.division.of, verdict.lost) == ("thread", 0)
    assert verdict.division.copies[0].label == "worker 1 thread 1"


def test_a_state_per_request():
    history = counted({(1, 1): [1, 1, 1]}, [((1, 1), 0), ((1, 1), 0)])
    verdict = judge([replace(o, client=o.client % 2) for o in history])
    assert (verdict.division.of, verdict.lost, verdict.audited) == ("request", 3, 0)
    assert verdict.why.startswith("A counter per request: 3 acknowledged, each told 1")
    assert "3 of 3 acknowledged increments are lost." in verdict.anomalies[0].why


def test_copies_that_read_the_same_by_accident_are_still_copies():
    verdict = judge(
        counted({(w, 1): [1, 2, 3, 4] for w in range(1, 5)}, [((w, 1), 4) for w in range(1, 5)])
    )
    assert (verdict.division.of, verdict.lost) == ("worker", 0)
    assert "4 + 4 + 4 + 4 = 16" in verdict.why


def test_one_unknown_write_cannot_stand_for_what_two_copies_lack():
    answers = {(1, 1): [1, 2], (1, 2): [1], (1, 3): [1]}
    history = counted(answers, [(place, 2) for place in answers])
    unknown = replace(history[0], client=99, end=None, outcome="unknown", value=None, boot=None)
    verdict = judge([*history, unknown])
    assert (verdict.division.of, verdict.lost) == ("none", 2)


def test_a_cached_read_is_no_division():
    """Worker 1 reads 4, and only 2 increments were ever its own: the state is not its own."""
    verdict = judge(counted({(1, 1): [1, 3], (2, 1): [2, 4]}, [((1, 1), 4), ((2, 1), 3)]))
    assert verdict.division is None
    assert "stale read" in {anomaly.name for anomaly in verdict.anomalies}


def test_a_list_alone_may_be_divided():
    counter = counted({(1, 1): [1, 2], (2, 1): [3]}, [((1, 1), 3), ((2, 1), 3)])
    lists = counted(
        {(1, 1): [1, 2], (2, 1): [1]}, [((1, 1), 2), ((2, 1), 1)], op="append", read="items"
    )
    verdict = judge(counter + [replace(o, client=o.client + 100) for o in lists])
    assert (verdict.division.what, verdict.division.of) == ("list", "worker")
    assert verdict.why.startswith("2 lists, one per worker: 2 + 1 = 3 acknowledged.")
    assert "lost item" not in {anomaly.name for anomaly in verdict.anomalies}
    assert (verdict.audited, verdict.lost) == (3, 0)


def test_a_worker_that_no_audit_reached_is_not_lost():
    verdict = judge(counted({(1, 1): [1, 2], (2, 1): [1], (3, 1): [1]}, [((1, 1), 2), ((2, 1), 1)]))
    assert (verdict.division.of, verdict.lost) == ("worker", 0)
    assert [copy.audited for copy in verdict.division.copies] == [2, 1, None]


def test_lists_of_one_length_may_be_different_lists():
    verdict = judge(
        counted({(1, 1): [1], (2, 1): [1]}, [((1, 1), 1), ((2, 1), 1)], op="append", read="items")
    )
    assert (verdict.division.what, verdict.division.of) == ("list", "worker")


def test_an_item_in_a_copy_that_no_audit_reached_is_not_lost():
    appends = {(1, 1): [1, 2], (2, 1): [1], (3, 1): [1]}
    verdict = judge(counted(appends, [((1, 1), 2), ((2, 1), 1)], op="append", read="items"))
    assert verdict.division.of == "worker"
    assert "lost item" not in {anomaly.name for anomaly in verdict.anomalies}


def test_an_audit_that_goes_backwards_is_no_agreement():
    """The unknown increment explains that they differ, but not that the second one is lower."""
    verdict = judge(
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


def test_an_unknown_increment_may_land_during_the_audit():
    verdict = judge(
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


@pytest.mark.parametrize(
    ("drawing", "topology", "missing"),
    [
        ("", {}, "nothing was acknowledged"),
        ("A |-- increment --->", {}, "nothing was acknowledged"),
        (
            """
            A  |-- increment → 1 --|
            B    |-- increment → 2 --|
            """,
            {},
            "no audit read the counter after the last increment had ended",
        ),
        (
            """
            A      |-- increment → 1 --|
            B        |-- increment → 2 --|
            audit   |-- read → 2 --|
            """,
            {},
            "no audit read the counter after the last increment had ended",
        ),
        (
            """
            A      |-- increment → 1 --|
            B                            |-- increment → 2 --|
            audit                                              |-- read → 2 --|
            """,
            {},
            "no two operations overlapped, so that nothing could go wrong",
        ),
        (
            """
            A@1      |-- increment → 1 --|
            B@1        |-- increment → 2 --|
            audit@2                          |-- read → 2 --|
            """,
            {"workers": 2},
            "only 1 of 2 workers answered",
        ),
        (
            """
            A@1.1      |-- increment → 1 --|
            B@1.1        |-- increment → 2 --|
            audit@1.2                          |-- read → 2 --|
            """,
            {"workers": 1, "threads": 8},
            "only 1 of 8 threads of worker 1 answered",
        ),
        (
            """
            A      |-- increment → 1 --|
            B        |-- increment → 2 --|
            audit                          |-- read → 2 --|
            """,
            {"workers": 1},
            "no reply says which worker it is from",
        ),
    ],
)
def test_what_a_history_lacks_to_show_anything(drawing, topology, missing):
    verdict = judge(drawing, **topology)
    assert verdict.verdict == "inconclusive"
    assert verdict.missing == (missing,)
    assert missing in verdict.why
    assert verdict.bound is None


def test_violated_wins_over_inconclusive():
    verdict = judge("A  |-- increment → 2 --|", workers=4, threads=8)
    assert verdict.verdict == "violated"
    assert verdict.missing == ()
    assert verdict.bound is None


def test_a_run_begins_after_the_last_create():
    history = """
        A      |-- increment → 7 --|
        B                            |-- create → 0 --|
        C                                               |-- increment → 1 --|
        D                                                 |-- increment → 2 --|
        audit                                                                   |-- read → 2 --|
        """
    verdict = judge(history)
    assert verdict.verdict == "linearizable"
    assert (verdict.operations, verdict.acknowledged) == (3, 2)


def test_an_unknown_increment_from_before_the_create_may_come_after_it():
    verdict = judge(
        """
        A      |-- increment --->
        B                            |-- create → 0 --|
        C                                               |-- increment → 2 --|
        D                                                 |-- increment → 3 --|
        audit                                                                   |-- read → 3 --|
        """
    )
    assert verdict.verdict == "linearizable"


@pytest.mark.parametrize(
    "create", ["|-- create → 0 --|", "|-- create --->", "|-- create → unknown --|"]
)
def test_a_count_cannot_be_followed_across_a_create(create):
    verdict = judge(
        f"""
        A      |-- increment → 1 --|
        B            {create}
        C                                  |-- increment → 9 --|
        """
    )
    assert verdict.verdict == "inconclusive"
    assert verdict.why.startswith("Nothing is wrong, but nothing is shown: a create overlaps")
    assert verdict.anomalies == ()


def test_what_begins_during_a_create_overlaps_it():
    verdict = judge(
        """
        A      |-- create → 0 -----------|
        B            |-- increment → 1 ------|
        C                                        |-- increment → 2 --|
        """
    )
    assert verdict.why.startswith("Nothing is wrong, but nothing is shown: a create overlaps")


def test_a_refused_create_changes_nothing():
    verdict = judge(
        """
        A      |-- increment → 1 --|
        B            |-- create → fail --|
        C               |-- increment → 2 --|
        audit                                    |-- read → 2 --|
        """
    )
    assert verdict.verdict == "linearizable"


def test_times_of_different_clocks_are_not_compared():
    history = drawn(
        """
        A  |-- increment → 2 --|
        B                          |-- increment → 1 --|
        """
    )
    names = [anomaly.name for anomaly in judge(history).anomalies]
    assert names == ["real-time inversion", "not linearizable"]
    apart = [replace(o, clock=clock) for o, clock in zip(history, "mn", strict=True)]
    assert judge(apart).anomalies == ()


def test_one_number_on_two_clocks_is_two_clients():
    history = drawn("A  |-- read → 1 --|   |-- read → 0 --|  |-- increment → 1 --|")
    assert judge(history).guarantees["monotonic reads"] is False
    apart = [replace(o, clock=clock) for o, clock in zip(history, "mnn", strict=True)]
    assert judge(apart).guarantees["monotonic reads"] is True


@pytest.mark.parametrize(
    ("first", "second", "anomaly"),
    [
        (
            {"op": "increment", "value": 2},
            {"op": "increment", "value": 1},
            "real-time inversion",
        ),
        ({"op": "increment", "value": 1}, {"op": "read", "value": 0}, "stale read"),
        ({"op": "read", "value": 1}, {"op": "increment", "value": 1}, "future read"),
        ({"op": "increment", "value": 2}, {"op": "increment", "outcome": "unknown"}, None),
        (
            {"op": "append", "item": "x", "value": 2},
            {"op": "append", "item": "y", "value": 1},
            "reordered item",
        ),
    ],
)
@pytest.mark.parametrize("client", [0, 1])
def test_what_ends_at_the_nanosecond_another_begins_overlaps_it(first, second, anomaly, client):
    def history(gap):
        one = Operation(client=0, start=0, end=10, **first)
        other = Operation(client=client, start=10 + gap, end=20, **second)
        items = Operation(client=7, op="items", start=30, end=40, items=("y", "x"), value=2)
        return [one, other, *([items] if first["op"] == "append" else [])]

    assert judge(history(gap=0)).anomalies == ()
    names = [found.name for found in judge(history(gap=1)).anomalies]
    assert (anomaly or "not linearizable") in names
    assert names[-1] == "not linearizable"
    holds = judge(history(gap=1)).guarantees["sequential consistency"]
    assert holds == (client == 1)


def test_not_linearizable_but_sequentially_consistent():
    verdict = judge(
        """
        A      |-- increment → 1 --|
        B        |-- increment → 2 --|
        C                                |-- read → 1 --|
        audit                                               |-- read → 2 --|
        """
    )
    assert verdict.why == (
        "Not linearizable, but sequentially consistent per client. Client 1's increment ended at "
        "22.0 ms before client 2's read began at 26.0 ms, yet the first was told 2 and the second "
        "was told 1."
    )
    assert all(verdict.guarantees.values())


def test_the_contradiction_says_when_and_what():
    verdict = judge(
        [
            Operation(client=0, op="increment", start=12_000_000, end=12_100_000, value=2),
            Operation(client=1, op="increment", start=12_400_000, end=12_500_000, value=1),
            Operation(client=2, op="increment", start=0, end=1_000, value=3),
        ]
    )
    assert verdict.anomalies[-1].why == (
        "Client 2's increment ended at 0.0 ms before client 0's increment began at 12.0 ms, "
        "yet the first was told 3 and the second was told 2."
    )


def test_one_client_and_equal_answers_are_said_shorter():
    anomalies = judge("A  |-- increment → 1 --|  |-- increment → 1 --|").anomalies
    assert anomalies[1].why == (
        "Client 0's increment ended at 20.0 ms before its later increment began at 23.0 ms, "
        "yet both were told 1."
    )


@pytest.mark.parametrize(
    ("drawing", "why"),
    [
        (
            "A |-- increment → 0 --|",
            "Client 0's increment was told 0, and the least it can be told is 1.",
        ),
        ("A |-- increment → 2 --|", "Client 0's increment was told 2, yet nobody was told 1."),
        ("A |-- read → -1 --|", "Client 0's read was told -1, and the least it can be told is 0."),
        (
            """
            A |-- increment → 3 --|
            B    |-- increment --------->
            """,
            "Client 0's increment was told 3, yet nobody was told 1 "
            "(numbers missing: 2, with 1 unknown increment to take them).",
        ),
        (
            """
            A |-- increment → 2 --|
            B                           |-- increment --------->
            """,
            "Client 0's increment was told 2, yet nobody was told 1: it ended at 20.0 ms, "
            "and client 1's increment, unknown, began later, at 26.0 ms.",
        ),
        (
            """
            A |-- append x → 1 --|
            B    |-- append y ----------->
            C                           |-- items → [y] --|
            """,
            'Client 0\'s append of "x" was told 1, and client 2\'s read of the list has "y" there.',
        ),
        (
            """
            A |-- append x ----------->
            B   |-- items → [x, x] --|
            """,
            'Client 1\'s read of the list has "x" twice, and it was sent once.',
        ),
        (
            """
            A |-- append x ----------->
            B    |-- append y → 3 --|
            C       |-- items → [x] --|
            """,
            'Client 1\'s append of "y" was told 3, yet nobody was told 2.',
        ),
        (
            """
            A                                   |-- append y ----------->
            B   |-- items → [y] --|
            """,
            "Client 1's read of the list ended at 18.0 ms before client 0's append of \"y\" began "
            "at 32.0 ms, yet the first read 1 item and the second must have been number 1.",
        ),
    ],
)
def test_every_kind_of_contradiction_has_its_words(drawing, why):
    assert judge(drawing).anomalies[-1].why == why


def test_the_certificate_is_an_order_with_an_instant_for_each():
    history = drawn(
        """
        A  |-- increment → 2 --|
        B     |-- increment -------->
        C           |-- read → 1 --|
        D       |-- append x → 1 --|
        E  |-- increment → fail --|
        """
    )
    order = checker.order(h.frame(history))
    assert order.select("op", "value").rows() == [
        ("increment", None),
        ("append", 1),
        ("read", 1),
        ("increment", 2),
    ]
    assert order["at"].is_sorted()
    assert checker.order(h.frame(drawn("A |-- increment → 2 --|"))) is None


def test_a_verdict_prints_in_80_columns_and_in_a_notebook():
    for anomaly in ("lost increment", "misplaced item", "reset"):
        verdict = checker.judge(generator.plant(generator.generate(3_000, unknown=0), anomaly))
        assert max(map(len, str(verdict).splitlines())) <= 80
        assert verdict._repr_html_().startswith("<pre>violated: ")


def test_a_long_item_is_cut_short_in_words():
    history = drawn("A |-- append x → 2 --|")
    verdict = judge([replace(history[0], item="é" * 1000)])
    assert max(map(len, str(verdict).splitlines())) <= 80


def test_json_has_the_documented_fields_and_leaves_out_long_lists():
    history = generator.plant(generator.generate(3_000, unknown=0), "fork")
    document = checker.judge(history).to_json()
    assert " ".join(document) == (
        "verdict why anomalies division operations acknowledged unknown failed audited lost "
        "appended guarantees missing bound blind forgotten not_audited answered late"
    )
    fork = next(anomaly for anomaly in document["anomalies"] if anomaly["name"] == "fork")
    assert list(fork) == ["name", "count", "witness", "why"]
    assert [list(operation) for operation in fork["witness"]] == [list(h.SCHEMA)] * 2
    assert all(o["items"] is None and o["value"] > 20 for o in fork["witness"])
    assert list(document["division"]) == ["of", "copies", "sentence", "what"]


def test_frames_of_other_makers_will_do():
    """In any order of rows, in several chunks, with no rows at all."""
    history = generator.generate(2_000)
    shuffled = pl.concat(
        [history.filter(pl.col("op") == "read"), history.filter(pl.col("op") != "read")]
    )
    assert checker.judge(shuffled) == checker.judge(history)
    assert checker.judge(history.clear()).verdict == "inconclusive"


def test_a_share_is_said_with_two_digits():
    assert [percent(3 / n) for n in (1, 25, 1633, 6_000_000)] == [
        "100 %",
        "12 %",
        "0.18 %",
        "0.000050 %",
    ]
