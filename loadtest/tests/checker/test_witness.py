"""Tests that the words of an anomaly are true of the operations shown for it.

The anomaly is derived here from its witness alone, in loops; what its sentence counts is counted in
the history; and each clause of the sentence is held against the operation that it speaks of.
Two of ten HISTORIES, from SEED on; the nightly target asks for 100,000, other ones each time.
"""

import os
import re
from itertools import product

import pytest

from loadtest import checker
from loadtest import history as h
from loadtest.checker import anomalies
from loadtest.kinds.counter import COUNTER
from loadtest.tests.brute_force import before
from loadtest.tests.scattered import scatter
from loadtest.tests.simulated import simulate

SEED = int(os.environ.get("SEED", "0"))
HISTORIES = int(os.environ.get("HISTORIES", "2000")) * 2 // 10
PARTS = 4
NEVER = 1 << 62


def last_run(history):
    """The operations after the last create; None where it cannot be said which these are."""
    creates = [o for o in history if o.op == "create" and o.outcome != "fail"]
    rest = [o for o in history if o.op != "create"]
    if not creates:
        return rest
    if len({o.clock for o in history}) > 1:
        return None
    last = max(creates, key=lambda o: (o.end if o.outcome == "ok" else NEVER, o.start))
    end = last.end if last.outcome == "ok" else NEVER
    if any(o.outcome == "ok" and o.start <= end and o.end >= last.start for o in rest):
        return None
    return [o for o in rest if o.start > end or o.outcome == "unknown"]


def ok(run, *ops):
    return [o for o in run if o.op in ops and o.outcome == "ok"]


def may_be(run, *ops):
    return [o for o in run if o.op in ops and o.outcome != "fail"]


def overlap(a, b):
    return a.clock == b.clock and not before(a, b) and not before(b, a)


def written(read):
    return {"read": "increment", "items": "append"}[read.op]


def base(o):
    return o.value - (o.op in ("increment", "append"))


def reset(w, run, history):
    one, other = w
    assert before(one, other)
    if one.boot == other.boot:
        first = (other.op, other.value, one.op) == ("increment", 1, "increment")
        assert first or base(other) < one.value
        return
    assert base(other) < one.value
    assert not any(o.boot == one.boot and o.phase == "audit" for o in ok(run, "read", "items"))


def lost_update(w, run, history):
    one, other = w
    assert one != other
    assert one.op == other.op == "increment"
    assert overlap(one, other)
    assert one.value == other.value is not None


def lost_increment(w, run, history):
    *_, read = w
    assert read.op == "read"
    assert read.phase == "audit"
    acknowledged = ok(run, "increment")
    assert all(before(o, read) for o in acknowledged) or len({o.clock for o in run}) > 1
    assert read.value < len(acknowledged)


def over_count(w, run, history):
    (one,) = w
    assert one.value > len(may_be(run, "increment"))


def duplicate_value(w, run, history):
    one, other = w
    assert one != other
    assert one.op == other.op == "increment"
    assert one.value == other.value is not None


def skipped_value(w, run, history):
    told = {o.value for o in ok(run, "increment")}
    assert w[-1].value - 1 not in told or w[-1].value > 1
    top = max(value for value in told if value is not None)
    missing = sum(value not in told for value in range(1, top))
    assert missing > len(may_be(run, "increment")) - sum(
        o.value is not None for o in ok(run, "increment")
    )


def real_time_inversion(w, run, history):
    one, other = w
    assert one.op == other.op == "increment"
    assert before(one, other)
    assert one.value >= other.value


def stale_read(w, run, history):
    *one, read = w
    if one and before(one[0], read) and one[0].value is not None and one[0].value > read.value:
        return
    assert sum(before(o, read) for o in ok(run, written(read))) > read.value
    assert all(before(o, read) for o in one)


def future_read(w, run, history):
    (read,) = w
    assert read.value > sum(not before(read, o) for o in may_be(run, written(read)))


