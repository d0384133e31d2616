"""Histories in and out of files: what is read, what is refused and how it is said."""

import gzip
import io
import json
import sys
import warnings

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtest import history as h
from loadtest.history import Operation
from loadtest.history.complaints import NO_JSON
from loadtest.history.operation import OPS, PHASES

GOOD = '{"client": 0, "op": "increment", "start": 1, "end": 2, "outcome": "ok", "value": 1}'


def lines(path, *lines, end="\n"):
    path.write_text("\n".join(lines) + end)
    return path


def changed(**fields):
    return json.dumps(json.loads(GOOD) | fields)


def with_more(fields):
    return f"{GOOD[:-1]}, {fields}}}"


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
    key=words | st.none(),
    answer=words | st.none(),
)


@settings(deadline=None)
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


def test_columns_are_the_schema(tmp_path):
    """Columns are the schema, whatever the file holds."""
    empty = h.read(lines(tmp_path / "empty", end=""))
    one = h.read(lines(tmp_path / "one", GOOD))
    assert dict(empty.schema) == dict(one.schema) == h.SCHEMA
    assert one["phase"].to_list() == ["load"]


def test_files_and_stdin_are_one(tmp_path, monkeypatch):
    """Several files and standard input are one history."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(changed(client=2).encode())))
    one = lines(tmp_path / "one", GOOD)
    other = lines(tmp_path / "other", changed(client=1))
    assert h.read(one, other, "-")["client"].to_list() == [0, 1, 2]


def test_read_in_pieces_of_lines(tmp_path, monkeypatch):
    """A file is read in pieces of whole lines."""
    monkeypatch.setattr("loadtest.history.reading.CHUNK", 100)
    path = lines(tmp_path / "many", *(changed(client=n, item="x" * n) for n in range(300)))
    seen = []
    history = h.read(path, progress=lambda done, total: seen.append((done, total)))
    assert history["client"].to_list() == list(range(300))
    assert seen[-1] == (path.stat().st_size,) * 2
    assert len(seen) > 10


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("nonsense", NO_JSON),
        (GOOD[:-1], NO_JSON),
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
        (changed(answer=17), '"answer" is 17, not text'),
        (changed(op="incr"), f'"op" is "incr", not one of {", ".join(OPS)}'),
        (changed(op=7), f'"op" is 7, not one of {", ".join(OPS)}'),
        (changed(outcome="good"), '"outcome" is "good", not one of ok, fail, unknown'),
        (changed(phase="end"), '"phase" is "end", not one of load, audit'),
        (changed(end=None), 'it is ok, so it needs an "end"'),
        (changed(end=0), "it ends before it starts"),
        (changed(op="read", value=None), 'it is ok, so it needs a "value"'),
        (changed(op="append"), 'an append needs an "item"'),
        (changed(op="append", outcome="unknown"), 'an append needs an "item"'),
        (changed(op="items"), 'it is ok, so it needs "items"'),
        (changed(op="whoami"), 'a whoami, a save and a claim need an "item"'),
        (changed(op="claim"), 'a whoami, a save and a claim need an "item"'),
        (changed(op="save", item="x"), 'a save and a load need a "key"'),
        (changed(op="load"), 'a save and a load need a "key"'),
        (changed(op="claim", item="x", value=None), 'it is ok, so it needs a "value"'),
        (
            changed(op="claim", item="x", value=2),
            'the "value" of a claim is 1 (taken) or 0 (refused)',
        ),
        (with_more('"key": "a", "key": "b"'), '"key" stands in it twice'),
        (changed(items="x"), '"items" is "x", not a list'),
        (changed(op="items", items=["x", None]), 'there is a null in "items"'),
        (changed(op="items", items=["x", "y"]), 'its "value" is not the length of "items"'),
        (changed(value=-(2**63)), 'its "value" is too large to be a count'),
        (changed(start=-(2**63)), 'its "start" is too large to be a time'),
        (changed(end=2**63 - 1), 'its "end" is too large to be a time'),
        (with_more(f'"boot": {"7" * 5000}'), f'"boot" is {"7" * 39}…, not text'),
        (changed(value=10**200), f'"value" is 1{"0" * 38}…, which is too large'),
        (with_more(f'"boot": {"7" * 60}'), f'"boot" is {"7" * 39}…, not text'),
        (with_more('"value": 2'), '"value" stands in it twice'),
        (with_more('"value": null'), '"value" stands in it twice'),
        (with_more(r'"v\u0061lue": 2'), '"value" stands in it twice'),
        (with_more('"client": -1'), '"client" stands in it twice'),
        (with_more(r'"item": "\ud800"'), '"item" has half of a surrogate pair, which is no text'),
        (with_more(r'"item": "\ud801x"'), '"item" has half of a surrogate pair, which is no text'),
        (with_more(r'"boot": "\udc00"'), '"boot" has half of a surrogate pair, which is no text'),
        (with_more('"item": 18446744073709551617'), '"item" has a number of too many digits'),
        (with_more('"items": [0.12345678901234567]'), '"items" has a number of too many digits'),
        (with_more(f'"remark": {"[" * 100_000}{"]" * 100_000}'), "nested too deeply"),
        ("[" * 100_000, "nested too deeply"),
        ("\ufeff" + GOOD, "it begins with a byte order mark; plain UTF-8 has none"),
        (GOOD + " " + GOOD, NO_JSON),
        (with_more('"remark": NaN'), NO_JSON),
        ("<!doctype html><p>Sign in", "this is HTML or XML, and no history"),
    ],
)
def test_error_names_file_and_line(tmp_path, line, complaint):
    """An error names the file and the line."""
    path = lines(tmp_path / "bad", GOOD, "", GOOD, line, GOOD)
    with pytest.raises(h.Malformed) as raised:
        h.read(path)
    assert str(raised.value) == f"{path}:4: {complaint}"


def test_error_in_an_only_line(tmp_path):
    """An error in the only line is reported without a newline, too."""
    for line in ("\ufeff" + GOOD, with_more(f'"boot": {"7" * 5000}'), "[" * 100_000):
        with pytest.raises(h.Malformed, match=r":1: (it begins|\"boot\"|nested)"):
            h.read(lines(tmp_path / "bad", line, end=""))


def test_line_counted_over_pieces(tmp_path, monkeypatch):
    """The line number counts all pieces of a file."""
    monkeypatch.setattr("loadtest.history.reading.CHUNK", 100)
    path = lines(tmp_path / "bad", *[GOOD] * 50, changed(end=0), *[GOOD] * 50)
    with pytest.raises(h.Malformed, match=":51: it ends before it starts"):
        h.read(path)


def test_bytes_that_are_no_text_are_no_utf_8(tmp_path):
    (tmp_path / "bad").write_bytes(GOOD.encode() + b"\n\xff\xfe\n")
    with pytest.raises(h.Malformed, match=":2: not UTF-8"):
        h.read(tmp_path / "bad")


def test_zero_bytes_at_the_end(tmp_path):
    """Zero bytes after the last line, as a power cut leaves them, are left out with a warning."""
    (tmp_path / "cut").write_bytes(GOOD.encode() + b"\n" + bytes(100))
    with pytest.warns(UserWarning, match="cut:2: cut off, left out"):
        assert h.read(tmp_path / "cut").height == 1


def test_page_without_a_newline(tmp_path):
    """A page of HTML is not a history that was cut off."""
    with pytest.raises(h.Malformed, match=":1: this is HTML"):
        h.read(lines(tmp_path / "page", "<html><body>Sign in</body></html>", end=""))


def test_append_without_a_position(tmp_path):
    """An append may be acknowledged without a position."""
    path = lines(tmp_path / "blind", changed(op="append", item="x", value=None))
    assert h.read(path)["value"].to_list() == [None]


def test_cut_off_last_line(tmp_path):
    """A last line that was cut off is left out with a warning."""
    path = lines(tmp_path / "cut", GOOD, GOOD[:30], end="")
    with pytest.warns(UserWarning, match="cut:2: cut off, left out"):
        assert h.read(path).height == 1
    with pytest.warns(UserWarning, match="cut:1: cut off"):
        assert h.read(lines(tmp_path / "cut", GOOD[:30], end="")).height == 0
    assert h.read(lines(tmp_path / "whole", GOOD, end="")).height == 1
    with pytest.raises(h.Malformed):
        h.read(lines(tmp_path / "wrong", changed(end=0), end=""))


def test_other_fields_and_nulls(tmp_path):
    """Other fields are ignored, and null may be left out."""
    read = h.read(lines(tmp_path / "more", changed(remark=[1, {"a": 2}], boot=None)))
    assert h.operations(read) == [Operation(client=0, op="increment", start=1, end=2, value=1)]


def test_item_that_is_not_text(tmp_path):
    """An item that is not text is taken as its JSON."""
    read = h.read(
        lines(tmp_path / "numbers", changed(op="append", item=5), changed(items=[1, [2]]))
    )
    assert read["item"][0] == "5"
    assert read["items"][1].to_list() == ["1", "[2]"]


BEGIN, END = '{"recorded": 0}', '{"recorded": %d}'


@pytest.mark.parametrize("chunk", [100, 1 << 20])
def test_complete_recordings_join(tmp_path, monkeypatch, chunk):
    """A recorder marks its end, and several complete files make one."""
    monkeypatch.setattr("loadtest.history.reading.CHUNK", chunk)
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
def test_incomplete_recording_refused(tmp_path, left):
    """A recording without its end is refused."""
    with pytest.raises(h.Incomplete, match="operations are missing"):
        h.read(lines(tmp_path / "broken off", *left, end=""))


def test_line_numbers_count_markers(tmp_path):
    """Line numbers count the recorder's lines as well."""
    with pytest.raises(h.Malformed, match="bad:3: it ends before it starts"):
        h.read(lines(tmp_path / "bad", BEGIN, GOOD, changed(end=0), END % 2))


