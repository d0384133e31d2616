"""One operation, and how it is written down. What a client needs of a history, without polars."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Literal

from loadtest.kinds import OPERATIONS

Op = str
"""The name of an operation, one of OPS."""
Outcome = Literal["ok", "fail", "unknown"]
Phase = Literal["load", "audit"]

OPS = tuple(OPERATIONS)
OUTCOMES = ("ok", "fail", "unknown")
PHASES = ("load", "audit")
LARGEST = 1 << 61  # beyond it no value can be a count, and no nanosecond a time


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One request, from start to end, with what came back."""

    client: int
    op: Op
    start: int
    end: int | None = None
    outcome: Outcome = "ok"
    value: int | None = None
    item: str | None = None
    items: tuple[str, ...] | None = None
    worker: int | None = None
    thread: int | None = None
    boot: str | None = None
    phase: Phase = "load"
    clock: str | None = None
    key: str | None = None
    answer: str | None = None

    @property
    def asked(self) -> str:
        """The request in words: "append milk", "save milk for ann"."""
        words = self.op if self.item is None else f"{self.op} {printable(self.item)}"
        return words if self.key is None else f"{words} for {printable(self.key)}"

    @property
    def result(self) -> str:
        """The answer in words: a number, a text, a short list, "7 items", "fail", "unknown"."""
        if self.outcome != "ok":
            return self.outcome
        operation = OPERATIONS[self.op]
        answers = operation.answers
        if answers == "text":
            return "nothing" if self.answer is None else printable(self.answer)
        if answers == "flag":
            return operation.flags[bool(self.value)]
        if self.value is None and self.items is None:
            return self.outcome
        if self.items is None:
            return f"{self.value:,}"
        few = len(self.items) <= 4
        return f"[{', '.join(map(printable, self.items))}]" if few else f"{len(self.items):,} items"

    def __str__(self) -> str:
        labels = (("worker", self.worker), ("thread", self.thread))
        by = [f"{name} {number}" for name, number in labels if number is not None]
        return "  ".join((f"client {self.client}", f"{self.asked} → {self.result}", *by))


def printable(text: str) -> str:
    """The text on one line, with escapes for what a terminal would obey instead of show."""
    if text.isprintable():
        return text
    return "".join(
        sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text
    )


def short(words: str, length: int) -> str:
    """The words, cut to this length."""
    return words if len(words) <= length else words[: length - 1] + "…"


def line(op: Operation) -> str:
    """The operation as one line of JSON, newline included: what a recorder appends to its file."""
    items = "null" if op.items is None else json.dumps(op.items)
    key = "" if op.key is None else f', "key": {_text(op.key)}'
    answer = "" if op.answer is None else f', "answer": {_text(op.answer)}'
    return (
        f'{{"client": {op.client}, "op": "{op.op}", "start": {op.start}, "end": {_number(op.end)}, '
        f'"outcome": "{op.outcome}", "value": {_number(op.value)}, "item": {_text(op.item)}, '
        f'"items": {items}, "worker": {_number(op.worker)}, "thread": {_number(op.thread)}, '
        f'"boot": {_text(op.boot)}, "phase": "{op.phase}", "clock": {_text(op.clock)}'
        f"{key}{answer}}}\n"
    )


def mark(recorded: int) -> str:
    """The line that a recorder writes before its first operation (0), and after its last."""
    return f'{{"recorded": {recorded}}}\n'


def _number(value: int | None) -> str:
    return "null" if value is None else str(value)


def _text(value: str | None) -> str:
    return "null" if value is None else json.dumps(value)
