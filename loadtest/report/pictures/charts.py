"""Pictures of a history: functions from a history to a `Picture`, which a notebook shows as it is.

    value_over_time(history, verdict)     one line for one counter, a fan of dots for each copy
    lost_over_time(history, verdict)      what the state does not account for
    requests_per_worker(history)          who answered
    latency(history)                      how long it took, per operation
    space_time(operations, history)       a few requests, and what happened inside of each
    matrix(cells)                         the verdict of every variant under every server

A picture has its tables apart from its layout, since a page with many has room and time for one
layout of a kind; `.chart()` is both as an Altair chart, a few thousand rows at the most, which
needs no network. For a history, `DrawnRun(history)` will do too: several pictures of one then share
what they need.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import altair as alt
import polars as pl

from loadtest.cell import Cell
from loadtest.checker import SIGN, Verdict
from loadtest.checker.division import Owner
from loadtest.checker.words import number, who
from loadtest.history import Operation, frame, read
from loadtest.kinds import CREATE
from loadtest.kinds.list import LIST
from loadtest.report.pictures import theme
from loadtest.report.pictures.tables import (
    KEY,
    UNLABELLED,
    DrawnRun,
    evenly,
    inside,
    keys,
    thin,
    unaccounted,
)
from loadtest.report.pictures.theme import COLORS as COLORS
from loadtest.report.pictures.theme import LOSS as LOSS
from loadtest.report.pictures.theme import Picture, Source
from loadtest.report.terminal import figures, shown_as, words
from loadtest.trial import Server

PERCENT = (0, 25, 50, 75, 99, 100)


def value_over_time(
    history: pl.DataFrame | DrawnRun,
    verdict: Verdict | None = None,
    *,
    limit: int = 2000,
    before: pl.DataFrame | None = None,
) -> Picture:
    """Draw the value answered to each acknowledged increment, at the time of its answer.

    About `limit` answers are drawn, evenly taken, and every one that a witness names. `before`:
    see `unaccounted`.
    """
    run = DrawnRun.of(history)
    increments = run.increments
    found = verdict.anomalies if verdict else ()
    witnesses = [operation for anomaly in found for operation in anomaly.witness]
    shown = thin(increments, limit, keep=witnesses)
    ringed = increments.join(keys(witnesses), on=KEY, how="semi", nulls_equal=True)
    earlier = 0 if before is None else before["acknowledged"].sum()
    sofar = evenly(increments.select("at", value=pl.int_range(1, pl.len() + 1) + earlier), 200)
    last = sofar.tail(1).with_columns(text=pl.lit(f"{earlier + increments.height:,} acknowledged"))
    said = ["A dot is the answer to an increment."]
    if shown.height < increments.height:
        said[0] += f" {shown.height:,} of {increments.height:,} are shown"
        said[0] += "; every witness is." if witnesses else "."
    said.append("Dashed: the increments acknowledged so far, which one counter would answer.")
    if not ringed.is_empty():
        said.append("Ringed: increments that prove what is wrong.")
    falls = [
        {"fall": n, "at": at, "value": value}
        for n, (new, gone) in enumerate(run.replaced)
        if gone and new.earliest is not None and new.earliest < (gone.highest or 0)
        for at, value in ((gone.last, gone.highest), (new.first, new.earliest))
    ]
    if falls:
        said.append("Falling: a worker is gone, and the one that comes after it begins anew.")
    return Picture(
        layout=_values,
        variation=(run.workers.height, not ringed.is_empty(), bool(falls), *_shaded(run)),
        tables={
            "span": theme.csv([{"at": at} for at in run.span]),
            "answers": shown.select(DOT).write_csv(),
            "acknowledged": sofar.write_csv(),
            "last": last.write_csv(),
            "ringed": ringed.select("at", "value").write_csv(),
            "falls": theme.csv(falls),
            "faults": theme.bands(run.faults, *run.span),
        },
        title="Value answered over time",
        said=said,
        height=300,
        around=80,
    )


DOT = ["at", "sent", "value", "label", "worker", "boot", "thread", "client"]


def _shaded(run: DrawnRun) -> tuple[bool]:
    """Return True if a picture has bands, whose names take room."""
    return (not run.faults.is_empty(),)


def _values(
    table: Source, workers: int, ringed: bool, falls: bool, shaded: bool
) -> list[alt.Chart]:
    x, y = theme.seconds(), alt.Y("value:Q")
    color, shape = theme.by_worker(workers, legend=True)
    tips = [
        alt.Tooltip("value:Q", format=",", title="answered"),
        alt.Tooltip("label:N", title="worker"),
        alt.Tooltip("worker:N", title="process"),
        *(alt.Tooltip(f"{name}:N") for name in ("boot", "thread", "client")),
        alt.Tooltip("sent:Q", format=".4f", title="sent, s"),
        alt.Tooltip("at:Q", format=".4f", title="answered, s"),
    ]
    rings = alt.Chart(table("ringed")).mark_point(size=110, color=LOSS, strokeWidth=2, opacity=1)
    fall = alt.Chart(table("falls"))
    return [
        *(theme.shades(table("faults"), theme.seconds("since")) if shaded else []),
        *([theme.headroom(table("acknowledged"), "value", "value answered")] if shaded else []),
        theme.span(table("span")),
        alt.Chart(table("acknowledged"))
        .mark_line(strokeDash=[5, 4])
        .encode(x=x, y=y if shaded else theme.counts("value", "value answered")),
        *([fall.mark_line(color=LOSS).encode(x=x, y=y, detail="fall:N")] if falls else []),
        # below the dots, which have something to tell to a mouse
        *([rings.encode(x=x, y=y)] if ringed else []),
        alt.Chart(table("answers"))
        .mark_point(filled=True, size=22, opacity=1)
        .encode(x=x, y=y, color=color, shape=shape, tooltip=tips),
        alt.Chart(table("last"))
        .mark_text(align="right", dy=-9)
        .encode(x=x, y=y, text=alt.Text("text:N")),
    ]


def lost_over_time(
    history: pl.DataFrame | DrawnRun,
    verdict: Verdict | None = None,
    *,
    before: pl.DataFrame | None = None,
    of: Owner = "worker",
) -> Picture:
    """Acknowledged increments that the state does not account for: see `unaccounted`.

    The copies are those of the counter's division, and the last point is what the audit found.
    As long as there is no division, `of` says what is taken to have a copy; where all workers
    share one, "worker" understates.
    """
    run = DrawnRun.of(history)
    division = verdict.division if verdict else None
    if division is None or division.what == LIST.name:
        division = run.run.counter_division
    of = division.of if division else of
    forgotten = verdict.forgotten if verdict else 0
    final = division.lost + forgotten if division else None
    lost = unaccounted(run, of, before, final)
    changes = (pl.col("lost").diff() != 0).fill_null(True) | (pl.row_index() == pl.len() - 1)
    lost = evenly(lost.filter(changes), 400)
    copies = "" if of in ("none", "unclear") else f", {of} by {of}"
    said = [f"Increments acknowledged so far, less the count that is answered{copies}."]
    if of == "request":
        said = ["Increments acknowledged so far: what they counted ended with their request."]
    if run.replaced:
        said.append("A step: a worker ended, and its count with it.")
    if final is not None:
        over = {"at": [run.span[1]], "lost": [final]}
        lost = pl.concat([lost, pl.DataFrame(over, schema=lost.schema)])
        said.append("The last point is what the final reads found, with nothing in flight.")
    else:
        said.append("No final read has settled it: it may be more.")
    acknowledged = run.increments.height + (0 if before is None else before["acknowledged"].sum())
    gone = "gone" if forgotten else "lost"
    text = f"{lost['lost'].tail(1).sum():,} of {acknowledged:,} {gone}"
    return Picture(
        layout=_lost,
        variation=_shaded(run),
        tables={
            "faults": theme.bands(run.faults, *run.span),
            "span": theme.csv([{"at": at} for at in run.span]),
            "lost": lost.write_csv(),
            "last": lost.tail(1).with_columns(text=pl.lit(text)).write_csv(),
        },
        title="Lost so far",
        said=said,
        height=180,
    )


def _lost(table: Source, shaded: bool) -> list[alt.Chart]:
    x, y = theme.seconds(), alt.Y("lost:Q")
    tips = [alt.Tooltip("at:Q", title="seconds"), alt.Tooltip("lost:Q", format=",")]
    last = alt.Chart(table("last"))
    return [
        *(theme.shades(table("faults"), theme.seconds("since")) if shaded else []),
        *([theme.headroom(table("lost"), "lost", "lost so far")] if shaded else []),
        theme.span(table("span")),
        alt.Chart(table("lost"))
        .mark_line(interpolate="step-after", color=LOSS, strokeWidth=2)
        .encode(x=x, y=y if shaded else theme.counts("lost", "lost so far"), tooltip=tips),
        last.mark_point(filled=True, size=60, opacity=1, color=LOSS).encode(x=x, y=y),
        last.mark_text(align="right", dy=-13, style="strong").encode(
            x=x, y=y, text=alt.Text("text:N")
        ),
    ]


def requests_per_worker(history: pl.DataFrame | DrawnRun) -> Picture:
    """Draw the number of the load's requests that each worker answered."""
    run = DrawnRun.of(history)
    load = run.rows.filter(phase="load").select("label", "end")
    answered = load.filter(pl.col("end").is_not_null())
    counts = dict(answered.group_by("label").len().iter_rows())
    processes = dict(run.workers.select("label", "worker").iter_rows())
    bars = [
        {
            "row": label,
            "requests": counts.get(label, 0),
            "left": label if processes.get(label) is None else f"{label} ({processes[label]})",
            "right": number(counts.get(label, 0), "request"),
        }
        for label in [*processes, *({UNLABELLED} & set(counts))]
    ]
    said = f"{number(answered.height, 'answer')} from {number(len(processes), 'worker')}"
    silent = load.height - answered.height
    said += f"; {number(silent, 'request')} had none." if silent else "."
    return Picture(
        layout=_requests,
        variation=(len(processes),),
        tables={"bars": theme.csv(bars)},
        title="Requests per worker",
        said=[said],
        height=theme.ROW * max(1, len(bars)),
        around=5,
    )