def test_surrogates_and_escapes(tmp_path):
    """A pair of surrogates is one character, and an escaped letter a letter."""
    smile, name = changed(op="append", item="\U0001f600"), GOOD.replace("value", r"v\u0061lue")
    assert r"\ud83d\ude00" in smile
    history = h.read(lines(tmp_path / "fine", smile, name, changed(item=r"\ud800", op="append")))
    assert history["item"].to_list() == ["\U0001f600", None, r"\ud800"]
    assert history["value"].to_list() == [1, 1, 1]


HISTORY = [
    Operation(client=1, op="append", start=3, end=5, value=1, item="a ü", worker=7, boot="b"),
    Operation(client=2, op="increment", start=4, outcome="unknown", thread=-3, clock="m"),
    Operation(client=3, op="items", start=6, end=7, value=1, items=("a ü",), phase="audit"),
]


@pytest.mark.parametrize(
    ("name", "begins"),
    [
        ("history.jsonl", b"{"),
        ("history.jsonl.gz", b"\x1f\x8b"),
        ("history.jsonl.zst", b"\x28\xb5\x2f\xfd"),
        ("history.parquet", b"PAR1"),
    ],
)
def test_format_seen_by_first_bytes(tmp_path, monkeypatch, name, begins):
    """The format is seen by a file's first bytes."""
    path = tmp_path / name
    h.save(h.frame(HISTORY), str(path))
    assert path.read_bytes().startswith(begins)
    other = path.rename(tmp_path / "of another name")
    assert h.operations(h.read(other, other)) == HISTORY * 2
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(other.read_bytes())))
    assert h.operations(h.read("-")) == HISTORY


