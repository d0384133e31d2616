"""Faults on real servers and stores: what outlives them holds, what does not forgets."""

import json
import os
import subprocess
import sys
from contextlib import nullcontext
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest

from loadtest import cell, expected, history
from loadtest.checker import Failure, judge
from loadtest.client.load import LoadError
from loadtest.commands.faults import under_faults
from loadtest.expected import expectation, impossible, refusal
from loadtest.history import Operation
from loadtest.server import redis as redis_module
from loadtest.server.disk import DiskError, disk, missing
from loadtest.server.fault import Injection
from loadtest.server.faults import FAULTS
from loadtest.server.faults.recycle import recycles
from loadtest.server.injections import file, read
from loadtest.server.workers import APART_S
from loadtest.trial import ALONE, App, Load, Server, Trial
from variants import VARIANTS

SOURCES = Path(__file__).parents[2] / "variants"
FOLDER = Path(__file__).parents[1] / "server" / "faults"
HOUR = 3600 * 10**9
STORED = ("sqlite_row", "redis_key")


def served():
    """Yield the runs on a real server: of every fault, with the variants that tell most of it."""
    for fault in FAULTS.values():
        variants = ["locked_global"] if fault.needs == "server" else []
        # a global is lost with its worker; of these it has to be shown that they are not
        stored = fault.needs != "server" or fault.ends == "server" or fault.machines > 1
        variants += STORED if stored else []
        for variant in variants:
            trial = Trial(variant, ALONE, fault=fault.name)
            if not impossible(trial):
                yield trial


SERVED = [
    *served(),
    Trial("flask_g", ALONE, fault="kill-worker"),
    Trial("redis_key", ALONE, fault="kill-worker"),
    # its loop executes a transaction again whose reply was lost
    Trial("redis_watch", ALONE, fault="lose-reply"),
]


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_is_run(fault):
    """Each fault has a run on a real server."""
    assert fault in {trial.fault for trial in SERVED}


@pytest.mark.parametrize("name", [path.stem for path in FOLDER.glob("[a-z]*.py")])
def test_file_names_its_fault(name):
    """The list of faults is the folder, and each fault is named by its file."""
    assert name.replace("_", "-") in FAULTS


def test_rows_differ():
    """No two faults claim one row of the tables."""
    rows = [fault.row for fault in FAULTS.values()]
    assert rows == sorted(set(rows))


@pytest.mark.parametrize("trial", SERVED, ids=lambda trial: f"{trial.variant}-{trial.fault}")
def test_fault_comes_out_as_expected(trial, tmp_path, request):
    """A trial under a fault comes out as expected."""
    variant, fault = trial.variant, trial.fault
    if FAULTS[fault].needs == "disk":
        request.getfixturevalue("powered")
    redis_url = request.getfixturevalue("redis_url")
    each = cell.run(trial, tmp_path, redis_url=redis_url)
    assert each.as_expected, f"{each.name}: {each.verdict}"
    assert len(each.done) >= 2
    if not FAULTS[fault].found_in_log:
        # requests come between, or what is asked again would be struck again
        apart = [two.start - one.end for one, two in pairwise(each.done)]
        assert min(apart) >= APART_S * 1e9
    if fault == "lock-store":
        # and not the Redis that others of the matrix use
        what = {"sqlite_row": "the SQLite file", "redis_key": "a slow script in Redis"}[variant]
        assert {done.what for done in each.done} == {what}
    lines = (tmp_path / f"{each.trial.slug}.faults.jsonl").read_text().splitlines()
    assert list(json.loads(lines[0])) == ["fault", "start", "end", "what"]
    for log in tmp_path.glob("*.log"):
        assert "Traceback" not in log.read_text(), log.name
    if (variant, fault) == ("redis_key", "lose-reply"):
        assert sum(kind.unknown for kind in each.verdict.answered) == len(each.done)
    if fault == "kill-store":
        # a line for each request that was turned away
        served = (tmp_path / f"{each.trial.slug}.server.log").read_text()
        away = sum(kind.unknown for kind in each.verdict.answered)
        assert served.count("Redis does not answer at REDIS_URL") == away > 0


