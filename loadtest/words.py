"""Operations in words, and as a timeline of plain text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from loadtest.history import Operation


def whose(operation: Operation) -> str:
    """An operation in words: "client 3's increment"."""
    asked = {"items": "read of the list", "append": f"append of {operation.item}"}
    return f"client {operation.client}'s {asked.get(operation.op, operation.op)}"


def Whose(operation: Operation) -> str:
    """The same at the beginning of a sentence."""
    words = whose(operation)
    return words[0].upper() + words[1:]


def where(*operations: Operation) -> str:
    """Who answered, in words, as far as it is known: " at worker 4242 (threads 5 and 6)"."""
    workers = sorted({o.worker for o in operations if o.worker is not None})
    if not workers:
        return ""
    if len(workers) > 1:
        return f" at workers {both(workers)}"
    threads = sorted({o.thread for o in operations if o.thread is not None})
    named = "thread" if len(threads) == 1 else "threads"
    return f" at worker {workers[0]}" + (f" ({named} {both(threads)})" if threads else "")


def both(things: Iterable[object]) -> str:
    """a, b and c"""
    *most, last = map(str, things)
    return f"{', '.join(most)} and {last}" if most else last


def timeline(operations: Sequence[Operation], width: int = 80) -> list[str]:
    """The operations as bars, in the order of their starts and ends (not to scale), as long as
    they fit; else one operation a line."""
    bars = [f"|-- {_asked(o)} → {_answer(o)} --|" for o in operations]
    label = max(len(f"client {o.client}") for o in operations) + 2
    events = sorted(
        [(o.start, 0, n) for n, o in enumerate(operations)]
        + [(o.end, 1, n) for n, o in enumerate(operations) if o.end is not None]
    )
    at: dict[tuple[int, int], int] = {}
    column = label - 4
    for _, end, n in events:
        column = max(column + 4, at[n, 0] + len(bars[n]) if end else 0)
        at[n, end] = column
    if len({o.clock for o in operations}) > 1 or column > width:
        return [f"{f'client {o.client}':<{label}}{bars[n][4:-4]}" for n, o in enumerate(operations)]
    lines = []
    for n, o in enumerate(operations):
        length = at.get((n, 1), column) - at[n, 0]
        lines.append(f"{f'client {o.client}':<{at[n, 0]}}{bars[n][:-3]:-<{length - 1}}|")
    return lines


def _asked(operation: Operation) -> str:
    return operation.op if operation.item is None else f"append {operation.item}"


def _answer(operation: Operation) -> str:
    if operation.outcome != "ok":
        return operation.outcome
    if operation.items is not None:
        if len(operation.items) <= 4:
            return "[" + ", ".join(operation.items) + "]"
        return f"{len(operation.items):,} items"
    return "ok" if operation.value is None else f"{operation.value:,}"
