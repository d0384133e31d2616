"""Tests of how faults are shown: a band in each picture with time, a fall, a story."""

import json
import re

import polars as pl
import pytest
import vl_convert

from loadtest import history
from loadtest.checker import judge
from loadtest.history import Operation
from loadtest.report.fault_events import LONGEST, consequence, events
from loadtest.report.pictures import charts
from loadtest.report.pictures.tables import DrawnRun

S = 1_000_000_000


def told(value, at, boot, op="increment", phase="load", outcome="ok"):
    """An operation that is answered at this second, by this boot; None: never."""
    return Operation(
        client=int(at * 1000),
        op=op,
        outcome=outcome,
        value=value,
        start=round((at - 0.01) * S),
        end=round(at * S),
        worker={"b1": 4242, "b2": 4243, "b3": 4300}[boot] if boot else None,
        boot=boot,
        phase=phase,
    )


#   boot b1   1  2  3  gone
#             1.0         |== kill-worker ==|
#   boot b2                                   1  2
OPERATIONS = [
    *(told(n, 1 + n / 10, "b1") for n in (1, 2, 3)),
    told(None, 1.4, None, outcome="unknown"),
    *(told(n, 2 + n / 10, "b2") for n in (1, 2)),
    told(2, 3.0, "b2", op="read", phase="audit"),
]
TIMES = {"start": round(1.35 * S), "end": round(1.9 * S)}
KILLED = {"fault": "kill-worker", **TIMES, "what": "worker 4242"}


def recorded(folder, *faults, operations=OPERATIONS):
    path = folder / "locked_global-1x8.jsonl"
    history.write(path, operations)
    lines = "".join(json.dumps(fault) + "\n" for fault in faults)
    (folder / "locked_global-1x8.faults.jsonl").write_text(lines)
    return path


def table(picture, name):
    return pl.read_csv(picture.tables[name].encode())


def test_forgotten_is_not_lost():
    """Forgotten increments are gone, and not lost."""
    verdict = judge(history.frame(OPERATIONS), workers=1)
    assert (verdict.lost, verdict.forgotten) == (0, 3)
    picture = charts.lost_over_time(history.frame(OPERATIONS), verdict)
    assert table(picture, "last")["text"].item() == "3 of 5 gone"


def test_the_story_is_told_in_order(tmp_path):
    assert events(DrawnRun.read(recorded(tmp_path, KILLED))) == [
        "0.21 s: worker 4242, boot b1 answers for the last time, with 3 acknowledged increments.",
        "0.21 s: for 0.80 s nobody is answered.",
        "0.26 s: fault kill-worker, worker 4242; undone at 0.81 s.",
        "0.30 s: 1 request, the first of them sent now, may or may not have happened.",
        "1.01 s: worker 4243, boot b2 answers 1, its first answer.",
    ]


def test_no_fault_no_story(tmp_path):
    """A run without a fault has no story and no band."""
    history.write(tmp_path / "other.jsonl", OPERATIONS)
    for path in (recorded(tmp_path), tmp_path / "other.jsonl"):
        seen = DrawnRun.read(path)
        assert events(seen) == []
        assert charts.value_over_time(seen).tables["faults"].strip() == ""


def test_band_in_every_time_picture(tmp_path):
    """The band is in every picture with time, and is named."""
    seen = DrawnRun.read(recorded(tmp_path, KILLED))
    verdict = judge(seen.history)
    witness = charts.space_time([OPERATIONS[0], OPERATIONS[4]], seen)
    for picture, unit in (
        (charts.value_over_time(seen, verdict), 1),
        (charts.lost_over_time(seen, verdict), 1),
        (witness, 1000),
    ):
        (band,) = table(picture, "faults").rows(named=True)
        assert (band["name"], band["what"]) == ("kill-worker", "worker 4242")
        assert band["since"] == pytest.approx(0.26 * unit)
        assert band["till"] == pytest.approx(0.81 * unit)
        svg = vl_convert.vegalite_to_svg(picture.chart().to_dict())
        assert ">kill-worker<" in svg


def test_figure_below_the_fault_name(tmp_path):
    """The last figure stands below the name of a fault at the end."""
    counted = [told(n, 1 + n / 50, "b1") for n in range(1, 50)]
    lost = [told(1, 1 + n / 50, "b1") for n in range(1, 50)]
    at_the_end = KILLED | {"start": round(1.85 * S), "end": round(1.95 * S)}
    for draw, operations, figure in (
        (charts.value_over_time, counted, "49 acknowledged"),
        (charts.lost_over_time, lost, "48 of 49 lost"),
    ):
        seen = DrawnRun.read(recorded(tmp_path, at_the_end, operations=operations))
        svg = vl_convert.vegalite_to_svg(draw(seen).chart().to_dict())
        texts = re.findall(r"<text[^>]*translate\([^,]*,([^)]*)\)[^>]*>([^<]*)<", svg)
        height = {text: float(y) for y, text in texts}
        assert height[figure] - height["kill-worker"] > 12, draw


