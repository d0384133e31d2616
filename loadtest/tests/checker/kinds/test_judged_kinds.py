"""Tests of the verdicts on requests, visitors and claims, and of their failures."""

import json
from dataclasses import replace

import pytest

from loadtest.checker import Failure, judge
from loadtest.history import Operation, frame


def whoami(client, start, sent, answer, **more):
    more = {"end": start + 10, "worker": 1, "boot": "a"} | more
    return Operation(client=client, op="whoami", start=start, item=sent, answer=answer, **more)


def save(start, text, boot="a", key="ann", client=1, **more):
    more = {"end": start + 5, "boot": boot, "thread": 1} | more
    return Operation(client=client, op="save", start=start, key=key, item=text, **more)


def load(start, text, boot="a", key="ann", client=1, **more):
    more = {"end": start + 5, "boot": boot, "thread": 1} | more
    return Operation(client=client, op="load", start=start, key=key, answer=text, **more)


def claim(start, value, item="seat", client=1, **more):
    more = {"end": start + 5, "worker": 1} | more
    return Operation(client=client, op="claim", start=start, item=item, value=value, **more)


def verdict(*history, **options):
    """The verdict on the only kind of a history."""
    (found,) = judge(frame(history), **options).kinds
    return found


def test_leak_shows_both_requests():
    """A leak is shown with the overlapping request whose name came back."""
    found = verdict(whoami(1, 0, "a1", "b2"), whoami(2, 5, "b2", "b2"), whoami(3, 50, "c3", "c3"))
    assert found.failures == {Failure.LEAKS}
    assert [o.item for o in found.evidence] == ["b2", "a1"]
    assert found.why == (
        '1 of 3 requests were answered with the name of another: client 1 sent "a1" and was '
        'answered "b2", which client 2 sent meanwhile at worker 1.'
    )


def test_name_left_behind_leaks():
    """A name that an earlier request left is a leak, too: the last that had it is shown."""
    found = verdict(whoami(1, 0, "a1", "a1"), whoami(2, 20, "a1", "a1"), whoami(3, 40, "c3", "a1"))
    assert [o.client for o in found.evidence] == [2, 3]
    assert "had sent before" in found.why


def test_leak_prefers_the_request_that_overlaps():
    """Of two requests that had sent the name, the one that overlaps the leak is shown."""
    sent = (whoami(2, 0, "b2", "b2", end=30), whoami(3, 15, "b2", "b2", end=18))
    found = verdict(*sent, whoami(1, 20, "a1", "b2"))
    assert [o.client for o in found.evidence] == [2, 1]


def test_name_of_an_unanswered_request_leaks():
    """A name may come from a request that was never answered."""
    left = whoami(1, 0, "a1", None, end=None, outcome="unknown")
    assert verdict(left, whoami(2, 5, "b2", "a1")).failures == {Failure.LEAKS}


@pytest.mark.parametrize("answer", [None, "nobody"])
def test_name_that_is_gone_is_lost(answer):
    """A request whose name does not come back at all loses it."""
    found = verdict(whoami(1, 0, "a1", answer), whoami(2, 5, "b2", "b2"))
    assert found.failures == {Failure.LOSES}


def test_requests_without_overlap_show_nothing():
    """Requests one after the other prove nothing."""
    one_by_one = [whoami(n, 20 * n, f"n{n}", f"n{n}") for n in range(4)]
    assert verdict(*one_by_one).verdict == "inconclusive"
    assert verdict(*one_by_one, whoami(9, 5, "x", "x")).verdict == "holds"


def test_text_of_another_visitor_leaks():
    """A text that another visitor saved is a leak."""
    found = verdict(save(0, "t0", key="bob", client=2), load(20, "t0"))
    assert found.failures == {Failure.LEAKS}
    assert 'which client 2 had saved for visitor "bob"' in found.why


def test_copies_per_worker_are_divided():
    """A worker that misses what another has, which still answers later, has a copy of its own."""
    history = (save(0, "t0"), load(10, "t0"), load(20, None, "b"), load(30, "t0"))
    found = verdict(*history)
    assert found.failures == {Failure.DIVIDED}
    assert "each of 2 workers answers from a copy of its own" in found.why
    assert (found.judged, found.wrong) == (3, 1)


def test_copies_per_thread_are_divided():
    """Copies are told apart by thread if no thread answers what another saved."""
    history = (save(0, "t0"), load(10, "t0"), load(20, None, thread=2), load(30, "t0"))
    other = (save(40, "u0", thread=2, key="bob"), load(50, "u0", thread=2, key="bob"))
    found = verdict(*history, *other)
    assert found.failures == {Failure.DIVIDED}
    assert "threads" in found.why


