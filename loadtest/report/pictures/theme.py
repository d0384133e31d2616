"""The look of pictures: colors, shapes, axes, and the type of a picture.

They can be read on white and on black, in grey print (each worker has a shape besides its color)
and by color-blind people (colors after Okabe & Ito 2008).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt
import polars as pl

from loadtest.report.pictures.tables import UNLABELLED

COLORS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9")
SHAPES = ("circle", "square", "triangle-up", "diamond", "triangle-down", "cross")
LOSS = "#D55E00"
TEXT, LINE = "#767d86", "#8b93a055"  # grey that reads as well on white as on black
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Liberation Sans', Arial, sans-serif"

CSV = alt.CsvDataFormat(type="csv")
Source = Callable[[str], alt.Data]


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A picture: its tables, and the layout that draws them.

    layout     draws the layers, given where each table comes from; `variation` is what else it
               needs, so pictures of one layout and one variation differ in their tables only
    tables     the rows to draw, by name, as CSV: half the size of JSON
    title      and, in `said`, the lines below it
    width      and height, in pixels, of the drawing; axes and keys need about `around` more
    """

    layout: Callable[..., list[alt.Chart]]
    variation: tuple[Any, ...] = ()
    tables: Mapping[str, str]
    title: str = ""
    said: Sequence[str] = ()
    width: int = 560
    height: int
    around: int = 45

    def _repr_mimebundle_(self, *args: Any, **named: Any) -> Any:
        return self.chart()._repr_mimebundle_(*args, **named)

    def chart(self) -> alt.LayerChart:
        """The picture with its tables inside."""
        title = alt.TitleParams(self.title, subtitle=list(self.said)) if self.title else ""
        return self.draw(lambda name: alt.InlineData(self.tables[name], format=CSV), title=title)

    def spec(self) -> dict[str, Any]:
        """The layout as Vega-Lite that wants its tables by name and is as wide as its place."""
        chart = self.draw(
            lambda name: alt.NamedData(name, format=CSV),
            width="container",
            autosize=alt.AutoSizeParams(type="fit-x", contains="padding"),
        )
        spec: dict[str, Any] = chart.to_dict(validate=False)
        return {key: value for key, value in spec.items() if key not in ("$schema", "config")}

    def draw(self, table: Source, **about: Any) -> alt.LayerChart:
        """The picture with its tables from elsewhere."""
        layers = self.layout(table, *self.variation)
        # altair copies a chart at every further call on it, so all is said in one
        chart = alt.layer(*layers, **{"width": self.width, "height": self.height} | about)
        assert isinstance(chart, alt.LayerChart)
        return chart


def config(text: str = TEXT, line: str = LINE) -> dict[str, Any]:
    """The look that all charts share, in the given colors."""
    small = {"labelColor": text, "titleColor": text, "labelFontSize": 12, "titleFontSize": 12}
    return {
        "font": FONT,
        "background": "transparent",
        "aria": False,
        "view": {"stroke": None},
        "title": {
            "anchor": "start",
            "frame": "group",
            "offset": 14,
            "color": text,
            "fontSize": 15,
            "subtitleColor": text,
            "subtitleFontSize": 12,
            "subtitlePadding": 5,
        },
        "axis": {
            **small,
            "titleFontWeight": "normal",
            "titlePadding": 8,
            "labelPadding": 6,
            "domain": False,
            "ticks": False,
            "gridColor": line,
        },
        "axisX": {"grid": False, "domain": True, "domainColor": line},
        "legend": {
            **small,
            "orient": "top",
            "title": None,
            "symbolSize": 90,
            "symbolOpacity": 1,
            "offset": 8,
            "columnPadding": 14,
        },
        "line": {"color": text, "strokeWidth": 1.5},
        "rule": {"color": text},
        "bar": {"color": text},
        "tick": {"color": text},
        "text": {"color": text, "fontSize": 12},
        "style": {"strong": {"fontSize": 13, "fontWeight": 600}},
    }


@alt.theme.register("loadtest", enable=True)
def theme() -> alt.theme.ThemeConfig:
    return {"config": config()}  # type: ignore[typeddict-item]