def test_compressed_files_put_together_are_one(tmp_path):
    for name in ("a.gz", "b.zst"):
        h.save(h.frame(HISTORY), str(tmp_path / name))
        twice = (tmp_path / name).read_bytes() * 2
        (tmp_path / name).write_bytes(twice)
        assert h.operations(h.read(tmp_path / name)) == HISTORY * 2


@pytest.mark.parametrize("ending", ["gz", "zst", "parquet"])
def test_truncated_compressed_file(tmp_path, monkeypatch, ending):
    """A compressed file that breaks off says so."""
    monkeypatch.setattr("loadtest.history.reading.CHUNK", 10_000)
    monkeypatch.setattr("loadtest.history.reading.LINES", 100)
    many = [Operation(client=n, op="create", start=n**3, end=n**4) for n in range(20_000)]
    path = tmp_path / f"history.{ending}"
    h.save(h.frame(many), str(path))
    whole = path.read_bytes()
    for size in (len(whole) - 9, len(whole) // 2, 6):
        path.write_bytes(whole[:size])
        with pytest.raises(h.Malformed, match=r"history\.\w+:\d+: .*(breaks off|damaged)$"):
            h.read(path)
    if ending == "gz":
        readable = gzip.decompress(whole).splitlines(keepends=True)
        path.write_bytes(gzip.compress(b"".join(readable[:300]))[:-8])
        with pytest.raises(h.Malformed, match=":301: "):
            h.read(path)


def test_bad_line_in_compressed_file(tmp_path):
    """Bad lines in a compressed file are counted."""
    bad = lines(tmp_path / "bad", *[GOOD] * 50, changed(end=0), *[GOOD] * 50)
    bad.with_suffix(".gz").write_bytes(gzip.compress(bad.read_bytes()))
    pl.read_lines(bad)["line"].to_frame().write_csv(
        bad.with_suffix(".zst"), include_header=False, quote_style="never", compression="zstd"
    )
    for path in (bad.with_suffix(".gz"), bad.with_suffix(".zst")):
        with pytest.raises(h.Malformed, match=r":51: it ends before it starts"):
            h.read(path)


TABLE = pl.DataFrame(
    {"client": [0, 1], "op": "read", "start": [1, 2], "end": [2, 3], "outcome": "ok", "value": 0}
)


def test_plain_table_is_a_history(tmp_path):
    """A table of plain numbers and text is a history."""
    more = TABLE.with_columns(remark=pl.lit(1.5), items=pl.lit([], pl.List(pl.Null)))
    more.write_parquet(tmp_path / "table")
    history = h.read(tmp_path / "table")
    assert dict(history.schema) == h.SCHEMA
    assert history["phase"].to_list() == ["load", "load"]
    TABLE.clear().write_parquet(tmp_path / "empty")
    assert h.read(tmp_path / "empty").is_empty()


@pytest.mark.parametrize(
    ("column", "values", "complaint"),
    [
        ("value", [0, None], '2: it is ok, so it needs a "value"'),
        ("value", [0.0, 1.0], '1: "value" holds Float64, not Int64'),
        ("client", [0, -1], '2: "client" is -1, which is below 0'),
        ("client", [2**40, 1], f'1: "client" is {2**40}, which is too large'),
        ("op", ["read", "incr"], '2: "op" is "incr", not one of create, '),
        ("boot", [1, 2], '1: "boot" holds Int64, not Categorical'),
        ("items", ["x", "y"], r'1: "items" holds String, not List\(String\)'),
        ("client", [None, 1], '1: "client" is missing'),
    ],
)
def test_table_error_names_the_row(tmp_path, column, values, complaint):
    """An error in a table names its row."""
    TABLE.with_columns(pl.Series(column, values)).write_parquet(tmp_path / "table")
    with pytest.raises(h.Malformed, match=f"table:{complaint}"):
        h.read(tmp_path / "table")


def test_overlong_line_is_refused(tmp_path, monkeypatch):
    """A line that is too long is refused before it is parsed."""
    monkeypatch.setattr("loadtest.history.reading.CHUNK", 1000)
    monkeypatch.setattr("loadtest.history.reading.LONGEST", 10_000)
    assert h.read(lines(tmp_path / "long", GOOD, changed(item="x" * 9_000), GOOD)).height == 3
    # one line ends in the same piece of the file in which it becomes too long
    for size in (90_000, 10_200):
        with pytest.raises(h.Malformed, match=":2: longer than"):
            h.read(lines(tmp_path / "longer", GOOD, changed(item="x" * size), GOOD))
    with pytest.raises(h.Malformed, match=":2: longer than"):
        h.read(lines(tmp_path / "longer", GOOD, changed(item="x" * 90_000), GOOD))


VALUES = ["0", "1", "-1", "1.0", "1e2", "true", "null", '"x"', "[]", "{}", '["x"]', "17" * 9]
VALUES += [r'"\ud800"', r'"\ud83d\ude00"', r'"a\u0062"', '"read"', '"ok"', '"items"', "5" * 21]
VALUES += ["NaN", '[1.5, "y"]', '"\\"', "-0", '{"value": 1, "value": 2}', "[null]", "1E400", ""]
PAIRS = st.tuples(st.sampled_from([*h.SCHEMA, r"v\u0061lue", "x"]), st.sampled_from(VALUES))


@settings(deadline=None, max_examples=200)
@given(st.lists(PAIRS, max_size=3), st.integers(0, 6))
def test_a_line_is_read_as_any_reader_of_json_reads_it_or_not_at_all(pairs, at):
    """No field is judged by one value where others see another."""
    fields = [f'"{name}": {json.dumps(said)}' for name, said in json.loads(GOOD).items()]
    fields[at:at] = [f'"{name}": {said}' for name, said in pairs]
    text = f"{{{', '.join(fields)}}}\n"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            part = h.parse(text.encode(), "history")
        except h.Malformed:
            return
    said = json.loads(text)
    for name in ("client", "op", "start", "end", "outcome", "value", "worker", "boot", "clock"):
        assert part[name][0] == said.get(name), name
    item = said.get("item")
    text = item is None or isinstance(item, str)
    assert (part["item"][0] if text else json.loads(part["item"][0])) == item
