"""The ways in which a few workers can share copies of a state, and which of them are refuted.

All workers share one copy, or each has its own, or anything between: with six workers there are
203 ways. What is true of every way that no answer refutes is known, even if the way is not.

Of more workers, and where a reply names none, there are no ways to look at.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import polars as pl

from loadtest.checker.division.copies import LEVELS
from loadtest.checker.division.evidence import IMPOSSIBLE, Evidence, highest, unexplained

FEW = 6  # workers, of which every way to share is tried

Block = frozenset[int]
"""Numbers of workers that share a copy."""
Way = list[Block]


@dataclass(frozen=True)
class Ways:
    """The ways to share copies, measured against the evidence."""

    evidence: Evidence

    @cached_property
    def workers(self) -> pl.DataFrame:
        """The workers that acknowledged or were audited, a row each.

        Columns: boot, worker, n, blind (of these), top (the highest answer), read (the highest
        read, or null), reads (the different ones), number.
        """
        by = LEVELS["worker"]
        asked = self.evidence.written.group_by(by).agg(
            n=pl.len().cast(pl.Int64),
            blind=pl.col("value").null_count().cast(pl.Int64),
            top=pl.col("value").max(),
        )
        reads = pl.struct("value", pl.col("items").hash()).hash().unique()
        read = self.evidence.audit.group_by(by).agg(read=pl.col("value").max(), reads=reads)
        joined = asked.join(read, on=by, how="full", coalesce=True, nulls_equal=True)
        named = joined.with_columns(
            pl.col("boot").cast(pl.String), pl.col("n", "blind").fill_null(0)
        )
        return named.sort("worker", "boot", nulls_last=True).with_row_index("number")

    @cached_property
    def possible(self) -> list[Way]:
        """The ways that no answer refutes; none if they are too many, or a reply has no label."""
        evidence = self.evidence
        if self.workers.height > FEW or not evidence.labelled(evidence.answered, "worker"):
            return []
        if not evidence.one_clock:
            return []
        return [way for way in self._all() if self._possible(way)]

    @cached_property
    def possible_anyhow(self) -> list[Way]:
        """The ways that no answer refutes of a state that may both lose and answer late."""
        return [way for way in self._all() if self._possible(way, anyhow=True)]

    def _all(self) -> Iterator[Way]:
        yield from partitions(self.workers["number"].to_list())

    def _possible(self, way: Way, *, anyhow: bool = False) -> bool:
        """Return True if no answer refutes it, with what unknown writes may have written."""
        unknown = self.evidence.unknown
        for block in sorted(way, key=len):
            unknown -= self._needed(block, anyhow)
            if unknown < 0:
                return False
        return True

    def _needed(self, block: Block, anyhow: bool) -> int:
        """Return the fewest unknown writes that this block needs.

        The state is read and then written, or it loses nothing and answers late; with `anyhow` it
        may both lose and answer late.
        """
        mine = self.members(block)
        changes = max(0, mine["reads"].explode().drop_nulls().n_unique() - 1)
        n, read, top = int(mine["n"].sum()), mine["read"].max(), highest(mine["top"])
        answered = max(top, read) if isinstance(read, int) else top
        more = max(0, answered - n)
        count, late = self._unexplained(block)
        if anyhow:
            # whatever becomes of writes, after one of them the state is not empty
            return count if count >= IMPOSSIBLE else max(changes, more)
        late = late and (not isinstance(read, int) or n <= read)
        steps = max(0, count - int(mine["blind"].sum()))
        return max(changes, min(steps, more) if late else steps)

    def _unexplained(self, block: Block) -> tuple[int, bool]:
        """Count reads of the block that its writes do not explain.

        The second value is True if they can be late answers of a state that loses nothing: of any n
        reads, one is n or more.
        """
        if block not in self._counted:
            by = LEVELS["worker"]
            first = self.evidence.first_answers
            answered = first.join(self.members(block), on=by, how="semi", nulls_equal=True)
            values = answered.filter("write")["value"].drop_nulls().sort()
            late = bool((values > pl.int_range(values.len(), eager=True)).all())
            self._counted[block] = unexplained(answered, []), late
        return self._counted[block]

    @cached_property
    def _counted(self) -> dict[Block, tuple[int, bool]]:
        return {}

    def members(self, block: Block) -> pl.DataFrame:
        """Return the rows of the workers of a block."""
        return self.workers.filter(pl.col("number").is_in(block))

    def at_once(self, way: Way) -> int:
        """Count the copies that were surely there at one time."""
        owners = {
            (boot, worker): n
            for n, block in enumerate(way)
            for boot, worker in self.members(block).select(LEVELS["worker"]).iter_rows()
        }
        return self.evidence.at_once(owners)

    def lost(self, way: Way) -> int:
        """Return the fewest acknowledged writes that are gone if this way is right."""
        lost = 0
        for block in way:
            mine = self.members(block)
            if mine["read"].count():
                lost += max(0, int(mine["n"].sum()) - max(0, highest(mine["read"])))
        return lost


def partitions(numbers: list[int]) -> Iterator[Way]:
    """Yield all ways to put the numbers into blocks."""
    if not numbers:
        yield []
        return
    first, *rest = numbers
    for blocks in partitions(rest):
        yield [frozenset([first]), *blocks]
        for n, block in enumerate(blocks):
            yield [*blocks[:n], block | {first}, *blocks[n + 1 :]]
