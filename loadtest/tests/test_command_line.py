"""Tests of what people type and see."""

import re
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import click
import psutil
import pytest
import requests

from loadtest import ROOT
from loadtest.commands.command_line import COMMANDS, main
from loadtest.server.redis import client, store
from loadtest.tests.locusts import free_port
from loadtest.tests.waiting import command_line, family, wait_until, wait_until_gone


def test_expected_row_is_status_0(shell, tmp_path):
    """A row as expected is status 0 and fits 80 columns."""
    done = shell("check", "locked_global")
    assert done.returncode == 0, done.stdout + done.stderr
    out = done.stdout
    assert max(map(len, out.splitlines())) <= 80
    assert "\x1b" not in out, "no color in a pipe"
    assert re.search(r"locked_global\s+✓ linearizable\s+✓ linearizable\s+✗ 4 counters", out)
    assert "Everything as expected: 4 of 4 cells." in out.splitlines()[-1]
    assert re.search(r"0 violations in [\d,]+ increments and", out)
    assert "[ 1/4] locked_global at 1×1: linearizable" in done.stderr
    latest = tmp_path / "results" / "latest"
    assert {path.name for path in latest.glob("*.jsonl")} == {
        f"locked_global-{shape}.jsonl" for shape in ("1x1", "1x8", "4x1", "4x8")
    }


def test_missing_lock_is_status_1(shell, tmp_path):
    """A lock that is not taken is status 1, and the cell is named."""
    source = (ROOT / "variants" / "locked_global.py").read_text(encoding="utf-8")
    before, increment = source.split("def increment")
    planted = before + "def increment" + increment.replace("with lock:", "if True:", 1)
    (tmp_path / "unlocked.py").write_text(planted, encoding="utf-8")
    done = shell("check", "unlocked", "--workers", "1", "--threads", "8")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "NOT AS EXPECTED: unlocked at 1×8" in done.stdout
    assert "! unexpected" in done.stdout


def test_unexpectedly_safe_is_status_1(shell, tmp_path):
    """An unsafe variant that loses nothing is status 1, too."""
    source = (ROOT / "variants" / "locked_global.py").read_text(encoding="utf-8")
    (tmp_path / "modest.py").write_text(
        source.replace("Guard: lock", "Guard: none"), encoding="utf-8"
    )
    done = shell("check", "modest", "--workers", "1", "--threads", "8")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "NOT AS EXPECTED: modest at 1×8: expected loses, found linearizable" in done.stdout


def test_unreadable_state_is_forgotten(shell, tmp_path):
    """A state that no new process can read is forgotten, whatever old ones answer."""
    source = (ROOT / "variants" / "sqlite_row.py").read_text(encoding="utf-8")
    deleted = """        if seen == 200:
            for end in ("", "-wal", "-shm"):
                os.unlink(PATH + end)
        pause()
"""
    planted = source.replace("        pause()\n", deleted, 1)
    (tmp_path / "deleted.py").write_text(planted, encoding="utf-8")
    done = shell("check", "deleted", "--workers", "1", "--threads", "1")
    assert done.returncode == 1, done.stdout + done.stderr
    assert re.search(r"✗ forgets +\n +gone ([\d,]+)/\1 *\n", done.stdout)
    assert "started after the load reads 0 increments, where the audit had" in one_line(done.stdout)


def one_line(text):
    return " ".join(text.split())


def test_short_lived_state_is_not_asked(shell):
    """A variant whose state ends with the server is not read after a restart."""
    done = shell("check", "locked_global", "--audit-after-restart")
    assert done.returncode == 2
    assert done.stderr == (
        "error: a restart is not done: locked_global says that its state ends with the server\n"
    )


def test_a_run_that_proves_nothing_is_status_2(shell):
    alone = ("--workers", "1", "--threads", "1", "--users", "1", "--duration", "0.1")
    done = shell("check", "locked_global", *alone)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "? inconclusive" in done.stdout


def test_variant_that_stays_full(shell, tmp_path):
    """A variant that cannot be made empty is one line and status 2."""
    source = (ROOT / "variants" / "plain_global.py").read_text(encoding="utf-8")
    before, increment = source.split("def increment")
    (tmp_path / "full.py").write_text(
        before.replace("= 0", "= 7") + "def increment" + increment, encoding="utf-8"
    )
    done = shell("check", "full", "--workers", "1", "--threads", "1")
    assert done.returncode == 2, done.stdout + done.stderr
    assert done.stdout == ""
    assert re.fullmatch(r"error: the load did not run: .* still has a count .*\n", done.stderr)


