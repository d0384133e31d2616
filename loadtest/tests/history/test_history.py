"""Histories in and out of files: what is read, what is refused and how it is said."""

import io
import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest import history as h
from loadtest.history import Operation
from loadtest.history.operation import PHASES

GOOD = '{"client": 0, "op": "increment", "start": 1, "end": 2, "outcome": "ok", "value": 1}'


def lines(path, *lines, end="\n"):
    path.write_text("\n".join(lines) + end)
    return path


def changed(**fields):
    return json.dumps(json.loads(GOOD) | fields)


words = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
numbers = st.integers(0, 2**31)
operations = st.builds(
    Operation,
    client=numbers,
    op=st.just("create"),
    start=numbers,
    end=st.integers(2**31, 2**40) | st.none(),
    outcome=st.sampled_from(["fail", "unknown"]),
    value=numbers | st.none(),
    item=words | st.none(),
    items=st.lists(words).map(tuple) | st.none(),
    worker=numbers | st.none(),
    thread=st.integers(-(2**63), 2**63 - 1) | st.none(),
    boot=words | st.none(),
    phase=st.sampled_from(PHASES),
    clock=words | st.none(),
)


@given(st.lists(operations, max_size=5))
def test_what_is_written_is_read_again(tmp_path_factory, history):
    path = tmp_path_factory.mktemp("history") / "history.jsonl"
    h.write(path, history)
    read = [
        # the value of a list read is its length, also where it was not written
        Operation(**{name: getattr(o, name) for name in h.SCHEMA} | {"value": len(o.items)})
        if o.value is None and o.items is not None
        else o
        for o in history
    ]
    assert h.operations(h.read(path)) == read
    assert h.operations(h.frame(history)) == history


def test_columns_are_the_schema_whatever_the_file_holds(tmp_path):
    empty = h.read(lines(tmp_path / "empty", end=""))
    one = h.read(lines(tmp_path / "one", GOOD))
    assert dict(empty.schema) == dict(one.schema) == h.SCHEMA
    assert one["phase"].to_list() == ["load"]


def test_several_files_and_standard_input_are_one_history(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(changed(client=2).encode())))
    one = lines(tmp_path / "one", GOOD)
    other = lines(tmp_path / "other", changed(client=1))
    assert h.read(one, other, "-")["client"].to_list() == [0, 1, 2]


def test_a_file_is_read_in_pieces_of_whole_lines(tmp_path, monkeypatch):
    monkeypatch.setattr("loadtest.history.schema.CHUNK", 100)
    path = lines(tmp_path / "many", *(changed(client=n, item="x" * n) for n in range(300)))
    seen = []
    history = h.read(path, progress=lambda done, total: seen.append((done, total)))
    assert history["client"].to_list() == list(range(300))
    assert seen[-1] == (path.stat().st_size,) * 2
    assert len(seen) > 10


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("nonsense", "not JSON"),
        (GOOD[:-1], "not JSON"),
        ("[1, 2]", "not a JSON object"),
        ("5", "not a JSON object"),
        ("{}", '"client" is missing'),
        (changed(op=None), '"op" is missing'),
        (changed(start=None), '"start" is missing'),
        (changed(outcome=None), '"outcome" is missing'),
        (changed(client=-1), '"client" is -1, which is below 0'),
        (changed(client="a"), '"client" is "a", not a whole number'),
        (changed(value=1.5), '"value" is 1.5, not a whole number'),
        (changed(value=True), '"value" is true, not a whole number'),
        (changed(value=2**61), 'its "value" is too large to be a count'),
        (changed(value=2**80), f'"value" is {2**80}, which is too large'),
        (changed(client=2**32), f'"client" is {2**32}, which is too large'),
        (changed(boot=17), '"boot" is 17, not text'),
        (changed(op="incr"), '"op" is "incr", not one of create, increment, read, append, items'),
        (changed(op=7), '"op" is 7, not one of create, increment, read, append, items'),
        (changed(outcome="good"), '"outcome" is "good", not one of ok, fail, unknown'),
        (changed(phase="end"), '"phase" is "end", not one of load, audit'),
        (changed(end=None), 'it is ok, so it needs an "end"'),
        (changed(end=0), "it ends before it starts"),
        (changed(value=None), 'it is ok, so it needs a "value"'),
        (changed(op="append"), 'an append needs an "item"'),
        (changed(op="append", outcome="unknown"), 'an append needs an "item"'),
        (changed(op="items"), 'it is ok, so it needs "items"'),
        (changed(items="x"), '"items" is "x", not a list'),
        (changed(op="items", items=["x", None]), 'there is a null in "items"'),
        (changed(op="items", items=["x", "y"]), 'its "value" is not the length of "items"'),
    ],
)
def test_what_is_wrong_is_said_with_file_and_line(tmp_path, line, complaint):
    path = lines(tmp_path / "bad", GOOD, "", GOOD, line, GOOD)
    with pytest.raises(h.Malformed) as raised:
        h.read(path)
    assert str(raised.value) == f"{path}:4: {complaint}"


