"""Tests that run the README's words on several machines, on addresses of this one."""

import os
import re
import shlex
import subprocess

import pytest

from loadtest import ROOT, history
from loadtest.checker import judge
from loadtest.server.guardian import guarded
from loadtest.tests.locusts import LOCUST, answers, free_port
from loadtest.tests.waiting import wait_until

pytestmark = pytest.mark.timeout(400)
SERVER, MASTER = "127.0.0.2", "127.0.0.3"


def documented():
    """Return the documented commands, as words."""
    text = (ROOT / "loadtest" / "README.md").read_text(encoding="utf-8")
    block = re.search(r"<!-- machines -->\n```\n(.*?)```", text, re.DOTALL)[1]
    lines = block.replace("\\\n", " ").splitlines()
    named = {"SERVER": SERVER, "MASTER": MASTER}
    for line in lines:
        if not line.startswith("#"):
            words = shlex.split(re.sub("SERVER|MASTER", lambda name: named[name[0]], line))
            words[0] = str(LOCUST.with_name(words[0].removeprefix(".venv/bin/")))
            yield words


def test_documented_commands(tmp_path):
    """Two locust workers load a server from machines of their own, and the master judges."""
    server, master, worker = documented()
    port, meeting = free_port(), str(free_port())
    server = [word.replace(":8000", f":{port}") for word in server]
    master = [word.replace(":8000", f":{port}") for word in master]
    env = os.environ | {"SQLITE_PATH": str(tmp_path / "state.sqlite3"), "PYTHONPATH": str(ROOT)}
    master += ["--master-bind-port", meeting, "--history", str(tmp_path / "h.jsonl")]
    with guarded(server, log=tmp_path / "server.log", env=env, cwd=ROOT):
        wait_until(lambda: answers(f"http://{SERVER}:{port}/read"))
        theirs = [tmp_path / f"worker{n}" for n in range(2)]
        logs = [folder.with_suffix(".log") for folder in theirs]
        command = [*worker, "--master-port", meeting]
        ours = [[*command, "--history", str(folder / "h.jsonl")] for folder in theirs]
        with (
            guarded(ours[0], log=logs[0], env=env, cwd=ROOT),
            guarded(ours[1], log=logs[1], env=env, cwd=ROOT),
        ):
            done = subprocess.run(
                master, cwd=ROOT, env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL
            )
    assert done.returncode == 0, done.stdout + done.stderr
    run = history.read(tmp_path / "h.jsonl")
    assert judge(run, workers=4).linearizable
    clients = {number // 1_000_000 for number in run.filter(phase="load")["client"]}
    assert clients >= {1, 2}, "both machines have asked"
