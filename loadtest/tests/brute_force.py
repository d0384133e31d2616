"""The checker's definitions once more, the slow and obvious way: loops over lists of operations.

Nothing here knows that the answers force an order: `explained` plays a counter and a list through
every order there is.
"""

from itertools import combinations, product

from loadtest.history import SCHEMA, Operation
from loadtest.history import operations as to_operations

History = list[Operation]


def before(a: Operation, b: Operation) -> bool:
    """a ended before b began, on one clock. What is unknown never ended."""
    return a.outcome == "ok" and a.clock == b.clock and a.end < b.start


def before_at_one_client(a: Operation, b: Operation) -> bool:
    return a.client == b.client and before(a, b)


def explained(history: History, before=before) -> bool:
    """Some order of the ok operations, and of any of the unknown ones, explains every answer."""
    operations = [o for o in history if o.outcome == "ok" or (o.outcome == "unknown" and writes(o))]
    earlier = [
        {m for m, a in enumerate(operations) if m != n and before(a, b)}
        for n, b in enumerate(operations)
    ]
    answered = {n for n, o in enumerate(operations) if o.outcome == "ok"}
    dead_ends = set()

    def go_on(done: frozenset[int], count: int, items: tuple[str, ...]) -> bool:
        if answered <= done:
            return True
        if (done, count, items) in dead_ends:
            return False
        for n, o in enumerate(operations):
            if n in done or not earlier[n] <= done:
                continue
            then = play(o, count, items)
            if then is not None and go_on(done | {n}, *then):
                return True
        dead_ends.add((done, count, items))
        return False

    return go_on(frozenset(), 0, ())


def play(o: Operation, count: int, items: tuple[str, ...]) -> tuple[int, tuple[str, ...]] | None:
    """The state after o, if o's answer is right in this state or not known."""
    if o.op == "increment":
        count, answer = count + 1, count + 1
    elif o.op == "read":
        answer = count
    elif o.op == "append":
        items, answer = (*items, o.item), len(items) + 1
    else:
        answer = len(items)
        if o.items != items:
            return None
    not_told = o.outcome == "unknown" or (o.op == "increment" and o.value is None)
    return (count, items) if not_told or o.value == answer else None


def writes(o: Operation) -> bool:
    return o.op in ("increment", "append")


def of_counter(history: History) -> History:
    return [o for o in history if o.op in ("increment", "read")]


def of_list(history: History) -> History:
    return [o for o in history if o.op in ("append", "items")]


def ok(history: History, *ops: str) -> History:
    return [o for o in history if o.op in ops and o.outcome == "ok"]


def told(history: History, *ops: str) -> History:
    return [o for o in ok(history, *ops) if o.value is not None]


def blind(history: History) -> History:
    return [o for o in ok(history, "increment") if o.value is None]


def unknown(history: History, op: str) -> History:
    return [o for o in history if o.op == op and o.outcome == "unknown"]


def over_count(history):
    begun = len(ok(history, "increment")) + len(unknown(history, "increment"))
    return sum(o.value > begun for o in told(history, "increment", "read"))


def duplicate_value(history):
    values = [o.value for o in told(history, "increment")]
    return sum(values.count(value) - 1 for value in set(values))


def skipped_value(history):
    values = {o.value for o in told(history, "increment")}
    missing = [value for value in range(1, max(values, default=0)) if value not in values]
    return max(0, len(missing) - len(unknown(history, "increment")) - len(blind(history)))


def real_time_inversion(history):
    increments = told(history, "increment")
    return sum(any(before(a, b) and a.value >= b.value for a in increments) for b in increments)


def of_each_thing(definition):
    """Of the counter's reads, and of the list's by their length."""

    def both(history):
        return sum(
            definition(ok(history, write), unknown(history, write), ok(history, read))
            for write, read in (("increment", "read"), ("append", "items"))
        )

    return both


def above(a, read):
    return a.value is not None and a.value > read.value


