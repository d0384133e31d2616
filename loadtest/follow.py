"""Follows the history of a run while it grows: figures, what is wrong so far, pictures, a verdict.

python -m loadtest.follow      a question a line on its input, the answer a line on its output

A process of its own, of low priority, so that what it computes does not slow the load: in locust's
own process the import of Altair alone would stop every client for a second. It keeps the figures
of the whole run, and of its operations the last KEEP, so that a long run needs no more memory than
a short one.
"""

from __future__ import annotations

import json
import os
import sys
import textwrap
import traceback
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from loadtest import history
from loadtest.checker import Verdict, judge
from loadtest.words import number, timeline

KEEP = 50_000
FACTS = {
    "duplicate value": "duplicate values",
    "stale read": "stale reads",
    "real-time inversion": "real-time inversions",
    "non-monotonic read": "non-monotonic reads",
    "read-your-writes": "reads below one's own write",
    "reset": "resets",
    "fork": "forks of the list",
    "duplicated item": "duplicated items",
    "reordered item": "reordered items",
}
"""The anomalies that no later answer can undo, and what the table calls them. All others may only
seem so as long as requests are under way or an audit is still to come."""
ALWAYS = ("duplicate value", "stale read", "fork")

COUNT = pl.col("op").is_in(["increment", "read"])
ACKNOWLEDGED = pl.col("op") == "increment"
WORKER = ["clock", "boot", "worker"]
SEEN = {name: history.SCHEMA[name] for name in WORKER} | dict.fromkeys(
    ("first", "requests", "acknowledged", "highest", "value", "at"), pl.Int64()
)


class Follower:
    """What the history of one run has shown so far."""

    def __init__(self) -> None:
        self.offsets: dict[str, int] = {}
        self.operations = self.acknowledged = self.unknown = self.failed = 0
        self.workers = pl.DataFrame(schema=SEEN)
        self.counter = self.list = pl.DataFrame(schema=history.SCHEMA)

    def look(self, paths: Iterable[str]) -> None:
        """Reads the whole lines that were appended to these files since the last look."""
        for path in paths:
            with Path(path).open("rb") as file:
                at = file.seek(self.offsets.get(path, 0))
                while lines := whole_lines(file.read(history.CHUNK)):
                    self.add(history.parse(lines, path))
                    at = file.seek(at + len(lines))
                self.offsets[path] = at

    def add(self, new: pl.DataFrame) -> None:
        """Counts these operations, which have ended after all those before."""
        load = new.filter(pl.col("op") != "create", phase="load")
        increments = load.filter(op="increment")
        self.operations += load.height
        self.acknowledged += increments.filter(outcome="ok").height
        self.unknown += increments.filter(outcome="unknown").height
        self.failed += increments.filter(outcome="fail").height
        told = pl.col("value").filter(COUNT)
        seen = load.filter(outcome="ok").sort("end").group_by(WORKER)
        self.workers = pl.concat(
            [
                self.workers,
                seen.agg(
                    first=pl.col("start").min(),
                    requests=pl.len().cast(pl.Int64),
                    acknowledged=ACKNOWLEDGED.sum().cast(pl.Int64),
                    highest=told.max(),
                    value=told.last(),
                    at=pl.col("end").filter(COUNT).last(),
                ),
            ]
        )
        self.workers = (
            self.workers.group_by(WORKER)
            .agg(
                pl.col("first").min(),
                pl.col("requests", "acknowledged").sum(),
                pl.col("highest").max(),
                pl.col("value").sort_by("at", nulls_last=False).last(),
                pl.col("at").max(),
            )
            .sort("first", "worker", "boot")
        )
        self.counter = pl.concat([self.counter, new.filter(COUNT)]).tail(KEEP)
        self.list = pl.concat([self.list, new.filter(~COUNT)]).tail(KEEP)

    @property
    def lost(self) -> int:
        """Acknowledged increments that are in no count that was seen, at the least.

        Those of each worker are compared with the highest value that it answered. Where one
        answers more than was asked of it, the count is not its own: there is one for all.
        """
        told = self.workers.drop_nulls("highest")
        acknowledged, highest = pl.col("acknowledged"), pl.col("highest")
        under_way = self.unknown + self.counter["client"].n_unique()
        if told.select((highest > acknowledged + under_way).any()).item():
            return max(0, self.acknowledged - told.select(highest.max()).item())
        return told.select((acknowledged - highest).clip(0).sum()).item()


def whole_lines(chunk: bytes) -> bytes:
    return chunk[: chunk.rfind(b"\n") + 1]


def rows_so_far(follower: Follower, verdict: Verdict) -> list[list[Any]]:
    """The table while the load runs: what, how many, and a remark."""
    found = {each.name: each for each in verdict.anomalies if each.name in FACTS}
    cut = follower.operations > follower.counter.height + follower.list.height
    of = f"in the last {KEEP:,} operations" if cut else ""
    last = follower.workers.with_row_index("n", 1).drop_nulls("at").sort("at").tail(1)
    rows: list[list[Any]] = [
        ["so far", "nothing wrong", f"in {number(follower.operations, 'operation')}"],
        ["acknowledged increments", follower.acknowledged, ""],
        ["value last seen", None, ""],
        ["lost", follower.lost, "at the least; the audit will tell"],
        *([FACTS[name], 0, of] for name in ALWAYS if name not in found),
        *([FACTS[name], anomaly.count, of] for name, anomaly in found.items()),
        ["lost items", None, "the audit will tell"],
    ]
    for anomaly in list(found.values())[:1]:
        rows[0][1:] = "violated", anomaly.why
    for n, value in last.select("n", "value").iter_rows():
        rows[2][1:] = value, f"worker {n}"
    return rows + rows_of_outcomes(follower) + rows_of_workers(follower, {})