def test_the_line_is_counted_over_all_pieces_of_a_file(tmp_path, monkeypatch):
    monkeypatch.setattr("loadtest.history.schema.CHUNK", 100)
    path = lines(tmp_path / "bad", *[GOOD] * 50, changed(end=0), *[GOOD] * 50)
    with pytest.raises(h.Malformed, match=":51: it ends before it starts"):
        h.read(path)


def test_bytes_that_are_no_text_are_no_json(tmp_path):
    (tmp_path / "bad").write_bytes(GOOD.encode() + b"\n\xff\xfe\n")
    with pytest.raises(h.Malformed, match=":2: not JSON"):
        h.read(tmp_path / "bad")


def test_a_last_line_that_was_cut_off_is_left_out_with_a_warning(tmp_path):
    path = lines(tmp_path / "cut", GOOD, GOOD[:30], end="")
    with pytest.warns(UserWarning, match="cut:2: cut off, left out"):
        assert h.read(path).height == 1
    with pytest.warns(UserWarning, match="cut:1: cut off"):
        assert h.read(lines(tmp_path / "cut", GOOD[:30], end="")).height == 0
    assert h.read(lines(tmp_path / "whole", GOOD, end="")).height == 1
    with pytest.raises(h.Malformed):
        h.read(lines(tmp_path / "wrong", changed(end=0), end=""))


def test_other_fields_are_ignored_and_null_may_be_left_out(tmp_path):
    read = h.read(lines(tmp_path / "more", changed(remark=[1, {"a": 2}], boot=None)))
    assert h.operations(read) == [Operation(client=0, op="increment", start=1, end=2, value=1)]


def test_an_item_that_is_no_text_is_taken_as_its_json(tmp_path):
    read = h.read(
        lines(tmp_path / "numbers", changed(op="append", item=5), changed(items=[1, [2]]))
    )
    assert read["item"][0] == "5"
    assert read["items"][1].to_list() == ["1", "[2]"]


BEGIN, END = '{"recorded": 0}', '{"recorded": %d}'


@pytest.mark.parametrize("chunk", [100, 1 << 20])
def test_a_recorder_that_came_to_its_end_says_so_and_several_make_one_file(
    tmp_path, monkeypatch, chunk
):
    monkeypatch.setattr("loadtest.history.schema.CHUNK", chunk)
    path = lines(tmp_path / "two", BEGIN, GOOD, GOOD, END % 2, BEGIN, END % 0, BEGIN, GOOD, END % 1)
    assert h.read(path).height == 3


@pytest.mark.parametrize(
    "left",
    [
        [BEGIN],
        [BEGIN, GOOD],
        [BEGIN, GOOD, END % 2],
        [BEGIN, GOOD, GOOD[:9]],
        [BEGIN, GOOD, END % 1, BEGIN, GOOD],
        [GOOD, END % 1],
    ],
)
@pytest.mark.filterwarnings("ignore:.*cut off")
def test_a_recorder_that_did_not_leaves_nothing_to_be_judged(tmp_path, left):
    with pytest.raises(h.Incomplete, match="operations are missing"):
        h.read(lines(tmp_path / "broken off", *left, end=""))


def test_where_a_line_stands_is_counted_with_those_of_the_recorder(tmp_path):
    with pytest.raises(h.Malformed, match="bad:3: it ends before it starts"):
        h.read(lines(tmp_path / "bad", BEGIN, GOOD, changed(end=0), END % 2))
