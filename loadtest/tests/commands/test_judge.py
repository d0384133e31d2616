"""python -m loadtest judge: histories recorded anywhere, judged on the command line."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from unittest.mock import Mock

import polars as pl
import pytest
from click.testing import CliRunner

from loadtest import checker
from loadtest import history as h
from loadtest.bench import generator
from loadtest.commands.judge import judge
from loadtest.history.complaints import NO_JSON
from loadtest.tests.timelines import drawn

FOUR_LINES = """\
{"client": 0, "op": "increment", "start": 10000000, "end": 12100000, "outcome": "ok", "value": 1}
{"client": 1, "op": "increment", "start": 11000000, "end": 13000000, "outcome": "ok", "value": 1}
{"client": 0, "op": "increment", "start": 13500000, "end": 14000000, "outcome": "unknown"}
{"client": 9, "op": "read", "start": 15, "end": 16, "outcome": "ok", "value": 1, "phase": "audit"}
""".replace('"start": 15, "end": 16', '"start": 15000000, "end": 16000000')


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def run(*args, history=None, **kwargs):
        if history is not None:
            h.write("history.jsonl", history)
        return CliRunner().invoke(judge, [str(arg) for arg in args], **kwargs)

    return run


LINEARIZABLE = """
    A  |-- increment → 1 --|
    B     |-- increment → 2 --|
    C     |-- append x → 1 --|
    audit                         |-- read → 2 --| |-- items → [x] --|
    """


def test_handwritten_history(run, tmp_path):
    """Four lines written by hand are explained in plain words."""
    (tmp_path / "four.jsonl").write_text(FOUR_LINES)
    result = run("four.jsonl")
    assert result.exit_code == 1
    assert " ".join(result.stdout.split()).startswith(
        "violated: 2 acknowledged, 1 read: 1 lost, or several copies."
    )
    assert "      client 0  |-- increment → 1 --|\n" in result.stdout
    assert "4 operations: 2 increments acknowledged, 1 unknown" in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 80
    assert "\x1b" not in result.stdout


VIOLATED = """
    A  |-- increment → 1 --|
    B     |-- increment → 1 --|
    C     |-- append x → 1 --|
    audit                         |-- read → 1 --| |-- items → [x] --|
    """


@pytest.mark.parametrize(
    ("drawing", "status"),
    [(LINEARIZABLE, 0), ("A |-- increment → 2 --|", 1), ("A |-- increment → 1 --|", 2)],
)
def test_the_exit_status_is_the_verdict(run, drawing, status):
    assert run("history.jsonl", history=drawn(drawing)).exit_code == status


def test_silent_topology_is_inconclusive(run):
    """A topology that did not answer is inconclusive."""
    result = run("--workers", 4, "history.jsonl", history=drawn(LINEARIZABLE.replace("A ", "A@1 ")))
    assert result.exit_code == 2
    assert "only 1 of 4 workers answered" in result.stdout


def test_json_is_one_document(run):
    result = run("--json", "history.jsonl", history=drawn("A |-- increment → 2 --|"))
    assert result.exit_code == 1
    document = json.loads(result.stdout)
    verdict = checker.judge(h.read("history.jsonl"))
    assert document == json.loads(json.dumps(verdict.to_json()))
    assert document["anomalies"][0]["name"] == "over-count"


def test_stdin_and_files_merge(run, tmp_path):
    """Standard input and several files merge."""
    history = drawn(LINEARIZABLE)
    h.write("one", history[:2])
    text = "".join(map(h.line, history[2:]))
    result = run("one", "-", input=text)
    assert result.exit_code == 0
    assert "5 operations" in result.stdout


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "history.jsonl: No such file or directory\n"),
        ("nonsense\n", f"history.jsonl:1: {NO_JSON}\n"),
        ('{"client": 0}\n', 'history.jsonl:1: "op" is missing\n'),
    ],
)
def test_unreadable_file_in_one_line(run, tmp_path, content, complaint):
    """An unreadable file is reported in one line."""
    if content is not None:
        (tmp_path / "history.jsonl").write_text(content)
    result = run("history.jsonl")
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", complaint)


def test_cut_off_line_is_mentioned(run, tmp_path):
    """A cut-off line is mentioned, and the rest is judged."""
    whole = "".join(map(h.line, drawn(LINEARIZABLE)))
    (tmp_path / "history.jsonl").write_text(whole + whole[:40])
    result = run("history.jsonl")
    assert (result.exit_code, result.stderr) == (0, "history.jsonl:6: cut off, left out\n")


def test_the_order_is_a_history_again(run, tmp_path):
    assert (
        run("--order", "order.jsonl", "history.jsonl", history=drawn(LINEARIZABLE)).exit_code == 0
    )
    assert h.read("order.jsonl").select("op", "value").rows() == [
        ("increment", 1),
        ("increment", 2),
        ("append", 1),
        ("read", 2),
        ("items", 1),
    ]
    result = run("--order", "none", "history.jsonl", history=drawn("A |-- increment → 2 --|"))
    assert "no order explains" in result.stderr
    assert not (tmp_path / "none").exists()


def test_export_to_stdout_stands_alone(run):
    """An export to standard output stands alone."""
    result = run("--edn", "-", "history.jsonl", history=drawn(LINEARIZABLE))
    assert result.exit_code == 0
    assert all(line.startswith("{:index ") for line in result.stdout.splitlines())


def test_several_clocks_not_exported(run):
    """Several clocks have no single order to export."""
    history = [
        *drawn(LINEARIZABLE),
        h.Operation(client=7, op="read", start=0, end=1, value=0, clock="m"),
    ]
    result = run("--edn", "-", "history.jsonl", history=history)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.count("\n") == 1


NASTY = "\x1b[2J\n\x9b2J\u202e\x7f|--"


def test_control_characters_of_a_history_never_reach_the_terminal(run):
    """An item cannot clear the screen, nor break a timeline, nor can a boot or a file's name."""
    drawing = "A, boot 1 |-- append x → 1 --|\nB, boot 2    |-- increment → 7 --|\n"
    drawing += "audit                                         |-- items → [y, x, x] --|"
    history = [
        replace(
            o,
            item=o.item and NASTY,
            items=o.items and tuple(item.replace("x", NASTY) for item in o.items),
            boot=o.boot and NASTY + o.boot,
            clock=NASTY,
        )
        for o in drawn(drawing)
    ]
    for args in ((), ("--json",), ("--workers", 7)):
        result = run(*args, "history.jsonl", history=history)
        assert result.exit_code == 1, result.output
        assert all(sign.isprintable() or sign == "\n" for sign in result.output)
    assert r"[2J\n" in result.stdout
    result = run(NASTY)
    assert result.exit_code == 2
    assert result.stderr == r"\x1b[2J\n\x9b2J\u202e\x7f|--: No such file or directory" + "\n"