def rows_at_the_end(follower: Follower, verdict: Verdict) -> list[list[Any]]:
    """The same table when the audit is judged."""
    found = {each.name: each.count for each in verdict.anomalies}
    always = {"lost update": verdict.lost, **dict.fromkeys(ALWAYS, 0), "lost item": 0}
    titles = FACTS | {"lost update": "lost", "lost item": "lost items"}
    division = verdict.division
    copies = division.copies if division and division.what == "counter" else ()
    rows: list[list[Any]] = [
        ["verdict", verdict.verdict, verdict.why],
        ["acknowledged increments", verdict.acknowledged, ""],
        ["value the audit read", verdict.audited, f"{len(copies)} counters" if copies[1:] else ""],
        *([titles.get(name, name), count, ""] for name, count in (always | found).items()),
    ]
    audited = {copy.boot: copy.audited for copy in copies if division and division.of == "worker"}
    return rows + rows_of_outcomes(follower) + rows_of_workers(follower, audited)


def rows_of_outcomes(follower: Follower) -> list[list[Any]]:
    rows: list[list[Any]] = [["unknown increments", follower.unknown, ""]]
    if follower.failed:
        rows.append(["refused increments", follower.failed, ""])
    return rows


def rows_of_workers(
    follower: Follower, audited: Mapping[str | None, int | None]
) -> list[list[Any]]:
    """The worker's own value: what the audit read there if it is in `audited`, or its last one."""
    rows = []
    for n, each in enumerate(follower.workers.iter_rows(named=True), 1):
        remarks = [number(each["requests"], "request")]
        remarks += [] if each["worker"] is None else [f"process {each['worker']}"]
        remarks += [] if each["boot"] is None else [f"boot {each['boot']}"]
        rows.append([f"worker {n}", audited.get(each["boot"], each["value"]), ", ".join(remarks)])
    return rows


def in_a_few_lines(verdict: Verdict) -> str:
    """A verdict for a terminal of 80 columns; `python -m loadtest judge` says more."""
    lines = textwrap.wrap(f"{verdict.verdict}: {verdict.why}", 80)
    for anomaly in verdict.anomalies[:1]:
        lines += ["", *(f"  {bar}" for bar in timeline(anomaly.witness, 78)), ""]
    counts = ", ".join(f"{each.name} {each.count:,}" for each in verdict.anomalies)
    return "\n".join([*lines, *textwrap.wrap(counts, 80)])


def pictures(seen: pl.DataFrame, verdict: Verdict) -> dict[str, Any]:
    """The charts of the page, as Vega-Lite."""
    if not verdict.acknowledged:
        return {}
    from loadtest import charts  # Altair takes a second to import, and not every page is opened

    drawn = {
        "value": charts.value_over_time(seen, verdict),
        "lost": charts.lost_over_time(seen, verdict),
    }
    if verdict.anomalies:
        drawn["witness"] = charts.space_time(verdict.anomalies[0].witness, seen)
    return {name: chart.to_dict(validate=False) for name, chart in drawn.items()}


class Answers:
    """The questions that locust asks, one run after the other.

    {"ask": "look", "run", "paths", "pictures": true or false} → rows, pictures
    {"ask": "judge", …}                                        → rows, pictures, verdict, text
    {"ask": "vega"}                                            → vega, a script
    """

    def __init__(self) -> None:
        self.run = ""
        self.follower = Follower()

    def answer(self, question: dict[str, Any]) -> dict[str, Any]:
        match question["ask"]:
            case "look":
                return self.look(**question)
            case "judge":
                return self.judge(**question)
        import vl_convert

        return {"vega": vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed")}

    def look(self, run: str, paths: list[str], draw: bool, **_: Any) -> dict[str, Any]:
        if run != self.run:
            self.run, self.follower = run, Follower()
        self.follower.look(paths)
        seen = pl.concat([self.follower.counter, self.follower.list])
        verdict = judge(seen)
        rows = rows_so_far(self.follower, verdict)
        drawn = pictures(seen, verdict) if draw else {}
        return {"rows": rows, "pictures": drawn}

    def judge(self, paths: list[str], draw: bool, **_: Any) -> dict[str, Any]:
        self.run, self.follower = "", Follower()
        seen = history.read(*paths)
        self.follower.add(seen)
        verdict = judge(seen)
        return {
            "rows": rows_at_the_end(self.follower, verdict),
            "pictures": pictures(seen, verdict) if draw else {},
            "verdict": verdict.to_json(),
            "text": in_a_few_lines(verdict),
        }


def main() -> None:
    os.nice(10)
    answers = Answers()
    for line in sys.stdin:
        try:
            answer = answers.answer(json.loads(line))
        except Exception as error:
            traceback.print_exc()
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
