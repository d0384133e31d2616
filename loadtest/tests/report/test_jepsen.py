"""The export for Jepsen's tools: well-formed, and saying the same."""

import json
import re

import pytest
from hypothesis import given, settings

from loadtest import history as h
from loadtest.bench import generator
from loadtest.checker.run import Run
from loadtest.report import jepsen
from loadtest.report.jepsen import Key
from loadtest.tests import brute_force
from loadtest.tests.histories import histories
from loadtest.tests.timelines import drawn

HISTORY = """
    A  |-- increment → 2 --|  |-- read → 2 --|
    B     |-- increment ----->
    C     |-- append x → 1 --|         |-- items → [x] --|
    D  |-- increment → fail --|
    """


def events(history, model):
    return list(jepsen.events(h.frame(history), model))


def one_clock(history):
    return [h.Operation(**{n: getattr(o, n) for n in h.SCHEMA} | {"clock": None}) for o in history]


@settings(max_examples=100, deadline=None)
@given(histories)
@pytest.mark.parametrize("model", jepsen.MODELS)
def test_events_are_well_formed(model, history):
    if model == "cas-register" and brute_force.blind(history):
        return
    written = events(one_clock(history), model)
    assert [event["index"] for event in written] == list(range(len(written)))
    times = [event["time"] for event in written]
    assert times == sorted(times)
    assert not times or times[0] == 0
    open_, crashed = {}, set()
    for event in written:
        process = event["process"]
        assert process not in crashed
        if event["type"] == "invoke":
            assert process not in open_, "a process does one thing at a time"
            open_[process] = event["f"]
        else:
            assert open_.pop(process) == event["f"]
            if event["type"] == "info":
                crashed.add(process)
    assert open_ == {}


@settings(max_examples=150, deadline=None)
@given(histories)
def test_the_register_that_knossos_sees_is_linearizable_when_the_counter_is(history):
    """Played through every order, as Knossos would, with the order of events as the only time."""
    counter = [o for o in one_clock(history) if o.op in ("increment", "read")]
    if brute_force.blind(counter):
        with pytest.raises(jepsen.NoCounts, match="only --model counter"):
            list(events(counter, "cas-register"))
        return
    assert linearizable(events(counter, "cas-register")) == brute_force.explained(counter)


def linearizable(written):
    """A register that is written, compared-and-set and read, by brute force over the events."""
    invoked, operations = {}, []
    for event in written:
        if event["type"] == "invoke":
            invoked[event["process"]] = event
            continue
        start = invoked.pop(event["process"])["index"]
        if event["type"] == "ok" or (event["type"] == "info" and event["f"] != "read"):
            end = event["index"] if event["type"] == "ok" else None
            operations.append((start, end, event["f"], event["value"]))
    answered = {n for n, (_, end, _, _) in enumerate(operations) if end is not None}

    def go_on(done, register):
        if answered <= done:
            return True
        for n, (start, _, f, value) in enumerate(operations):
            waits = any(
                m not in done and end is not None and end < start
                for m, (_, end, _, _) in enumerate(operations)
            )
            if n in done or waits:
                continue
            if f == "write" and go_on(done | {n}, value):
                return True
            if f == "read" and register == value and go_on(done | {n}, register):
                return True
            if f == "cas" and register == value[0] and go_on(done | {n}, value[1]):
                return True
        return False

    return go_on(frozenset(), None)


def test_compare_and_set_export():
    """An increment is a compare-and-set; an unknown one takes the number left."""
    said = [
        (e["process"], e["type"], e["f"], e["value"])
        for e in events(drawn(HISTORY), "cas-register")
    ]
    assert said == [
        (2, "invoke", "write", 0),
        (2, "ok", "write", 0),
        (0, "invoke", "cas", [1, 2]),
        (1, "invoke", "cas", [0, 1]),
        (0, "ok", "cas", [1, 2]),
        (0, "invoke", "read", None),
        (1, "info", "cas", [0, 1]),  # when everything is over
        (0, "ok", "read", 2),
    ]


def test_counter_and_list_exports():
    """The counter and the list can be exported for Jepsen and Elle."""
    said = [(e["type"], e["f"], e["value"]) for e in events(drawn(HISTORY), "counter")]
    assert said.count(("fail", "add", 1)) == said.count(("info", "add", 1)) == 1
    said = [(e["type"], e["f"], e["value"]) for e in events(drawn(HISTORY), "list-append")]
    assert said == [
        ("invoke", "txn", [["append", "list", "x"]]),
        ("ok", "txn", [["append", "list", "x"]]),
        ("invoke", "txn", [["r", "list", None]]),
        ("ok", "txn", [["r", "list", ["x"]]]),
    ]


def test_export_keeps_overlaps():
    """Operations that overlap by a nanosecond overlap in the export."""
    both = [
        h.Operation(client=0, op="increment", start=0, end=5, value=2),
        h.Operation(client=0, op="increment", start=5, end=9, value=1),
    ]
    assert linearizable(events(both, "cas-register"))


def test_edn_and_json_say_the_same():
    history = h.frame(drawn(HISTORY))
    array = json.loads("".join(jepsen.jepsen_json(history, "list-append")))
    assert array == events(drawn(HISTORY), "list-append")
    lines = list(jepsen.edn(history, "list-append"))
    assert lines[0] == (
        '{:index 0, :process 0, :time 0, :type :invoke, :f :txn, :value [[:append :list "x"]]}\n'
    )
    assert lines[-1].endswith(':type :ok, :f :txn, :value [[:r :list ["x"]]]}\n')
    assert [re.findall(r":index (\d+)", line) for line in lines] == [[str(n)] for n in range(4)]
    assert list(jepsen.jepsen_json(history.clear(), "counter")) == ["[]\n"]


def test_text_is_written_as_edn_reads_it():
    assert jepsen._edn([Key("r"), None, 'a"b\\\n', "é"]) == '[:r nil "a\\"b\\\\\\n" "é"]'


def test_the_last_run_alone_is_exported():
    written = events(h.operations(generator.generate(500)), "counter")
    assert {event["f"] for event in written} == {"add", "read"}
    assert Run(generator.generate(500)).counter.unknown.height == sum(
        event["type"] == "info" and event["f"] == "add" for event in written
    )
