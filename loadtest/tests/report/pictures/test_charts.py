from dataclasses import replace
from itertools import combinations

import altair as alt
import polars as pl
import pytest
import vl_convert

from loadtest import history
from loadtest.bench.generator import generate
from loadtest.cell import Cell
from loadtest.checker import judge
from loadtest.expected import expectation
from loadtest.history import Operation
from loadtest.report.pictures import charts, tables, theme
from loadtest.trial import Server, Trial


def told(client, value, start, end, worker=1, thread=1, op="increment", **more):
    boot = None if worker is None else f"b{worker}"
    return Operation(
        client=client,
        op=op,
        value=value,
        start=start,
        end=end,
        worker=worker,
        thread=thread,
        boot=boot,
        **more,
    )


#   client 1   |-- increment → 1 --|                                  worker 1 loses an update
#   client 2      |-- increment → 1 --|
#   client 3         |-- increment → 1 --|                            worker 2 counts for itself
#   client 3                                |-- increment → 2 --|
#   audit                                          |- read → 1 -| |- read → 2 -|   of each worker
TWO_FAULTS = [
    told(1, 1, 10, 20),
    told(2, 1, 12, 22, thread=2),
    told(3, 1, 14, 24, worker=2),
    told(3, 2, 30, 40, worker=2),
    told(4, 1, 50, 51, op="read", phase="audit"),
    told(5, 2, 52, 53, op="read", phase="audit", worker=2),
]


def table(picture, name):
    return pl.read_csv(picture.tables[name].encode())


def lost(of, *operations, before=None):
    run = tables.DrawnRun(history.frame(operations))
    return tables.unaccounted(run, of, before)["lost"].to_list()


def test_answers_out_of_order_are_no_loss():
    assert lost("none", told(1, 2, 1, 5), told(2, 1, 2, 6), told(3, 3, 3, 7)) == [0, 0, 0]


def test_copies_compared_with_their_own():
    """Each copy is compared with the increments acknowledged there."""
    operations = TWO_FAULTS[:4]
    assert lost("worker", *operations) == [0, 1, 1, 1]
    assert lost("none", *operations) == [0, 1, 2, 2]
    assert lost("thread", *operations) == [0, 0, 0, 0]
    assert lost("request", *operations) == [1, 2, 3, 4]


def test_earlier_increments_count():
    """Increments acknowledged before the history begins count."""
    schema = {name: history.SCHEMA[name] for name in tables.WORKER} | {"acknowledged": pl.Int64()}
    before = pl.DataFrame([[None, "b1", 1, 10], [None, "b2", 2, 5]], schema=schema, orient="row")
    operations = told(1, 11, 1, 2), told(2, 6, 3, 4, worker=2), told(3, 11, 5, 6)
    assert lost("worker", *operations, before=before) == [0, 0, 1]
    assert lost("none", *operations, before=before) == [5, 6, 7]
    picture = charts.value_over_time(history.frame(operations), before=before)
    assert table(picture, "acknowledged")["value"].to_list() == [16, 17, 18]


def test_last_point_is_the_audit():
    """The last point of the loss is the result of the final reads."""
    # by one thread a worker, so that no thread can have a copy of its own
    frame = history.frame(replace(each, thread=1) for each in TWO_FAULTS)
    for verdict in (judge(frame), None):
        picture = charts.lost_over_time(frame, verdict)
        assert table(picture, "lost")["lost"].to_list()[-1] == 1
        assert table(picture, "last")["text"].item() == "1 of 4 lost"
        assert "worker by worker" in picture.said[0]


def test_loss_before_the_audit():
    """The picture of the loss says if there was no audit yet."""
    picture = charts.lost_over_time(history.frame(TWO_FAULTS[:4]))
    assert "No final read has settled it" in picture.said[-1]
    assert table(picture, "last")["text"].item() == "1 of 4 lost"
    picture = charts.lost_over_time(history.frame(TWO_FAULTS[:4]), of="none")
    assert table(picture, "last")["text"].item() == "2 of 4 lost"


def test_every_answer_and_witness():
    """The value over time has every answer, its worker, and rings around the evidence."""
    frame = history.frame(TWO_FAULTS)
    picture = charts.value_over_time(frame, judge(frame))
    dots = table(picture, "answers")
    assert dots["value"].to_list() == [1, 1, 1, 2]
    assert dots["label"].to_list() == ["worker 1", "worker 1", "worker 2", "worker 2"]
    assert table(picture, "acknowledged")["value"].to_list() == [1, 2, 3, 4]
    assert table(picture, "ringed").height >= 2
    assert picture.said[0] == "A dot is the answer to an increment."