def non_monotonic_read(w, run, history):
    one, other = w
    assert (one.client, one.clock) == (other.client, other.clock)
    assert one.op == other.op in ("read", "items")
    assert before(one, other)
    assert one.value > other.value


def read_your_writes(w, run, history):
    one, other = w
    assert (one.client, one.clock) == (other.client, other.clock)
    assert one.op == written(other)
    assert before(one, other)
    assert one.value > other.value


def lost_item(w, run, history):
    append, read = w
    assert append in ok(run, "append")
    assert read.phase == "audit"
    assert before(append, read)
    assert append.item not in read.items


def duplicated_item(w, run, history):
    *appends, read = w
    assert any(read.items.count(o.item) > 1 for o in appends) or any(
        read.items.count(item) > 1 for item in read.items
    )


def unexpected_item(w, run, history):
    *_, read = w
    assert {*read.items} - {o.item for o in may_be(run, "append")}


def fork(w, run, history):
    one, other = w
    assert any(a != b for a, b in zip(one.items, other.items, strict=False))


def reordered_item(w, run, history):
    a, b, read = w
    assert before(a, b)
    assert a.op == b.op == "append"
    last = len(read.items) - 1 - read.items[::-1].index(a.item)
    assert read.items.index(b.item) < last


def misplaced_item(w, run, history):
    append, read = w
    assert append in ok(run, "append")
    assert any(x == append.item and n != append.value for n, x in enumerate(read.items, 1))


def not_linearizable(w, run, history):
    assert w  # its words are held against it below


WHO = r"(?:[Cc]lient \d+|[Tt]he audit)"
ASKED = r'(?:increment|read of the list|read|append of "[^"]*")'
NAMED = re.compile(
    rf"({WHO})'s ({ASKED})|(its later) ({ASKED})|^({WHO})(?= was answered| read)"
    "|, and then(?= was| read)"
)
NUMBERS = r"\d+(?:(?:, \d+)* and \d+)?"
WHERE = re.compile(
    rf" at workers? ({NUMBERS})(?:, threads? ({NUMBERS})| \(boots? ([\w.]+(?: and [\w.]+)?)\))?"
)
NUMBER = r"-?[\d,]*\d"


def who(o):
    return "the audit" if o.phase == "audit" else f"client {o.client}"


def asked(o):
    return {"items": "read of the list", "append": f'append of "{o.item}"'}.get(o.op, o.op)


def numbers(words):
    return [int(n.replace(",", "")) for n in re.findall(NUMBER, words)]


def understood(sentence, witness):
    """Each way to understand which operations it speaks of: [(where in the sentence, which)]."""
    places, meant, last = [], [], None
    for match in NAMED.finditer(sentence):
        name = (match[1] or match[5] or last).lower()
        what = match[2] or match[4]
        last = name
        fits = [o for o in witness if who(o) == name and what in (None, asked(o))]
        assert fits, f"{match[0]} is not shown"
        places.append(match.start())
        meant.append(fits)
    for ways in product(*meant):
        yield list(zip(places, ways, strict=True))


def check_words(words, witness):
    """Each clause is true of the operation named before it, or of both."""
    for sentence in re.split(r"\. ", words):
        failed = None
        for named in understood(sentence, witness):
            try:
                check_sentence(sentence, named)
                break
            except AssertionError as error:
                failed = error
        else:
            raise failed or AssertionError(f"of nothing: {sentence}")


