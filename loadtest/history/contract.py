"""The format of a history: JSON lines, one operation each.

    {"client": 3, "op": "increment", "start": 81234, "end": 81975, "outcome": "ok", "value": 17,
     "worker": 4242, "thread": 5, "boot": "b7e1", "phase": "load"}

    client   who asked: a whole number from 0; one number is one client, in all files of a run
    op       create
             increment · read                  a count
             append (of `item`) · items        a list; `items` reads all of it
             whoami (as `item`)                sends a name; the answer is to hold that name
             save (`item` for `key`) · load    a text of one visitor
             claim (of `item`)                 takes one of a limited number of places
    start    when it was sent, in nanoseconds of a monotonic clock
    end      when it was answered, same clock; null if it never was
             (start and end belong to the operation: it is a closed interval, so that what ends
             at the nanosecond at which another begins overlaps it)
    outcome  ok (it happened) · fail (refused: it certainly did not happen) · unknown (either)
    value    what was answered: the count, the position of an append, the length of `items`; 1 for
             a claim that got a place, 0 for one that was refused because all are taken; null for
             an increment that was acknowledged without a count, or an append without a position
    item     the text sent (what is no text counts as its JSON); none is appended or saved twice in
             a run
    items    the list that was read
    worker   the server's process        }
    thread   the thread that answered    }  null where the reply does not say
    boot     an id made at worker start  }
    phase    load · audit (reads of every worker when nothing is in flight any more)
    clock    which machine's clock; absent or null if there is only one. Times are compared
             within one clock only, and a client belongs to one clock
    key      the visitor of a save or load
    answer   the text that came back from a whoami or load; null if none did

What is unknown is null, and null may be left out. Other fields are ignored. No name stands twice in
a line, and no line is longer than 64 MB.

The lines may be compressed, by gzip or Zstandard, and a history may be a table with these columns:
Parquet. What a file is, is seen by how it begins. The ending of its name counts when a history is
written: .parquet, .gz and .zst.

A recorder of ours also writes what shows that nothing is missing: a line {"recorded": 0} before its
first operation, and one with their number after its last. No other history needs any.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict

import polars as pl

from loadtest.history.operation import LARGEST, OPS, OUTCOMES, PHASES, Operation
from loadtest.kinds.check import CHECK
from loadtest.kinds.claim import CLAIM
from loadtest.kinds.counter import COUNTER
from loadtest.kinds.list import LIST
from loadtest.kinds.request import REQUEST
from loadtest.kinds.visitor import SAVE, VISITOR

SCHEMA: dict[str, pl.DataType] = {
    "client": pl.UInt32(),
    "op": pl.Enum(OPS),
    "start": pl.Int64(),
    "end": pl.Int64(),
    "outcome": pl.Enum(OUTCOMES),
    "value": pl.Int64(),
    "item": pl.String(),
    "items": pl.List(pl.String()),
    "worker": pl.UInt32(),
    "thread": pl.Int64(),
    "boot": pl.Categorical(),
    "phase": pl.Enum(PHASES),
    "clock": pl.Categorical(),
    "key": pl.Categorical(),
    "answer": pl.Categorical(),
}
"""The columns of a history as a DataFrame, in this order."""

VALUED = (COUNTER.read, CLAIM.name, CHECK.name)
"""An increment may be acknowledged without a count, an append without a position."""
CARRYING = (*REQUEST.ops, SAVE.name, CLAIM.name)


def _beyond(name: str) -> pl.Expr:
    return ~pl.col(name).is_between(-LARGEST, LARGEST, closed="none")


_ok = pl.col("outcome") == "ok"
_ITEMS = pl.col("items")
RULES: dict[str, pl.Expr] = {
    '"client" is missing': pl.col("client").is_null(),
    '"op" is missing': pl.col("op").is_null(),
    '"start" is missing': pl.col("start").is_null(),
    '"outcome" is missing': pl.col("outcome").is_null(),
    'it is ok, so it needs an "end"': _ok & pl.col("end").is_null(),
    "it ends before it starts": pl.col("end") < pl.col("start"),
    'its "start" is too large to be a time': _beyond("start"),
    'its "end" is too large to be a time': _beyond("end"),
    'it is ok, so it needs a "value"': _ok & pl.col("op").is_in(VALUED) & pl.col("value").is_null(),
    'its "value" is too large to be a count': _beyond("value"),
    'an append needs an "item"': (pl.col("op") == LIST.write) & pl.col("item").is_null(),
    'a whoami, a save and a claim need an "item"': pl.col("op").is_in(CARRYING)
    & pl.col("item").is_null(),
    'a save and a load need a "key"': pl.col("op").is_in(VISITOR.ops) & pl.col("key").is_null(),
    'the "value" of a claim is 1 (taken) or 0 (refused)': (pl.col("op") == CLAIM.name)
    & ~pl.col("value").is_in([0, 1]),
    'it is ok, so it needs "items"': _ok & (pl.col("op") == LIST.read) & _ITEMS.is_null(),
    'there is a null in "items"': _ITEMS.list.eval(pl.element().is_null().any()).list.first(),
    'its "value" is not the length of "items"': (pl.col("op") == LIST.read)
    & (pl.col("value") != _ITEMS.list.len().cast(pl.Int64)),
}
"""The rules that every line must keep: a complaint, and the rows that deserve it."""


class Malformed(ValueError):
    """A history is not as the schema says: `FILE:LINE: what is wrong`."""


class Incomplete(Malformed):
    """Operations are missing from a history, so that nothing can be said of it."""


def frame(operations: Iterable[Operation]) -> pl.DataFrame:
    """The operations as a DataFrame with the columns of SCHEMA."""
    rows = [asdict(operation) for operation in operations]
    return pl.DataFrame(rows, schema=SCHEMA)


def operations(frame: pl.DataFrame) -> list[Operation]:
    """The rows of a DataFrame as operations."""
    return [
        Operation(**{**row, "items": None if row["items"] is None else tuple(row["items"])})
        for row in frame.select(list(SCHEMA)).iter_rows(named=True)
    ]
