"""Tests of the figures during a run: exact, and never undone by a later answer."""

import json
import random
import subprocess
import sys

import pytest

from loadtest import ROOT, history
from loadtest.checker import judge
from loadtest.checker.anomalies import TABLE
from loadtest.history import Operation
from loadtest.report.live import follower
from loadtest.report.live.follower import Answers, Follower


def linearizable(n, seed=0, users=8):
    """A run with one counter and one list, in the order of the answers; many requests overlap."""
    dice = random.Random(seed)
    count, items, now = 0, [], 100
    done = [Operation(client=99, op="create", start=0, end=50, value=0)]
    asked = dict.fromkeys(range(users), now)
    while len(done) < n:
        client = min(asked, key=lambda each: asked[each] + dice.random())
        start = asked.pop(client)
        now = max(now, start) + dice.randint(1, 3)
        op = dice.choice(["increment", "increment", "read", "append", "items"])
        value, item, read = count, None, None
        if op == "increment":
            value = count = count + 1
        elif op == "append":
            item = f"{client}-{now}"
            items.append(item)
            value = len(items)
        elif op == "items":
            read, value = tuple(items), len(items)
        end = now + dice.randint(0, 20)
        where = dice.randrange(3)
        done.append(
            Operation(
                client=client,
                op=op,
                start=start,
                end=end,
                value=value,
                item=item,
                items=read,
                worker=100 + where,
                thread=1,
                boot=f"b{where}",
            )
        )
        asked[client] = end + dice.randint(1, 5)
    return sorted(done, key=lambda each: each.end)


def told(*answers, boot="b", start=100):
    """Increments one after the other, told these values."""
    starts = range(start, start + 10 * len(answers), 10)
    return [
        Operation(client=0, op="increment", start=at, end=at + 5, value=value, boot=boot)
        for at, value in zip(starts, answers, strict=True)
    ]


def seen(*operations):
    follower = Follower()
    follower.add(history.frame(operations))
    return follower


def rows(answer):
    return {what: value for what, value, _ in answer["rows"]}


def look(answers, path, draw=False, run="a run"):
    return answers.look(run=run, paths=[str(path)], draw=draw)


def test_reads_whole_lines_once(tmp_path):
    """Whole lines are read as they come, once each."""
    text = "".join(map(history.line, linearizable(200))).encode()
    path, answers, dice = tmp_path / "h.jsonl", Answers(), random.Random(1)
    path.touch()
    at = 0
    while at < len(text):
        more = dice.randint(1, 4000)
        with path.open("ab") as file:
            file.write(text[at : at + more])
        at += more
        answer = look(answers, path)
        lines = path.read_bytes().count(b"\n")
        assert answers.follower.operations == max(0, lines - 1)
    acknowledged = judge(history.read(path)).acknowledged
    assert rows(answer)["acknowledged increments"] == acknowledged


@pytest.mark.parametrize("seed", range(2))
def test_clean_run_is_always_clean(seed):
    """A right run shows nothing wrong at any moment."""
    operations = linearizable(60, seed)
    assert judge(history.frame(operations)).anomalies == ()
    premature = 0
    for n in range(2, len(operations)):
        followed = seen(*operations[:n])
        verdict = judge(followed.last)
        premature += bool(verdict.anomalies)
        first, *_ = follower.rows_so_far(followed, follower.so_far(verdict))
        assert first[:2] == ["so far", "nothing wrong"]
        assert followed.lost == 0
    # the whole table of anomalies would have cried wolf
    assert premature


def test_final_anomalies_are_named():
    """Anomalies that no later answer undoes are named as in the table."""
    assert {*follower.ALWAYS} <= {kind.name for kind in TABLE}


def test_long_run_forgets_operations(monkeypatch, tmp_path):
    """A long run keeps its figures and forgets its operations."""
    monkeypatch.setattr(follower, "KEEP", 100)
    operations = linearizable(2000)
    answers, path = Answers(), tmp_path / "h.jsonl"
    for n in range(0, 2000, 130):
        with path.open("a") as file:
            file.writelines(map(history.line, operations[n : n + 130]))
        answer = look(answers, path, draw=True)
    followed = answers.follower
    assert followed.last.height <= 200
    verdict = judge(history.frame(operations))
    assert rows(answer)["acknowledged increments"] == verdict.acknowledged
    assert ["duplicate value", 0, "in the last 100 operations"] in answer["rows"]
    kept = followed.counter.filter(op="increment").height
    assert followed.before["acknowledged"].sum() + kept == verdict.acknowledged
    # the dashed line goes on from where the forgotten ones had brought it
    dashed = answer["pictures"]["value"]["spec"]["datasets"]["acknowledged"]
    assert dashed.splitlines()[-1].endswith(f",{verdict.acknowledged}")
    # and workers keep their numbers, and so their colors
    known = seen(*operations).workers["boot"].to_list()
    assert followed.workers["boot"].to_list() == known