@pytest.mark.parametrize("variant", ["plain_global", "locked_global"])
def test_recycled_workers_are_gone(variant, tmp_path):
    """A recycled worker is gone from the moment that its injection names."""
    each = cell.run(Trial(variant, ALONE, fault="recycle"), tmp_path)
    load = history.read(each.history).filter(phase="load", outcome="ok")
    boots = load.group_by("boot").agg(
        pl.col("start").max().alias("asked last"), pl.col("end").min().alias("answered first")
    )
    told = boots.sort("answered first").rows(named=True)
    assert len(told) > 1
    done = read(file(each.history))
    assert len(done) >= len(told) - 1
    # whoever came after the load was asked by the audit alone
    for (gone, new), recycled in zip(pairwise(told), done, strict=False):
        assert gone["asked last"] < recycled.start < recycled.end < new["answered first"]


def test_simultaneous_recycles(tmp_path):
    """Workers that are recycled at once are told apart."""
    log = tmp_path / "log"
    log.write_text(
        "[1970-01-01] [7] [INFO] Worker 7 has loaded its app (1 ns)\n"
        "[1970-01-01] [8] [INFO] Worker 8 has loaded its app (2 ns)\n"
        "[1970-01-01] [8] [INFO] Worker 8 serves nobody any more (5 ns)\n"
        "[1970-01-01] [7] [INFO] Worker 7 serves nobody any more (6 ns)\n"
        "[1970-01-01] [9] [INFO] Worker 9 has loaded its app (8 ns)\n"
        "[1970-01-01] [10] [INFO] Worker 10 has loaded its app (9 ns)\n"
        "[1970-01-01] [9] [INFO] Worker 9 serves nobody any more (20 ns)\n"
    )
    assert recycles(log) == [
        Injection("recycle", 5, 8, "worker 8"),
        Injection("recycle", 6, 9, "worker 7"),
    ]


def test_the_matrix_goes_through_a_fault_too(tmp_path):
    each = cell.run(Trial("locked_global", Server(4, 1), fault="kill-worker"), tmp_path)
    assert each.as_expected, f"{each.name}: {each.verdict}"
    assert each.verdict.failures >= {Failure.DIVIDED, Failure.FORGETS}


SHOP = """
import threading
from flask import Flask, jsonify

app, lock, shop = Flask(__name__), threading.Lock(), {"hits": 0}


@app.post("/hits")
def hit():
    with lock:
        shop["hits"] += 1
        return jsonify(shop)


@app.get("/hits")
def hits():
    return jsonify(shop)
"""


def test_an_app_of_ones_own_is_recycled_too(tmp_path):
    (tmp_path / "shop.py").write_text(SHOP, encoding="utf-8")
    said = {"increment": "POST /hits", "read": "GET /hits", "count": "hits"}
    shop = App(target="shop:app", chdir=str(tmp_path), **said)
    each = cell.run(Trial("shop:app", ALONE, own=shop, fault="recycle"), tmp_path / "results")
    assert each.done
    assert Failure.FORGETS in each.verdict.failures
    assert not each.as_expected
    why = refusal(Trial("shop:app", ALONE, own=shop, fault="kill-store"))
    assert why == "the store of an app of one's own is not ours"