def test_thinning_keeps_the_evidence():
    """Thinning keeps all evidence and every worker, and says so."""
    frame = generate(20_000, by="worker")
    few = history.frame(
        [told(90 + n, n + 1, 5_000_000_000 + n, 5_000_000_100 + n, worker=77) for n in range(150)]
    )
    frame = pl.concat([frame, few])
    verdict = judge(frame)
    witnesses = {
        (each.client, each.start)
        for anomaly in verdict.anomalies
        for each in anomaly.witness
        if each.op == "increment" and each.outcome == "ok"
    }
    assert witnesses
    seen = tables.DrawnRun(frame)
    kept = [each for anomaly in verdict.anomalies for each in anomaly.witness]
    thin = tables.thin(seen.increments, 100, keep=kept)
    assert witnesses <= set(thin.select("client", "start").iter_rows())
    assert set(thin["label"]) == set(seen.increments["label"])
    assert 100 <= thin.height <= 100 + len(witnesses)
    assert thin.equals(tables.thin(seen.increments, 100, keep=kept))
    assert thin["end"].is_sorted()
    picture = charts.value_over_time(seen, verdict, limit=100)
    shown = f"{thin.height:,} of {seen.increments.height:,} are shown; every witness is."
    assert picture.said[0].endswith(shown)


def test_a_chart_of_any_history_is_small():
    frame = generate(200_000, by="worker")
    seen, verdict = tables.DrawnRun(frame), judge(frame)
    assert sum(map(len, charts.value_over_time(seen, verdict).tables.values())) < 150_000
    assert sum(map(len, charts.lost_over_time(seen, verdict).tables.values())) < 20_000


def test_worker_numbers_are_stable():
    """Workers are numbered as they appear, alike in all pictures."""
    frame = history.frame([told(1, 1, 30, 40, worker=9), told(2, 1, 10, 20, worker=70)])
    names = tables.DrawnRun(frame).workers.select("label", "worker").rows()
    assert names == [("worker 1", 70), ("worker 2", 9)]
    picture = charts.space_time(history.operations(frame), frame)
    assert table(picture, "lanes")["label"].to_list() == ["worker 2", "worker 1"]
    assert table(charts.requests_per_worker(frame), "bars")["left"].to_list() == [
        "worker 1 (70)",
        "worker 2 (9)",
    ]


def test_space_time_labels():
    """The space-time picture names client, request and effect."""
    lanes = table(charts.space_time(TWO_FAULTS[:2]), "lanes").rows(named=True)
    assert [lane["what"] for lane in lanes] == ["increment → 1", "increment → 1"]
    assert lanes[1]["who"] == "client 2 at worker 1 (1), thread 2"
    assert [lane["inside"] for lane in lanes] == ["somewhere inside: from 0 to 1"] * 2


def test_effect_follows_from_answer():
    """The effect of a write follows from its answer."""
    assert tables.inside(told(1, 17, 1, 2)) == "somewhere inside: from 16 to 17"
    append = told(1, 2, 1, 2, op="append", item="a")
    assert tables.inside(append) == "somewhere inside: after 1 item, as number 2"
    assert tables.inside(told(1, 17, 1, 2, op="read")) == ""
    assert tables.inside(told(1, None, 1, None, outcome="unknown")) == ""


def test_effect_is_inside_the_bar():
    """The effect is written inside the bar, wherever the bar is."""
    #   |---|              at the left edge
    #              |---|   at the right edge
    #   |--------------|   from one to the other
    ends = [told(1, 1, 0, 10), told(2, 2, 90, 100), told(3, 3, 0, 100)]
    lanes = table(charts.space_time(ends), "lanes").rows(named=True)
    assert [(lane["side"], lane["at"]) for lane in lanes] == [
        *(("left", 0), ("right", 100), ("center", 50)),
    ]


def test_an_unanswered_request_has_no_end():
    unanswered = told(1, None, 5_000_000, None, worker=None, thread=None, outcome="unknown")
    picture = charts.space_time([unanswered, told(2, 1, 0, 9_000_000)])
    first, second = table(picture, "lanes").rows(named=True)
    assert first["end"] > second["end"]
    assert (first["solid"], second["solid"]) == (0.15, 1)
    assert (first["label"], first["who"]) == ("no label", "client 1")


def test_unlabelled_answers_are_drawn():
    """Answers without a label are counted, too."""
    frame = history.frame([told(1, 1, 10, 20), told(2, 2, 30, 40, worker=None)])
    picture = charts.requests_per_worker(frame)
    assert table(picture, "bars")["left"].to_list() == ["worker 1 (1)", "no label"]
    assert picture.said == ["2 answers from 1 worker."]


def test_latency_is_of_the_load_alone():
    frame = history.frame([told(1, 1, 0, 4_000_000), *TWO_FAULTS[4:]])
    (bar,) = table(charts.latency(frame), "bars").rows(named=True)
    assert (bar["op"], bar["p50"], bar["answers"]) == ("increment", 4, 1)


def test_latency_reaches_the_longest_answer():
    frame = history.frame(
        [told(n, n + 1, 0, 1_000_000 * (1 if n else 900), worker=None) for n in range(100)]
    )
    picture = charts.latency(frame)
    (bar,) = table(picture, "bars").rows(named=True)
    assert bar["p100"] == 900
    assert bar["right"] == "median 1.0, 99 % in 1.0, longest 900.0 ms"
    line = picture.spec()["layer"][0]["encoding"]
    assert (line["x"]["field"], line["x2"]["field"]) == ("p0", "p100")