def test_text_that_is_gone_is_forgotten():
    """A text that is not there where it was saved, with nobody in between, is forgotten."""
    assert verdict(save(0, "t0"), load(10, None)).failures == {Failure.FORGETS}
    shared = (save(0, "t0"), load(10, "t0", "b"), load(20, None))
    assert verdict(*shared).failures == {Failure.FORGETS}


def test_restarted_worker_forgets():
    """A text that went with the only worker is forgotten, not divided."""
    history = (save(0, "t0"), load(10, "t0"), load(20, None, "b"))
    assert verdict(*history, workers=1).failures == {Failure.FORGETS}
    assert verdict(*history).failures == frozenset()


def test_overlapped_save_is_lost():
    """A save that another request of the visitor overlapped, and undid, is lost."""
    history = (save(0, "t0"), save(10, "t1"), load(12, "t0"), load(20, "t0"))
    found = verdict(*history)
    assert found.failures == {Failure.LOSES}
    assert 'was answered the older "t0" later' in found.why


def test_text_seen_after_an_overlap_is_forgotten():
    """A text that was read after an overlap had survived it: its later loss is no lost update."""
    overlapped = (save(0, "t0"), save(10, "t1"), load(12, "t0"))
    found = verdict(*overlapped, load(20, "t1"), load(30, "t0"))
    assert found.failures == {Failure.FORGETS}


def test_text_before_its_save_is_wrong():
    """A text cannot come back before it was saved."""
    found = verdict(load(0, "t0"), save(10, "t0"))
    assert (found.verdict, found.failures) == ("violated", frozenset())


def test_text_that_goes_back_is_wrong():
    """Two loads of concurrent texts, in turns, have no order, though no load missed a save."""
    both = (save(0, "t0", end=50), save(0, "t1", end=50))
    loads = (load(10, "t0"), load(20, "t1"), load(30, "t0"))
    found = verdict(*both, *loads)
    assert (found.verdict, found.failures) == ("violated", frozenset())
    assert found.why.startswith("No order of visitor")