def test_far_witness_has_no_band(tmp_path):
    """Evidence far from a fault shows no band."""
    seen = DrawnRun.read(recorded(tmp_path, KILLED))
    picture = charts.space_time(OPERATIONS[:2], seen)
    assert picture.tables["faults"].strip() == ""


def test_value_falls_with_the_worker(tmp_path):
    """The value falls where a new worker starts again."""
    picture = charts.value_over_time(DrawnRun.read(recorded(tmp_path, KILLED)))
    falls = table(picture, "falls").rows(named=True)
    assert [(point["value"], round(point["at"], 2)) for point in falls] == [(3, 0.21), (1, 1.01)]
    assert picture.said[-1].startswith("Falling: ")


def test_outliving_state_does_not_fall(tmp_path):
    """A state that outlives its worker does not fall."""
    kept = [*OPERATIONS[:4], *(told(3 + n, 2 + n / 10, "b2") for n in (1, 2))]
    picture = charts.value_over_time(DrawnRun.read(recorded(tmp_path, KILLED, operations=kept)))
    assert picture.tables["falls"].strip() == ""
    assert not any(line.startswith("Falling") for line in picture.said)


def test_a_worker_that_lives_on_is_not_called_gone(tmp_path):
    """b3 answers nothing for a while, and is seen again by the audit."""
    more = [told(1, 1.05, "b3"), told(1, 3.1, "b3", op="read", phase="audit")]
    seen = DrawnRun.read(recorded(tmp_path, KILLED, operations=[*OPERATIONS, *more]))
    assert [(new.boot, gone.boot) for new, gone in seen.replaced] == [("b2", "b1")]


def test_unfinished_fault_lasts(tmp_path):
    """A fault that was not undone lasts to the end."""
    seen = DrawnRun.read(recorded(tmp_path, KILLED | {"end": None}))
    assert seen.faults["till"].item() == seen.rows["at"].max()


def test_a_long_story_is_cut_short_and_says_so(tmp_path):
    faults = [KILLED | {"start": 1_100_000_000 + n, "end": 1_100_000_000 + n} for n in range(30)]
    lines = events(DrawnRun.read(recorded(tmp_path, *faults)))
    assert len(lines) == LONGEST + 1
    assert lines[-1] == "And 22 events more."


def test_lost_steps_with_the_worker(tmp_path):
    """The curve of the loss steps where a worker ended, and never falls."""
    run = DrawnRun.read(recorded(tmp_path, KILLED))
    lost = table(charts.lost_over_time(run, judge(run.history, workers=1)), "lost")
    assert lost["lost"].to_list() == [0, 3, 3, 3]
    assert lost["at"].round(2).to_list()[1] == 1.01
    late = [told(n, 1 + k / 10, "b1") for k, n in enumerate((1, 3, 2, 4, 6, 5, 7))]
    history.write(tmp_path / "late.jsonl", late)
    lost = table(charts.lost_over_time(DrawnRun.read(tmp_path / "late.jsonl")), "lost")
    assert {*lost["lost"]} == {0}


def test_consequence_of_a_fault(tmp_path):
    """A fault's line says what was forgotten, and says nothing before anybody was answered."""

    def line(*operations, **fault):
        return consequence(DrawnRun.read(recorded(tmp_path, KILLED | fault, operations=operations)))

    assert line(*OPERATIONS) == "kill worker: worker 4242; its 3 increments are forgotten"
    kept = [*OPERATIONS[:4], *(told(3 + n, 2 + n / 10, "b2") for n in (1, 2))]
    assert line(*kept) == "kill worker: worker 4242; nothing is forgotten"
    early = [*OPERATIONS[:3], told(4, 1.5, "b1")]
    assert line(*early) == "kill worker: worker 4242; nobody has been answered yet"
    store = {"fault": "kill-store", "what": "Redis 7"}
    again = [*OPERATIONS[:3], *(told(n, 2 + n / 10, "b1") for n in (1, 2))]
    assert line(*again, **store) == "kill store: Redis 7; the count went from 3 back to 1"
    goes_on = [*OPERATIONS[:3], *(told(3 + n, 2 + n / 10, "b1") for n in (1, 2))]
    assert line(*goes_on, **store) == "kill store: Redis 7; nothing is forgotten"
    assert consequence(DrawnRun(history.frame(OPERATIONS))) == ""
