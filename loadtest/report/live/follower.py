"""Follows the history of a run while it grows: figures, what is wrong so far, pictures, a verdict.

python -m loadtest.report.live.follower   reads a question a line, writes an answer a line

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
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl

from loadtest import history
from loadtest.checker import Verdict, judge
from loadtest.checker.anomalies import TABLE
from loadtest.checker.division import Owner
from loadtest.checker.words import number, timeline
from loadtest.kinds import CREATE
from loadtest.kinds.counter import COUNTER
from loadtest.report.fault_events import consequence
from loadtest.report.pictures.tables import WORKER, DrawnRun, faults_of

KEEP = 20_000
FINAL = {kind.name for kind in TABLE if kind.final}
ALWAYS = ("duplicate value", "stale read", "lost item", "fork")

COUNT = pl.col("op").is_in(COUNTER.ops)
ACKNOWLEDGED = pl.col("op") == COUNTER.write
SEEN = {name: history.SCHEMA[name] for name in WORKER} | dict.fromkeys(
    ("first", "requests", "acknowledged", "highest", "value", "at"), pl.Int64()
)


LAYOUTS: dict[Any, dict[str, Any]] = {}


class Follower:
    """The history of a run so far.

    workers   in the order of their first requests: how many requests each answered, how many
              increments it acknowledged, the highest value that it told, and the last
    counter   the last operations on the counter, and `list` those on the list
    """

    def __init__(self) -> None:
        self.offsets: dict[str, int] = {}
        self.restart()

    def restart(self) -> None:
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
        """Counts these operations, which were answered after all those before."""
        creates = new.filter(op=CREATE.name)
        if creates.height:
            # whatever came before it belongs to nothing that is judged
            self.restart()
            new = pl.concat([creates, new.filter(pl.col("start") > creates["end"].max())])
        load = new.filter(pl.col("op") != CREATE.name, phase="load")
        increments = load.filter(op=COUNTER.write)
        self.operations += load.height
        self.acknowledged += increments.filter(outcome="ok").height
        self.unknown += increments.filter(outcome="unknown").height
        self.failed += increments.filter(outcome="fail").height
        told = pl.col("value").filter(COUNT)
        seen = load.filter(outcome="ok").sort("end").group_by(WORKER)
        answered = seen.agg(
            first=pl.col("start").min(),
            requests=pl.len().cast(pl.Int64),
            acknowledged=ACKNOWLEDGED.sum().cast(pl.Int64),
            highest=told.max(),
            value=told.last(),
            at=pl.col("end").filter(COUNT).last(),
        )
        both = pl.concat([self.workers, answered]).group_by(WORKER)
        self.workers = both.agg(
            pl.col("first").min(),
            pl.col("requests", "acknowledged").sum(),
            pl.col("highest").max(),
            pl.col("value").sort_by("at", nulls_last=False).last(),
            pl.col("at").max(),
        ).sort("first", "worker", "boot")
        self.counter = pl.concat([self.counter, new.filter(COUNT)]).tail(KEEP)
        self.list = pl.concat([self.list, new.filter(~COUNT)]).tail(KEEP)

    @property
    def last(self) -> pl.DataFrame:
        """The last operations on the counter and on the list."""
        return pl.concat([self.counter, self.list])

    @property
    def before(self) -> pl.DataFrame | None:
        """The increments of each worker that are not among those; None if all are."""
        kept = self.counter.filter(ACKNOWLEDGED, outcome="ok", phase="load").group_by(WORKER).len()
        gone = self.workers.join(kept, on=WORKER, how="left", nulls_equal=True).select(
            *WORKER, acknowledged=pl.col("acknowledged") - pl.col("len").fill_null(0)
        )
        return gone if gone["acknowledged"].sum() else None

    @property
    def of(self) -> Owner:
        """The owner of a count, as far as the answers show.

        Each worker has one if no worker answered more than it was asked; else there is one for
        all.
        """
        under_way = self.unknown + self.counter["client"].n_unique()
        more = pl.col("highest") > pl.col("acknowledged") + under_way
        return "none" if self.workers.select(more.any()).item() else "worker"

    @property
    def lost(self) -> int:
        """Acknowledged increments that are in no count that was told, at the least."""
        behind = (pl.col("acknowledged") - pl.col("highest").fill_null(0)).clip(0)
        if self.of == "none":
            behind = (pl.col("acknowledged").sum() - pl.col("highest").max()).clip(0)
        return int(self.workers.select(behind.sum()).item())


def whole_lines(chunk: bytes) -> bytes:
    return chunk[: chunk.rfind(b"\n") + 1]


def so_far(verdict: Verdict) -> Verdict:
    """A verdict with nothing in it that a later answer may undo."""
    return replace(verdict, anomalies=tuple(a for a in verdict.anomalies if a.name in FINAL))


def rows_so_far(follower: Follower, verdict: Verdict) -> list[list[Any]]:
    """The table while the load runs: what, how many, and a remark."""
    first: list[Any] = ["so far", "nothing wrong", number(follower.operations, "operation")]
    for anomaly in verdict.anomalies[:1]:
        first = ["so far", "violated", anomaly.why]
    cut = follower.operations > follower.last.height
    last = follower.workers.with_row_index("n", 1).drop_nulls("at").sort("at").tail(1)
    seen = [[value, f"by worker {n}"] for n, value in last.select("n", "value").iter_rows()]
    return [
        first,
        ["acknowledged increments", follower.acknowledged, ""],
        ["value last seen", *(seen or [[None, ""]])[0]],
        ["lost so far", follower.lost, "at the least; the audit will tell"],
        *rows_of_anomalies(verdict, f"in the last {KEEP:,} operations" if cut else ""),
        *rows_of_outcomes(follower),
        *rows_of_workers(follower, {}),
    ]


def rows_at_the_end(follower: Follower, verdict: Verdict, seen: pl.DataFrame) -> list[list[Any]]:
    """Return the rows of the table after the audit."""
    audit = seen.filter(op=COUNTER.read, outcome="ok", phase="audit").sort("end")
    audited = dict(audit.group_by("boot").agg(pl.col("value").last()).iter_rows())
    differ = "it depends on who answers" if verdict.audited is None and audited else ""
    return [
        ["verdict", verdict.verdict, verdict.why],
        ["acknowledged increments", verdict.acknowledged, ""],
        ["value the audit read", verdict.audited, differ],
        ["lost", verdict.lost, ""],
        *rows_of_anomalies(verdict, "", at_the_end=True),
        *rows_of_outcomes(follower),
        *rows_of_workers(follower, audited),
    ]


def rows_of_anomalies(
    verdict: Verdict, remark: str, *, at_the_end: bool = False
) -> list[list[Any]]:
    """Return rows of the anomalies found, and of a few that everyone looks for.

    Lost increments have a row of their own.
    """
    found = {anomaly.name: anomaly.count for anomaly in verdict.anomalies}
    rows: list[list[Any]] = []
    for name in (kind.name for kind in TABLE if kind.name != "lost increment"):
        if name == "lost item" and not at_the_end:
            rows.append([name, None, "the audit will tell"])
        elif name in found or name in ALWAYS:
            rows.append([name, found.get(name, 0), remark])
    return rows


def rows_of_outcomes(follower: Follower) -> list[list[Any]]:
    rows: list[list[Any]] = [["unknown increments", follower.unknown, ""]]
    if follower.failed:
        rows.append(["refused increments", follower.failed, ""])
    return rows


def rows_of_workers(
    follower: Follower, audited: Mapping[str | None, int | None]
) -> list[list[Any]]:
    """Each with the value that the audit read there, by boot id, or else the last one it told."""
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


def drawn_run(run: str, follower: Follower, seen: pl.DataFrame) -> DrawnRun:
    """Return the run as far as it is known, with the faults beside its history."""
    # the same numbers, and so the same colors, as long as the run goes on
    return DrawnRun(seen, follower.workers, faults_of(Path(run)))


def pictures(run: str, follower: Follower, seen: pl.DataFrame, verdict: Verdict) -> dict[str, Any]:
    """The pictures of the page: layout and tables for Vega-Lite, title and words."""
    if not verdict.acknowledged:
        return {}
    # Altair takes a second to import, and not every page is opened
    from loadtest.report.pictures import charts, theme

    shown = drawn_run(run, follower, seen)
    before = follower.before
    drawn = {
        "value": charts.value_over_time(shown, verdict, before=before),
        "lost": charts.lost_over_time(shown, verdict, before=before, of=follower.of),
    }
    for anomaly in verdict.anomalies[:1]:
        drawn["witness"] = charts.space_time(
            anomaly.witness, shown, title=f"The first {anomaly.name}"
        )
    for picture in drawn.values():
        # Altair is slow, and a layout stays while its tables change
        if (layout := (picture.layout, picture.variation)) not in LAYOUTS:
            LAYOUTS[layout] = picture.spec()
    return {
        "config": theme.config("var(--quiet)", "var(--line)"),
        **{
            name: {
                "title": picture.title,
                "said": " ".join(picture.said) or verdict.anomalies[0].why,
                "space": picture.height + picture.around,
                "spec": LAYOUTS[picture.layout, picture.variation]
                | {"height": picture.height, "datasets": picture.tables},
            }
            for name, picture in drawn.items()
        },
    }


class Answers:
    """The questions that locust asks, one run after the other.

    {"ask": "look", "run", "paths", "pictures": true or false} → rows, pictures
    {"ask": "judge", …, "workers": number or null} → rows, pictures, verdict, exit_status, text
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
        # Altair too takes a second to import, better now than under load
        from loadtest.report.page import document
        from loadtest.report.pictures import charts  # noqa: F401

        return {"vega": document.bundle()}

    def look(self, run: str, paths: list[str], draw: bool, **_: Any) -> dict[str, Any]:
        if run != self.run:
            self.run, self.follower = run, Follower()
        self.follower.look(paths)
        seen = self.follower.last
        verdict = so_far(judge(seen))
        return {
            "rows": rows_so_far(self.follower, verdict),
            "fault": consequence(drawn_run(run, self.follower, seen)),
            "pictures": pictures(run, self.follower, seen, verdict) if draw else {},
        }

    def judge(
        self, run: str, paths: list[str], draw: bool, workers: int | None = None, **_: Any
    ) -> dict[str, Any]:
        self.run, self.follower = "", Follower()
        seen = history.read(*paths)
        self.follower.add(seen)
        verdict = judge(seen, workers=workers)
        return {
            "rows": rows_at_the_end(self.follower, verdict, seen),
            "pictures": pictures(run, self.follower, seen, verdict) if draw else {},
            "verdict": verdict.to_json(),
            "exit_status": verdict.exit_status,
            "text": in_a_few_lines(verdict),
        }


def main() -> None:
    os.nice(5)
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