@pytest.mark.parametrize(("one", "two"), [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_loads_that_touch_may_be_in_any_order(one, two):
    """Loads of two texts in turns have no order only if each ended before the next began."""
    saves = (save(0, "t0", end=90), save(0, "t1", end=90), save(0, "x", key="bob"))
    turns = (load(10, "t0", end=15), load(15 + one, "t1", end=20), load(20 + two, "t0", end=25))
    assert (verdict(*saves, *turns).verdict == "violated") == (one == two == 1)


@pytest.mark.parametrize("tie", [0, 1])
def test_requests_that_touch_overlap(tie):
    """A load that begins at the nanosecond at which a save ends may come before it."""
    others = (save(0, "x", key="bob"), load(50, "t1"))
    once = verdict(save(0, "t0"), save(10, "t1", end=15), load(15 + tie, "t0", end=20), *others)
    assert (once.verdict == "violated") == bool(tie)


def test_unlabelled_texts_that_come_back_have_copies():
    """Without labels, a text that is there, then missing, then there again has several copies."""
    plain = {"boot": None, "thread": None}
    gone = (save(0, "t0", **plain), load(10, "t0", **plain), load(20, None, **plain))
    assert verdict(*gone).failures == frozenset()
    assert "no answer says which worker" in verdict(*gone).why
    assert verdict(*gone, load(30, "t0", **plain)).failures == {Failure.DIVIDED}


def test_unknown_save_may_not_have_happened():
    """An unknown save excuses its text and the one before."""
    unknown = save(10, "t1", outcome="unknown", end=None)
    for answer in ("t0", "t1"):
        history = (save(0, "t0"), unknown, load(20, answer), save(0, "x", key="bob"))
        assert verdict(*history).verdict == "holds"
    back = verdict(save(0, "t0"), unknown, load(20, "t1"), load(30, "t0"))
    assert back.verdict == "violated"


def test_a_visitor_whose_text_was_saved_twice_is_left_out():
    """A text saved twice says nothing about which save was read."""
    found = verdict(save(0, "t0"), save(10, "t0"), load(20, None))
    assert found.verdict == "inconclusive"


def test_oversold_is_counted_by_item():
    """Every acknowledged claim beyond the limit is counted, of each item."""
    twice = (claim(0, 1), claim(3, 1, client=2))
    found = verdict(*twice, claim(0, 1, "other"), claim(9, 0, "other"))
    assert found.failures == {Failure.OVERSELLS}
    assert found.why == (
        '"seat" may be claimed once, and 2 claims were acknowledged: client 1 and client 2 both '
        "got a place at worker 1."
    )
    seven = verdict(*(claim(n, 1, client=n) for n in range(7)), limit=3)
    assert (seven.wrong, seven.judged) == (4, 7)
    assert '"seat" may be claimed 3 times, and 7 claims were acknowledged, 4 too many' in seven.why


def test_unknown_claims_are_not_sold():
    """An unknown claim is never counted as sold, and may be the reason of a refusal."""
    unknown = claim(0, None, outcome="unknown", end=None)
    assert verdict(unknown, claim(3, 1), claim(20, 0)).verdict == "holds"
    assert verdict(unknown, claim(3, 0)).verdict != "violated"


def test_early_refusal_turns_away():
    """A refusal while a place is certainly left turns somebody away."""
    found = verdict(claim(0, 1), claim(10, 0), claim(20, 1), limit=2)
    assert found.failures == {Failure.TURNS_AWAY}
    assert "at most 1 of 2 places were taken" in found.why


def test_one_of_two_is_wrong():
    """A refusal that an unknown claim excuses, and a later success, exclude each other."""
    unknown = claim(0, None, outcome="unknown", end=None)
    found = verdict(unknown, claim(5, 0), claim(20, 1))
    assert (found.verdict, found.failures) == ("violated", frozenset())


def test_no_clock_can_fill_a_place():
    """Unknown claims that began after the first refusal of their own clock fill no place for it."""
    history = []
    for clock in "mn":
        history.append(replace(claim(0, 0), clock=clock))
        history.append(replace(claim(20, None), clock=clock, outcome="unknown", end=None))
    found = verdict(*history)
    assert (found.verdict, found.failures) == ("violated", frozenset())


def test_places_taken_before_the_run_excuse_refusals():
    """A refusal is not early if some places may have been taken before."""
    history = (claim(0, 1), claim(2, 0, client=2))
    assert verdict(*history, limit=9).failures == {Failure.TURNS_AWAY}
    assert verdict(*history, limit=9, claimed_before=True).verdict == "holds"
    later = (*history, claim(50, 1))
    found = verdict(*later, limit=9, claimed_before=True)
    assert (found.verdict, found.failures) == ("violated", frozenset())


def test_untested_limit_shows_nothing():
    """Claims of which none was refused did not test the limit."""
    assert verdict(claim(0, 1), claim(2, 1), limit=3).verdict == "inconclusive"


def test_failed_checks_are_counted():
    """Checks that failed are counted; what they mean, only their author knows."""

    def check(start, value, **more):
        return Operation(client=1, op="check", start=start, end=start + 5, value=value, **more)

    found = verdict(check(0, 1), check(10, 0, worker=7), check(20, 0))
    assert (found.verdict, found.failures, found.wrong) == ("violated", frozenset(), 2)
    assert found.why == "2 of 3 checks failed, first one of client 1 at worker 7."
    assert verdict(check(0, 1), check(3, 1)).verdict == "holds"
    assert verdict(check(0, None, outcome="unknown")).verdict == "inconclusive"


def test_counter_and_kinds_stand_side_by_side():
    """A kind that fails does not change the verdict on the counter; the exit status knows both."""
    counter = [
        Operation(client=1, op="increment", start=0, end=9, value=1),
        Operation(client=2, op="increment", start=1, end=9, value=2),
        Operation(client=3, op="read", start=90, end=91, value=2, phase="audit"),
    ]
    found = judge(frame([*counter, claim(0, 1), claim(3, 1)]))
    assert (found.verdict, found.failures) == ("linearizable", frozenset())
    assert found.exit_status == 1
    assert "claim: violated (oversells)" in str(found)


def test_kinds_alone_are_the_verdict():
    """Without counter and list, the verdict is that on the other kinds."""
    found = judge(frame([claim(0, 1), claim(3, 1)]))
    assert (found.verdict, found.failures) == ("violated", {Failure.OVERSELLS})
    assert "increment" not in str(found)
    held = judge(frame([claim(0, 1), claim(3, 0)]))
    assert (held.verdict, held.exit_status, held.linearizable) == ("holds", 0, True)
    document = json.loads(json.dumps(found.to_json()))
    assert document["kinds"][0]["failures"] == ["oversells"]


def test_create_begins_a_run():
    """A claim before a create is not counted."""
    create = Operation(client=0, op="create", start=20, end=30, value=0)
    history = [claim(0, 1), create, claim(40, 1), replace(claim(42, 0), client=2)]
    assert judge(frame(history)).kinds[0].verdict == "holds"