@pytest.mark.parametrize(
    ("lost", "operations"),
    [
        (0, told(1, 2, 3)),
        (1, told(1, 1, 2)),
        # each has its own: 3 + 3 acknowledged, 2 + 3 told
        (1, [*told(1, 2, 2, boot="a"), *told(1, 2, 3, boot="b")]),
        # one for all, though it is too early to tell
        (0, [*told(1, 3, boot="a"), *told(2, boot="b")]),
        # one for all: b was told more than it was asked for
        (0, [*told(1, 2, 3, 4, boot="a"), *told(5, 6, 7, boot="b")]),
        (2, [*told(1, 2, 3, 4, 4, 5, boot="a"), *told(6, 6, 7, boot="b")]),
        # nobody says who answered
        (2, told(1, 1, 1, boot=None)),
        # unknown increments are not lost
        (0, [*told(1, 2), Operation(client=1, op="increment", start=1, outcome="unknown")]),
    ],
)
def test_lost_so_far_never_exceeds_lost(lost, operations):
    """The figure "lost so far" never exceeds the losses."""
    assert seen(*operations).lost == lost


def test_a_create_starts_the_figures_over():
    follower = seen(*told(1, 2, 3))
    create = Operation(client=9, op="create", start=200, end=210, value=0)
    follower.add(history.frame([create, *told(1, start=220)]))
    assert (follower.operations, follower.acknowledged) == (1, 1)
    assert follower.workers["value"].to_list() == [1]


def test_another_run_begins_with_nothing(tmp_path):
    answers = Answers()
    for name, operations in (("one", told(1, 1, 1)), ("two", told(1, 2))):
        history.write(tmp_path / name, operations)
        answer = look(answers, tmp_path / name, run=name)
    assert rows(answer)["acknowledged increments"] == 2
    assert rows(answer)["so far"] == "nothing wrong"


def audit(value, boot, start=1000):
    return Operation(
        client=50,
        op="read",
        start=start,
        end=start + 1,
        value=value,
        worker=1,
        boot=boot,
        phase="audit",
    )


def test_end_has_verdict_and_audit(tmp_path):
    """The end has the verdict on the whole run, and the final reads."""
    path = tmp_path / "h.jsonl"
    operations = [*told(1, 2, 3, boot="a"), *told(1, 2, boot="b", start=103)]
    history.write(path, [*operations, audit(3, "a"), audit(2, "b")])
    answer = Answers().judge(run=str(path), paths=[str(path)], draw=True)
    assert answer["verdict"] == judge(history.read(path)).to_json()
    shown = rows(answer)
    assert (shown["verdict"], shown["lost"]) == ("violated", 0)
    assert [shown["worker 1"], shown["worker 2"]] == [3, 2]
    assert shown["duplicate value"] == 2
    assert max(map(len, answer["text"].splitlines())) <= 80
    assert set(answer["pictures"]) == {"config", "value", "lost", "witness"}
    json.dumps(answer)


def test_answers_a_line_for_a_line(tmp_path):
    """It answers a line for a line, errors included."""
    history.write(tmp_path / "h.jsonl", told(1, 2))
    questions = [
        {"ask": "look", "run": "r", "paths": [str(tmp_path / "gone")], "draw": False},
        {"ask": "look", "run": "r", "paths": [str(tmp_path / "h.jsonl")], "draw": False},
    ]
    done = subprocess.run(
        [sys.executable, "-m", "loadtest.report.live.follower"],
        cwd=ROOT,
        input="".join(json.dumps(question) + "\n" for question in questions),
        capture_output=True,
        text=True,
        timeout=60,
    )
    gone, found = map(json.loads, done.stdout.splitlines())
    assert "FileNotFoundError" in gone["error"]
    assert rows(found)["acknowledged increments"] == 2
    assert done.returncode == 0
