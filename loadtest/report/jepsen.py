"""Write a history for Jepsen's tools, so that one of them can confirm the verdict.

    python -m loadtest judge results/latest/redis_key-4x8.jsonl --edn history.edn

writes one map an event, the invocation of an operation and later its completion:

    {:index 2, :process 3, :time 81234, :type :invoke, :f :cas, :value [16 17]}
    {:index 5, :process 3, :time 81975, :type :ok, :f :cas, :value [16 17]}

`--jepsen-json FILE` writes the same as one JSON array. `:info` completes what is unknown, and
its process is never used again: the client goes on as another one. So does a client that did
not wait for an answer. Times are nanoseconds since the first start. As everywhere here, what ends
at the very nanosecond another begins overlaps it.

One checker knows one kind of operation, so `--model` says for whom it is written:

cas-register (the default)
    The counter, for Knossos: is it linearizable? An increment that was answered 17 is a
    compare-and-set from 16 to 17, on a register to which 0 was written first. An unknown
    increment takes the number that this checker gives it (one that nobody was answered, the
    earliest begun first) and is left out if there is none; as an :info it may still not have
    happened. A refused one is left out.
counter
    The counter, for Jepsen's own bounds: no read below the increments acknowledged before it, or
    above those begun. Answers of increments are not looked at.
list-append
    The list, for Elle: appends and reads as transactions on one key. Positions that appends were
    answered are not looked at.

elle-cli (https://github.com/ligurio/elle-cli) holds all three and needs Java 21 and Leiningen:

    git clone https://github.com/ligurio/elle-cli && cd elle-cli && lein deps && lein uberjar
    java -jar target/elle-cli-*-standalone.jar --model cas-register history.edn

It prints the file's name and `true` or `false`. Knossos and Porcupine search for an order, so
keep to some thousand operations: `sed -n 2,3000p history.jsonl` is a history too, now that it lacks
the lines of the recorder that say how many there should be. Knossos alone reads the same file
(`lein run --model cas-register history.edn` in its repository). Porcupine is a Go library: make
each invoke and its completion in the JSON a `porcupine.Operation`, an :info one returning at the
end of time, with a model of one integer.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import count
from typing import Literal

import polars as pl

from loadtest.checker.linearizability import numbers
from loadtest.checker.run import NEVER, Run
from loadtest.history import Operation, operations
from loadtest.kinds.counter import COUNTER
from loadtest.kinds.list import LIST

Model = Literal["cas-register", "counter", "list-append"]
MODELS: tuple[Model, ...] = ("cas-register", "counter", "list-append")


COMPLETION = {"ok": "ok", "fail": "fail", "unknown": "info"}


class Key(str):
    """A keyword in EDN, a string in JSON."""


class ManyClocks(ValueError):
    """Operations timed by several machines have no one order in which to write them."""


class NoCounts(ValueError):
    """Increments that were answered without the count are no compare-and-set of known values."""


def edn(history: pl.DataFrame, model: Model = "cas-register") -> Iterator[str]:
    """The lines of an EDN file."""
    for event in events(history, model):
        pairs = (f":{name} {_edn(value)}" for name, value in event.items())
        yield f"{{{', '.join(pairs)}}}\n"


def jepsen_json(history: pl.DataFrame, model: Model = "cas-register") -> Iterator[str]:
    """The lines of a file that holds one JSON array."""
    start = "["
    for event in events(history, model):
        yield start + json.dumps(event)
        start = ",\n "
    yield "]\n" if start != "[" else "[]\n"


def _edn(value: object) -> str:
    if isinstance(value, Key):
        return f":{value}"
    if isinstance(value, list):
        return f"[{' '.join(map(_edn, value))}]"
    return "nil" if value is None else json.dumps(value, ensure_ascii=False)


def events(history: pl.DataFrame, model: Model) -> Iterator[dict[str, object]]:
    """The events of the run's operations on the counter or the list, in the order of time: index,
    process, time, type, f, value."""
    run = Run(history)
    if run.within:
        raise ManyClocks("the operations were timed by several clocks, and have no one order")
    if model == "cas-register" and run.counter.blind.height:
        raise NoCounts("increments were answered without the count: only --model counter fits")
    on = LIST.ops if model == "list-append" else COUNTER.ops
    rows = run.rows.filter(pl.col("op").is_in(on)).sort("start", "row").collect()
    taken = numbers(run.counter) if model == "cas-register" else {}
    ops = operations(rows)
    begin = min((o.start for o in ops), default=0)
    over = max((o.start if o.end is None else o.end for o in ops), default=0)
    processes = count()
    free: dict[int, tuple[int, int]] = {}  # client -> its process, and when it had its answer
    unsorted: list[tuple[int, bool, int, int, str, str, object]] = []
    for row, o in zip(rows["row"], ops, strict=True):
        said = _said(o, model, taken.get(row))
        if said is None:
            continue
        process, answered = free.get(o.client, (-1, NEVER))
        if o.start <= answered:
            process = next(processes)
        end = o.end if o.end is not None else o.start if o.outcome == "fail" else over
        free[o.client] = (process, NEVER if o.outcome == "unknown" else end)
        f, asked, answer = said
        unsorted.append((o.start, False, len(unsorted), process, "invoke", f, asked))
        unsorted.append((end, True, len(unsorted), process, COMPLETION[o.outcome], f, answer))
    if model == "cas-register":
        zero = next(processes)
        unsorted.append((begin, False, -2, zero, "invoke", "write", 0))
        unsorted.append((begin, False, -1, zero, "ok", "write", 0))
    unsorted.sort(key=lambda event: event[:3])  # at one time: who begins, before who ends
    for index, (time, _, _, process, kind, f, value) in enumerate(unsorted):
        yield {
            "index": index,
            "process": process,
            "time": time - begin,
            "type": Key(kind),
            "f": Key(f),
            "value": value,
        }


def _said(o: Operation, model: Model, number: int | None) -> tuple[str, object, object] | None:
    """:f, and :value when invoked and when completed; None: leave the operation out."""
    if o.op == LIST.write:
        append = [[Key("append"), Key("list"), o.item]]
        return "txn", append, append
    if o.op == LIST.read:
        items = None if o.items is None else list(o.items)
        return "txn", [[Key("r"), Key("list"), None]], [[Key("r"), Key("list"), items]]
    if o.op == COUNTER.read:
        return "read", None, o.value
    if model == "counter":
        return "add", 1, 1
    told = o.value if o.outcome == "ok" else number
    return None if told is None else ("cas", [told - 1, told], [told - 1, told])