def _requests(table: Source, workers: int) -> list[alt.Chart]:
    color, _ = theme.by_worker(workers, "row")
    bar = theme.bar(table("bars")).encode(
        x=alt.X("requests:Q", axis=None), y=theme.row(), color=color
    )
    return [bar, *theme.captions(table("bars"))]


def latency(history: pl.DataFrame | DrawnRun) -> Picture:
    """Draw the time to answer each operation."""
    took = (pl.col("end") - pl.col("start")) / 1e6
    percents = [took.quantile(percent / 100).round(2).alias(f"p{percent}") for percent in PERCENT]
    answered = DrawnRun.of(history).rows.filter(pl.col("end").is_not_null(), phase="load")
    table = answered.group_by("op").agg(*percents, answers=pl.len()).sort("op")
    bars = [
        {
            **row,
            "row": n,
            "left": row["op"],
            "right": "median {p50:,.1f}, 99 % in {p99:,.1f}, longest {p100:,.1f} ms".format(**row),
        }
        for n, row in enumerate(table.iter_rows(named=True))
    ]
    return Picture(
        layout=_latency,
        tables={"bars": theme.csv(bars)},
        title="Latency",
        said=["Line: from the fastest to the longest. Bar: the middle half. Tick: the median."],
        height=theme.ROW * max(1, len(bars)),
    )