def test_broken_store_in_its_words(shell, tmp_path):
    """A store that cannot be used is reported in its own words."""
    source = (ROOT / "variants" / "sqlite_row.py").read_text(encoding="utf-8")
    nowhere = source.replace('os.environ.get("SQLITE_PATH", "state.sqlite3")', '"no/such/folder"')
    (tmp_path / "nowhere.py").write_text(nowhere, encoding="utf-8")
    done = shell("check", "nowhere", "--workers", "1", "--threads", "1")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "/create answered 503: SQLite cannot use the file that SQLITE_PATH names" in line
    assert "unable to open database file" in line


@pytest.mark.parametrize(
    ("arguments", "settings", "said"),
    [
        (["check", "redis"], {}, "unknown variant 'redis'; variants: plain_global, flask_g, "),
        (["serve", "nope"], {}, "unknown variant 'nope'; variants: plain_global, flask_g, "),
        (["locust", "nope"], {}, "unknown variant 'nope'; variants: plain_global, flask_g, "),
        (["serve"], {}, "name one variant, or an app of your own"),
        (["chekc"], {}, "No such command 'chekc'"),
        (["check", "--users", "0"], {}, "'--users'"),
        (["check"], {"WORKERS": "many"}, "'many' is not a valid int"),
        (["check"], {"PAUSE_MS": "-1"}, "'--pause-ms': -1.0 is not in"),
        (["check"], {"DURATION": "0"}, "'--duration': 0.0 is not in"),
        (["check"], {"DURATION": "nan"}, "'--duration': nan is no number"),
        (["serve", "flask_g"], {"PAUSE_MS": "-nan"}, "'--pause-ms': -nan is no number"),
        (["check", "redis_key"], {"REDIS_URL": "redis://127.0.0.1:1"}, "no Redis answers at"),
        (["judge", "no_such_file.jsonl"], {}, "no_such_file.jsonl"),
    ],
)
def test_typing_error_is_status_2(shell, arguments, settings, said):
    """A typing error is reported in one line with status 2."""
    done = shell(*arguments, **settings)
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


STOPPED_TWICE = """
import signal
from loadtest.commands import command_line

def main(**_):
    raise command_line.Stopped(signal.SIGTERM)

command_line.main = main
command_line.run()
signal.raise_signal(signal.SIGTERM)
"""


def test_second_signal_is_silent():
    """A second signal while a command ends prints nothing more."""
    command = [sys.executable, "-c", STOPPED_TWICE]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (128 + signal.SIGTERM, "stopped\n")


@pytest.mark.parametrize(
    ("how", "after_ms"),
    [(signal.SIGINT, 100), (signal.SIGTERM, 200), (signal.SIGHUP, 400), (signal.SIGQUIT, 1500)],
)
def test_stop_prints_one_line(start, how, after_ms):
    """A command that is stopped says so in a line, at any moment."""
    process = start("check", "locked_global")
    # Python itself has to be there to hear it; this is the last one that it is told to hear
    wait_until(lambda: hears(process.pid, signal.SIGQUIT))
    time.sleep(after_ms / 1000)
    children = left_of(process)
    for _ in range(4):
        process.send_signal(how)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (128 + how, "")
    assert [line for line in err.splitlines() if "/4]" not in line] == ["stopped"]
    wait_until_gone(children)


def hears(pid, how):
    """Return True if a process has a handler for the signal, or is gone."""
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        return True
    caught = re.search(r"SigCgt:\s*(\w+)", status.read_text())
    return int(caught[1], 16) >> (how - 1) & 1


@pytest.mark.parametrize("command", [[], ["check"], ["serve"], ["locust"], ["judge"]])
def test_help_is_given(shell, command):
    done = shell(*command, "--help")
    assert done.returncode == 0
    assert done.stdout.startswith("Usage: python -m loadtest")


def left_of(process):
    return family(process.pid)