def planted(tmp_path, monkeypatch, variant, correct, wrong):
    """A module that is this variant with one bug."""
    source = (SOURCES / f"{variant}.py").read_text(encoding="utf-8")
    assert source.count(correct) == 1, f"{variant} has changed: mend the test"
    (tmp_path / "mutant.py").write_text(source.replace(correct, wrong), encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.syspath_prepend(tmp_path)
    return "mutant"


def test_false_survivor_is_red(tmp_path, monkeypatch):
    """A global that claims to outlive its worker is red."""
    claim = ("Survives: request.", "Survives: worker.")
    mutant = planted(tmp_path, monkeypatch, "locked_global", *claim)
    each = cell.run(Trial(mutant, ALONE, fault="kill-worker"), tmp_path / "results")
    assert each.expectation.expect == "holds"
    assert Failure.FORGETS in each.verdict.failures
    assert not each.as_expected


def test_redis_without_its_file_is_red(tmp_path, monkeypatch, redis_url):
    """Redis without its file is red when it is killed."""
    monkeypatch.setattr(redis_module, "KEEP", ("--appendonly", "no", "--save", ""))
    trial = Trial("redis_key", ALONE, fault="kill-store")
    each = cell.run(trial, tmp_path, redis_url=redis_url)
    assert each.expectation.expect == "holds"
    assert Failure.FORGETS in each.verdict.failures
    assert not each.as_expected


def test_retrying_client_is_red(tmp_path, monkeypatch, redis_url):
    """A client of Redis that retries is red when a reply is lost."""
    once, again = "retry=Retry(NoBackoff(), 0)", "retry=Retry(NoBackoff(), 3)"
    mutant = planted(tmp_path, monkeypatch, "redis_key", once, again)
    # one lost reply in six belongs to an append
    for attempt in range(3):
        trial = Trial(mutant, ALONE, fault="lose-reply")
        each = cell.run(trial, tmp_path / str(attempt), redis_url=redis_url)
        assert each.expectation.expect == "holds"
        assert each.verdict.unknown == 0
        if not each.as_expected:
            return
    raise AssertionError(str(each.verdict))


def test_impossible_fault_in_one_line(tmp_path, monkeypatch):
    """A fault that cannot be injected fails the trial in one line."""
    claim = ("Lives in: worker.", "Lives in: machine.")
    mutant = planted(tmp_path, monkeypatch, "locked_global", *claim)
    with pytest.raises(LoadError, match=r"lock-store was not done: .*no SQLite file"):
        cell.run(Trial(mutant, ALONE, fault="lock-store"), tmp_path / "results")


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_what_a_fault_ends_is_forgotten(fault):
    """The variants that must forget are those whose state ends with what the fault ends."""
    trials = [Trial(variant, ALONE, fault=fault.name) for variant in VARIANTS]
    must = {each.variant: expectation(each).must for each in trials if not impossible(each)}
    in_a_worker = ["plain_global", "locked_global"]
    at_rest = {"worker": in_a_worker, "server": in_a_worker, "disk": ["redis_key"]}
    divided = [*in_a_worker, "sqlite_row"] if fault.machines > 1 else []
    assert [name for name in must if "forgets" in must[name]] == at_rest.get(fault.ends, [])
    assert [name for name in must if "divided" in must[name]] == divided


def test_impossible_fault_has_a_reason():
    """A fault that a variant cannot have is refused with the reason."""

    def why(variant, fault):
        return refusal(Trial(variant, ALONE, fault=fault))

    assert why("plain_global", "kill-store") == "plain_global has no store"
    assert why("flask_g", "lock-store") == "flask_g has no store"
    assert why("sqlite_row", "kill-store").startswith("sqlite_row has a file, and no store with")
    assert why("sqlite_row", "lock-store") is None
    assert why("redis_key", "lose-reply") is None
    with pytest.raises(ValueError, match="unknown fault 'earthquake'; faults: recycle, reload, "):
        why("plain_global", "earthquake")
    with pytest.raises(ValueError, match="kill-store cannot be done: plain_global has no store"):
        expectation(Trial("plain_global", ALONE, fault="kill-store"))


def test_power_cut_is_never_a_kill(monkeypatch):
    """A power cut is never silently replaced by a kill."""
    monkeypatch.setattr(expected, "missing", lambda: "/dev/fuse cannot be opened")
    why = refusal(Trial("redis_key", ALONE, fault="power-cut"))
    assert why.endswith("for a disk that drops it /dev/fuse cannot be opened")
    monkeypatch.setattr(expected, "missing", lambda: "")
    assert refusal(Trial("redis_key", ALONE, fault="power-cut")) is None
    assert "has no store" in refusal(Trial("plain_global", ALONE, fault="power-cut"))


@pytest.fixture(scope="module")
def powered(tmp_path_factory):
    """Skips where no disk can be had that forgets."""
    why = missing()
    try:
        with nullcontext() if why else disk(tmp_path_factory.mktemp("disk") / "log"):
            pass
    except DiskError as error:
        why = str(error)
    if why:
        pytest.skip(f"no power cut: {why}")


@pytest.mark.usefixtures("powered")
def test_unsynced_sqlite_is_red(tmp_path, monkeypatch):
    """SQLite that does not wait for the disk is red when the power is cut."""
    wait = ("PRAGMA synchronous = FULL", "PRAGMA synchronous = OFF")
    mutant = planted(tmp_path, monkeypatch, "sqlite_row", *wait)
    each = cell.run(Trial(mutant, ALONE, fault="power-cut"), tmp_path / "results")
    assert each.expectation.expect == "holds"
    assert not each.as_expected, str(each.verdict)


@pytest.mark.usefixtures("powered")
def test_everysec_redis_is_red(tmp_path, monkeypatch, redis_url):
    """Redis that syncs once a second is red when the power is cut."""
    everysec = ("--appendonly", "yes", "--appendfsync", "everysec", "--save", "")
    monkeypatch.setattr(redis_module, "KEEP", everysec)
    trial = Trial("redis_key", ALONE, fault="power-cut")
    each = cell.run(trial, tmp_path, redis_url=redis_url)
    assert not each.as_expected, str(each.verdict)


def test_foreign_redis_is_left_alone(monkeypatch, capsys):
    """A Redis that is not ours is left alone."""
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    assert "REDIS_URL" in refusal(Trial("redis_key", ALONE, fault="kill-store"))
    assert refusal(Trial("redis_key", ALONE, fault="kill-worker")) is None
    trials = under_faults(VARIANTS, ALONE, Load())
    assert "kill-store" not in {each.fault for each in trials}
    said = capsys.readouterr().err.splitlines()
    assert "kill-store is not done: the Redis at REDIS_URL is not ours; unset REDIS_URL" in said
    assert not [line for line in said if "has no store" in line]


@pytest.mark.parametrize(
    ("start", "end", "struck"),
    [(0, 4, 0), (4, 6, 1), (6, 7, 1), (11, 30, 1), (21, 30, 0), (4 * HOUR, 5 * HOUR, 0)],
)
def test_only_faults_under_load_count(start, end, struck):
    """Only injections while requests are in flight count."""
    ran = [
        Operation(client=1, op="create", start=1, end=2, value=0),
        Operation(client=1, op="increment", start=5, end=9, value=1),
        Operation(client=1, op="increment", start=10, end=20, value=2),
        Operation(client=2, op="read", start=25, end=26, value=2, phase="audit"),
        # which nobody waited for that long
        Operation(client=3, op="increment", start=3 * HOUR, end=None, outcome="unknown"),
    ]
    done = [Injection("kill-worker", start, end, "worker 1")]
    assert len(cell.struck(history.frame(ran), done)) == struck


def test_trial_without_its_fault(tmp_path):
    """A trial without its fault proves nothing."""
    path = tmp_path / "h.jsonl"
    history.write(path, [Operation(client=1, op="increment", start=5, end=9, value=1)])
    trial = Trial("sqlite_row", ALONE, fault="restart")
    verdict, done = cell.judge_file(path, trial)
    assert done == ()
    assert verdict.inconclusive
    assert "it was not done while requests were in flight" in verdict.why
    assert not expected.expectation(trial).kept(verdict)


def increments(*told, boot="a"):
    """Increments of one boot, one after the other, and an audit that reads the last answer."""
    # one thread: a copy per thread would explain the answers, too
    where = {"boot": boot, "thread": 1}
    asked = [
        Operation(client=1, op="increment", start=10 * n, end=10 * n + 5, value=value, **where)
        for n, value in enumerate(told)
    ]
    end = 10 * len(told)
    read = Operation(
        client=2, op="read", start=end, end=end + 5, value=told[-1], phase="audit", **where
    )
    return history.frame([*asked, read])


@pytest.mark.parametrize(
    ("told", "faults"),
    [
        ((1, 2, 3, 1, 2), {Failure.FORGETS}),
        ((1, 2, 3, 2, 3), {Failure.FORGETS}),
        ((1, 1, 1), {Failure.FORGETS}),
        ((1, 2, 3), set()),
    ],
)
def test_restarted_count_is_forgotten(told, faults):
    """A worker that goes back to an earlier count forgot, where nothing overlapped."""
    assert judge(increments(*told)).failures == faults


def test_old_reader_may_write_back():
    """A client that read the state before the fault may have written it back."""
    told = increments(1, 2, 3, 1, 2)
    slow = Operation(client=3, op="read", start=-5, end=31, value=0, boot="a", thread=2)
    over = Operation(client=3, op="read", start=-5, end=29, value=0, boot="a", thread=2)
    assert judge(pl.concat([history.frame([slow]), told])).failures == {Failure.LOSES}
    assert judge(pl.concat([history.frame([over]), told])).failures == {Failure.FORGETS}


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["check", "plain_global", "--fault", "kill-store"], "plain_global has no store"),
        (["check", "--fault", "earthquake"], "unknown fault 'earthquake'"),
    ],
)
def test_on_the_command_line_too(command, said, tmp_path):
    run = [sys.executable, "-m", "loadtest", *command]
    root = str(SOURCES.parent)
    done = subprocess.run(
        run, cwd=tmp_path, env={"PYTHONPATH": root, "PATH": "/usr/bin:/bin"}, capture_output=True
    )
    assert done.returncode == 2
    assert said in done.stderr.decode()
    assert done.stderr.count(b"\n") == 1
    assert not list(tmp_path.iterdir())