def check_sentence(sentence, named):
    every = [o for _, o in named]
    assert len(set(every)) == len(every) or len(every) > 2, "one is named twice"

    def of(match):
        return [o for place, o in named if place <= match.start()][-1]

    for match in WHERE.finditer(sentence):
        both = "both answered" in sentence or "they were answered" in sentence
        meant = every if both else [of(match)]
        workers, boots = numbers(match[1]), [o.boot for o in meant]
        assert [o.worker for o in meant] == (workers if len(workers) > 1 else workers * len(meant))
        if match[3]:
            assert match[3].split(" and ") == boots
        elif len(workers) == 1:
            assert len({*boots} - {None}) <= 1, "two processes"
        if match[2]:
            threads = numbers(match[2])
            assert len({*boots}) == 1
            assert list(dict.fromkeys(o.thread for o in meant)) == threads
    for match in re.finditer(
        rf"(?<!obody )(?<!first )(?<!second )was answered ({NUMBER})", sentence
    ):
        assert of(match).value == numbers(match[1])[0]
    for match in re.finditer(rf"(?<!first )(?<!second )\bread ({NUMBER}) items?", sentence):
        assert (of(match).op, of(match).value) == ("items", numbers(match[1])[0])
    for match in re.finditer(rf"(?:were both|both were) told ({NUMBER})", sentence):
        assert [o.value for o in every] == numbers(match[1]) * 2
    for n, place in enumerate(("first", "second")):
        for match in re.finditer(rf"the {place} (?:was answered|read) ({NUMBER})", sentence):
            assert every[n].value == numbers(match[1])[0]
        if f"the {place} must have been" in sentence:
            assert every[n].value is None
    if " began at " in sentence:
        assert before(*every[:2])
    for match in re.finditer(r"(?:and|began|increment) ended before ", sentence):
        later = next(o for place, o in named if place > match.start() + 4)
        assert before(every[0] if "began after" in sentence else of(match), later)
    if "began after" in sentence:
        assert before(every[1], every[0])
    if " overlapped " in sentence:
        assert overlap(*every)
    for match in re.finditer(r"\(boot (\w[\w.]*)\)", sentence):
        assert of(match).boot == match[1]


def check_counts(words, witness, run, history):
    """Check the words against the whole history."""
    read = witness[-1]
    if match := re.search(
        rf"({NUMBER}) of ({NUMBER}) acknowledged increments? (?:is|are) lost", words
    ):
        assert numbers(match[2])[0] == len(ok(run, "increment"))
    if match := re.search(rf"(?:only ({NUMBER})|no) increments? ever began", words):
        assert (numbers(match[1])[0] if match[1] else 0) == len(may_be(run, "increment"))
    if match := re.search(rf"and ({NUMBER}) increments? had been acknowledged( there)?\b", words):
        here = list(ok(run, "increment"))
        if match[2]:
            here = [o for o in here if (o.boot, o.worker) == (read.boot, read.worker)]
            here = [o for o in here if " thread " not in words or o.thread == read.thread]
        if "before it began" not in words:
            assert numbers(match[1])[0] == len(here)
            assert all(before(o, read) for o in here)
    if match := re.search(
        rf"and ({NUMBER}) (increment|append)s? had been acknowledged before", words
    ):
        past = [o for o in ok(run, match[2]) if before(o, read)]
        assert numbers(match[1])[0] == len(past)
        if "the last of them" in words:
            assert witness[0] in past
            assert witness[0].end == max(o.end for o in past)
    begun = rf"(?:only ({NUMBER})|no) (increment|append)s? (had|can have) begun"
    if match := re.search(begun, words):
        most = sum(not before(read, o) for o in may_be(run, match[2]))
        assert (numbers(match[1])[0] if match[1] else 0) == most
        assert match[3] == "can have" or len({o.clock for o in run}) == 1
    if match := re.search(rf"nobody was answered ({NUMBER})", words, re.I):
        told = {
            o.value for o in ok(run, "increment" if read.op in ("increment", "read") else "append")
        }
        assert numbers(match[1])[0] not in told
    sent = [o for o in history if o.op == "append"]
    for match in re.finditer(r'has "(\w+)"([^.]*)', words):
        item, rest = match[1], match[2]
        (*_, shown) = [o for o in witness if o.items and item in o.items]
        mine = [o for o in sent if o.item == item]
        if "nobody sent it" in rest:
            assert not mine
        if "refused" in rest:
            assert mine
            assert all(o.outcome == "fail" for o in mine)
            assert len(mine) == 1 or "appends" in rest
        if "sent once" in rest:
            assert len([o for o in mine if o.outcome != "fail"]) == 1
        if "twice" in rest:
            assert shown.items.count(item) > 1
    assert "-" not in re.sub(r"answered -1|first read 0", "", words)