def test_control_characters_are_escaped(run):
    """A forgetting boot is shown without its control characters."""
    drawing = """
        A, boot 1 |-- increment → 1 --|
        B, boot 2                       |-- increment → 1 --|
        audit, boot 2                                          |-- read → 1 --|
        """
    history = [replace(o, boot=NASTY + o.boot) for o in drawn(drawing)]
    result = run("history.jsonl", "--workers", "1", history=history)
    assert "reset" in result.stdout
    assert all(sign.isprintable() or sign == "\n" for sign in result.stdout)


@pytest.mark.parametrize("ending", ["jsonl", "jsonl.gz", "jsonl.zst", "parquet"])
def test_converting_a_history_is_one_option(run, ending):
    history = drawn(LINEARIZABLE)
    result = run("--convert", f"new.{ending}", "history.jsonl", history=history)
    assert result.stdout.startswith("linearizable")
    assert h.operations(h.read(f"new.{ending}")) == history
    result = run("--convert", "-", f"new.{ending}")
    assert len(result.stdout.splitlines()) == len(history)


def judged(arguments, **kwargs):
    """A judgement by a shell: what it printed, complained of, and its status."""
    command = f"{sys.executable} -m loadtest judge {arguments}"
    environment = {**os.environ, "NO_COLOR": "1", **kwargs.pop("env", {})}
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], capture_output=True, env=environment, **kwargs
    )