def test_a_notebook_shows_a_picture_as_it_is():
    formatters = pytest.importorskip("IPython.core.formatters", reason="IPython is not installed")
    picture = charts.value_over_time(history.frame(TWO_FAULTS))
    with alt.renderers.enable("png"):
        shown, _ = formatters.DisplayFormatter().format(picture)
    assert shown["image/png"].startswith(b"\x89PNG")


def many_workers():
    return [told(n, 1, n, n + 9, worker=n) for n in range(1, 65)]


@pytest.mark.parametrize(
    "operations",
    [
        TWO_FAULTS,
        [],
        [told(1, 1, 10, 20, worker=None, thread=None)],
        [told(1, 0, 10, 20, op="read")],
        [told(1, None, 10, None, worker=None, outcome="unknown")],
        many_workers(),
    ],
    ids=["two faults", "empty", "unlabelled", "no increment", "nothing answered", "64 workers"],
)
def test_every_history_has_its_charts(operations):
    frame = history.frame(operations)
    verdict = judge(frame)
    drawn = [
        charts.value_over_time(frame, verdict),
        charts.lost_over_time(frame, verdict),
        charts.requests_per_worker(frame),
        charts.latency(frame),
        *([charts.space_time(operations[:3], frame)] if operations else []),
    ]
    for picture in drawn:
        assert "<svg" in vl_convert.vegalite_to_svg(picture.chart().to_dict())


def cell(variant, server, path):
    trial = Trial(variant, server)
    frame = history.read(path)
    return Cell(
        trial,
        expectation(trial),
        judge(frame, workers=server.workers, threads=server.threads),
        path,
        1.5,
    )


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    cells = []
    for variant, by in (("redis_key", None), ("plain_global", "worker")):
        path = folder / f"{variant}-4x8.jsonl"
        generate(3_000, by=by).write_ndjson(path)
        cells.append(cell(variant, Server(4, 8), path))
    return cells


def test_matrix_has_sign_word_figure(pair):
    """The matrix has a sign, a word and a figure for each cell."""
    squares = table(charts.matrix(pair), "squares").rows(named=True)
    assert [square["sign"] for square in squares] == ["✓", "✗"]
    assert squares[1]["word"] == "4 counters"
    assert squares[1]["figure"].endswith("not as expected")  # nothing was lost, and it should be


def test_readme_pictures_are_stable(pair, tmp_path):
    """The pictures of the README are small and always the same."""
    once = charts.pictures(pair, tmp_path / "a")
    again = charts.pictures(pair, tmp_path / "b")
    assert [path.name for path in once] == ["matrix.svg", "one-line-four-fans.svg"]
    for one, other in zip(once, again, strict=True):
        text = one.read_text()
        assert len(text) < 200_000
        assert text == other.read_text()
        assert 'fill="white"' not in text  # no paper of its own: the page's shows through
    with pytest.raises(ValueError, match="need redis_key and plain_global"):
        charts.pictures(pair[:1], tmp_path)


# how the three kinds of color-blind people see (Machado et al. 2009), and a grey printer
EYES = {
    "normal": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "protan": [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
    "deutan": [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
    "tritan": [[1.256, -0.077, -0.179], [-0.078, 0.931, 0.148], [0.005, 0.691, 0.304]],
}


def linear(color):
    parts = [int(color[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    return [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]


def lab(rgb):
    def root(t):
        return t ** (1 / 3) if t > 0.008856 else 7.787 * t + 16 / 116

    white = [[0.4339, 0.3762, 0.1899], [0.2126, 0.7152, 0.0722], [0.0177, 0.1095, 0.8730]]
    x, y, z = (root(sum(a * b for a, b in zip(row, rgb, strict=True))) for row in white)
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


@pytest.mark.parametrize("eye", EYES)
def test_colors_for_color_blind_people(eye):
    """Color-blind people can distinguish the colors."""
    seen = {}
    for color in (*theme.COLORS, theme.LOSS):
        rgb = linear(color)
        seen[color] = lab(
            [min(1, max(0, sum(a * b for a, b in zip(row, rgb, strict=True)))) for row in EYES[eye]]
        )
    for one, other in combinations(seen, 2):
        apart = sum((a - b) ** 2 for a, b in zip(seen[one], seen[other], strict=True)) ** 0.5
        assert apart > 15, f"{one} and {other} look alike"


def test_thirty_workers_differ():
    """No two of thirty workers share color and shape."""
    color, shape = theme.by_worker(30)
    pairs = zip(color.to_dict()["scale"]["range"], shape.to_dict()["scale"]["range"], strict=True)
    assert len(set(pairs)) == 31  # and what has no label


@pytest.mark.parametrize("paper", ["#ffffff", "#0d1117"])
def test_letters_are_readable(paper):
    """Letters can be read on white and on black."""

    def light(color):
        return sum(a * b for a, b in zip((0.2126, 0.7152, 0.0722), linear(color), strict=True))

    dark, bright = sorted(light(color) for color in (theme.TEXT, paper))
    assert (bright + 0.05) / (dark + 0.05) > 4
