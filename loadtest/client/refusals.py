"""Count the answers from 400 on of one run, and quote the first failure."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from loadtest.history.operation import short


@dataclass
class Refusals:
    """The number of answers by status, and the text of the first from 500 on."""

    statuses: Counter[int] = field(default_factory=Counter)
    first: str = ""

    def count(self, status: int, text: str) -> None:
        """Count an answer from 400 on."""
        self.statuses[status] += 1
        if status >= 500 and not self.first:
            self.first = f"{status} {short(' '.join(text.split()), 120)}".strip()

    @property
    def refused(self) -> str:
        """The answers that are refusals on purpose, in words: "412 × 410, 3 × 429"."""
        refused = sorted((status, n) for status, n in self.statuses.items() if status < 500)
        return ", ".join(f"{n:,} × {status}" for status, n in refused)

    def save(self, history: Path) -> None:
        """Write them beside a history, if there are any."""
        if self.statuses:
            path(history).write_text(json.dumps({"statuses": self.statuses, "first": self.first}))


def path(history: Path) -> Path:
    return history.with_suffix(".refusals.json")


def beside(history: Path) -> Refusals:
    """Read the refusals of the run in a history."""
    found = Refusals()
    with suppress(FileNotFoundError):
        fields = json.loads(path(history).read_text(encoding="utf-8"))
        found.statuses.update({int(status): n for status, n in fields["statuses"].items()})
        found.first = fields["first"]
    return found
