"""Sound a server that runs already: how many copies of the count answer?

Its replies need no labels. Increments go one at a time, each on a connection of its own, while
nothing else happens; then reads, several at once, because a server that has nothing else to do may
give all that come one by one to the same worker.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

from loadtest.checker.one_by_one import Evidence, evidence, percent
from loadtest.client.baseline import BURST, STILL
from loadtest.client.by_hand import BLINDLY, Inconsistent, understand
from loadtest.client.mapping import BLIND, Routes, mapping
from loadtest.client.recorder import Recorder
from loadtest.history.chains import copies
from loadtest.history.operation import Operation
from loadtest.kinds.counter import COUNTER
from loadtest.trial import App

FEWEST, MOST = 32, 160
"""Increments: it goes on until half of the fewest have met no copy that is new."""
ROUNDS = 20


def understand_running(app: App, host: str, path: Path) -> tuple[App, list[str]]:
    """Like `understand`, for a server that may have several copies; it sounds them.

    The requests are recorded in `path`. Raises Unclear.
    """
    odd: Inconsistent | None = None
    sentences = []
    try:
        learnt, sentence = understand(app, host)
        sentences.append(sentence)
    except Inconsistent as error:
        odd, learnt = error, error.app
    found = sound(learnt, host, path)
    asked = mapping(learnt)
    if isinstance(asked, Routes) and not app.increment_count and constant(found):
        # the answers are not the count, and the reads alone show it
        learnt = replace(learnt, increment_count=BLIND)
        found = [replace(each, value=None) if each.op == COUNTER.write else each for each in found]
    shown = evidence(found)
    if odd:
        if not (shown.copies > 1 and shown.pair and shown.counts):
            raise odd
        blind = BLINDLY if mapping_is_blind(learnt) else "understood"
        sentences.append(f"{asked.name(COUNTER.write)} is answered by several copies: {blind}")
    return learnt, [*sentences, sentence_of(shown, blind=mapping_is_blind(learnt))]


def mapping_is_blind(app: App) -> bool:
    asked = mapping(app)
    return isinstance(asked, Routes) and asked.blind


def sound(app: App, host: str, path: Path) -> list[Operation]:
    """Record increments one at a time, then the reads that stand still after them."""
    asked = mapping(app)
    recorder = Recorder(path, mapping=asked)
    found: list[Operation] = []

    def send(client: int, op: str, write: list[Operation]) -> None:
        with asked.connect(host) as http:
            recorder.call(client, op, partial(asked.send, http, op), write=write.append)

    nothing_new = 0
    while len(found) < MOST and (len(found) < FEWEST or nothing_new < FEWEST // 2):
        known = copies(each.value for each in found if each.value is not None)
        send(0, COUNTER.write, found)
        grown = copies(each.value for each in found if each.value is not None) > known
        nothing_new = 0 if grown else nothing_new + 1
    if COUNTER.read in asked.ops:
        found += at_rest(partial(send, op=COUNTER.read))
    for each in found:
        recorder.record(each)
    recorder.close()
    return found


def at_rest(send: partial[None]) -> list[Operation]:
    """Return the reads of the last rounds, in which no value was new; else nothing."""
    seen: set[int | None] = set()
    still: list[Operation] = []
    rounds = 0
    with ThreadPoolExecutor(BURST) as pool:
        for _ in range(ROUNDS):
            reads: list[Operation] = []
            list(pool.map(lambda client: send(client, write=reads), range(BURST)))  # noqa: B023
            values = {each.value for each in reads if each.outcome == "ok"}
            still, rounds = (still + reads, rounds + 1) if values <= seen else ([], 0)
            seen |= values
            if rounds == STILL:
                return still
    return []


def constant(operations: Sequence[Operation]) -> bool:
    """Return True if every increment was answered alike, while reads show more."""
    written = [each.value for each in operations if each.op == COUNTER.write]
    read = [each.value for each in operations if each.op == COUNTER.read and each.value is not None]
    same = len(set(written)) == 1 and written[0] is not None
    return same and any(value > (written[0] or 0) for value in read)


def sentence_of(shown: Evidence, *, blind: bool) -> str:
    """Describe how many copies answer, and how sure that is."""
    if shown.per_request:
        return f"Each of {shown.tries} increments one at a time was answered {shown.answers[0]:,}."
    how = (
        f"{FEWEST} increments, then {shown.tries} reads"
        if blind
        else (f"{shown.tries} increments one at a time")
    )
    copy = "1 copy answers" if shown.copies == 1 else f"{shown.copies} copies answer"
    return (
        f"At least {copy}, as {how} show, each on a new connection; one more with an equal share "
        f"would have been missed in {percent(shown.missed)} of tries"
    )