def by_worker(
    workers: int, field: str = "label", *, legend: bool = False
) -> tuple[alt.Color, alt.Shape]:
    """A color and a shape for each worker; the two repeat at different distances."""
    labels = [f"worker {n + 1}" for n in range(workers)]
    colors = [COLORS[n % len(COLORS)] for n in range(workers)]
    shapes = [SHAPES[n % len(SHAPES)] for n in range(workers)]
    key = None
    if legend and 1 < workers <= 16:
        key = alt.Legend(
            values=labels, columns=alt.ExprRef("width ? max(1, floor(width / 90)) : 8")
        )
    domain = [*labels, UNLABELLED]
    by_colour = alt.Scale(domain=domain, range=[*colors, TEXT])
    by_shape = alt.Scale(domain=domain, range=[*shapes, "circle"])
    return (
        alt.Color(f"{field}:N", scale=by_colour, legend=key),
        alt.Shape(f"{field}:N", scale=by_shape, legend=key),
    )


def seconds(field: str = "at") -> alt.X:
    scale = alt.Scale(zero=False, nice=False, padding=8)
    return alt.X(f"{field}:Q", title="seconds", scale=scale, axis=alt.Axis(tickCount=6))


def span(table: alt.Data) -> alt.Chart:
    """Draw nothing, from the beginning to the end: charts with one span share their time axis."""
    return alt.Chart(table).mark_point(opacity=0).encode(x=seconds())


def bands(faults: pl.DataFrame, low: float, high: float, unit: float = 1) -> str:
    """The table of the faults between two seconds, in so many units a second; a name stands where
    it has the room."""
    rows: list[dict[str, Any]] = []
    free = low
    for fault, what, since, till in faults.iter_rows():
        if since > high or till < low:
            continue
        since, till = max(since, low), min(till, high)
        named = since >= free
        free = since + (high - low) / 4 if named else free
        rows.append({"name": fault if named else "", "fault": fault, "what": what})
        rows[-1] |= {"since": since * unit, "till": till * unit}
    return csv(rows)


def shades(table: alt.Data, since: alt.X, y: int = 8) -> list[alt.Chart]:
    """Behind everything: when a fault was done, from its beginning until it was undone."""
    band = alt.Chart(table)
    tips = [alt.Tooltip(f"{name}:N") for name in ("fault", "what", "since", "till")]
    return [
        band.mark_rect(color=TEXT, opacity=0.18).encode(x=since, x2="till:Q", tooltip=tips),
        band.mark_rule(color=TEXT).encode(x=since, tooltip=tips),
        band.mark_text(align="left", dx=4, y=y, style="strong").encode(
            x=since, text=alt.Text("name:N")
        ),
    ]


def counts(field: str, title: str) -> alt.Y:
    scale = alt.Scale(domain=alt.DomainUnionWith(unionWith=[0, 10]))
    # as wide in each chart, so that charts one below the other begin at one place
    axis = alt.Axis(tickCount=5, tickMinStep=1, format=",d", minExtent=42)
    return alt.Y(f"{field}:Q", title=title, scale=scale, axis=axis)


def headroom(data: alt.Data, field: str, title: str) -> alt.Chart:
    """Nothing, and above all the rest: the last figure stays below the names of faults. It alone
    says how far the axis goes."""
    above = alt.Chart(data).transform_calculate(above=f"datum.{field} * 1.2")
    highest = above.transform_aggregate(above="max(above)")
    return highest.mark_point(opacity=0).encode(y=counts("above", title))


ROW, LANE = 38, 80


def row() -> alt.Y:
    """One below the other, in the order of the table."""
    return alt.Y("row:N", sort=None, axis=None, scale=alt.Scale(padding=0))


def bar(data: alt.Data, height: int = 9, **look: Any) -> alt.Chart:
    return alt.Chart(data).mark_bar(height=height, cornerRadius=2, yOffset=8, **look)


def captions(data: alt.Data) -> list[alt.Chart]:
    """Above each bar, on the left what it is and on the right its figure."""
    text = alt.Chart(data).mark_text
    return [
        text(align="left", x=0, dy=-8).encode(y=row(), text=alt.Text("left:N")),
        text(align="right", x="width", dy=-8).encode(y=row(), text=alt.Text("right:N")),
    ]


def csv(rows: Sequence[dict[str, Any]]) -> str:
    return pl.DataFrame(rows).write_csv()
