"""A history from a drawing.

    A@1.2  |-- increment → 1 --|        client A, answered by thread 2 of worker 1
    B@1        |-- increment → 2 --|    answered by thread 1 of worker 1
    B@1.?      |-- increment → 2 --|    a label without a thread
    B          |-- increment ----->     never answered
    C          |-- increment → ok --|   acknowledged without the count
    audit                |-- read → 1 --|

A column is a millisecond. Two bars in a line are two operations of one client.
"""

import re

from loadtest import checker
from loadtest import history as h
from loadtest.history import Operation

BAR = re.compile(r"\|-- (?P<words>.*?) -+[|>]")
NAME = re.compile(
    r"\s*(?P<name>\w+)(@(?P<worker>\d+)(\.(?P<thread>\d+|\?))?)?(, boot (?P<boot>\w+))?"
)
MS = 1_000_000


def thread_of(label: dict[str, str | None]) -> int | None:
    """Return the thread of a drawing's label: 1 if it names none, and none of a question mark."""
    if label["worker"] is None or label["thread"] == "?":
        return None
    return int(label["thread"] or 1)


def drawn(drawing: str) -> list[Operation]:
    """The operations of a drawing, one after the other as they stand there."""
    history = []
    names: list[str] = []
    for line in filter(BAR.search, drawing.splitlines()):
        label = NAME.match(line).groupdict()
        if label["name"] not in names:
            names.append(label["name"])
        for bar in BAR.finditer(line):
            asked, _, answer = bar["words"].partition(" → ")
            op, _, item = asked.partition(" ")
            items = tuple(re.findall(r"[^\[\], ]+", answer)) if answer.startswith("[") else None
            unknown, refused = answer in ("", "unknown"), answer == "fail"
            history.append(
                Operation(
                    client=names.index(label["name"]),
                    op=op,
                    start=bar.start() * MS,
                    end=None if bar[0].endswith(">") else (bar.end() - 1) * MS,
                    outcome="unknown" if unknown else "fail" if refused else "ok",
                    value=None
                    if unknown or refused or answer == "ok"
                    else int(answer)
                    if items is None
                    else len(items),
                    item=item or None,
                    items=items,
                    worker=label["worker"] and int(label["worker"]),
                    thread=thread_of(label),
                    boot=label["boot"],
                    phase="audit" if label["name"] == "audit" else "load",
                )
            )
    return history


def judged(history: str | list[Operation], **topology: int) -> checker.Verdict:
    """The verdict on a drawing, or on operations."""
    return checker.judge(
        h.frame(drawn(history) if isinstance(history, str) else history), **topology
    )