@of_each_thing
def stale_read(writes, unknown, reads):
    return sum(
        read.value < sum(before(a, read) for a in writes)
        or any(above(a, read) and before(a, read) for a in writes + reads)
        for read in reads
    )


@of_each_thing
def future_read(writes, unknown, reads):
    return sum(
        read.value > sum(not before(read, write) for write in writes + unknown) for read in reads
    )


@of_each_thing
def non_monotonic_read(writes, unknown, reads):
    return sum(any(before_at_one_client(a, b) and a.value > b.value for a in reads) for b in reads)


@of_each_thing
def read_your_writes(writes, unknown, reads):
    return sum(any(before_at_one_client(a, b) and above(a, b) for a in writes) for b in reads)


def reads_of_list(history):
    return [o.items for o in ok(history, "items")]


def duplicated_item(history):
    return len({item for read in reads_of_list(history) for item in read if read.count(item) > 1})


def unexpected_item(history):
    sent = {o.item for o in history if o.op == "append" and o.outcome != "fail"}
    return len({item for read in reads_of_list(history) for item in read} - sent)


def prefix(a, b):
    return b[: len(a)] == a


def fork(history):
    """Reads that do not begin the longest (the one that ended first of several)."""
    reads = ok(history, "items")
    longest = min(reads, key=lambda o: (-len(o.items), o.end), default=None)
    forks = [o for o in reads if not prefix(o.items, longest.items)]
    there_is_one = any(
        not prefix(a.items, b.items) and not prefix(b.items, a.items)
        for a, b in combinations(reads, 2)
    )
    assert bool(forks) == there_is_one
    return len(forks)


def reordered_item(history):
    sent = [o for o in history if o.op == "append" and o.outcome != "fail"]
    early = set()
    for read in reads_of_list(history):
        for (place_b, b), (place_a, a) in product(enumerate(read), repeat=2):
            if place_b < place_a:
                early |= {
                    y.item
                    for x, y in product(sent, repeat=2)
                    if x.item == a and y.item == b and before(x, y)
                }
    return len(early)


def misplaced_item(history):
    return sum(
        any(
            item == o.item and place != o.value
            for read in reads_of_list(history)
            for place, item in enumerate(read, 1)
        )
        for o in ok(history, "append")
    )


def not_linearizable(history):
    """Of counter and list; of several clocks also of both together, if no number was told to
    nobody: on one clock that follows (Herlihy & Wing's locality)."""
    apart = sum(not explained(part(history)) for part in (of_counter, of_list))
    if apart or len({o.clock for o in history}) < 2 or blind(history) or untold(history):
        return apart
    return int(not explained(history))


def untold(history):
    """Return True if a number, or a place in the list, belongs to a write without an answer."""
    counted = max((o.value for o in told(history, "increment", "read")), default=0)
    placed = {item for o in ok(history, "items") for item in o.items}
    placed |= {o.item for o in ok(history, "append")}
    longest = max((o.value for o in ok(history, "append", "items")), default=0)
    return counted > len(ok(history, "increment")) or longest > len(placed)


def check_order(order, history):
    """Played in this order, every answer comes out, and nobody waits for who comes later."""
    operations = to_operations(order.select(list(SCHEMA)))
    count, items = 0, ()
    for o in operations:
        then = play(o, count, items)
        assert then is not None, f"{o} in the wrong place of {operations}"
        count, items = then
    one_clock = len({o.clock for o in history}) == 1
    for part in (operations,) if one_clock else (of_counter(operations), of_list(operations)):
        assert not any(before(b, a) for a, b in combinations(part, 2))
    rest = list(history)
    for o in operations:
        rest.remove(o)
    assert all(o.outcome != "ok" for o in rest)
    at = order["at"].to_list()
    assert all(
        o.start <= t <= (o.end if o.outcome == "ok" else t)
        for o, t in zip(operations, at, strict=True)
    )
    assert not one_clock or at == sorted(at)
