"""Something that one request hands on: the name that it sent has to come back."""

from __future__ import annotations

import polars as pl

from loadtest.checker.failures import Failure
from loadtest.checker.kind_verdict import KindVerdict, Limit, clean
from loadtest.checker.run import Run
from loadtest.checker.words import number, quoted, sentence, where, who
from loadtest.history import Operation

OPS = ("whoami",)


def check(run: Run, limit: Limit) -> KindVerdict:
    """Judge whether each request was answered with its own name."""
    rows = run.rows.filter(op="whoami").select("row", "item", "start", "end", "outcome", "clock")
    sent = rows.collect()
    answers = run.history.select(pl.col("answer").cast(pl.String))[sent["row"]]
    answered = sent.hstack(answers).filter(outcome="ok").sort("end", "row")
    wrong = answered.filter(pl.col("answer").ne_missing(pl.col("item")))
    if wrong.is_empty():
        return clean("request", answered.height, "request", _missing(answered))
    leaks = wrong.filter(pl.col("answer").is_in(sent["item"].implode()))
    rest = wrong.height - leaks.height
    named = {Failure.LEAKS: leaks.height, Failure.LOSES: rest}
    (operation,) = run.operations((leaks if leaks.height else wrong)["row"][0])
    evidence: tuple[Operation, ...] = (operation,)
    if leaks.height:
        other = _sender(run, sent, operation)
        evidence = (other, operation)
        why = f"{leaks.height:,} of {number(answered.height, 'request')} were answered with the "
        why += f"name of another: {_leak(operation, other)}"
    else:
        answer = "nothing" if operation.answer is None else quoted(operation.answer)
        why = f"{rest:,} of {number(answered.height, 'request')} did not get their name back: "
        why += f"{who(operation)} sent {quoted(operation.item or '')} and was answered {answer}"
    return KindVerdict(
        kind="request",
        verdict="violated",
        why=sentence(why),
        failures=frozenset(failure for failure, count in named.items() if count),
        evidence=evidence,
        judged=answered.height,
        wrong=wrong.height,
    )


def _sender(run: Run, sent: pl.DataFrame, leak: Operation) -> Operation:
    """Return the request whose name another was answered: one that overlaps it, if there is one.

    Else it is the last that began before it.
    """
    rows = sent.filter(item=leak.answer).sort("start")
    candidates = run.operations(*rows["row"])
    earlier = [each for each in candidates if each.clock == leak.clock and _begins(each, leak)]
    overlapping = [each for each in earlier if each.end is None or each.end >= leak.start]
    return [*candidates[:1], *earlier, *overlapping][-1]


def _begins(one: Operation, other: Operation) -> bool:
    """Return True if one began before the other had ended."""
    return other.end is None or one.start <= other.end


def _leak(operation: Operation, other: Operation) -> str:
    words = f"{who(operation)} sent {quoted(operation.item or '')} and was answered "
    words += f"{quoted(operation.answer or '')}, which {who(other)} "
    if operation.clock != other.clock:
        return f"{words}had sent"
    overlap = other.end is None or other.end >= operation.start
    return words + ("sent meanwhile" if overlap else "had sent before") + where(other, operation)


def _missing(answered: pl.DataFrame) -> list[str]:
    """Return what answers with nothing wrong in them lack to show anything."""
    if answered.is_empty():
        return ["no request for a name was answered"]
    overlap = answered.sort("start").select(
        (pl.col("start") <= pl.col("end").cum_max().shift(1).over("clock")).any()
    )
    missing = [] if overlap.item() else ["no two requests for a name overlapped"]
    if answered["item"].n_unique() < 2:
        missing.append("only one name was sent")
    return missing
