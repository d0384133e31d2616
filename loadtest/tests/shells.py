"""A shell somewhere else, in which commands are typed."""

import os
import signal
import subprocess
import sys

import pytest

from loadtest import ROOT


@pytest.fixture
def environment(redis_url):
    """Return the environment of a shell in another folder, which imports from there or ours."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return kept | {"PYTHONPATH": str(ROOT), "REDIS_URL": redis_url, "COLUMNS": "80"}


@pytest.fixture
def shell(tmp_path, environment):
    def run(*arguments, **more):
        return subprocess.run(
            [sys.executable, "-m", "loadtest", *arguments],
            cwd=tmp_path,
            env=environment | more,
            capture_output=True,
            text=True,
            timeout=100,
        )

    return run


@pytest.fixture
def start(tmp_path, environment):
    """Starts a command that goes on until it is stopped, and ends it."""
    started = []
    # what is ignored here, as under nohup, would be by what is started
    heard = [signal.SIGINT, signal.SIGHUP, signal.SIGQUIT]
    before = {how: signal.getsignal(how) for how in heard}
    for how in heard:
        if before[how] is signal.SIG_IGN:
            signal.signal(how, signal.SIG_DFL)

    def run(*arguments):
        process = subprocess.Popen(
            [sys.executable, "-u", "-m", "loadtest", *arguments],
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield run
    for how in heard:
        signal.signal(how, before[how])
    for process in started:
        process.kill()
        process.communicate()