needs_dev_full = pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")  # noqa: PTH110


@needs_dev_full
@pytest.mark.parametrize("options", ["", "--json", "--convert -", "--edn -", "--order -"])
def test_an_output_that_is_full_is_no_verdict(tmp_path, options):
    h.write(tmp_path / "h", drawn(LINEARIZABLE))
    done = judged(f"{options} {tmp_path / 'h'} > /dev/full")
    assert (done.returncode, done.stderr) == (2, b"standard output: No space left on device\n")


@needs_dev_full
@pytest.mark.parametrize("option", ["--convert", "--edn", "--order"])
def test_unwritable_file_is_status_2(tmp_path, option):
    """A file that cannot be written ends with status 2."""
    h.write(tmp_path / "h", drawn(LINEARIZABLE))
    done = judged(f"{option} /dev/full {tmp_path / 'h'}")
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.startswith(b"/dev/full: No space left on device")
    assert done.stderr.count(b"\n") == 1


@pytest.mark.skipif(sys.platform != "linux", reason="no file here that cannot be read")
def test_a_file_whose_reading_fails_is_named():
    done = judged("/proc/self/mem")
    assert (done.returncode, done.stderr) == (2, b"/proc/self/mem: Input/output error\n")


def test_a_pipe_that_nobody_reads_is_no_verdict(tmp_path):
    """As in `judge … | true`: the shell's status for it, and no word."""
    h.write(tmp_path / "h", drawn(LINEARIZABLE))
    done = judged(f"{tmp_path / 'h'} | (exec <&-; sleep 0)")
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.parametrize("encoding", ["latin-1", "ascii", "cp1252"])
def test_signs_fit_the_encoding(tmp_path, encoding):
    """A verdict uses the signs that the encoding has."""
    h.write(tmp_path / "h", [replace(o, item=o.item and "ü→") for o in drawn(VIOLATED)])
    done = judged(tmp_path / "h", env={"PYTHONIOENCODING": encoding})
    assert (done.returncode, done.stderr) == (1, b"")
    assert "|-- increment > 1 --|" in done.stdout.decode(encoding)


def test_checker_error_is_status_2(run, monkeypatch):
    """An error in the checker itself ends with status 2."""
    for error in (
        RecursionError("too deep\nfor us"),
        MemoryError(),
        pl.exceptions.ComputeError("x"),
    ):
        monkeypatch.setattr(checker, "judge", Mock(side_effect=error))
        result = run("history.jsonl", history=drawn(LINEARIZABLE))
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr.startswith("this could not be judged: ")
        assert result.stderr.count("\n") == 1


def test_a_million_lines_are_read_from_a_pipe_that_closes_early(tmp_path):
    """As in `judge … | head -1`: no traceback."""
    generator.plant(generator.generate(2_000, unknown=0), "reset").write_ndjson(tmp_path / "h")
    command = f"{sys.executable} -m loadtest.commands.judge {tmp_path / 'h'} | head -1"
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, env={**os.environ, "NO_COLOR": "1"}
    )
    assert done.stdout.startswith("violated: ")
    assert done.stderr == ""


BLIND = '{"client": 1, "op": "increment", "start": 1, "end": 2, "outcome": "ok"}\n'


@pytest.mark.parametrize("option", ["--edn", "--jepsen-json"])
def test_refused_export_leaves_the_file(option, tmp_path, run):
    """An export that is refused leaves an old file alone, and the verdict is printed."""
    history, old = tmp_path / "h.jsonl", tmp_path / "old"
    history.write_text(BLIND)
    old.write_text("old")
    done = run(str(history), option, str(old))
    assert done.exit_code == 2
    assert "increments were answered without the count" in done.stderr
    assert done.stdout.startswith("inconclusive")
    assert old.read_text() == "old"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["h.jsonl", "old"]