@pytest.mark.parametrize(("how", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_stopped_check_leaves_nothing(start, how, status):
    """A check that is stopped leaves nothing behind."""
    process = start("check")
    wait_until(lambda: len(left_of(process)) >= 4 or process.poll() is not None)
    children = left_of(process)
    process.send_signal(how)
    _, err = process.communicate(timeout=30)
    assert process.returncode == status
    assert "Traceback" not in err
    wait_until_gone(children)


def test_fresh_process_ends_too(start, tmp_path):
    """The fresh process does not outlive a check that is killed."""
    source = (ROOT / "variants" / "sqlite_row.py").read_text(encoding="utf-8")
    hangs = """def read() -> int:
    import sys, time
    time.sleep(600 if sys.argv[0] == "-c" else 0)
"""
    planted = source.replace("def read() -> int:\n", hangs)
    (tmp_path / "hangs.py").write_text(planted, encoding="utf-8")
    process = start("check", "hangs", "--workers", "1", "--threads", "1")

    def asked():
        return [pid for pid in left_of(process) if b"from a new process" in command_line(pid)]

    wait_until(asked)
    children = left_of(process)
    process.kill()
    wait_until_gone(children)


def test_serve_prints_an_address(start):
    """`serve` prints an address that works, and Ctrl-C ends it."""
    port = free_port()
    process = start("serve", "locked_global", "--workers", "1", "--port", str(port))
    assert f"http://127.0.0.1:{port}" in process.stdout.readline()
    lines = [process.stdout.readline() for _ in range(5)]
    curls = [line.strip() for line in lines if "curl" in line]
    assert len(curls) == 3
    answers = [
        subprocess.run(f"{curl} --silent", shell=True, capture_output=True, text=True).stdout
        for curl in (curl.partition(" #")[0] for curl in curls)
    ]
    assert answers[:2] == ["1\n", "1\n"]
    assert "X-Worker" in answers[2]
    children = left_of(process)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert err.strip() == "stopped"
    wait_until_gone(children)


def test_serve_says_that_the_port_is_taken(shell):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        for command in ("serve", "locust"):
            done = shell(command, "locked_global", "--port", port)
            assert done.returncode == 2
            assert f"port {port} cannot be used" in done.stderr


def test_locust_prints_an_address(start):
    """`locust` prints an address that works, and Ctrl-C ends both."""
    port = free_port()
    process = start("locust", "locked_global", "--port", str(port))
    line = process.stdout.readline()
    assert f"open http://127.0.0.1:{port} " in line
    assert "Locust" in requests.get(f"http://127.0.0.1:{port}", timeout=10).text
    children = left_of(process)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert err.strip() == "stopped"
    wait_until_gone(children)


def test_password_stays_secret(start, environment, tmp_path, monkeypatch):
    """A password is in no list of processes and in no file."""
    with store(tmp_path / "redis.log") as (url, _):
        client(url).config_set("requirepass", "s3cret")
        environment["REDIS_URL"] = url.replace("unix://", "unix://:s3cret@")
        port = free_port()
        process = start("locust", "redis_key", "--port", str(port))
        assert "redis_key at 4×8: open" in process.stdout.readline()
        page = f"http://127.0.0.1:{port}"
        begun = {"user_count": "4", "spawn_rate": "100"}
        assert requests.post(f"{page}/swarm", data=begun, timeout=10).json()["success"]

        seen = set()

        def fault_is_done():
            pressed = pool.submit(
                requests.post, f"{page}/state/fault/reload", headers={"Origin": page}, timeout=60
            )
            while not pressed.done():
                for each in psutil.Process(process.pid).children(recursive=True):
                    with suppress(psutil.Error):
                        seen.add(" ".join(each.cmdline()))
            return any("loadtest.server.inject_process" in line for line in seen)

        with ThreadPoolExecutor() as pool:
            wait_until(fault_is_done)
        assert any("--web-port" in line for line in seen)
        assert not [line for line in seen if "s3cret" in line]
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
        files = [path for path in tmp_path.rglob("*") if path.is_file()]
        assert len(files) >= 3
        said = [path.read_bytes() for path in files if path.name != "redis.log"]
        assert not [text for text in (*said, out.encode(), err.encode()) if b"s3cret" in text]


def test_make_is_a_menu():
    """`make` alone is a menu, and its targets exist."""
    done = subprocess.run(["make", "-C", ROOT], capture_output=True, text=True, check=True)
    targets = re.findall(r"^  make (\S+)", done.stdout, re.MULTILINE)
    assert {"check", "<variant>", "serve-<variant>", "locust-<variant>", "test"} <= set(targets)
    assert max(map(len, done.stdout.splitlines())) <= 80
    for target in targets:
        name = target.replace("<variant>", "redis_key")
        subprocess.run(["make", "-C", ROOT, "--dry-run", name], capture_output=True, check=True)


@pytest.mark.parametrize(
    ("arguments", "reached"),
    [
        (["check", "VARIANT=x; touch P"], "check|x; touch P"),
        (["check", "VARIANT=`touch P`"], "check|`touch P`"),
        (["check", "VARIANT=$(shell touch P)$x"], "check|$(shell touch P)$x"),
        (["check"], "check"),
        (["faults", "VARIANT=x && touch P"], "faults|x && touch P"),
        (["serve-$(touch P)"], "serve|$(touch P)"),
        (["locust-x;touch P"], "locust|x;touch P"),
        (["judge", "FILE=a b.jsonl"], "judge|a b.jsonl"),
        (["diff", "A=x; touch P"], None),
        (["diff", "A=$(shell touch P)"], None),
    ],
)
def test_typed_text_arrives(tmp_path, arguments, reached):
    """Typed text reaches the program as it was typed."""
    says = tmp_path / "says"
    says.write_text('#!/bin/sh\nshift 2\nIFS="|"\necho "$*"\n')
    says.chmod(0o755)
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "run").touch()
    (tmp_path / "requirements.txt").symlink_to(ROOT / "requirements.txt")
    # which make says when it is called by another, such as `make test`
    quiet = "--no-print-directory"
    command = [
        "make",
        quiet,
        "-f",
        ROOT / "Makefile",
        *arguments,
        f"PY={says}",
        "--old-file=.venv/run",
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert not (tmp_path / "P").exists()
    if reached:
        assert done.stdout.strip() == reached
    else:
        assert f"unknown variant '{arguments[1][2:]}'" in done.stdout


def test_secret_with_a_dollar(tmp_path):
    """A secret with a dollar reaches the program as it was typed."""
    says = tmp_path / "says"
    says.write_text('#!/bin/sh\necho "$HEADERS"\n')
    says.chmod(0o755)
    typed = ["serve-app", "HEADERS=Authorization: Bearer a$b$$c", f"PY={says}"]
    command = ["make", "--no-print-directory", "-C", ROOT, *typed, "--old-file=.venv/run"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.stdout == "Authorization: Bearer a$b$$c\n", done.stderr


def test_diff_shows_differences():
    """`make diff` shows the differences between two variants."""
    done = subprocess.run(["make", "-C", ROOT, "diff"], capture_output=True, text=True, check=True)
    added = set(re.findall(r"^\+    (.+)|^\+(\w.+)", done.stdout, re.MULTILINE))
    code = {"".join(groups) for groups in added}
    assert {"from threading import Lock", "lock = Lock()", "with lock:"} <= code
    assert "Guard: lock. One thread at a time goes from read to write." in done.stdout


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["check", "WORKER=4"], "unknown setting WORKER; did you mean WORKERS?"),
        (["check", "ZEBRA=4"], "unknown setting ZEBRA "),
        (["plian_global"], "no such target; did you mean plain_global?"),
        (["json_fil"], "did you mean json_file?"),
        (["$(touch P)"], "no such target"),
        (["`touch P`"], "no such target"),
    ],
)
def test_unknown_setting_or_target(arguments, text):
    """A misspelt setting or target of make is an error that names the nearest one."""
    done = subprocess.run(["make", "-C", ROOT, *arguments], capture_output=True, text=True)
    assert done.returncode == 2
    assert text in done.stderr
    assert not (ROOT / "P").exists()


def test_ascii_output(shell):
    """An output that has only ASCII gets the table, too."""
    done = shell("check", "redis_key", "--workers", "2", PYTHONIOENCODING="ascii", NO_COLOR="1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "+ linearizable" in done.stdout
    assert "redis_key at 2x1" in done.stderr


def test_make_knows_every_setting():
    """Each setting that a command reads from its environment may be typed after make."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    settings = re.search(r"^SETTINGS := ((?:.*\\\n)*.*)$", makefile, re.MULTILINE)[1].split()
    context = click.Context(main)
    options = [option for name in COMMANDS for option in main.get_command(context, name).params]
    read = {option.envvar for option in options if option.envvar}
    assert read <= set(settings)
    assert {"WORKERS", "APP", "ROUNDS", "PORT"} <= read
