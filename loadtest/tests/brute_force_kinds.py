"""The definitions of the other kinds once more, the slow and obvious way: every order is tried."""

from collections.abc import Callable

from loadtest.history import Operation
from loadtest.tests.brute_force import before

History = list[Operation]
Play = Callable[[Operation, dict], dict | None]


def explained(history: History, play: Play) -> bool:
    """Some order of the ok operations, and of any of the unknown ones, explains every answer."""
    answered = frozenset(n for n, o in enumerate(history) if o.outcome == "ok")
    possible = [n for n, o in enumerate(history) if o.outcome != "fail"]

    def go_on(done: frozenset[int], state: dict) -> bool:
        if answered <= done:
            return True
        for n in possible:
            waits = any(m not in done and before(history[m], history[n]) for m in answered)
            if n in done or waits:
                continue
            then = play(history[n], state)
            if then is not None and go_on(done | {n}, then):
                return True
        return False

    return go_on(frozenset(), {})


def a_claim(limit: int) -> Play:
    """Play claims: one succeeds exactly while places are left."""

    def play(o: Operation, state: dict) -> dict | None:
        taken = state.get(o.item, 0)
        succeeds = int(taken < limit)
        if o.outcome == "ok" and o.value != succeeds:
            return None
        return state | {o.item: taken + succeeds}

    return play


def a_visit(o: Operation, state: dict) -> dict | None:
    """Play saves and loads of a text for each visitor."""
    if o.op == "save":
        return state | {o.key: o.item}
    return state if o.outcome == "unknown" or state.get(o.key) == o.answer else None


def oversold(history: History, limit: int) -> int:
    """Count acknowledged claims beyond the limit, of all items."""
    items = [o.item for o in history if o.outcome == "ok" and o.value == 1]
    return sum(max(0, items.count(item) - limit) for item in set(items))


def early(history: History, limit: int) -> int:
    """Count refusals that ended when fewer places than `limit` can have been taken."""
    return sum(
        sum(
            o.item == refusal.item
            and (o.outcome == "unknown" or (o.outcome == "ok" and o.value == 1))
            and not before(refusal, o)
            for o in history
        )
        < limit
        for refusal in history
        if refusal.outcome == "ok" and refusal.value == 0
    )


def misses(history: History) -> int:
    """Count loads of nothing, or of an older text of the visitor's than was acknowledged before."""
    count = 0
    for load in history:
        if load.op != "load" or load.outcome != "ok":
            continue
        saves = [o for o in history if o.op == "save" and o.outcome != "fail" and o.key == load.key]
        read = [o for o in saves if o.item == load.answer]
        if load.answer is not None and not read:
            continue
        count += any(
            before(save, load) and (load.answer is None or before(read[0], save)) for save in saves
        )
    return count
