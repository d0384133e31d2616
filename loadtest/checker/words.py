"""Operations in words, and as a timeline of plain text."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from loadtest.history import Operation
from loadtest.history.operation import short
from loadtest.kinds.list import LIST


def who(operation: Operation) -> str:
    """Name the client of an operation: "client 3", "the audit"."""
    return "the audit" if operation.phase == "audit" else f"client {operation.client}"


def whose(operation: Operation) -> str:
    """An operation in words: "client 3's increment", "the audit's read"."""
    asked = {LIST.read: "read of the list", LIST.write: f"append of {quoted(operation.item or '')}"}
    return f"{who(operation)}'s {asked.get(operation.op, operation.op)}"


def answer(operation: Operation, at: int | None = None) -> str:
    """Describe an answer: "was answered 8", "read 3 items", or the number it must have taken."""
    if operation.value is None:
        return "was acknowledged" if at is None else f"must have been number {at:,}"
    if operation.op == LIST.read:
        return f"read {number(operation.value, 'item')}"
    return f"was answered {operation.value:,}"


def yet(one: Operation, other: Operation, ended: str, began: str, value: int | None = None) -> str:
    """State that one ended before the other began, and the answers that contradict it."""
    later = whose(other)
    if who(one) == who(other):
        later = f"its later {later.removeprefix(who(other))[3:]}"
    if one.op == other.op and one.value is not None and one.value == other.value:
        answers = f"both were answered {one.value:,}"
    else:
        answers = f"the first {answer(one)} and the second {answer(other, value)}"
    return f"{whose(one)} ended at {ended} before {later} began at {began}, yet {answers}"


def where(*operations: Operation) -> str:
    """Name the workers that answered, if known: " at worker 4242, threads 5 and 6".

    A process id can be used again: two answers come from one worker only if their boots are
    equal.
    """
    workers = [o.worker for o in operations]
    if None in workers:
        return ""
    if len(set(workers)) > 1:
        return f" at workers {both(workers)}"
    boots = list(dict.fromkeys(o.boot for o in operations))
    if len(boots) > 1:
        named = "" if None in boots else f" (boots {both(boots)})"
        return f" at worker {workers[0]}{named}"
    threads = list(dict.fromkeys(o.thread for o in operations))
    named = "thread" if len(threads) == 1 else "threads"
    return f" at worker {workers[0]}" + ("" if None in threads else f", {named} {both(threads)}")


def where_each(one: Operation, other: Operation) -> tuple[str, str]:
    """Name the worker of each of two operations, or of neither."""
    if None in (one.worker, other.worker):
        return "", ""
    if one.worker == other.worker and one.boot != other.boot and None not in (one.boot, other.boot):
        first, second = (f" at worker {each.worker} (boot {each.boot})" for each in (one, other))
        return first, second
    return where(one), where(other)


def number(count: int, noun: str) -> str:
    """1 increment, 1,200 increments"""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def quoted(item: str) -> str:
    """An item in quotation marks, cut short if it is long."""
    return f'"{short(item, 24)}"'


def percent(share: float) -> str:
    """With two digits that count: 0.18 %, 0.000050 %."""
    share_of_100 = min(100.0, 100 * share)
    if not share_of_100:
        return "0 %"
    return f"{share_of_100:.{max(0, 1 - math.floor(math.log10(share_of_100)))}f} %"


def both(parts: Iterable[object]) -> str:
    """a, b and c"""
    *most, last = map(str, parts)
    return f"{', '.join(most)} and {last}" if most else last


def sentence(words: str) -> str:
    """With a capital letter and a full stop."""
    return f"{words[0].upper()}{words[1:]}."


def timeline(operations: Sequence[Operation], width: int = 80) -> list[str]:
    """The operations as bars, in the order of their starts and ends (not to scale); one a line
    without bars where they do not fit or have no common clock."""
    names = ["audit" if o.phase == "audit" else f"client {o.client}" for o in operations]
    words = [f"{short(o.asked, 24)} → {short(o.result, 24)}" for o in operations]
    margin = max(map(len, names)) + 2
    events = sorted(
        [(o.start, False, n) for n, o in enumerate(operations)]
        + [(o.end, True, n) for n, o in enumerate(operations) if o.end is not None]
    )
    left, right = [0] * len(operations), [0] * len(operations)
    column = margin - 4
    for _, ends, n in events:
        if ends:
            column = right[n] = max(column + 4, left[n] + len(words[n]) + 8)
        else:
            column = left[n] = column + 4
    for n, o in enumerate(operations):
        if o.end is None:  # it runs off the page
            column = right[n] = max(column, left[n] + len(words[n]) + 8)
    if column > width or len({o.clock for o in operations}) > 1:
        return [f"{name:<{margin}}{text}" for name, text in zip(names, words, strict=True)]
    return [
        f"{names[n]:<{left[n]}}{f'|-- {words[n]} -':-<{right[n] - left[n] - 1}}"
        + ("|" if operations[n].end is not None else ">")
        for n in range(len(operations))
    ]