def _latency(table: Source) -> list[alt.Chart]:
    axis = alt.Axis(tickCount=6)
    x = alt.X("p0:Q", title="milliseconds", scale=alt.Scale(zero=True), axis=axis)
    middle, y = alt.X("p25:Q"), theme.row()
    bars = table("bars")
    tips = [
        alt.Tooltip("op:N", title="operation"),
        alt.Tooltip("answers:Q", format=","),
        *(alt.Tooltip(f"p{percent}:Q", title=f"{percent} % in, ms") for percent in PERCENT),
    ]
    return [
        alt.Chart(bars).mark_rule(yOffset=8).encode(x=x, x2=alt.X2("p100:Q"), y=y),
        theme.bar(bars, opacity=0.4).encode(x=middle, x2=alt.X2("p75:Q"), y=y, tooltip=tips),
        alt.Chart(bars)
        .mark_tick(thickness=3, height=17, opacity=1, yOffset=8)
        .encode(x=alt.X("p50:Q"), y=y),
        *theme.captions(bars),
    ]


def space_time(
    operations: Sequence[Operation],
    history: pl.DataFrame | DrawnRun | None = None,
    *,
    title: str = "",
) -> Picture:
    """A few requests in time, a lane each: who asked, who answered, what must have happened inside.

    With the history workers have the numbers that they have in the other charts, and time counts
    from the first request of the run.
    """
    run = DrawnRun.of(frame(operations) if history is None else history)
    first = dict(run.first.iter_rows())
    starts = [each.start - first[each.clock] for each in operations]
    ends = [None if each.end is None else each.end - first[each.clock] for each in operations]
    low, high = min(starts), max([*starts, *(end for end in ends if end is not None)])
    unit, ns = ("nanoseconds", 1.0) if high < 10_000 else ("milliseconds", 1e6)
    labels = list(map(run.label, operations))
    lanes = []
    for n, (each, start, end) in enumerate(zip(operations, starts, ends, strict=True)):
        over = end if end is not None else high + max(1, (high - low) // 20)
        # below the bar, and not beyond the edge
        middle = ((start + over) / 2 - low) / max(1, high - low)
        side, at = ("left", start) if middle < 0.4 else ("right", over)
        side, at = ("center", (start + over) / 2) if 0.4 <= middle <= 0.6 else (side, at)
        lanes.append(
            {
                "row": n,
                "start": start / ns,
                "end": over / ns,
                "label": labels[n],
                "solid": 1 if end is not None else 0.15,
                "what": f"{each.asked} → {each.result}",
                "who": _who(each, labels[n]),
                "inside": inside(each),
                "side": side,
                "at": at / ns,
            }
        )
    several = len({each.clock for each in operations}) > 1
    during = theme.bands(run.faults, low / 1e9, high / 1e9, 1e9 / ns)
    return Picture(
        layout=_lanes,
        variation=(run.workers.height, unit, len(during) > 1),
        tables={"lanes": theme.csv(lanes), "faults": during},
        title=title,
        said=["On several machines, whose times do not compare."] if several else [],
        height=theme.LANE * len(lanes),
    )


def _lanes(table: Source, workers: int, unit: str, shaded: bool) -> list[alt.Chart]:
    lanes = table("lanes")
    axis = alt.Axis(title=f"{unit} since the run began", tickCount=5)
    x = alt.X("start:Q", axis=axis, scale=alt.Scale(zero=False, nice=False))
    x2, y = alt.X2("end:Q"), theme.row()
    color, _ = theme.by_worker(workers)
    solid = alt.FillOpacity("solid:Q", scale=None)
    tips = [
        alt.Tooltip("what:N", title="asked"),
        alt.Tooltip("who:N", title="by"),
        alt.Tooltip("start:Q", format=",.3f"),
        alt.Tooltip("end:Q", format=",.3f"),
    ]
    whole = alt.ExprRef("width")
    text = alt.Chart(lanes).mark_text
    return [
        *(theme.shades(table("faults"), alt.X("since:Q", axis=axis), -6) if shaded else []),
        theme.bar(lanes, 11).encode(x=x, x2=x2, y=y, color=color, fillOpacity=solid, tooltip=tips),
        theme.bar(lanes, 11, filled=False).encode(x=x, x2=x2, y=y, color=color),
        text(x=0, dy=-25, align="left", limit=whole, style="strong").encode(
            y=y, text=alt.Text("what:N")
        ),
        text(x=0, dy=-9, align="left", limit=whole).encode(y=y, text=alt.Text("who:N")),
        text(dy=25, align=alt.ExprRef("datum.side")).encode(
            x=alt.X("at:Q"), y=y, text=alt.Text("inside:N")
        ),
    ]


def _who(operation: Operation, label: str) -> str:
    at = "" if label == UNLABELLED else f" at {label}"
    at += f" ({operation.worker})" if at and operation.worker is not None else ""
    at += f", thread {operation.thread}" if operation.thread is not None else ""
    return who(operation) + at


def matrix(cells: Sequence[Cell]) -> Picture:
    """The verdict of every variant under every server: a sign, a word and a figure."""
    squares = []
    for cell in cells:
        word, *said = words(cell)
        figure = ", ".join(said)
        squares.append(
            {
                "variant": cell.trial.variant,
                "server": str(cell.trial.server),
                "verdict": shown_as(cell),
                "sign": SIGN[shown_as(cell)],
                "word": word,
                "figure": figure if cell.as_expected else f"{figure}, not as expected",
            }
        )
    variants = tuple(dict.fromkeys(cell.trial.variant for cell in cells))
    servers = tuple(str(each) for each in dict.fromkeys(cell.trial.server for cell in cells))
    return Picture(
        layout=_squares,
        variation=(variants, servers),
        tables={"squares": theme.csv(squares)},
        height=54 * len(variants),
        width=136 * len(servers),
    )


def _squares(table: Source, variants: Sequence[str], servers: Sequence[str]) -> list[alt.Chart]:
    bold: dict[str, Any] = {"title": None, "labelFontWeight": 600, "labelFontSize": 13}
    x = alt.X(
        "server:N",
        sort=list(servers),
        axis=alt.Axis(orient="top", labelAngle=0, domain=False, **bold),
        scale=alt.Scale(paddingInner=0.04, paddingOuter=0),
    )
    y = alt.Y(
        "variant:N",
        sort=list(variants),
        # from the left, so that a wider font than here does not cut them off
        axis=alt.Axis(labelAlign="left", labelPadding=8 * max(map(len, variants)) + 8, **bold),
        scale=alt.Scale(paddingInner=0.1, paddingOuter=0),
    )

    def by_verdict(*colors: str) -> alt.Scale:
        return alt.Scale(domain=list(SIGN), range=list(colors))

    # fills are light or dark, so that grey print tells them apart, and the letters stand on them
    fill = alt.Fill("verdict:N", legend=None, scale=by_verdict("#BFE3D6", "#A83F00", "#DDDDDD"))
    ink = alt.Color("verdict:N", legend=None, scale=by_verdict("#00382B", "#FFFFFF", "#222222"))
    squares = table("squares")
    text = partial(alt.Chart(squares).mark_text, align="left")
    return [
        alt.Chart(squares).mark_rect(cornerRadius=5).encode(x=x, y=y, fill=fill),
        text(dx=-56, fontSize=16).encode(x=x, y=y, color=ink, text=alt.Text("sign:N")),
        text(dx=-38, dy=-8, style="strong").encode(x=x, y=y, color=ink, text=alt.Text("word:N")),
        text(dx=-38, dy=10).encode(x=x, y=y, color=ink, text=alt.Text("figure:N")),
    ]


def side_by_side(
    charts: Iterable[alt.LayerChart], titles: Iterable[Sequence[str]]
) -> alt.HConcatChart:
    """Values over time beside one another, the same heights meaning the same counts. A title has
    a first line and further ones."""
    named = [
        chart.properties(title=alt.TitleParams(title, subtitle=list(more)), width=360)
        for chart, (title, *more) in zip(charts, titles, strict=True)
    ]
    return alt.hconcat(*named, spacing=36).resolve_scale(y="shared", color="shared", shape="shared")


def pictures(cells: Sequence[Cell], folder: Path) -> list[Path]:
    """Writes the pictures of the README as SVG: one line against four fans, and the matrix.

    The same histories give the same files. Raises ValueError if redis_key or plain_global at 4×8
    is not among the cells.
    """
    at = {(cell.trial.variant, cell.trial.server): cell for cell in cells}
    try:
        pair = [at[variant, Server(4, 8)] for variant in ("redis_key", "plain_global")]
    except KeyError:
        raise ValueError("the pictures need redis_key and plain_global at 4×8") from None
    # without the creates, the first of which is where time begins otherwise
    loads = (read(cell.history).filter(pl.col("op") != CREATE.name) for cell in pair)
    values = (value_over_time(load, limit=400).chart() for load in loads)
    titles = ((cell.name, ": ".join(figures(cell.verdict))) for cell in pair)
    drawn = {"matrix": matrix(cells).chart(), "one-line-four-fans": side_by_side(values, titles)}
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{name}.svg" for name in drawn]
    for path, chart in zip(paths, drawn.values(), strict=True):
        chart.save(path)
    return paths