def check_gaps(words, witness, run):
    """Check the count of missing numbers, and of writes that may have taken them."""
    told = [o.value for o in ok(run, "increment") if o.value is not None]
    unknown = [o for o in may_be(run, "increment") if o.outcome == "unknown"]
    untold = [*unknown, *(o for o in ok(run, "increment") if o.value is None)]
    missing = {*range(1, max(told, default=0))} - {*told}
    if match := re.search(rf"missing in all: ({NUMBER}) value", words):
        assert numbers(match[1])[0] == len(missing)
    if match := re.search(rf"increments without a value: ({NUMBER})", words):
        assert numbers(match[1])[0] == len(untold) < len(missing)
    taken = rf"missing: ({NUMBER}), with ({NUMBER}) (unknown or blind|unknown) increment"
    if match := re.search(taken, words):
        highest = max(o.value for o in ok(run, "increment", "read") if o.value is not None)
        missing = {*range(1, highest + 1)} - {*told}
        assert numbers(match[1])[0] == len(missing)
        assert numbers(match[2])[0] == len(unknown if match[3] == "unknown" else untold)
        assert len(missing) > len(untold)
    its_number = rf"it was (?:number|one of the numbers) ({NUMBER})(?: to ({NUMBER}))?"
    if match := re.search(its_number, words):
        (least,), top = numbers(match[1]), numbers(match[2] or match[1])[0]
        others = re.search(rf"so (?:was|were) ({NUMBER}) other", words)
        given = re.search(rf"of which ({NUMBER}) (?:was|were) answered to others", words)
        n = 1 + (numbers(others[1])[0] if others else 0)
        less = numbers(given[1])[0] if given else 0
        assert less == sum(least <= value <= top for value in told)
        assert n > top - least + 1 - less
        between = [o for o in untold if o.outcome == "ok" and least_of(o, run) >= least]
        assert sum(most_of(o, run) <= top for o in between) >= n


def least_of(blind, run):
    """The least number that it can have been."""
    seen = [o for o in ok(run, "increment", "read") if before(o, blind) and o.value is not None]
    return 1 + max((o.value for o in seen), default=0)


def most_of(blind, run):
    seen = [o for o in ok(run, "increment", "read") if before(blind, o) and o.value is not None]
    return min((base(o) for o in seen), default=NEVER)


CHECKS = {kind.find.__name__: globals()[kind.find.__name__] for kind in anomalies.TABLE}
EVERY_KIND = (39, 378, 4, 0)


def judged(seed):
    """Its histories, what is their last run, and the anomalies that are said of it."""
    lived, world = simulate(seed)
    workers = world.setup.workers
    both = ((scatter(seed), None), (lived, workers))
    # nothing is known here of lists without positions
    for history, known in (
        both if world.setup.blind == 0 or lived[0].op in COUNTER.ops else both[:1]
    ):
        verdict = checker.judge(h.frame(history), workers=known)
        yield history, last_run(history), verdict.anomalies


@pytest.mark.parametrize("part", range(PARTS))
def test_words_are_true(part):
    """The operations shown prove their anomaly, and every word about them is true."""
    for seed in (EVERY_KIND[part], *range(SEED + part, SEED + HISTORIES, 2 * PARTS)):
        for history, run, anomalies_ in judged(seed):
            for name, witness, why in ((a.name, a.witness, a.why) for a in anomalies_):
                try:
                    assert run is not None
                    CHECKS[name.replace(" ", "_").replace("-", "_")](witness, run, history)
                    check_words(why, witness)
                    check_counts(why, witness, run, history)
                    check_gaps(why, witness, run)
                except Exception as error:
                    shown = "\n".join(map(repr, witness))
                    raise AssertionError(f"{seed}, {name}: {why}\n{shown}") from error


def test_every_kind_of_anomaly_is_among_them():
    met = {a.name for seed in EVERY_KIND for _, _, found in judged(seed) for a in found}
    assert met == {kind.name for kind in anomalies.TABLE}
